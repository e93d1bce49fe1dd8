//! The dissector over recorded traffic: what it must find there, and that nothing made of it does harm.
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
