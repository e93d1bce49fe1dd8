//! Prefixes with flags: internal, reserved, exempt, listed.
//!
//! Takes the configuration's lists and the built-in tables, gives the flattened set for the kernel's tries and the host
//! engine.

mod defaults;
mod embedded;
mod flatten;
mod lengths;
mod tables;

#[cfg(test)]
pub(crate) mod fixtures;

pub use defaults::{BuiltIn, DEFAULT_INTERNAL, RESERVED, Registry};
pub use embedded::{inner, inner_ipv4};
pub use flatten::PrefixSet;
pub use lengths::PrefixLengths;
pub use tables::{Capacity, Tables};
