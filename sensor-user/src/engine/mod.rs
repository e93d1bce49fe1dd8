//! Engines that run the packet path without an interface.

pub mod host;
