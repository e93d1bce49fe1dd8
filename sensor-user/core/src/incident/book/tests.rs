//! When a document about an incident is written, and which connections continue the incident.

use sensor_dissect::smb2::ShareKind;

use super::*;
use crate::{
    level::EvidenceLevel,
    rules::fixtures::{Answered as _, FlowFixture, HistoryFixture, NOW, ntlm_v2},
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// A book whose incidents close after an hour, and the events that it wrote.
struct Desk {
    book: Book,
    sweep_window: Duration,
    written: Vec<IncidentEvent>,
}

impl Desk {
    fn new() -> Self {
        Self { book: Book::new(100, HOUR), sweep_window: DAY, written: Vec::new() }
    }

    /// Takes a connection as it stands, as the core does. Gives its incident.
    fn sees(
        &mut self,
        flow: &FlowFixture,
        past: &HistoryFixture,
        link: &mut Link,
        now: Timestamp,
    ) -> IncidentId {
        let view = flow.view();
        self.book.note_target(&view);
        let context = Context {
            now,
            identity: &[7; 32],
            lost_records: 0,
            learning_until: None,
            sweep_window: self.sweep_window,
        };
        let id = self.book.place(&view, link, &context);
        let has_changed = self.book.stored_mut(id).unwrap().incident.merge(&view, link);
        let findings = rules::evaluate(&view, &past.history());
        let techniques = rules::techniques_shown(&view, &findings)
            .into_iter()
            .map(|(technique, fact)| (technique.id, fact))
            .collect();
        let severity = rules::severity(rules::Observed::of(&view), &findings);
        let assessment = Assessment { findings, techniques, severity };
        let mut out = Vec::new();
        let client = (view.client.ip(), &mut link.found);
        let admission = self.book.assess(id, &assessment, has_changed, client, now, &mut out);
        assert_eq!(admission, Some(Admission::Open));
        self.keep(out);
        id
    }

    /// Takes a new connection of which the history is known.
    fn sees_another(&mut self, flow: &FlowFixture, now: Timestamp) -> IncidentId {
        self.sees(flow, &HistoryFixture::known(), &mut Link::default(), now)
    }

    fn tick(&mut self, now: Timestamp) {
        let mut out = Vec::new();
        let _ = self.book.advance(now, &mut out);
        self.keep(out);
    }

    fn keep(&mut self, out: Vec<IncidentOutput>) {
        self.written.extend(out.into_iter().filter_map(|output| match output {
            IncidentOutput::Event(event) => Some(*event),
            IncidentOutput::Quota(_) | IncidentOutput::Campaign(_) => None,
        }));
    }

    /// The events since this was last called.
    fn events(&mut self) -> Vec<IncidentEvent> {
        std::mem::take(&mut self.written)
    }

    /// Their actions.
    fn actions(&mut self) -> Vec<IncidentAction> {
        self.events().into_iter().map(|event| event.action).collect()
    }
}

/// A connection of 10.0.0.2 with 8.8.4.4 that got this far.
fn reached(level: EvidenceLevel) -> FlowFixture {
    FlowFixture::outbound().reached(level)
}

/// A connection that spoke SMB.
fn spoke() -> FlowFixture {
    reached(EvidenceLevel::Smb)
}

/// A connection that sent a credential.
fn sent() -> FlowFixture {
    reached(EvidenceLevel::Credential).credential(ntlm_v2(r"CORP\ann"))
}

/// A connection with a share.
fn connected() -> FlowFixture {
    with_share(reached(EvidenceLevel::Share), "files")
}

fn with_share(flow: FlowFixture, name: &str) -> FlowFixture {
    flow.share(&format!(r"\\8.8.4.4\{name}"), ShareKind::Disk)
}

/// The same with both its packets at that moment.
fn at(moment: Timestamp, flow: FlowFixture) -> FlowFixture {
    flow.seen(|view| (view.first, view.last) = (moment, moment))
}

#[test]
fn incident_closes_an_hour_after_its_last_packet() {
    let mut desk = Desk::new();
    let mut link = Link::default();
    let known = HistoryFixture::known();
    desk.sees(&spoke(), &known, &mut link, NOW);
    let last = NOW + MINUTE * 30;
    let id = desk.sees(&spoke().seen(|view| view.last = last), &known, &mut link, last);
    desk.tick(last + HOUR - SECOND);
    assert_eq!(desk.actions(), [IncidentAction::Opened], "open after 59:59");
    assert_eq!(desk.book.incident(id).unwrap().closed, None);
    desk.tick(last + HOUR);
    assert_eq!(desk.actions(), [IncidentAction::Closed]);
    assert_eq!(desk.book.incident(id).unwrap().closed, Some(last + HOUR));
}

#[test]
fn updates_wait_for_two_seconds_and_a_rise_in_severity_does_not() {
    let mut desk = Desk::new();
    let mut link = Link::default();
    let known = HistoryFixture::known();
    let after = |milliseconds| NOW + Duration::from_millis(milliseconds);
    let flow = connected();
    desk.sees(&flow, &known, &mut link, NOW);
    let flow = with_share(flow, "backup");
    desk.sees(&flow, &known, &mut link, after(500));
    let flow = with_share(flow, "home");
    desk.sees(&flow, &known, &mut link, after(1_500));
    desk.tick(after(1_900));
    desk.tick(after(1_999));
    assert_eq!(desk.actions(), [IncidentAction::Opened]);
    desk.tick(after(2_000));
    let updates = desk.events();
    let shares: Vec<_> = updates.iter().map(|event| (event.action, event.incident.shares.len())).collect();
    assert_eq!(shares, [(IncidentAction::Updated, 3)], "one for both");
    // An accepted credential makes it critical.
    let flow = flow.credential(ntlm_v2(r"CORP\ann").accepted());
    desk.sees(&flow, &known, &mut link, after(2_100));
    assert_eq!(desk.actions(), [IncidentAction::Escalated]);
    desk.sees(&with_share(flow, "attic"), &known, &mut link, after(2_200));
    desk.tick(after(4_099));
    assert!(desk.actions().is_empty());
    desk.tick(after(4_100));
    assert_eq!(desk.actions(), [IncidentAction::Updated]);
}

#[test]
fn each_cause_is_worth_one_update() {
    let known = HistoryFixture::known;
    let refused = reached(EvidenceLevel::Credential).credential(ntlm_v2(r"CORP\ann").refused());
    let causes = [
        ("a finding", spoke(), spoke(), HistoryFixture::new_destination()),
        ("a higher level", spoke(), reached(EvidenceLevel::Credential), known()),
        ("a user", sent(), sent().credential(ntlm_v2(r"CORP\bob")), known()),
        ("a share", connected(), with_share(connected(), "backup"), known()),
        ("an outcome", sent(), refused, known()),
        ("doubled payload", spoke().payload(100 << 10, 0), spoke().payload(200 << 10, 0), known()),
    ];
    for (cause, before, after, past) in causes {
        let mut desk = Desk::new();
        let mut link = Link::default();
        for seconds in [0, 10] {
            desk.sees(&before, &known(), &mut link, NOW + SECOND * seconds);
            desk.tick(NOW + SECOND * seconds);
        }
        assert_eq!(desk.actions(), [IncidentAction::Opened], "{cause}: the same again is no cause");
        for seconds in [20, 30] {
            desk.sees(&after, &past, &mut link, NOW + SECOND * seconds);
            desk.tick(NOW + SECOND * seconds);
        }
        assert_eq!(desk.actions(), [IncidentAction::Updated], "{cause}");
    }
}

#[test]
fn doubled_connections_are_worth_an_update() {
    let mut desk = Desk::new();
    let mut reported = Vec::new();
    for number in 0..8_u16 {
        let now = NOW + SECOND * 10 * u32::from(number);
        let flow = spoke().seen(|view| {
            view.client.set_port(50_000 + number);
            view.tuple.local.set_port(50_000 + number);
        });
        desk.sees_another(&flow, now);
        desk.tick(now);
        let counts = desk.events();
        reported.extend(counts.iter().map(|event| event.incident.counted.connections));
    }
    assert_eq!(reported, [1, 2, 4, 8]);
}

#[test]
fn quiet_incident_has_one_update_a_day_with_its_counts() {
    let mut desk = Desk::new();
    let mut written = Vec::new();
    // A server that is tried once, and from the third hour on every half an hour, for two days and a half.
    let end = 60 * 60;
    for minute in 0..=end {
        let now = NOW + MINUTE * minute;
        if minute == 0 || minute >= 120 && minute % 30 == 0 {
            desk.sees_another(&at(now, spoke()), now);
        }
        desk.tick(now);
        let events = desk.events();
        written.extend(events.iter().map(|event| (minute, event.action, event.incident.counted.connections)));
    }
    assert_eq!(
        written,
        [
            (0, IncidentAction::Opened, 1),
            (60, IncidentAction::Closed, 1),
            // A day after the last document, not 23 hours after it.
            (60 + 24 * 60, IncidentAction::Updated, 48),
            (60 + 48 * 60, IncidentAction::Updated, 96),
        ]
    );
    desk.tick(NOW + MINUTE * end + HOUR);
    assert!(desk.actions().is_empty(), "it closes quietly, too");
    assert_eq!((desk.book.incidents.len(), desk.book.open_by_severity()), (1, [0; 4]));
}

#[test]
fn same_activity_continues_an_incident_for_seven_days_and_opens_another_one_afterwards() {
    for (days, continues) in [(6, true), (8, false)] {
        for ticks in [true, false] {
            let mut desk = Desk::new();
            let first = desk.sees_another(&spoke(), NOW);
            desk.tick(NOW + HOUR);
            assert_eq!(desk.actions(), [IncidentAction::Opened, IncidentAction::Closed]);
            let later = NOW + DAY * days;
            if ticks {
                desk.tick(later - SECOND);
            }
            let second = desk.sees_another(&at(later, spoke()), later);
            let incident = desk.book.incident(second).unwrap();
            let (continued, connections) = (incident.continued, incident.counted.connections);
            if continues {
                assert_eq!((second, continued, connections), (first, 1, 2), "day {days}");
                assert!(desk.actions().is_empty(), "it shows nothing new");
            } else {
                assert_ne!(second, first, "day {days}");
                assert_eq!((continued, connections), (0, 1));
                assert_eq!(desk.actions(), [IncidentAction::Opened]);
            }
        }
    }
}

#[test]
fn something_new_after_the_close_opens_another_incident() {
    let mut desk = Desk::new();
    let first = desk.sees_another(&spoke(), NOW);
    desk.tick(NOW + HOUR);
    let _ = desk.events();
    let later = NOW + DAY;
    let second = desk.sees_another(&at(later, sent()), later);
    assert_ne!(second, first);
    assert_eq!(desk.actions(), [IncidentAction::Opened]);
    assert!(desk.book.incident(first).unwrap().closed.is_some(), "the first one stays closed");
    // From now on the pair continues the second one.
    assert_eq!(desk.sees_another(&at(later, sent()), later), second);
}

#[test]
fn something_new_in_a_quiet_incident_escalates_it() {
    let mut desk = Desk::new();
    let first = desk.sees_another(&spoke(), NOW);
    desk.tick(NOW + HOUR);
    let later = NOW + HOUR * 2;
    assert_eq!(desk.sees_another(&at(later, spoke()), later), first);
    assert_eq!(desk.actions(), [IncidentAction::Opened, IncidentAction::Closed], "it continues quietly");
    let accepted = reached(EvidenceLevel::Session).credential(ntlm_v2(r"CORP\ann").accepted());
    assert_eq!(desk.sees_another(&at(later + SECOND, accepted), later + SECOND), first);
    assert_eq!(desk.actions(), [IncidentAction::Escalated]);
    desk.tick(later + SECOND + HOUR);
    assert_eq!(desk.actions(), [IncidentAction::Closed], "it is not quiet any more");
}

#[test]
fn next_target_of_a_client_belongs_to_its_sweep_within_the_window_alone() {
    let mut desk = Desk { sweep_window: 3 * HOUR, ..Desk::new() };
    let mut tried = |target: u8, moment: Timestamp| {
        let attempt = reached(EvidenceLevel::Attempt).between("10.0.0.2", &format!("9.9.0.{target}"));
        let id = desk.sees_another(&at(moment, attempt), moment);
        desk.tick(moment + 2 * HOUR);
        assert!(desk.book.incident(id).unwrap().closed.is_some());
        id
    };
    let first = tried(1, NOW);
    let last = NOW + 3 * HOUR - SECOND;
    assert_eq!(tried(2, last), first);
    assert_ne!(tried(3, last + 3 * HOUR), first);
}

#[test]
fn finding_keeps_the_severity_that_it_rose_from() {
    let mut desk = Desk::new();
    let mut link = Link::default();
    let known = HistoryFixture::known();
    desk.sees(&sent(), &known, &mut link, NOW);
    let accepted = reached(EvidenceLevel::Session).credential(ntlm_v2(r"CORP\ann").accepted());
    let id = desk.sees(&accepted, &known, &mut link, NOW + SECOND);
    assert_eq!(desk.actions(), [IncidentAction::Opened, IncidentAction::Escalated]);
    let finding = &desk.book.incident(id).unwrap().findings["ntlm-credential-to-internet"];
    assert_eq!(finding.risen_from, Some((Severity::High, 86)));
    assert_eq!((finding.severity, finding.risk_score), (Severity::Critical, 99));
}

#[test]
fn incident_that_makes_room_is_counted_and_no_longer_related() {
    let mut desk = Desk::new();
    desk.book.most = 3;
    let from = |last: u8| spoke().between(&format!("10.0.0.{last}"), "8.8.4.4");
    let all: Vec<_> = (1..=5).map(|last| desk.sees_another(&from(last), NOW)).collect();
    assert_eq!((desk.book.incidents.len(), desk.book.forgotten_early()), (3, 2));
    let remembered = all.iter().filter_map(|id| desk.book.incident(*id));
    for one in remembered {
        let listed = one.related.incidents.iter().filter(|(other, _)| desk.book.incident(*other).is_some());
        assert_eq!((listed.count(), one.related.left_out), (2, 0));
    }
}
