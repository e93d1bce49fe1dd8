//! What became of each flow of a run, and whether the numbers of the documents add up to the flows.

use std::collections::{BTreeMap, HashMap, HashSet};

use sensor_tests::{number, text};
use sensor_user::journal::Kind;
use serde_json::Value;

/// Why a flow that a query matches is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Explanation {
    /// It has an alert of that detection.
    Alert,
    /// It is one of a sweep.
    Folded,
    /// The alert is on another flow to this destination, which is known since.
    KnownDestination,
    /// It is one of those that a summary counts.
    Counted,
    /// Somebody declared it safe: the queries know nothing of that, and no rule of the sensor alerts on it.
    Exempt,
}

/// The documents of one run, by what they are about.
pub(crate) struct Account<'a> {
    pub(crate) flows: Vec<&'a Value>,
    /// Documents of alerts on single flows.
    pub(crate) alerts: Vec<&'a Value>,
    /// The last document of each sweep.
    sweeps: BTreeMap<&'a str, &'a Value>,
    summaries: Vec<&'a Value>,
    /// Ids of all alerts on single flows, and of the flows that have any.
    ids: HashSet<&'a str>,
    told: HashSet<&'a str>,
}

impl<'a> Account<'a> {
    /// Sorts the documents of a run. One of a kind that is not known fails.
    #[track_caller]
    pub(crate) fn of(documents: &'a [Value]) -> Self {
        let mut account = Self {
            flows: vec![],
            alerts: vec![],
            sweeps: BTreeMap::new(),
            summaries: vec![],
            ids: HashSet::new(),
            told: HashSet::new(),
        };
        for document in documents {
            let id = text(document, "/event/id");
            match (Kind::of(document), text(document, "/event/dataset")) {
                (Kind::Flow, _) => account.flows.push(document),
                (Kind::Alert, "smb_sensor.alert") => {
                    account.alerts.push(document);
                    account.ids.insert(id);
                    let rule = text(document, "/rule/id");
                    account.told.extend(id.strip_prefix(rule).and_then(|rest| rest.strip_prefix('/')));
                }
                (Kind::Alert, "smb_sensor.sweep") => _ = account.sweeps.insert(id, document),
                (Kind::Alert, "smb_sensor.suppression") => account.summaries.push(document),
                (_, unknown) => panic!("nothing explains a document of {unknown}: {document:#}"),
            }
        }
        account
    }

    /// Why this flow is told of, if it is.
    pub(crate) fn explain(&self, detection: &str, flow: &Value) -> Option<Explanation> {
        let own = self.ids.contains(format!("{detection}/{}", text(flow, "/flow/id")).as_str());
        if is_exempt(flow) {
            assert!(!own, "exempt, and alerted on: {flow:#}");
            return Some(Explanation::Exempt);
        }
        if own {
            return Some(Explanation::Alert);
        }
        if self.sweeps.values().any(|sweep| self.is_folded(flow, sweep)) {
            return Some(Explanation::Folded);
        }
        let same_destination = |alert: &&&Value| {
            text(alert, "/rule/id") == detection
                && text(alert, "/destination/ip") == text(flow, "/destination/ip")
        };
        if detection == "rare-smb-destination" && self.alerts.iter().any(|alert| same_destination(&alert)) {
            return Some(Explanation::KnownDestination);
        }
        self.summaries_of(detection).next().map(|_| Explanation::Counted)
    }

