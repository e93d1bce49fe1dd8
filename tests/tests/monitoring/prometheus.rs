//! A real Prometheus scrapes the agent and answers every query of the dashboard and of the alert rules.

use std::{
    fs,
    io::Write as _,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result};
use sensor_lab::{Namespace, Process, Scratch, Topology, poll, require_lab, scratch_dir};
use sensor_tests::{Agent, PATIENCE};
use serde_json::Value;

use crate::{
    CONFIG, converse,
    http::{get_from, wait_for},
    kernel_measures::KernelMeasures,
    metrics::EVERYTHING,
};

/// Where Prometheus listens, inside the namespace.
const PROMETHEUS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9090);

/// Time for Prometheus to start, and to scrape often enough.
const SCRAPED: Duration = Duration::from_secs(60);

fn packaging(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging").join(file)
}

/// Runs promtool with this on standard input.
fn promtool(arguments: &[&str], input: &str) -> Result<Output> {
    let mut promtool = Command::new("promtool")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    promtool.stdin.take().context("no standard input")?.write_all(input.as_bytes())?;
    Ok(promtool.wait_with_output()?)
}

#[track_caller]
fn assert_success(output: &Output) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

/// A Prometheus that scrapes the agent in its namespace every second.
struct Prometheus<'a> {
    namespace: &'a Namespace,
    _process: Process,
    _scratch: Scratch,
}

impl<'a> Prometheus<'a> {
    fn start(namespace: &'a Namespace) -> Result<Self> {
        let scratch = scratch_dir()?;
        let config = scratch.path().join("prometheus.yml");
        let rules = packaging("prometheus/smb-sensor.rules.yml");
        fs::write(
            &config,
            format!(
                "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [{rules:?}]\n\
                 scrape_configs: [{{ job_name: smb-sensor, static_configs: [{{ targets: ['127.0.0.1:9645'] }}] }}]\n"
            ),
        )?;
        let mut command = namespace.command("prometheus");
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.tsdb.path={}", scratch.path().join("data").display()));
        command.arg(format!("--web.listen-address={PROMETHEUS}"));
        let process = Process::spawn(command)?;
        process.wait_for_line(SCRAPED, |line| line.contains("ready to receive web requests"))?;
        Ok(Self { namespace, _process: process, _scratch: scratch })
    }

    /// The values of a query.
    fn query(&self, query: &str) -> Result<Vec<Value>> {
        let data = self.ask("query?query=", query)?;
        Ok(data["result"].as_array().context("no result")?.clone())
    }

    /// The values of a label on the series that a selector takes, asked for as Grafana does.
    fn label_values(&self, selector: &str, label: &str) -> Result<Value> {
        self.ask(&format!("label/{label}/values?match[]="), selector)
    }

    /// The data of an answer of the API to a query, which ends the path.
    fn ask(&self, path: &str, query: &str) -> Result<Value> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let path = format!("/api/v1/{path}{encoded}");
        let answer = get_from(self.namespace, PROMETHEUS, &path, "Accept-Encoding: identity\r\n")?;
        let parsed: Value = serde_json::from_str(answer.body.trim())
            .with_context(|| format!("{query}: {} {}", answer.head, answer.body))?;
        anyhow::ensure!(parsed["status"] == "success", "{query}: {parsed}");
        Ok(parsed["data"].clone())
    }
}

