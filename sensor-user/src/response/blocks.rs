//! The blocks in force.

use std::time::Duration;

use ipnet::IpNet;
use sensor_common::block::{BlockEntry, MAX_BLOCKS};
use sensor_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Peer, Target};
use crate::{enforcement::Now, rfc3339::rfc3339};

/// A block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// What is blocked.
    pub target: Target,
    /// When it ends, by the wall clock.
    pub until: Timestamp,
    /// When it ends, by the time since boot, which nobody sets.
    until_since_boot: Duration,
    /// When it began.
    pub since: Timestamp,
    /// Why.
    pub reason: String,
    /// Who asked for it.
    pub by: Peer,
    /// Whether its packets are counted alone.
    pub is_dry: bool,
    /// The incident that was the cause.
    pub incident: Option<String>,
    /// Packets before the last start of the agent.
    pub packets_before: u64,
    /// Its number in the kernel program.
    number: u32,
}

impl Block {
    /// A block from now on.
    #[must_use]
    pub fn new(target: Target, time: Duration, reason: String, by: Peer, now: Now) -> Self {
        Self {
            target,
            until: now.moment.at + time,
            until_since_boot: now.since_boot + time,
            since: now.moment.at,
            reason,
            by,
            is_dry: false,
            incident: None,
            packets_before: 0,
            number: 0,
        }
    }

    /// The same because of an incident; `is_dry` if packets are counted alone.
    #[must_use]
    pub fn because_of(self, incident: String, is_dry: bool) -> Self {
        Self { incident: Some(incident), is_dry, ..self }
    }

    /// Its number in the kernel program.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// What the kernel program stores for it.
    #[must_use]
    pub const fn entry(&self) -> BlockEntry {
        BlockEntry::new(self.number, self.is_dry)
    }
}

/// Why a target is not blocked.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    /// The configuration forbids it.
    #[error("{target} is not blocked: response.never_block lists {net}")]
    Never {
        /// The target.
        target: Target,
        /// What is listed.
        net: IpNet,
    },
    /// There are too many.
    #[error("no more than {} blocks are possible at a time; end one with `smb-sensor unblock`", MAX_BLOCKS - 1)]
    TooMany,
}

/// The blocks as they are stored for a restart.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StoredBlocks {
    /// The boot whose time since boot they have.
    pub boot: Option<u64>,
    /// The blocks.
    pub blocks: Vec<Block>,
}

impl StoredBlocks {
    /// Those that are not over. After another boot the wall clock decides.
    #[must_use]
    pub fn unexpired(self, boot: Option<u64>, now: Now) -> Vec<Block> {
        let is_same_boot = boot.is_some() && boot == self.boot;
        let restored = self.blocks.into_iter().map(|block| {
            if is_same_boot {
                return block;
            }
            let left = block.until.since(now.moment.at).min(block.until.since(block.since));
            Block { until_since_boot: now.since_boot + left, ..block }
        });
        restored.filter(|block| block.until_since_boot > now.since_boot).collect()
    }
}

/// The blocks in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blocks {
    all: Vec<Block>,
}

impl Blocks {
    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[Block] {
        &self.all
    }

    /// Networks whose packets have to be looked up.
    #[must_use]
    pub fn marked(&self) -> Vec<IpNet> {
        self.all.iter().map(|block| block.target.marked()).collect()
    }

    /// The block of this target.
    #[must_use]
    pub fn of(&self, target: &Target) -> Option<&Block> {
        self.all.iter().find(|block| block.target == *target)
    }

    /// Adds a block, in place of one of the same target; returns it with its number.
    ///
    /// # Errors
    /// [`Refusal`]; nothing changed then.
    pub fn add(&mut self, mut block: Block, never: &[IpNet]) -> Result<Block, Refusal> {
        let target = block.target;
        if let Some(net) = never.iter().copied().find(|net| target.overlaps(*net)) {
            return Err(Refusal::Never { target, net });
        }
        let is_free = |number: &u32| self.all.iter().all(|one| one.number != *number);
        let number = match self.of(&target) {
            Some(known) => known.number,
            None => (1..MAX_BLOCKS).find(is_free).ok_or(Refusal::TooMany)?,
        };
        block.number = number;
        self.all.retain(|one| one.target != target);
        self.all.push(block.clone());
        Ok(block)
    }

