//! The agent of smb-sensor: everything around the decisions, which are in [`sensor_core`].
//!
//! [`kernel`] loads the kernel program and reads its ring and slots; [`pipeline`] passes them to the core; [`output`] renders the
//! core's events as documents ([`ecs`]) and passes them to the [`storage`], from where [`sinks`] deliver them. [`agent`] runs
//! everything and answers over [`control`]; [`replay`] takes captures instead of interfaces; [`config`] reads the configuration,
//! and [`explain`] shows its effect on two addresses.

#![deny(unsafe_code)]

pub mod agent;
pub mod alerts;
mod arguments;
pub mod assets;
pub mod capture;
pub mod check;
pub mod cli;
mod columns;
pub mod completion;
pub mod config;
pub mod control;
pub mod detach;
mod durable;
pub mod ecs;
pub mod enforcement;
pub mod engine;
pub mod enrich;
pub mod exempt;
pub mod explain;
pub mod exposure;
pub mod fingerprint_key;
pub mod fleet;
pub mod health;
pub mod hosts;
pub mod http;
pub mod init;
#[expect(unsafe_code, reason = "shared memory and descriptors of the kernel program")]
pub mod kernel;
pub mod latency;
pub mod manual;
pub mod names;
pub mod output;
pub mod owner;
mod parse;
pub mod pipeline;
pub mod plan;
pub mod record;
pub mod reload;
pub mod replay;
pub mod report;
pub mod response;
pub mod rfc3339;
pub mod runtime;
pub mod shared_terms;
pub mod sinks;
pub mod state;
pub mod statistics;
pub mod status;
pub mod stdout;
pub mod storage;
pub mod threat;
pub mod top;
pub mod verdicts;
mod wall_clock;