    fn summaries_of(&self, rule: &str) -> impl Iterator<Item = &'a Value> {
        self.summaries.iter().copied().filter(move |summary| text(summary, "/rule/id") == rule)
    }

    /// Whether the sweep speaks for this flow.
    fn is_folded(&self, flow: &Value, sweep: &Value) -> bool {
        is_of(flow, sweep)
            && is_below_smb(flow)
            && !is_exempt(flow)
            && !self.told.contains(text(flow, "/flow/id"))
    }

    /// Holds the numbers of sweeps to the flows.
    #[track_caller]
    pub(crate) fn assert_sweeps_add_up(&self, what: &str) {
        for sweep in self.sweeps.values() {
            let folded = self.flows.iter().filter(|flow| self.is_folded(flow, sweep)).count();
            assert_eq!(number(sweep, "/smb_sensor/sweep/folded_flows"), folded as u64, "{what}: {sweep:#}");
            let reached = self.flows.iter().filter(|flow| is_of(flow, sweep));
            let targets: HashSet<_> = reached.map(|flow| text(flow, "/destination/ip")).collect();
            assert_eq!(number(sweep, "/smb_sensor/sweep/targets"), targets.len() as u64, "{what}: {sweep:#}");
            assert_eq!(sweep["smb_sensor"]["alert"]["status"], "closed", "{what}: {sweep:#}");
        }
    }

    /// Holds the numbers of summaries to the flows that they are to count, by detection.
    #[track_caller]
    pub(crate) fn assert_summaries_add_up(&self, counted: &HashMap<&str, Vec<&'a Value>>, what: &str) {
        for summary in &self.summaries {
            let rule = text(summary, "/rule/id");
            assert!(counted.contains_key(rule), "{what}: nothing explains what was counted: {summary:#}");
        }
        for (rule, flows) in counted {
            let (late, written) = self.alerts_of(rule);
            let sum: u64 = self
                .summaries_of(rule)
                .map(|summary| {
                    let told = |name: &str| number(summary, &format!("/smb_sensor/suppression/{name}"));
                    told("suppressed") - told("repeated")
                })
                .sum();
            assert_eq!(sum, (flows.len() + late.len()) as u64, "{what}: {rule}");
            let [one] = self.summaries_of(rule).collect::<Vec<_>>()[..] else { continue };
            let suppression = &one["smb_sensor"]["suppression"];
            let mut levels = suppression["by_evidence"].as_object().unwrap().clone();
            for (level, count) in how_many(flows.iter(), "/smb_sensor/incident/evidence") {
                let left = levels[level].as_u64().unwrap().checked_sub(count);
                levels[level] = left.unwrap_or_else(|| panic!("{what}: {rule}: {count} of {level}")).into();
            }
            let left: u64 = levels.values().filter_map(Value::as_u64).sum();
            assert_eq!(left, late.len() as u64, "{what}: {rule}: those that got farther since");
            let sources = how_many(flows.iter().chain(&late), "/source/ip");
            assert_eq!(number(suppression, "/distinct_sources"), sources.len() as u64, "{what}: {rule}");
            let mut loudest: Vec<_> = sources.values().copied().collect();
            loudest.sort_unstable_by(|one, other| other.cmp(one));
            for (named, count) in suppression["sources"].as_array().unwrap().iter().zip(loudest) {
                assert_eq!(number(named, "/suppressed"), count, "{what}: {rule}");
                assert_eq!(sources.get(text(named, "/ip")), Some(&count), "{what}: {rule}");
            }
            let in_time =
                written.iter().filter(|one_of| text(one_of, "/event/start") <= text(one, "/event/end"));
            assert_eq!(number(suppression, "/written"), in_time.count() as u64, "{what}: {rule}");
        }
    }

    /// The first documents of the alerts of a rule: of those that a summary has counted before, and of the others.
    fn alerts_of(&self, rule: &str) -> (Vec<&'a Value>, Vec<&'a Value>) {
        let opened = |alert: &&Value| {
            text(alert, "/rule/id") == rule && text(alert, "/smb_sensor/incident/status") == "opened"
        };
        let counted_before = |alert: &&Value| alert["smb_sensor"]["alert"].get("counted_before").is_some();
        self.alerts.iter().copied().filter(opened).partition(counted_before)
    }
}

fn how_many<'a: 'b, 'b>(flows: impl Iterator<Item = &'b &'a Value>, pointer: &str) -> BTreeMap<&'a str, u64> {
    let mut counts = BTreeMap::new();
    for flow in flows {
        *counts.entry(text(flow, pointer)).or_default() += 1;
    }
    counts
}

pub(crate) fn is_exempt(flow: &Value) -> bool {
    flow.pointer("/smb_sensor/exempt").is_some()
}

fn is_below_smb(flow: &Value) -> bool {
    ["attempt", "refused", "established"].contains(&text(flow, "/smb_sensor/incident/evidence"))
}

/// Whether it is a flow of whoever sweeps, began while that went on, and is one that a rule is about: from outside every watched
/// service is, from inside SMB.
fn is_of(flow: &Value, sweep: &Value) -> bool {
    let began = text(flow, "/event/start");
    text(flow, "/source/ip") == text(sweep, "/source/ip")
        && text(sweep, "/event/start") <= began
        && began <= text(sweep, "/event/end")
        && (text(flow, "/network/direction") == "inbound" || text(flow, "/smb_sensor/service") == "smb")
}
