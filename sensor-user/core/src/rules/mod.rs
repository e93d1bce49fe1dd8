pub mod departure;
pub mod limits;
mod meta;
pub use meta::{Finding, History, Logons, Relayed, Rule, RuleMeta};
