//! Responses to an incident: blocks, a program that is run, and verdicts of people.
//!
//! Takes commands and incidents, gives the blocks for the kernel program and the entries of the journal of responses. It decides
//! nothing about evidence.

mod blocks;
mod duration;
mod entry;
pub mod exec;
mod peer;
mod target;
pub mod verdict;

pub(crate) use self::{blocks::line, duration::duration};
pub use self::{
    blocks::{Block, Blocks, Refusal, StoredBlocks},
    entry::{Entry, EntryAction},
    peer::Peer,
    target::Target,
    verdict::{Author, Verdict, VerdictEntry},
};
