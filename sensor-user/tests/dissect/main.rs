//! The dissector over recorded traffic: the expected facts, and no harm from any change to it.
#![expect(clippy::unwrap_used, reason = "functions shared by tests fail as tests do")]

mod agreed;
mod attacker;
mod corpus;
mod cut;
mod golden;
mod mutated;
mod netbios;
mod partial;
mod pieces;
