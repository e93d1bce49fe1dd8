//! The statistics line: what was seen and what became of it, in numbers that add up.

use std::fmt;

use sensor_common::counter::Counter;

use crate::{journal::Numbers, kernel::counters::CounterValues};

/// Everything that was counted, at one moment.
#[derive(Clone, Debug)]
pub struct Statistics {
    /// The kernel's counters.
    pub kernel: CounterValues,
    /// Packets that the agent accounted to flows.
    pub flow_packets: i64,
    /// Conversations held now.
    pub flows: usize,
    /// Conversations that made room for others in the agent's table before they were over.
    pub evicted_conversations: u64,
    /// Observations for which the agent's table had no room.
    pub untracked: u64,
    /// Pieces of payload that nobody could read for want of room.
    pub unread: u64,
    /// Records that could not be decoded.
    pub undecodable: u64,
    /// Alerts opened.
    pub alerts: u64,
    /// Alerts that were counted in summaries instead.
    pub suppressed: u64,
    /// Flows that the agent found exempt.
    pub exempted: u64,
    /// Flows that ended and have no summary, because too many ended at once.
    pub summaries_left_out: u64,
    /// Documents that the output has taken.
    pub written: u64,
    /// What became of the others.
    pub undelivered: Numbers,
}

impl Statistics {
    /// Whether every watched packet has exactly one outcome. Only a reading taken while packets pass may be a few apart.
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
        f.write_str("; unjudged")?;
        for counter in Counter::UNJUDGED {
            write!(f, " {}={}", counter.name(), kernel.get(*counter))?;
        }
        write!(
            f,
            "; records sent={} payload={} payload_over={} unread={} lost={}",
            kernel.get(Counter::RecordsSent),
            kernel.get(Counter::PayloadSent),
            kernel.get(Counter::PayloadOver),
            self.unread,
            kernel.sum(Counter::LOST_RECORDS)
        )?;
        for counter in Counter::LOST_RECORDS {
            if kernel.get(*counter) > 0 {
                write!(f, " {}={}", counter.name(), kernel.get(*counter))?;
            }
        }
        write!(f, " lost_packets={} undecodable={}", kernel.get(Counter::LostPackets), self.undecodable)?;
        f.write_str("; enforcement")?;
        for counter in Counter::ENFORCEMENT {
            write!(f, " {}={}", counter.name(), kernel.get(*counter))?;
        }
        write!(
            f,
            "; flows open={} evicted={} evicted_conversations={} untracked={} exempt={}",
            self.flows,
            kernel.get(Counter::Evicted),
            self.evicted_conversations,
            self.untracked,
            self.exempted
        )?;
        write!(
            f,
            "; alerts opened={} suppressed={} written={} waiting={} dropped={}",
            self.alerts,
            self.suppressed,
            self.written,
            self.undelivered.waiting,
            self.undelivered.dropped + self.undelivered.expired_waiting
        )?;
        write!(
            f,
            "; journal unsaved={} expired={} flows_left_out={}",
            self.undelivered.unsaved, self.undelivered.expired, self.summaries_left_out
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
            flows: 1,
            unread: 0,
            evicted_conversations: 0,
            untracked: 0,
            undecodable: 0,
            alerts: 1,
            suppressed: 0,
            exempted: 0,
            written: 3,
            summaries_left_out: 0,
            undelivered: Numbers::default(),
        }
    }

    #[test]
    fn the_line_names_every_outcome_and_their_sum() {
        let all = statistics(|counter| match counter {
            Counter::Seen => 7,
            Counter::Kept => 5,
            Counter::Lateral => 2,
            _ => 0,
        });
        assert!(all.adds_up());
        let line = all.to_string();
        assert!(line.contains("seen=7 = kept=5 + lateral=2 + reserved=0"), "{line}");
        for counter in Counter::OUTCOMES.iter().chain(Counter::UNJUDGED) {
            assert!(line.contains(counter.name()), "{} is missing", counter.name());
        }
    }

    #[test]
    fn a_packet_without_an_outcome_is_noticed() {
        assert!(!statistics(|counter| u64::from(counter == Counter::Seen)).adds_up());
    }
}
