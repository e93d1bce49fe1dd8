//! The conversation reader over recorded traffic: what it must find there, and that nothing made of it does harm.

mod agreed;
mod attacker;
mod corpus;
mod cut;
mod golden;
mod mutated;
mod partial;
