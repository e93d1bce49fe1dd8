//! Prefix flags of an address: from the tables on its top bits if they decide, otherwise from the trie.

use super::Environment;
use crate::{
    classify::embedded_ipv4,
    headers::Address,
    prefix::PrefixFlags,
    topbits::{Answer, Top, place_in_leaf, place_v4, place_v6},
};

/// Flags of an address.
#[inline(always)]
pub fn flags_of<E: Environment>(env: &E, view: E::View, family: u8, address: &Address) -> PrefixFlags {
    if family == 4 { flags_v4(env, view, address[3]) } else { flags_v6(env, view, address) }
}

/// The answer of the tables for an address, without a look into leaf or trie.
#[inline(always)]
pub(super) fn answer_of<E: Environment>(env: &E, view: E::View, family: u8, address: &Address) -> Answer {
    if family == 4 { answer_v4(env, view, address[3]) } else { answer_v6(env, E::number(view), address) }
}

#[inline(always)]
fn answer_v4<E: Environment>(env: &E, view: E::View, address: u32) -> Answer {
    let (word, shift) = place_v4(u32::from_be(address));
    Answer::from_bits(env.table_v4(view, word) >> shift)
}

#[inline(always)]
fn answer_v6<E: Environment>(env: &E, view: u32, address: &Address) -> Answer {
    let (top, word, shift) = place_v6(address);
    match Top::from_entry(env.top_v6(view, top)) {
        Top::Uniform(answer) => answer,
        Top::Block(block) => Answer::from_bits(env.block_v6(view, block, word) >> shift),
    }
}

#[inline(always)]
fn flags_v4<E: Environment>(env: &E, view: E::View, address: u32) -> PrefixFlags {
    match answer_v4(env, view, address).flags() {
        Some(flags) => flags,
        None => deeper_v4(env, E::number(view), address),
    }
}

/// The leaf's answer for an address in a mixed /24, or the trie's.
#[inline(never)]
fn deeper_v4<E: Environment>(env: &E, view: u32, address: u32) -> PrefixFlags {
    let (word, shift) = place_in_leaf(u32::from_be(address));
    match Answer::from_bits(env.leaf_v4(view, u32::from_be(address) >> 8, word) >> shift).flags() {
        Some(flags) => flags,
        None => env.walk_v4(view, address),
    }
}

#[inline(always)]
fn flags_v6<E: Environment>(env: &E, view: E::View, address: &Address) -> PrefixFlags {
    let view = E::number(view);
    match answer_v6(env, view, address).flags() {
        Some(flags) => flags,
        None => walk_wide(env, view, address),
    }
}

/// The trie's answer for an IPv6 address, combined with that for the IPv4 address inside it.
#[inline(never)]
fn walk_wide<E: Environment>(env: &E, view: u32, address: &Address) -> PrefixFlags {
    let flags = env.walk_v6(view, address);
    match embedded_ipv4(address) {
        Some(inner) => flags.with_embedded(env.walk_v4(view, inner)),
        None => flags,
    }
}
