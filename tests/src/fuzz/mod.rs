//! Random frames and random prefix sets for three implementations: the kernel's program, the same path on the host, and an
//! oracle that shares no code with them.
//!
//! [`run`] works in rounds; each round has its own engines, [`options`] and seed, so that a disagreement can be
//! repeated by its round. A disagreement is reported with a fixture, and every test run repeats the fixtures.

pub mod address;
pub mod fixture;
mod generate;
mod mutate;
pub mod options;
pub mod oracle;
pub mod prefixes;
mod run;
mod talk;
mod tally;
pub mod trial;

pub use generate::Generator;
pub use mutate::mutate;
pub use run::{FuzzPlan, recorded_frames, run};
pub use tally::Tally;
