//! The statistics line: packets and their outcomes, in numbers that add up.

use std::fmt;

use sensor_common::counter::Counter;

use sensor_core::{CoreCounts, flow::QuicCounts};

use crate::{kernel::counters::CounterValues, response::exec::ExecResult, runtime::logging};

/// Counts of documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputCounts {
    /// Documents that were made.
    pub documents: u64,
    /// Documents that are not in the store yet.
    pub unsaved: u64,
    /// Documents that the store never accepted, and that did not fit into memory.
    pub dropped: u64,
    /// Documents that the store could not read from a damaged database, or refused.
    pub lost: u64,
    /// Documents that the store removed as too old or too many.
    pub expired: u64,
    /// Of these, documents that the output had not delivered.
    pub expired_waiting: u64,
    /// Documents that the output delivered.
    pub written: u64,
    /// Documents that wait for the output.
    pub waiting: u64,
    /// Batches that the store refused at first; they waited and were passed on again.
    pub refused: u64,
}

/// Counts of the program that is run for incidents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExecCounts {
    /// Runs, by the place of their result in [`ExecResult::NAMES`].
    pub by_result: [u64; ExecResult::NAMES.len()],
    /// Incidents for which it was not run because too many waited.
    pub left_out: u64,
}

/// All counts at one moment.
#[derive(Clone, Debug)]
pub struct Statistics {
    /// The kernel's counters.
    pub kernel: CounterValues,
    /// Packets that the agent accounted to connections.
    pub flow_packets: i64,
    /// Connections that were evicted before they were over.
    pub evicted_connections: u64,
    /// Observations that found the agent's table full.
    pub untracked: u64,
    /// Pieces of payload that were not read because all readers were in use.
    pub unread: u64,
    /// What came of Initial packets of QUIC.
    pub quic: QuicCounts,
    /// The core's counts.
    pub core: CoreCounts,
    /// Counts of documents.
    pub output: OutputCounts,
    /// Packets, and changes of incidents, that could not be recorded because they came too fast.
    pub unrecorded: (u64, u64),
}

impl Statistics {
    /// Whether every watched packet has exactly one outcome. Only a reading taken while packets pass may differ by a few.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        self.kernel.get(Counter::Seen) == self.kernel.sum(Counter::OUTCOMES)
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kernel = &self.kernel;
        write!(f, "statistics: packets seen={} =", kernel.get(Counter::Seen))?;
        for (index, counter) in Counter::OUTCOMES.iter().enumerate() {
            let plus = if index == 0 { "" } else { " +" };
            write!(f, "{plus} {}={}", counter.name(), kernel.get(*counter))?;
        }
        let kept = kernel.get(Counter::Kept);
        let unaccounted = i64::try_from(kept).unwrap_or(i64::MAX) - self.flow_packets;
        write!(f, "; kept={kept} = accounted={} + unaccounted={unaccounted}", self.flow_packets)?;
        f.write_str("; unparsed")?;
        for counter in Counter::UNPARSED {
            write!(f, " {}={}", counter.name(), kernel.get(*counter))?;
        }
        write!(
            f,
            "; records sent={} payload={} payload_over={} unfollowed={} unread={} lost={}",
            kernel.get(Counter::RecordsSent),
            kernel.get(Counter::PayloadSent),
            kernel.get(Counter::PayloadOver),
            kernel.get(Counter::Unfollowed),
            self.unread,
            kernel.sum(Counter::LOST_RECORDS)
        )?;
        for counter in Counter::LOST_RECORDS {
            if kernel.get(*counter) > 0 {
                write!(f, " {}={}", counter.name(), kernel.get(*counter))?;
            }
        }
        write!(
            f,
            " lost_packets={} undecodable={}",
            kernel.get(Counter::LostPackets),
            self.core.undecodable
        )?;
        write!(
            f,
            "; QUIC quic_initials={} quic_initials_over={} client_hellos={} given_up={} uncounted={}",
            kernel.get(Counter::QuicInitials),
            kernel.get(Counter::QuicInitialsOver),
            self.quic.hellos,
            self.quic.given_up,
            self.quic.uncounted
        )?;
        f.write_str("; enforcement")?;
        for counter in Counter::ENFORCEMENT {
            write!(f, " {}={}", counter.name(), kernel.get(*counter))?;
        }
        write!(
            f,
            "; flows open={} evicted={} flow_marks_replaced={} evicted_connections={} untracked={} exempt={}",
            self.core.connections,
            kernel.get(Counter::Evicted),
            kernel.get(Counter::FlowMarksReplaced),
            self.evicted_connections,
            self.untracked,
            self.core.exempted
        )?;
        let [low, medium, high, critical] = self.core.incidents_opened;
        write!(
            f,
            "; incidents open={} opened={} low={low} medium={medium} high={high} critical={critical} held_back={} decided_alone={}",
            self.core.incidents_open,
            low + medium + high + critical,
            self.core.held_back,
            self.core.decided_alone
        )?;
        let output = &self.output;
        write!(
            f,
            "; documents made={} written={} waiting={} unsaved={} dropped={} expired={} unreadable={} flows_left_out={}; refused by the store={} by the recording packets={} changes={}; log_lost={}",
            output.documents,
            output.written,
            output.waiting,
            output.unsaved,
            output.dropped + output.expired_waiting,
            output.expired,
            output.lost,
            self.core.summaries_left_out,
            output.refused,
            self.unrecorded.0,
            self.unrecorded.1,
            logging::lost_lines()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statistics(values: impl Fn(Counter) -> u64) -> Statistics {
        Statistics {
            kernel: CounterValues::of(values),
            flow_packets: 5,
            evicted_connections: 0,
            untracked: 0,
            unread: 0,
            quic: QuicCounts::default(),
            core: CoreCounts { connections: 1, incidents_opened: [1, 0, 2, 0], ..CoreCounts::default() },
            output: OutputCounts::default(),
            unrecorded: (0, 0),
        }
    }

    #[test]
    fn line_names_every_outcome_and_their_sum() {
        let all = statistics(|counter| match counter {
            Counter::Seen => 7,
            Counter::Kept => 5,
            Counter::Lateral => 2,
            _ => 0,
        });
        assert!(all.adds_up());
        let line = all.to_string();
        assert!(line.contains("seen=7 = kept=5 + lateral=2 + reserved=0"), "{line}");
        for counter in Counter::OUTCOMES.iter().chain(Counter::UNPARSED) {
            assert!(line.contains(counter.name()), "{} is missing", counter.name());
        }
    }

    #[test]
    fn notices_a_packet_without_an_outcome() {
        assert!(!statistics(|counter| u64::from(counter == Counter::Seen)).adds_up());
    }
}
