//! Random frames and random prefix sets before three judges: the kernel's program, the same path on the host, and an
//! oracle that shares no code with them.
//!
//! [`run`] goes round by round; each round has its own engines, [`options`] and seed, so that what disagrees is found
//! again by its round. A disagreement is told with a fixture of it, and the fixtures are run with every test.

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
pub use run::{Order, recorded_frames, run};
pub use tally::Tally;
