//! Placeholder until the documents land.
use sensor_core::{incident::{IncidentEvent, QuotaSummary}, event::FlowSummary};
/// S
#[derive(Clone, Debug, Default)]
pub struct Sensor { pub hostname: String, pub interfaces: Vec<(u32, String)>, pub networks_defined: bool }
/// D
pub struct Document(String, String);
impl Document { pub fn id(&self) -> &str { &self.0 } pub fn line(&self) -> String { self.1.clone() } }
pub fn incident(e: &IncidentEvent, _: &Sensor) -> Document { Document(format!("{}-{}", e.incident.id, e.sequence), format!("{{\"event\":{{\"action\":\"{}\",\"severity\":{}}},\"id\":\"{}\"}}", e.action.name(), e.incident.severity.number(), e.incident.id)) }
pub fn quota(_: &QuotaSummary, _: &Sensor) -> Document { Document("q".into(), "{}".into()) }
pub fn flow(_: &FlowSummary, _: &Sensor) -> Document { Document("f".into(), "{}".into()) }
impl Sensor { pub fn new(interfaces: &[crate::kernel::interface::Interface], networks_defined: bool) -> Self { Self { hostname: String::new(), interfaces: interfaces.iter().map(|o| (o.index, o.name.clone())).collect(), networks_defined } } }
