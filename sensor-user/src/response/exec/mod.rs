//! A program that is run for an incident, as configured: `[response] exec`.
//!
//! [`ExecQueue`] takes documents of incidents where they are made and never waits. A thread of its own runs the program, with
//! bounds in time, number and rate, and gives an [`ExecRun`] for each run. What the program may do is settled in
//! [`Identity`] and [`program`].

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
