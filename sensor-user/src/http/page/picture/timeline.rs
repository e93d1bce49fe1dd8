//! The steps of an incident in time, from top to bottom. Steps have equal distances; long pauses are written between them.

use std::time::Duration;

use sensor_core::{
    incident::{Incident, Milestone},
    rules::sentence,
    time::Timestamp,
};
use sensor_dissect::escape::shown;

use crate::{http::page::format::cut, rfc3339::rfc3339};

/// Height of a step, and of the pause before one.
const STEP: usize = 26;
const PAUSE: usize = 20;

/// Pauses that are written.
const LONG: Duration = Duration::from_secs(1);

/// Characters of a step that have room.
const ROOM: usize = 44;

/// Steps that are drawn; the text below the picture has all of them.
const MAX_STEPS: usize = 40;

pub(in crate::http::page) struct Timeline {
    pub(in crate::http::page) height: usize,
    pub(in crate::http::page) steps: Vec<Step>,
    pub(in crate::http::page) pauses: Vec<(usize, String)>,
    pub(in crate::http::page) left_out: usize,
    /// The day of the first step.
    pub(in crate::http::page) day: String,
}

pub(in crate::http::page) struct Step {
    pub(in crate::http::page) y: usize,
    pub(in crate::http::page) time: String,
    /// What happened, as far as there is room, and in full.
    pub(in crate::http::page) text: String,
    pub(in crate::http::page) full: String,
    pub(in crate::http::page) class: &'static str,
}

impl Timeline {
    pub(in crate::http::page) fn of(incident: &Incident) -> Self {
        let (mut y, mut last, mut steps, mut pauses) = (STEP / 2, None, Vec::new(), Vec::new());
        for entry in incident.timeline.iter().take(MAX_STEPS) {
            let pause = last.map_or(Duration::ZERO, |last| entry.at.since(last));
            if pause >= LONG {
                pauses.push((y - 2, format!("{} later", sentence::duration(pause))));
                y += PAUSE;
            }
            let full = shown(entry.what.phrase().as_bytes());
            steps.push(Step {
                y,
                time: clock(entry.at),
                text: cut(&full, ROOM),
                full,
                class: class(&entry.what),
            });
            last = Some(entry.at);
            y += STEP;
        }
        Self {
            height: y,
            steps,
            pauses,
            left_out: incident.timeline.len().saturating_sub(MAX_STEPS),
            day: rfc3339(incident.first).get(..10).unwrap_or_default().to_owned(),
        }
    }
}

/// Time of day.
fn clock(at: Timestamp) -> String {
    rfc3339(at).get(11..23).unwrap_or_default().to_owned()
}

/// How a step is drawn.
const fn class(what: &Milestone) -> &'static str {
    match what {
        Milestone::CredentialSent(_) | Milestone::Accepted(_) | Milestone::Data => "grave",
        Milestone::Finding(_) => "finding",
        Milestone::Refused | Milestone::LogonRefused(_) | Milestone::Closed | Milestone::Restarted => "end",
        _ => "plain",
    }
}

#[cfg(test)]
mod tests {
    use sensor_core::incident::{TimelineEntry, fixtures};

    use super::*;

    #[test]
    fn steps_follow_each_other_with_long_pauses_written_between_them() {
        let timeline = Timeline::of(&fixtures::leak_accepted());
        assert!(timeline.steps.is_sorted_by_key(|step| step.y) && timeline.steps.len() > 3);
        assert_eq!((timeline.day.as_str(), timeline.left_out), ("2026-11-29", 0));
        assert_eq!(timeline.pauses.len(), 1, "{:?}", timeline.pauses);
        assert!(timeline.height > timeline.steps.last().unwrap().y);
    }

    #[test]
    fn picture_is_bounded_and_text_has_no_misleading_character() {
        let mut incident = fixtures::hostile_names();
        let what = Milestone::Share(format!("\\\\h\\{}\u{202e}", "a".repeat(100)));
        incident.timeline = vec![TimelineEntry { at: incident.first, what }; 100];
        let timeline = Timeline::of(&incident);
        assert_eq!((timeline.steps.len(), timeline.left_out), (MAX_STEPS, 60));
        assert!(timeline.steps[0].text.chars().count() <= ROOM);
        assert!(!timeline.steps[0].full.contains('\u{202e}'));
    }
}
