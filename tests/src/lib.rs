//! What the tests of the whole share: the agent, started in a namespace of the laboratory.

mod agent;

pub use agent::{Agent, AgentBuilder, Ended, text};
