//! Sessions of real clients with real servers, each across the border and again internally: the result of the first is
//! known exactly, and the second has none.
#![expect(clippy::unwrap_used, reason = "functions shared by tests fail as tests do")]

mod apart;
mod credentials;
mod dialects;
mod encrypted;
mod expected;
mod foreign_servers;
mod inbound;
mod listing;
mod places;
mod sessions;
mod split;
mod stage;
mod unfinished;
mod volume;