fn dashboard() -> Value {
    let text = fs::read_to_string(packaging("grafana/smb-sensor.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The queries of the dashboard, for all sensors and the last minute.
fn dashboard_queries() -> Vec<String> {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    targets
        .map(|target| {
            let query = target["expr"].as_str().unwrap();
            query.replace("$instance", ".*").replace("$__rate_interval", "1m").replace("$__range", "1m")
        })
        .collect()
}

/// The queries of the dashboard's variables, each as selector and label: `label_values(selector, label)`.
fn variable_queries() -> Vec<(String, String)> {
    let dashboard = dashboard();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let queries = variables.iter().filter(|variable| variable["type"] == "query");
    queries
        .map(|variable| {
            let query = variable["query"]["query"].as_str().unwrap();
            assert_eq!(variable["definition"], query, "Grafana shows one and asks the other");
            let arguments = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
            let (selector, label) = arguments.and_then(|all| all.rsplit_once(", ")).unwrap();
            (selector.to_owned(), label.to_owned())
        })
        .collect()
}

/// Expressions of the alert rules.
fn alert_expressions() -> Vec<String> {
    let text = fs::read_to_string(packaging("prometheus/smb-sensor.rules.yml")).unwrap();
    let expressions = text.lines().filter_map(|line| line.trim().strip_prefix("expr: "));
    expressions.map(str::to_owned).collect()
}

#[test]
fn rules_are_valid_and_each_fires_for_a_sick_sensor_alone() {
    require_lab!(Prometheus);
    let rules = packaging("prometheus/smb-sensor.rules.yml");
    assert_success(&promtool(&["check", "rules", rules.to_str().unwrap()], "").unwrap());
    let test = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/prometheus/smb-sensor.test.yml");
    assert_success(&promtool(&["test", "rules", test.to_str().unwrap()], "").unwrap());
    let (rules, test) = (fs::read_to_string(rules).unwrap(), fs::read_to_string(test).unwrap());
    let alerts: Vec<_> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(!alerts.is_empty());
    for alert in &alerts {
        assert!(test.contains(&format!("alertname=\"{alert}\"")), "{alert} is not tested");
    }
    let runbooks = rules.lines().filter(|line| line.trim().starts_with("runbook: ")).count();
    assert_eq!(runbooks, alerts.len(), "each alert says what to do");
}

#[test]
fn prometheus_answers_every_query_of_dashboard_and_rules() {
    require_lab!(Prometheus);
    let _kernel = KernelMeasures::set(true).unwrap();
    let border = Topology::border().unwrap();
    let gateway = border.gateway();
    let config = format!("{CONFIG}{EVERYTHING}");
    let agent = Agent::on(gateway, "lan0").config(&config).start().unwrap();
    converse(&border).unwrap();
    let opened = "smb_sensor_opened_incidents_total{severity=\"high\"} 1";
    let text = wait_for(gateway, "/metrics", PATIENCE, |answer| answer.body.contains(opened)).unwrap();
    let checked = promtool(&["check", "metrics"], &text.body).unwrap();
    assert_success(&checked);
    assert!(checked.stderr.is_empty(), "{}", String::from_utf8_lossy(&checked.stderr));

    let prometheus = Prometheus::start(gateway).unwrap();
    let scraped = "count_over_time(smb_sensor_packets_seen_total[1m]) > 3";
    poll(SCRAPED, || prometheus.query(scraped).ok().filter(|values| !values.is_empty())).unwrap();
    let queries = dashboard_queries();
    assert!(queries.len() > 20, "{queries:?}");
    for query in &queries {
        // On a busy machine a scrape may be missed, and then nothing is current for a moment.
        let values = || prometheus.query(query).ok().filter(|values| !values.is_empty());
        assert!(poll(SCRAPED, values).is_some(), "nothing answers {query}: {:?}", prometheus.query(query));
    }
    let variables = variable_queries();
    assert_eq!(variables.len(), 1, "{variables:?}");
    for (selector, label) in &variables {
        let values = prometheus.label_values(selector, label).unwrap();
        assert_eq!(values, serde_json::json!(["127.0.0.1:9645"]), "{selector}, {label}");
    }
    let expressions = alert_expressions();
    assert!(expressions.len() > 10, "{expressions:?}");
    for expression in &expressions {
        prometheus.query(expression).unwrap();
    }
    let firing = "ALERTS{alertname=\"SmbSensorHighIncident\", alertstate=\"firing\"}";
    poll(SCRAPED, || prometheus.query(firing).ok().filter(|values| !values.is_empty())).unwrap();
    agent.stop().unwrap();
}