    /// Removes the block of a target.
    pub fn remove(&mut self, target: &Target) -> Option<Block> {
        let at = self.all.iter().position(|block| block.target == *target)?;
        Some(self.all.remove(at))
    }

    /// The targets whose time is over.
    #[must_use]
    pub fn expired(&self, now: Now) -> Vec<Target> {
        let over = self.all.iter().filter(|block| block.until_since_boot <= now.since_boot);
        over.map(|block| block.target).collect()
    }

    /// The targets that a list forbids.
    #[must_use]
    pub fn forbidden(&self, never: &[IpNet]) -> Vec<Target> {
        let targets = self.all.iter().map(|block| block.target);
        targets.filter(|target| never.iter().any(|net| target.overlaps(*net))).collect()
    }
}

/// One line about a block, with its packets.
#[must_use]
pub(crate) fn line(block: &Block, packets: u64) -> String {
    let counted = if block.is_dry { "would have been dropped (dry run)" } else { "dropped" };
    let incident = block.incident.as_ref().map(|id| format!(", incident {id}")).unwrap_or_default();
    format!(
        "{} until {}: {packets} packets {counted}; by {}, {}{incident}",
        block.target,
        rfc3339(block.until),
        block.by,
        block.reason.escape_debug()
    )
}

#[cfg(test)]
mod tests {
    use sensor_core::time::Moment;

    use super::*;

    fn at(seconds: u64) -> Now {
        Now {
            moment: Moment { at: Timestamp::from_unix_seconds(seconds as i64), ticks: 0 },
            since_boot: Duration::from_secs(seconds),
        }
    }

    fn block(target: &str, seconds: u64) -> Block {
        let target = target.parse().unwrap();
        Block::new(target, Duration::from_secs(seconds), "a test".into(), Peer::Agent, at(100))
    }

    #[test]
    fn never_block_list_comes_first() {
        let mut blocks = Blocks::default();
        let never = ["8.8.4.4/32".parse().unwrap()];
        let refused = blocks.add(block("8.8.4.0/24", 60), &never).unwrap_err();
        assert!(refused.to_string().contains("never_block lists 8.8.4.4/32"), "{refused}");
        blocks.add(block("8.8.5.0/24", 60), &never).unwrap();
        assert!(blocks.forbidden(&never).is_empty());
        assert_eq!(blocks.forbidden(&["8.8.5.1/32".parse().unwrap()]).len(), 1);
    }

    #[test]
    fn numbers_are_used_again() {
        let mut blocks = Blocks::default();
        for one in 1..MAX_BLOCKS {
            assert_eq!(blocks.add(block(&format!("9.9.9.{one}"), 60), &[]).unwrap().number(), one);
        }
        assert_eq!(blocks.add(block("8.8.8.8", 60), &[]).unwrap_err(), Refusal::TooMany);
        assert_eq!(blocks.add(block("9.9.9.7", 90), &[]).unwrap().number(), 7, "a block that is prolonged");
        blocks.remove(&"9.9.9.9".parse().unwrap()).unwrap();
        assert_eq!(blocks.add(block("8.8.8.8", 60), &[]).unwrap().number(), 9);
    }

    #[test]
    fn block_ends_by_the_time_since_boot() {
        let mut blocks = Blocks::default();
        blocks.add(block("8.8.8.8", 60), &[]).unwrap();
        let mut set_forward = at(159);
        set_forward.moment.at = Timestamp::from_unix_seconds(1_000_000);
        assert!(blocks.expired(set_forward).is_empty());
        assert_eq!(blocks.expired(at(160)).len(), 1);
    }

    #[test]
    fn block_survives_a_restart_and_a_boot_until_it_is_over() {
        let stored = StoredBlocks { boot: Some(1), blocks: vec![block("8.8.8.8", 60)] };
        let left = |boot, now| stored.clone().unexpired(boot, now).len();
        assert_eq!((left(Some(1), at(159)), left(Some(1), at(160))), (1, 0));
        let mut booted = at(5);
        booted.moment.at = Timestamp::from_unix_seconds(159);
        assert_eq!(left(Some(2), booted), 1);
        booted.moment.at = Timestamp::from_unix_seconds(160);
        assert_eq!(left(Some(2), booted), 0);
        booted.moment.at = Timestamp::from_unix_seconds(0);
        let again = stored.clone().unexpired(Some(2), booted);
        assert_eq!(again[0].until_since_boot, Duration::from_secs(65), "never longer than it was to last");
    }
}
