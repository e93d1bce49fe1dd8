//! All sensors that publish to the same stream of NATS as this one.

use std::{cmp::Reverse, time::Instant};

use askama::Template;
use axum::{
    extract::{Query, State},
    response::Response,
};
use sensor_core::level::Severity;
use sensor_dissect::escape::shown;
use serde::Deserialize;

use super::{
    format::{cut, number, second},
    frame::{Frame, not_found, rendered},
};
use crate::{
    fleet::{Campaign, Report, SensorReport, State as Alive, span},
    http::Source,
};

/// Most rows of a table. Sensors that need attention come first.
const MAX_ROWS: usize = 500;

/// Most characters of a text that others choose.
const WIDEST: usize = 60;

/// Which fleet, if there are several.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Which {
    output: Option<String>,
}

#[derive(Template)]
#[template(path = "fleet.html")]
struct Page {
    frame: Frame,
    servers: String,
    /// Outputs with a fleet, if there are several, and which of them is shown.
    outputs: Vec<(String, bool)>,
    /// When it was read, and how long ago.
    read: Option<(String, String)>,
    /// When the last reading failed, and why.
    failure: Option<(String, String)>,
    /// The time up to which incidents were read, if there are more.
    until: Option<String>,
    fleet: Option<Shown>,
}

/// The fleet, as it is shown.
struct Shown {
    incidents: [(&'static str, String); 4],
    open: String,
    uncounted: u64,
    states: [(&'static str, String); 3],
    sensors: Vec<SensorRow>,
    more_sensors: u64,
    campaigns: Vec<CampaignRow>,
    more_campaigns: u64,
    unread: u64,
}

struct SensorRow {
    name: String,
    state: &'static str,
    version: String,
    uptime: String,
    interfaces: String,
    lag: Option<u64>,
    lost: Option<u64>,
    reported: String,
}

struct CampaignRow {
    id: String,
    host: String,
    severity: Severity,
    sites: usize,
    sensors: String,
    incidents: String,
    open: String,
    first: String,
    last: String,
}

pub(super) async fn page(State(source): State<Source>, Query(which): Query<Which>) -> Response {
    let fleets = source.fleets.borrow().clone();
    let Some(fleet) = fleets.find(which.output.as_deref()) else {
        return not_found(&source, "There is no such output to NATS, and so no fleet to show.".to_owned());
    };
    let view = fleet.view(&source.spawner).await;
    let outputs: Vec<_> = fleets.names().map(|name| (name.to_owned(), name == fleet.name)).collect();
    rendered(&Page {
        frame: Frame::of(&source, "fleet"),
        servers: shown(fleet.servers().as_bytes()),
        outputs: if outputs.len() > 1 { outputs } else { Vec::new() },
        read: view.report.as_ref().map(|(_, moment)| (second(moment.at), ago(moment.taken))),
        failure: view.failure.as_ref().map(|(moment, why)| (second(moment.at), shown(why.as_bytes()))),
        until: view.until.map(second),
        fleet: view.report.as_ref().map(|(report, _)| Shown::of(report)),
    })
}

/// `12 s`.
fn ago(taken: Instant) -> String {
    span(taken.elapsed().as_secs())
}

impl Shown {
    fn of(report: &Report) -> Self {
        let count = |state| report.sensors.iter().filter(|one| one.state == state).count() as u64;
        let incidents = &report.incidents;
        let mut sensors: Vec<_> = report.sensors.iter().collect();
        sensors.sort_by_key(|one| (one.state == Alive::Alive, Reverse(one.lost), Reverse(one.lag)));
        Self {
            incidents: [
                ("critical", number(incidents.critical)),
                ("high", number(incidents.high)),
                ("medium", number(incidents.medium)),
                ("low", number(incidents.low)),
            ],
            open: number(incidents.open),
            uncounted: incidents.beyond,
            states: [Alive::Alive, Alive::Silent, Alive::Unknown]
                .map(|state| (state.name(), number(count(state)))),
            more_sensors: beyond(sensors.len()) + report.sensors_beyond,
            sensors: sensors.into_iter().take(MAX_ROWS).map(SensorRow::of).collect(),
            more_campaigns: beyond(report.campaigns.len()),
            campaigns: report.campaigns.iter().take(MAX_ROWS).map(CampaignRow::of).collect(),
            unread: report.unread,
        }
    }
}

impl SensorRow {
    fn of(one: &SensorReport) -> Self {
        let health = one.health.as_ref();
        Self {
            name: chosen(&format!("{}/{}", one.site, one.sensor)),
            state: one.state.name(),
            version: health.map(|health| chosen(&health.version)).unwrap_or_default(),
            uptime: health.map(|health| span(health.uptime)).unwrap_or_default(),
            interfaces: health.map(|health| chosen(&health.interfaces.join(", "))).unwrap_or_default(),
            lag: one.lag,
            lost: one.lost,
            reported: one.age.map_or_else(|| "never".to_owned(), |age| format!("{} ago", span(age))),
        }
    }
}

impl CampaignRow {
    fn of(one: &Campaign) -> Self {
        Self {
            id: one.id.clone(),
            host: one.external_host.to_string(),
            severity: one.severity,
            sites: one.sites.len(),
            sensors: cut(
                &one.sensors.iter().map(|name| chosen(name)).collect::<Vec<_>>().join(", "),
                4 * WIDEST,
            ),
            incidents: number(one.incidents),
            open: number(one.open),
            first: second(one.first),
            last: second(one.last),
        }
    }
}

/// A text that anybody who may publish chooses.
fn chosen(text: &str) -> String {
    cut(&shown(text.as_bytes()), WIDEST)
}

fn beyond(rows: usize) -> u64 {
    rows.saturating_sub(MAX_ROWS) as u64
}
