//! The groups of rows, one file each. Each takes the effort, sets up its environment and gives its rows.

pub(crate) mod commit;
pub(crate) mod core;
pub(crate) mod idle;
pub(crate) mod latency;
pub(crate) mod live;
pub(crate) mod lookup;
pub(crate) mod outputs;
pub(crate) mod page;
pub(crate) mod quic;
pub(crate) mod replay;
pub(crate) mod ring;
pub(crate) mod tc;
pub(crate) mod xdp;
