//! Which alerts are open on which flow.

use std::collections::HashMap;

use serde_json::Value;

use super::{
    Context, Status,
    document::{community_id, document},
};
use crate::{
    config::ServicePorts,
    detect::{Finding, Limits, Rule, Sight, judge},
    exempt::{Exemption, Exemptions, Question},
    flow::{Conversation, Evidence, Flow},
    terms::KnownDestinations,
};

/// The open alerts.
pub struct AlertBook {
    services: ServicePorts,
    exemptions: Exemptions,
    limits: Limits,
    flows: HashMap<Conversation, Judged>,
    opened: u64,
    exempted: u64,
}

/// Time between two updates of an alert that tell no higher level of evidence, nanoseconds.
const UPDATE_PAUSE: i128 = 1_000_000_000;

/// A flow that was judged, and what came of it.
struct Judged {
    alerts: Vec<OpenAlert>,
    told: News,
    told_at: i128,
}

/// What is told again when it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct News {
    evidence: Evidence,
    credentials: usize,
    shares: usize,
    /// More left the internal networks than the limit for that.
    data_left: bool,
}

impl News {
    fn of(flow: &Flow, limits: &Limits) -> Self {
        let facts = flow.facts.as_deref();
        Self {
            evidence: flow.evidence,
            credentials: facts.map_or(0, |facts| facts.credentials.len()),
            shares: facts.map_or(0, |facts| facts.shares.len()),
            data_left: flow.payload_from_inside() >= limits.data_leaving_bytes,
        }
    }
}

struct OpenAlert {
    rule: &'static Rule,
    id: String,
    sequence: u64,
}

impl AlertBook {
    /// An empty book.
    #[must_use]
    pub fn new(services: ServicePorts, exemptions: Vec<Exemption>) -> Self {
        Self {
            services,
            exemptions: Exemptions::new(exemptions),
            limits: Limits::default(),
            flows: HashMap::new(),
            opened: 0,
            exempted: 0,
        }
    }

    /// Judges by these limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The exemptions that it judges by, and their hits.
    pub const fn exemptions(&mut self) -> &mut Exemptions {
        &mut self.exemptions
    }

    /// A flow's evidence rose, or its time to be answered is up: opens its alerts, or updates them.
    pub fn look(
        &mut self,
        flow: &Flow,
        destinations: &mut impl KnownDestinations,
        context: &Context<'_>,
    ) -> Vec<Value> {
        let Some(sight) = Sight::of(flow, &self.services) else {
            return vec![];
        };
        if let Some(judged) = self.flows.get_mut(&flow.ends) {
            let news = News::of(flow, &self.limits);
            if news == judged.told {
                return vec![];
            }
            let graver = news.evidence > judged.told.evidence || news.data_left != judged.told.data_left;
            if !graver && context.now - judged.told_at < UPDATE_PAUSE && context.now >= judged.told_at {
                // A conversation of many logons would write as many documents, each with all of them. What is left out now is in
                // the next one, or in the last.
                return vec![];
            }
            judged.told = news;
            judged.told_at = context.now;
            // Evidence that rose may break a rule that it did not break before.
            let fresh: Vec<OpenAlert> =
                judge(&sight, &self.exemptions, &self.limits, destinations, context.now)
                    .into_iter()
                    .filter(|finding| judged.alerts.iter().all(|alert| alert.rule != finding.rule))
                    .map(|finding| open(finding, &sight))
                    .collect();
            self.opened += fresh.len() as u64;
            let mut documents = tell(&mut judged.alerts, &sight, Status::Updated, context);
            let known = judged.alerts.len();
            judged.alerts.extend(fresh);
            documents.extend(tell(&mut judged.alerts[known..], &sight, Status::Opened, context));
            return documents;
        }
        let findings = judge(&sight, &self.exemptions, &self.limits, destinations, context.now);
        self.exempted += u64::from(self.exemptions.count(&Question::of(&sight), context.now));
        let mut alerts: Vec<OpenAlert> = findings.into_iter().map(|finding| open(finding, &sight)).collect();
        self.opened += alerts.len() as u64;
        let documents = tell(&mut alerts, &sight, Status::Opened, context);
        self.flows
            .insert(flow.ends, Judged { alerts, told: News::of(flow, &self.limits), told_at: context.now });
        documents
    }

