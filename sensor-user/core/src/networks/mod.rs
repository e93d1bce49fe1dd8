//! What is internal, what is reserved, what is exempt: prefixes with flags.
//!
//! Takes the configuration's lists and the built-in tables, gives the flattened set that the kernel's tries hold and
//! that the host engine looks up.

mod defaults;
mod embedded;
mod flatten;
mod tables;

#[cfg(test)]
pub(crate) mod fixtures;

pub use defaults::{BuiltIn, DEFAULT_INTERNAL, RESERVED};
pub use embedded::{inner, inner_ipv4};
pub use flatten::PrefixSet;
pub use tables::{Capacity, Tables};
