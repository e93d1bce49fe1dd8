//! Blocks while the agent runs: commands, expiry, storage and the journal.

use std::time::Duration;

use anyhow::{Context as _, Result};
use tracing::{info, warn};

use super::Sensor;
use crate::{
    config::{AutoBlock, Config},
    enforcement::Now,
    kernel::object::KernelProgram,
    plan,
    response::{Block, Blocks, Entry, EntryAction, Peer, StoredBlocks, Target, line},
    runtime::Lease,
};

/// Most pairs of addresses of one incident that are blocked.
const MAX_PAIRS: usize = 4;

impl Sensor {
    /// Blocks a target; returns a line about it, or why not.
    pub(super) fn block(&mut self, block: Block, now: Now) -> Result<String, String> {
        let mut blocks = self.blocks.clone();
        let block =
            blocks.add(block, &self.config.response.never_block).map_err(|refused| refused.to_string())?;
        let is_put = self.kernel.blocks.insert(&block.target.key(), block.entry());
        is_put
            .map_err(|error| format!("the kernel does not accept the block of {}: {error}", block.target))?;
        let before = std::mem::replace(&mut self.blocks, blocks);
        if let Err(error) = self.mark_blocked(now) {
            self.blocks = before;
            // Without the mark no packet finds it, and the entry is taken out again.
            let _ = self.kernel.blocks.remove(&block.target.key());
            return Err(error);
        }
        self.lease.block(true, now).map_err(|error| error.to_string())?;
        let text = format!("blocked {}", line(&block, 0));
        warn!("{text}");
        self.journal(EntryAction::Blocked, &block, block.by.clone(), 0, now);
        self.save_blocks(now);
        Ok(text)
    }

    /// Ends a block; returns a line about it, or why not.
    pub(super) fn unblock(&mut self, target: Target, by: Peer, now: Now) -> Result<String, String> {
        self.end_block(target, EntryAction::Unblocked, by, now).unwrap_or_else(|| {
            Err(format!("{target} is not blocked; `smb-sensor block --list` lists the blocks"))
        })
    }

    /// The blocks in force, one line each.
    pub(super) fn block_lines(&self) -> String {
        match self.blocks.all() {
            [] => "nothing is blocked".to_owned(),
            all => all.iter().map(|block| line(block, self.packets(block))).collect::<Vec<_>>().join("\n"),
        }
    }

    /// Once a second: blocks the pairs of incidents that became critical, if that is configured.
    pub(super) fn respond(&mut self) -> Result<()> {
        let incidents = self.pipeline.take_critical();
        let options = &self.config.response;
        if options.auto_block == AutoBlock::Off || incidents.is_empty() {
            return Ok(());
        }
        let (time, is_dry) = (Duration::from_secs(options.auto_block_for), options.dry_run);
        let now = self.enforcement_now()?;
        for incident in incidents {
            let pairs = incident
                .internal
                .iter()
                .flat_map(|internal| {
                    incident.external.iter().map(|external| Target::between(*internal, *external))
                })
                .take(MAX_PAIRS);
            for target in pairs {
                // What somebody asked for stays as it is.
                if self.blocks.of(&target).is_some() {
                    continue;
                }
                let block = Block::new(target, time, incident.message.clone(), Peer::Agent, now);
                if let Err(error) = self.block(block.because_of(incident.id.to_string(), is_dry), now) {
                    warn!("incident {}: {error}", incident.id);
                }
            }
        }
        Ok(())
    }

    /// Once a second: ends blocks whose time is over, or that a new configuration forbids.
    pub(super) fn tend_blocks(&mut self) -> Result<()> {
        let now = self.enforcement_now()?;
        for target in self.blocks.expired(now) {
            if let Some(Err(error)) = self.end_block(target, EntryAction::BlockExpired, Peer::Agent, now) {
                warn!("{error}");
            }
        }
        for target in self.blocks.forbidden(&self.config.response.never_block) {
            warn!("response.never_block lists {target} now");
            if let Some(Err(error)) = self.end_block(target, EntryAction::Unblocked, Peer::Agent, now) {
                warn!("{error}");
            }
        }
        Ok(())
    }

    /// `None` if there is no such block.
    fn end_block(
        &mut self,
        target: Target,
        action: EntryAction,
        by: Peer,
        now: Now,
    ) -> Option<Result<String, String>> {
        let block = self.blocks.of(&target)?.clone();
        if let Err(error) = self.kernel.blocks.remove(&target.key()) {
            return Some(Err(format!("the kernel does not end the block of {target}: {error}")));
        }
        let packets = self.packets(&block);
        self.blocks.remove(&target);
        // No packet is dropped any more, whether or not it is still looked up.
        if let Err(error) = self.mark_blocked(now) {
            warn!("{error}");
        }
        if self.blocks.all().is_empty()
            && let Err(error) = self.lease.block(false, now)
        {
            warn!("{error}");
        }
        let text = format!("no longer blocked: {}", line(&block, packets));
        warn!("{text}");
        self.journal(action, &block, by, packets, now);
        self.save_blocks(now);
        Some(Ok(text))
    }

    /// Marks the blocked addresses in the kernel's prefixes.
    fn mark_blocked(&mut self, now: Now) -> Result<(), String> {
        let config = self.config.clone();
        self.put_prefixes(&config, now.moment).map(|_| ()).map_err(|error| error.to_string())
    }

    pub(super) fn packets(&self, block: &Block) -> u64 {
        block.packets_before + self.kernel.blocks.packets(block.number()).unwrap_or_default()
    }

    pub(super) fn save_blocks(&mut self, now: Now) {
        let mut blocks = self.blocks.all().to_vec();
        for block in &mut blocks {
            block.packets_before = self.packets(block);
        }
        self.pipeline.save_blocks(StoredBlocks { boot: self.boot, blocks }, now.moment);
    }

    fn journal(&mut self, action: EntryAction, block: &Block, by: Peer, packets: u64, now: Now) {
        let entry = Entry {
            at: now.moment.at,
            action,
            target: block.target,
            by,
            reason: block.reason.clone(),
            since: block.since,
            until: block.until,
            is_dry: block.is_dry,
            packets,
            incident: block.incident.clone(),
        };
        self.pipeline.journal(entry, now.moment);
    }
}

/// Puts the blocks of an earlier run into force; to be done before packets are watched.
///
/// # Errors
/// If the kernel does not accept them.
pub(super) fn restored(
    stored: StoredBlocks,
    boot: Option<u64>,
    config: &Config,
    kernel: &mut KernelProgram,
    lease: &Lease,
    now: Now,
) -> Result<Blocks> {
    let mut blocks = Blocks::default();
    for block in stored.unexpired(boot, now) {
        let target = block.target;
        match blocks.add(block, &config.response.never_block) {
            Ok(block) => kernel
                .blocks
                .insert(&target.key(), block.entry())
                .with_context(|| format!("cannot block {target} again"))?,
            Err(refused) => warn!("{refused}"),
        }
    }
    if !blocks.all().is_empty() {
        kernel.prefixes.put(&plan::prefixes_with(&config.at(now.moment.at), &blocks.marked()))?;
        lease.block(true, now)?;
        info!("{} blocks of the last run are in force again", blocks.all().len());
    }
    Ok(blocks)
}

/// A block that somebody asked for.
pub(super) fn asked(target: Target, seconds: u64, reason: String, by: Peer, now: Now) -> Block {
    Block::new(target, Duration::from_secs(seconds), reason, by, now)
}
