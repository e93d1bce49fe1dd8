//! The agent of smb-sensor, in the order in which an observation travels:
//! [`kernel`] → [`decode`] → [`flow`] (with [`owner`]) → [`detect`] (with [`exempt`] and [`terms`]) → [`alert`] (with [`threat`]) → [`output`].
//!
//! [`output`] reads the [`journal`], and so does [`listing`]. [`agent`] runs the whole and answers over [`control`]; [`enforcement`] says whether packets are dropped; [`check`] tells what a machine allows; [`replay`] takes captures instead of interfaces; [`config`] says what is wanted, [`profile`] by whose rules, and [`explain`] what that means for two addresses.

#![deny(unsafe_code)]

pub mod agent;
pub mod alert;
pub mod attack;
pub mod capture;
pub mod check;
pub mod cli;
pub mod config;
pub mod control;
pub mod decode;
pub mod detect;
pub mod dissect;
mod durable;
pub mod enforcement;
pub mod engine;
pub mod exempt;
pub mod explain;
pub mod flow;
pub mod journal;
#[expect(unsafe_code, reason = "shared memory and descriptors of the kernel program")]
pub mod kernel;
pub mod listing;
pub mod networks;
pub mod output;
pub mod owner;
pub mod pipeline;
pub mod plan;
pub mod profile;
pub mod recent;
pub mod record;
pub mod reload;
pub mod replay;
pub(crate) mod shown;
pub mod statistics;
pub mod stdout;
mod store;
pub mod terms;
pub mod threat;
mod wall_clock;
