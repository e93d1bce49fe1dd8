//! Exemptions as commands add, list and test them. [`sensor_core::exempt`] defines their meaning.

pub mod added;
mod arguments;
mod command;
mod entered;
mod listing;
mod lock;
pub mod shared;

pub use sensor_core::exempt::{Added, End, Exemption, Exemptions, Hit, Question, Spoken, next_expiry};

pub use self::{added::with_added, arguments::ExemptArgs, command::run};
pub(crate) use self::{
    arguments::AddArgs,
    command::add,
    entered::{Entered, entered},
    listing::one as listed,
};
