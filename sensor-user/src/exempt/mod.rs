//! Exemptions as commands add, list and test them. [`sensor_core::exempt`] defines their meaning.

pub mod added;
mod arguments;
mod command;
mod entered;
mod listing;
mod lock;
mod when;

pub use sensor_core::exempt::{Added, End, Exemption, Exemptions, Hit, Question, Spoken, next_expiry};

pub(crate) use self::when::day;
pub use self::{
    arguments::ExemptArgs,
    command::run,
    when::{expiry, expiry_or_duration},
};
