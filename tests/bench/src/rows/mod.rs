//! The groups of rows, one file each. Each takes the effort, sets up what it needs and gives its rows.

pub(crate) mod tc;
pub(crate) mod xdp;
