//! The fleet as text.

use sensor_dissect::escape::shown;

use super::{
    campaign::Campaign,
    report::{Incidents, Report, SensorReport},
};
use crate::{columns::aligned, rfc3339::rfc3339};

/// Three parts: sensors, incidents, and campaigns.
pub(super) fn text(report: &Report) -> String {
    let mut text = String::new();
    if report.sensors.is_empty() {
        text.push_str("no sensor has published to the stream\n");
    } else {
        let header = ["SENSOR", "STATE", "VERSION", "UP", "INTERFACES", "LAG", "LOST", "REPORTED"];
        let mut rows = vec![header.map(str::to_owned).to_vec()];
        rows.extend(report.sensors.iter().map(sensor));
        text.push_str(&aligned(&rows));
    }
    if report.sensors_beyond > 0 {
        text.push_str(&format!("there are {} more sensors\n", report.sensors_beyond));
    }
    text.push_str(&incidents(&report.incidents));
    if !report.campaigns.is_empty() {
        text.push_str("\ncampaigns: one external host, several sensors\n");
        let header = [
            "CAMPAIGN",
            "HOST",
            "SEVERITY",
            "INCIDENTS",
            "OPEN",
            "FIRST SEEN (UTC)",
            "LAST SEEN (UTC)",
            "SENSORS",
        ];
        let mut rows = vec![header.map(str::to_owned).to_vec()];
        rows.extend(report.campaigns.iter().map(campaign));
        text.push_str(&aligned(&rows));
    }
    if report.unread > 0 {
        text.push_str(&format!("\n{} messages of the stream are not those of a sensor\n", report.unread));
    }
    text
}

fn sensor(one: &SensorReport) -> Vec<String> {
    let name = format!("{}/{}", one.site, one.sensor);
    let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let health = one.health.as_ref();
    vec![
        clean(&name),
        one.state.name().to_owned(),
        health.map_or_else(|| "-".to_owned(), |health| clean(&health.version)),
        health.map_or_else(|| "-".to_owned(), |health| span(health.uptime)),
        health.map_or_else(|| "-".to_owned(), |health| clean(&health.interfaces.join(","))),
        number(one.lag),
        number(one.lost),
        one.age.map_or_else(|| "never".to_owned(), |age| format!("{} ago", span(age))),
    ]
}

fn incidents(one: &Incidents) -> String {
    let Incidents { since, open, critical, high, medium, low, beyond } = one;
    let mut text = format!(
        "\nincidents since {since}: {critical} critical, {high} high, {medium} medium, {low} low; {open} open\n"
    );
    if *beyond > 0 {
        text.push_str(&format!(
            "there are more: {beyond} messages of others were not counted; see --since\n"
        ));
    }
    text
}

fn campaign(one: &Campaign) -> Vec<String> {
    vec![
        one.id.clone(),
        one.external_host.to_string(),
        one.severity.name().to_owned(),
        one.incidents.to_string(),
        one.open.to_string(),
        rfc3339(one.first),
        rfc3339(one.last),
        clean(&one.sensors.join(", ")),
    ]
}

/// Most characters of a cell that others choose; `--json` has all of them.
const WIDEST: usize = 40;

/// Anybody who may publish chooses these texts.
fn clean(text: &str) -> String {
    let text = shown(text.as_bytes());
    if text.chars().count() <= WIDEST {
        return text;
    }
    text.chars().take(WIDEST - 1).chain(['…']).collect()
}

/// A time span in its largest unit.
pub(crate) fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::fleet;
    use super::*;

    #[test]
    fn text_names_sensors_incidents_and_hosts_and_hides_control_characters() {
        let wanted = "\
SENSOR                 STATE    VERSION  UP    INTERFACES  LAG  LOST  REPORTED
graz/a                 silent   0.1.0    25 h  lan0        7    2     100 s ago
prague/b               unknown  -        -     -           -    -     never
vienna/gate\\u{1b}[31m  alive    0.1.0    25 h  lan0        0    0     5 s ago

incidents since 2023-11-13T22:13:20.000Z: 1 critical, 2 high, 0 medium, 1 low; 3 open

campaigns: one external host, several sensors
CAMPAIGN        HOST     SEVERITY  INCIDENTS  OPEN  FIRST SEEN (UTC)          LAST SEEN (UTC)           SENSORS
c-cc005f7d5d94  8.8.4.4  critical  2          1     2023-11-14T22:13:20.000Z  2023-11-14T22:13:23.000Z  graz/a, vienna/gate\\u{1b}[31m

1 messages of the stream are not those of a sensor
";
        assert_eq!(text(&fleet()), wanted);
    }

    #[test]
    fn long_names_are_cut_on_the_screen() {
        let mut report = fleet();
        report.sensors[0].sensor = "s".repeat(300);
        let text = text(&report);
        assert!(text.contains(&format!("graz/{}…  silent", "s".repeat(34))), "{text}");
        let mut sensors = text.lines().take_while(|line| !line.starts_with("incidents"));
        assert!(sensors.all(|line| line.chars().count() < 120), "{text}");
    }
}
