//! All receivers, fed in turns.

use std::{cell::RefCell, collections::BTreeMap};

use anyhow::{Context as _, Result};

use crate::{
    effort::Effort,
    feed::{Feed, Sent},
    samples::{Interleaved, Samples, Subject},
    stand::Stand,
};

/// Rounds before those that count.
const WARM_UP: usize = 2;

/// The stand of a receiver, or why it has none.
pub(super) type Receiver<'a> = Result<&'a Stand, String>;

/// Frames that receivers took.
pub(super) struct Turns {
    rates: Interleaved,
    totals: BTreeMap<&'static str, Total>,
}

/// All frames sent to one receiver, including the first rounds.
#[derive(Clone, Copy, Debug, Default)]
struct Total {
    sent: u64,
    received: u64,
}

impl Turns {
    /// Feeds `frame` to each receiver in turns.
    pub(super) fn measure(
        effort: &Effort,
        feed: &Feed,
        receivers: &[(&'static str, Receiver<'_>)],
        frame: &[u8],
    ) -> Result<Self> {
        let totals = RefCell::new(BTreeMap::<&'static str, Total>::new());
        let subjects = receivers.iter().filter_map(|(name, stand)| {
            let (name, stand, totals) = (*name, stand.as_ref().ok()?, &totals);
            Some(Subject::new(name, move || {
                let sent = feed.send(stand, frame, effort.live_packets)?;
                let mut totals = totals.borrow_mut();
                totals.entry(name).or_default().add(effort.live_packets, sent);
                Ok(sent.millions_per_second())
            }))
        });
        let rates = Interleaved::measure(subjects.collect(), WARM_UP, effort.live_rounds)?;
        Ok(Self { rates, totals: totals.into_inner() })
    }

    /// Millions of packets a second of one receiver, round by round.
    pub(super) fn rates(&self, name: &str) -> Result<&Samples> {
        self.rates.of(name).with_context(|| format!("{name} was not measured"))
    }

    /// Frames that a receiver's interface took.
    pub(super) fn received(&self, name: &str) -> u64 {
        self.totals.get(name).map_or(0, |total| total.received)
    }

    /// Frames that a receiver's full queue dropped before any program.
    pub(super) fn refused(&self, name: &str) -> u64 {
        self.totals.get(name).map_or(0, |total| total.sent - total.received)
    }
}

impl Total {
    fn add(&mut self, packets: u32, sent: Sent) {
        self.sent += u64::from(packets);
        self.received += sent.received;
    }
}
