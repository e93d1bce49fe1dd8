//! What the tests of the whole share: the agent, started in a namespace of the laboratory, and traffic for it.

mod agent;
mod attached;
mod document;
mod traffic;

pub use agent::{Agent, AgentBuilder, PATIENCE, Refusal};
pub use attached::{attached, still_loaded};
pub use document::{Ended, documents_of, number, tells, text, texts};
pub use traffic::{SMB2_MESSAGE, connect, echo, session_of, smb_session, syn_frame};
