//! The summary of a flow as an ECS document, as `schema/flow.schema.json` describes it: the shape in which Packetbeat tells of
//! flows, so that rules made for those match it.

use serde_json::{Value, json};

use super::{
    Context,
    conversation::{self, community_id},
    document::{ECS_VERSION, loss},
    timestamp::rfc3339,
};
use crate::{
    config::ServicePorts,
    detect::Sight,
    exempt::{Exemption, Exemptions, Question},
    flow::Flow,
};

/// Summaries in a second at most, so that a flood of flows costs no more than the sensor can do.
const MOST: u64 = 1_000;

const SECOND: i128 = 1_000_000_000;

/// Summarises flows that are over.
pub struct FlowSummaries {
    services: ServicePorts,
    second: i128,
    told: u64,
    left_out: u64,
}

impl FlowSummaries {
    /// Summaries of flows of these services.
    #[must_use]
    pub const fn new(services: ServicePorts) -> Self {
        Self { services, second: 0, told: 0, left_out: 0 }
    }

    /// The summary of a flow that is over; none of a flow that is somebody else's, or where there are too many at once.
    /// What is exempt is told as such.
    pub fn summary(&mut self, flow: &Flow, exemptions: &Exemptions, context: &Context<'_>) -> Option<Value> {
        let sight = Sight::of(flow, &self.services)?;
        let second = context.now / SECOND;
        if second != self.second {
            (self.second, self.told) = (second, 0);
        }
        if self.told >= MOST {
            self.left_out += 1;
            return None;
        }
        self.told += 1;
        Some(flow_document(&sight, exemptions.covering(&Question::of(&sight), context.now), context))
    }

    /// Flows that have no summary because there were too many at once.
    #[must_use]
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }
}

/// Builds the document; `exemption` is the one that covers the flow.
#[must_use]
pub fn flow_document(sight: &Sight<'_>, exemption: Option<&Exemption>, context: &Context<'_>) -> Value {
    let flow = sight.flow;
    let [source, destination] = conversation::ends(sight);
    let mut document = json!({
        "@timestamp": rfc3339(context.now),
        "ecs": { "version": ECS_VERSION },
        "type": "flow",
        "data_stream": { "type": "logs", "dataset": "network_traffic.flow", "namespace": "default" },
        "event": {
            "kind": "event",
            "category": ["network"],
            "type": ["connection", "end"],
            "action": "network_flow",
            "module": "smb_sensor",
            "dataset": "network_traffic.flow",
            "start": rfc3339(flow.first),
            "end": rfc3339(flow.last),
            "duration": i64::try_from(flow.last - flow.first).unwrap_or(i64::MAX),
            // The journal is the first store that it comes into.
            "ingested": rfc3339(context.now),
        },
        "flow": { "final": true, "id": format!("{}/{}", community_id(sight), flow.first / 1_000_000) },
        "source": source,
        "destination": destination,
        "network": conversation::network(sight),
        "observer": conversation::observer(sight, context),
        "host": { "hostname": context.hostname, "name": context.hostname },
        "agent": { "type": "smb-sensor", "name": context.hostname, "version": env!("CARGO_PKG_VERSION") },
        "smb_sensor": {
            "evidence": conversation::evidence(sight),
            "service": conversation::service(sight.service),
            "loss": loss(flow.lost_before, context),
        },
    });
    if let Some(exemption) = exemption {
        document["smb_sensor"]["exempt"] = json!({ "id": exemption.id, "reason": exemption.reason });
    }
    conversation::tell(sight, &mut document);
    document
}

#[cfg(test)]
mod tests {
    use sensor_common::slot::{Side, TCP};

    use super::*;
    use crate::{detect::fixtures::flow, flow::Evidence};

    #[test]
    fn a_flood_of_flows_is_summarised_in_bounds_and_the_rest_is_counted() {
        let mut summaries = FlowSummaries::new(ServicePorts::default());
        let flow = flow(TCP, "10.0.0.2:50000", "8.8.4.4:445", Side::Local, Evidence::Attempt);
        let (context, none) = (Context::for_tests(), Exemptions::default());
        let told = (0..MOST + 5).filter(|_| summaries.summary(&flow, &none, &context).is_some()).count();
        assert_eq!((told as u64, summaries.left_out()), (MOST, 5));
        let later = Context { now: context.now + SECOND, ..context };
        assert!(summaries.summary(&flow, &none, &later).is_some(), "the next second begins anew");
    }

    #[test]
    fn an_exempt_flow_says_by_which_exemption_as_long_as_that_holds() {
        let mut summaries = FlowSummaries::new(ServicePorts::default());
        let flow = flow(TCP, "10.0.0.2:50000", "8.8.4.4:445", Side::Local, Evidence::Smb);
        let context = Context::for_tests();
        let exemption = Exemption {
            expires: Some(context.now + SECOND),
            ..Exemption::between("10.0.0.2/32".parse().ok(), "8.8.4.4/32".parse().ok(), "nightly copy")
        };
        let expected = json!({ "id": exemption.id, "reason": "nightly copy" });
        let all = Exemptions::new(vec![exemption]);
        let told = summaries.summary(&flow, &all, &context).unwrap();
        assert_eq!(told["smb_sensor"]["exempt"], expected);
        let later = Context { now: context.now + SECOND, ..context };
        let told = summaries.summary(&flow, &all, &later).unwrap();
        assert!(told.pointer("/smb_sensor/exempt").is_none(), "it is over");
    }

    #[test]
    fn what_is_no_watched_service_has_no_summary() {
        let other = flow(TCP, "10.0.0.2:50000", "8.8.4.4:443", Side::Local, Evidence::Established);
        let mut summaries = FlowSummaries::new(ServicePorts::default());
        assert!(summaries.summary(&other, &Exemptions::default(), &Context::for_tests()).is_none());
        assert_eq!(summaries.left_out(), 0);
    }
}