    /// A flow is over: closes its alerts with the totals. One that was never judged is judged now.
    pub fn close(
        &mut self,
        flow: &Flow,
        destinations: &mut impl KnownDestinations,
        context: &Context<'_>,
    ) -> Vec<Value> {
        // What was never judged is judged now, and what came since the last look is judged again, whenever that was.
        if let Some(judged) = self.flows.get_mut(&flow.ends) {
            judged.told_at = i128::MIN / 2;
        }
        let mut documents = self.look(flow, destinations, context);
        if let (Some(mut judged), Some(sight)) =
            (self.flows.remove(&flow.ends), Sight::of(flow, &self.services))
        {
            documents.extend(tell(&mut judged.alerts, &sight, Status::Closed, context));
        }
        documents
    }

    /// Alerts opened so far.
    #[must_use]
    pub const fn opened(&self) -> u64 {
        self.opened
    }

    /// Flows that the agent (not the kernel) found exempt.
    #[must_use]
    pub const fn exempted(&self) -> u64 {
        self.exempted
    }
}

/// The id says rule, conversation and start, so that it is the same however often the flow is read.
fn open(finding: Finding, sight: &Sight<'_>) -> OpenAlert {
    let start = sight.flow.first / 1_000_000;
    let id = format!("{}/{}/{start}", finding.rule.id, community_id(sight));
    OpenAlert { rule: finding.rule, id, sequence: 0 }
}

fn tell(alerts: &mut [OpenAlert], sight: &Sight<'_>, status: Status, context: &Context<'_>) -> Vec<Value> {
    alerts
        .iter_mut()
        .map(|alert| {
            let sequence = alert.sequence;
            alert.sequence += 1;
            document(alert.rule, &alert.id, sequence, status, sight, context)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use sensor_common::slot::{Side, TCP};

    use super::*;
    use crate::detect::tests::flow;

    struct Nothing;

    impl KnownDestinations for Nothing {
        fn is_new(&mut self, _: IpAddr, _: i128) -> bool {
            false
        }
    }

    fn book(exemptions: Vec<Exemption>) -> AlertBook {
        AlertBook::new(ServicePorts::default(), exemptions)
    }

    fn outbound(evidence: Evidence) -> Flow {
        flow(TCP, "10.0.0.2:50000", "8.8.4.4:445", Side::Local, evidence)
    }

    fn field<'a>(document: &'a Value, pointer: &str) -> &'a Value {
        document.pointer(pointer).unwrap_or_else(|| panic!("no {pointer} in {document:#}"))
    }

    #[test]
    fn an_alert_is_opened_updated_and_closed_under_one_id() {
        let mut book = book(vec![]);
        let context = Context::for_tests();
        let first = book.look(&outbound(Evidence::Established), &mut Nothing, &context);
        let second = book.look(&outbound(Evidence::Data), &mut Nothing, &context);
        let same = book.look(&outbound(Evidence::Data), &mut Nothing, &context);
        let last = book.close(&outbound(Evidence::Data), &mut Nothing, &context);
        assert!(same.is_empty(), "nothing rose");
        let life: Vec<_> = [&first, &second, &last]
            .iter()
            .map(|documents| {
                assert_eq!(documents.len(), 1);
                let one = &documents[0];
                (
                    field(one, "/event/sequence").as_u64().unwrap(),
                    field(one, "/smb_sensor/alert/status").as_str().unwrap().to_owned(),
                    field(one, "/smb_sensor/evidence/level").as_str().unwrap().to_owned(),
                )
            })
            .collect();
        let expected = [(0, "opened", "established"), (1, "updated", "data"), (2, "closed", "data")];
        assert_eq!(life, expected.map(|(n, status, level)| (n, status.to_owned(), level.to_owned())));
        assert_eq!(field(&first[0], "/event/id"), field(&last[0], "/event/id"));
        assert_eq!(book.opened(), 1);
    }

    #[test]
    fn a_flow_that_ends_before_anyone_looked_is_judged_at_its_end() {
        let documents = book(vec![]).close(&outbound(Evidence::Attempt), &mut Nothing, &Context::for_tests());
        assert_eq!(documents.len(), 2, "opened and closed");
    }

    #[test]
    fn an_exempt_flow_is_counted_and_silent() {
        let net = |text: &str| text.parse().ok();
        let exemption = Exemption::between(net("10.0.0.2/32"), net("8.8.4.4/32"), "test");
        let mut book = book(vec![exemption]);
        assert!(book.look(&outbound(Evidence::Data), &mut Nothing, &Context::for_tests()).is_empty());
        assert_eq!((book.opened(), book.exempted()), (0, 1));
    }
}
