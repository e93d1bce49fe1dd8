//! Incidents that were only counted, incompletely observed or unreadable.

use std::collections::BTreeMap;

use sensor_core::{incident::Incident, level::EvidenceLevel, rules::sentence::counted};
use serde::Serialize;

/// What was lost or left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Loss {
    /// Incidents that the quota counted and did not open, by rule.
    pub(crate) held_back: BTreeMap<String, u64>,
    /// Incidents during which the ring to the agent lost records.
    pub(crate) lost_records: u64,
    /// Incidents whose beginning was not seen.
    pub(crate) joined_late: u64,
    /// Incidents of which packets of one direction alone were seen.
    pub(crate) one_sided: u64,
    /// Incidents in which SMB was spoken and not every message is known to have been read.
    pub(crate) incomplete: u64,
    /// Incidents that do not name all hosts that answered.
    pub(crate) unnamed_hosts: u64,
    /// Incidents that another version of this program wrote, and that are in no other number.
    pub(crate) unreadable: u64,
}

impl Loss {
    pub(super) fn of(incidents: &[Incident], unreadable: u64, held_back: BTreeMap<String, u64>) -> Self {
        let count = |is_so: fn(&Incident) -> bool| incidents.iter().filter(|one| is_so(one)).count() as u64;
        Self {
            held_back,
            lost_records: count(|one| one.lost_records > 0),
            joined_late: count(|one| one.joined_late),
            one_sided: count(|one| one.one_sided),
            incomplete: count(|one| !one.complete && one.level >= EvidenceLevel::Smb),
            unnamed_hosts: count(|one| one.more_answering),
            unreadable,
        }
    }

    /// The numbers that are not zero, in words.
    pub(super) fn lines(&self) -> Vec<String> {
        let held_back = self.held_back.iter();
        let held_back = held_back
            .map(|(rule, count)| (*count, format!("of {rule} over the quota, which were not opened")));
        let numbers = [
            (self.lost_records, "with records that the ring to the agent lost"),
            (self.joined_late, "without their beginning, which was not seen"),
            (self.one_sided, "with packets of one direction alone"),
            (self.incomplete, "with SMB messages that are not known to have been read"),
            (self.unnamed_hosts, "with more hosts that answered than are named"),
            (self.unreadable, "of another version of smb-sensor, which are not in this report"),
        ];
        let numbers = numbers.into_iter().map(|(count, words)| (count, words.to_owned()));
        let all = held_back.chain(numbers).filter(|(count, _)| *count > 0);
        all.map(|(count, words)| format!("{} {words}", counted(count, "incident"))).collect()
    }
}

#[cfg(test)]
mod tests {
    use sensor_core::{
        event::Event,
        incident::{QuotaSummary, fixtures},
        rules,
        time::Timestamp,
    };

    use super::*;
    use crate::{
        ecs, output, state,
        storage::{Bounds, Reader, RowBatch, Writer, commit_alone},
    };

    #[test]
    fn counts_incidents_by_what_was_missed() {
        let late = Incident { joined_late: true, ..fixtures::leak_accepted() };
        let lost = Incident { lost_records: 7, complete: false, ..fixtures::leak_accepted() };
        let silent =
            Incident { complete: false, level: EvidenceLevel::Answered, ..fixtures::leak_accepted() };
        let loss = Loss::of(&[late, lost, silent], 2, [("a-rule".to_owned(), 41)].into());
        assert_eq!(
            (loss.joined_late, loss.lost_records, loss.incomplete, loss.one_sided, loss.unreadable),
            (1, 1, 1, 0, 2)
        );
        let lines = loss.lines();
        assert_eq!(lines[0], "41 incidents of a-rule over the quota, which were not opened");
        assert_eq!(lines.len(), 5, "{lines:?}");
    }

    #[test]
    fn summaries_of_one_window_count_once() {
        let directory = tempfile::tempdir().unwrap();
        drop(Writer::open(directory.path(), Bounds::default(), 0).unwrap());
        let summary = |minutes: i64, sequence, held_back| {
            let since = fixtures::after(minutes * 60_000);
            Event::Quota(QuotaSummary {
                rule: &rules::smb_to_internet::META,
                since,
                until: since,
                at: since,
                sequence,
                opened: 100,
                held_back,
                is_final: sequence == 2,
                sources: vec![],
            })
        };
        let events = [summary(0, 1, 1), summary(0, 2, 41), summary(10, 1, 1), summary(10, 2, 2)];
        let documents = output::documents(&events, &ecs::Sensor::default());
        let mut batch = RowBatch { documents, ..RowBatch::default() };
        state::add_summaries(&events, &mut batch);
        commit_alone(directory.path(), &batch).unwrap();
        let reader = Reader::open(directory.path()).unwrap();
        let from = |since: Timestamp| reader.held_back(since.unix_nanos(), i64::MAX).unwrap();
        let rule = rules::smb_to_internet::META.id.to_owned();
        assert_eq!(from(fixtures::START), [(rule.clone(), 43)].into());
        assert_eq!(from(fixtures::after(60_000)), [(rule, 2)].into());
        assert_eq!(from(fixtures::after(3_600_000)), BTreeMap::new());
    }
}
