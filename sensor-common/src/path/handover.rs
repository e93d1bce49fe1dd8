//! The stream of a side whose packets come to several CPUs, each with a slot of its own: a CPU goes on where the one before it stopped.
//!
//! The slots of a flow have the same index on every CPU. For each side, all CPUs share the number of the one that looked at the stream
//! last. Another CPU that is to look at a packet takes over what that one knows: where the next message begins, which of its bytes
//! were seen, and what is still awaited. Packets of one direction are seen one after the other, also where they are seen on several
//! CPUs. If two CPUs look at the same moment, one of them may go on with what the other knew before.

use super::{
    Environment,
    place::{self, of_side},
};
use crate::{
    flow::Packet,
    payload::Content,
    slot::{PAST_SET_UP, PartialHeader, Slot, bit, tcp, unfollowed},
};

/// Entries of the table of CPUs; a power of two. An entry is the number of a CPU and 1, or 0 where none has looked. Streams may share
/// one: then a CPU may not find the other one.
pub const READERS: usize = 1 << 14;

/// The entry for the stream of a side in the slot with this index.
#[inline(always)]
const fn entry(slot: u32, side: u8) -> usize {
    (slot << 1 | (side & 1) as u32) as usize & (READERS - 1)
}

/// This CPU saw the SYN of a stream, so it knows where that begins.
#[inline(always)]
pub(super) fn note_syn<E: Environment>(env: &mut E, slot: u32, packet: &Packet) {
    if packet.tcp_flags & tcp::SYN != 0 {
        env.becomes_reader(entry(slot, packet.side as u8), packet.cpu.wrapping_add(1));
    }
}

/// Takes over what another CPU knows of the stream of a packet, if it looked at it last.
#[inline(always)]
pub(super) fn take_over<E: Environment>(env: &mut E, slot: &mut Slot, content: &mut Content) {
    let own = env.cpu().wrapping_add(1);
    let last = env.becomes_reader(entry(content.slot, content.side), own);
    if last != own
        && last != 0
        && let Some(other) = env.slot(last - 1, content.slot)
        && other.is_of_flow_of(slot)
    {
        go_on(slot, &other, content);
    }
}

/// Goes on where another slot of the same flow stopped, unless this one is further.
#[inline(always)]
fn go_on(slot: &mut Slot, other: &Slot, content: &mut Content) {
    let side = content.side;
    let at = usize::from(side & 1);
    let known = of_side(bit::PLACED | bit::LOST, side);
    let was_known = slot.line.kind & known != 0;
    if other.line.kind & known == 0 {
        // It may have seen the SYN, and nothing else.
        if !was_known && other.line.tcp_flags[at] & tcp::SYN != 0 {
            let first = other.stream.initial_sequence[at].wrapping_add(1);
            content.first = content.holds(first) as u8;
            place::begin(slot, side, first);
        }
        return;
    }
    let place = &other.stream.place[at];
    if was_known && (place.next.wrapping_sub(slot.stream.place[at].next) as i32) < 0 {
        return;
    }
    place::begin(slot, side, place.begins());
    slot.stream.place[at] = *place;
    slot.stream.wanted[at] = other.stream.wanted[at];
    let bits = of_side(bit::OF_LOCAL, side);
    slot.line.kind ^= (slot.line.kind ^ other.line.kind) & bits;
    slot.details.content |= other.details.content & PAST_SET_UP;
    let open = of_side(unfollowed::GAP_OF_LOCAL, side);
    let missed = other.details.unfollowed & (open | unfollowed::GAP_LEFT);
    slot.details.unfollowed = slot.details.unfollowed & !open | missed;
    // There is room for one header.
    if other.stream.partial.of & PartialHeader::SIDE == side + 1 {
        slot.stream.partial = other.stream.partial;
    } else if slot.stream.partial.of & PartialHeader::SIDE == side + 1 {
        slot.stream.partial.of = 0;
    }
}
