//! The end of quota windows, of connections, and of the run.

use super::Core;
use crate::{
    address::FiveTuple,
    event::{Event, FlowSummary},
    exempt::Question,
    incident::{Link, QuotaSummary},
    time::{Moment, Timestamp},
    view::FlowView,
};

/// Summaries of connections in a second at most, so that a flood costs no more than the sensor can do.
const MAX_SUMMARIES: u64 = 1_000;

/// Counts the summaries of the present second.
#[derive(Debug, Default)]
pub(super) struct SummaryLimit {
    second: i64,
    given: u64,
    pub(super) left_out: u64,
}

impl SummaryLimit {
    fn admit(&mut self, now: Timestamp) -> bool {
        let second = now.unix_nanos() / 1_000_000_000;
        if second != self.second {
            (self.second, self.given) = (second, 0);
        }
        let admitted = self.given < MAX_SUMMARIES;
        if admitted {
            self.given += 1;
        } else {
            self.left_out += 1;
        }
        admitted
    }
}

impl Core {
    /// Windows of the quota are over: connections that spoke SMB and were held back by them are looked at again.
    pub(super) fn end_windows(&mut self, summaries: Vec<QuotaSummary>, now: Timestamp, out: &mut Vec<Event>) {
        if summaries.is_empty() {
            return;
        }
        out.extend(summaries.into_iter().map(Event::Quota));
        for tuple in std::mem::take(&mut self.held_back) {
            self.change(&tuple, now, out);
        }
    }

    /// The kernel program continues to count, and the next run continues with every connection as it is.
    pub(super) fn pause(&mut self, now: Timestamp, out: &mut Vec<Event>) {
        self.decide_all_alone(now, out);
        self.flows.report_open(&mut self.changes);
        self.settle_changes(now, out);
        let summaries = self.book.end_windows(now);
        self.end_windows(summaries, now, out);
        self.settle_changes(now, out);
        let mut written = Vec::new();
        self.book.finish(now, true, &mut written);
        out.extend(written.into_iter().map(Event::from));
    }

    pub(super) fn end(&mut self, kept: bool, now: Moment, out: &mut Vec<Event>) {
        self.decide_all_alone(now.at, out);
        // Those that wait for the end of a window of the quota come after the others, which the window holds back to its end.
        self.flows.drain_unless(|link| link.waits || kept && link.incident.is_some(), &mut self.changes);
        self.settle_changes(now.at, out);
        let summaries = self.book.end_windows(now.at);
        self.end_windows(summaries, now.at, out);
        if kept {
            // What belongs to an incident is saved and goes on; of the others nothing is kept.
            self.flows.drain_unless(|link| link.incident.is_some(), &mut self.changes);
        } else {
            self.flows.drain(&mut self.changes);
        }
        self.settle_changes(now.at, out);
        let mut written = Vec::new();
        self.book.finish(now.at, kept, &mut written);
        out.extend(written.into_iter().map(Event::from));
    }

    /// A connection of the table is over.
    pub(super) fn summarise(&mut self, tuple: &FiveTuple, now: Timestamp, out: &mut Vec<Event>) {
        let summary = self.with_entry(tuple, |core, view, link| core.summary(view, link, now));
        out.extend(summary.flatten());
    }

    pub(super) fn summary(&mut self, view: &FlowView<'_>, link: &Link, now: Timestamp) -> Option<Event> {
        if !self.settings.flow_summaries || !self.summaries.admit(now) {
            return None;
        }
        let question = Question::of(view);
        let exemption = link.exempt.then(|| self.exemptions.covering(&question, now)).flatten();
        let exemption = exemption.map(|exemption| exemption.id.clone());
        Some(Event::Flow(Box::new(FlowSummary::of(view, exemption, link.incident))))
    }
}
