//! A program that is run for an incident, as configured: `[response] exec`.
//!
//! [`ExecQueue`] takes documents of incidents and never waits. A thread of its own runs the program, with bounds in time, number
//! and rate, and gives an [`ExecRun`] for each run. [`Identity`] decides its user and privileges, and [`program`] whether it may
//! run.

mod identity;
mod limits;
mod program;
mod rate_limit;
mod run;
#[cfg(test)]
mod tests;
mod worker;

pub use self::{
    identity::Identity,
    limits::ExecOptions,
    program::problem,
    run::{ExecResult, ExecRun},
    worker::{ExecQueue, Job, Stop, start},
};
