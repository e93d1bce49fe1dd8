//! `smb-sensor fleet`.

use std::{fs, net::Ipv4Addr};

use sensor_lab::{Namespace, NatsServer, Topology, poll, require_lab, scratch_dir};
use sensor_tests::{
    Agent, PATIENCE,
    fleet::{prepared, publish},
    number, text, texts,
};
use serde_json::Value;

use super::{HEALTH, config, converse, sensor};

#[test]
fn fleet_names_living_and_silent_sensors_and_hosts_of_several_sites() {
    require_lab!(Nats);
    let border = Topology::builder().lan_server().build().unwrap();
    let scratch = scratch_dir().unwrap();
    let at = Ipv4Addr::LOCALHOST;
    let _server = NatsServer::start(border.gateway(), at, &scratch.path().join("nats"), "").unwrap();
    let path = scratch.path().join("smb-sensor.toml");
    fs::write(&path, config(&[at], "anywhere", HEALTH)).unwrap();
    let fleet = |arguments: &[&str]| {
        let mut command = border.gateway().command(Agent::program().unwrap());
        let output = command.arg("fleet").arg("--config").arg(&path).args(arguments).output().unwrap();
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let missing = "no stream has the subject smb-sensor.*.*.health";
    poll(PATIENCE, || fleet(&[]).1.contains(missing).then_some(()))
        .unwrap_or_else(|| panic!("{:?}", fleet(&[])));

    let graz = sensor(&border, "lan0", &config(&[at], "graz", HEALTH)).start().unwrap();
    let vienna = sensor(&border, "lan1", &config(&[at], "vienna", HEALTH)).start().unwrap();
    converse(&border, &[border.client(), border.lan_server().unwrap()]).unwrap();
    let report = |fits: &dyn Fn(&Value) -> bool| -> Value {
        let read = || serde_json::from_str::<Value>(&fleet(&["--json"]).0).ok();
        poll(PATIENCE, || read().filter(fits))
            .unwrap_or_else(|| panic!("{:?} {:?} {}", read(), fleet(&[]), graz.log()))
    };
    let sensors = |report: &Value| -> Vec<(String, String)> {
        let all = report["sensors"].as_array().unwrap().iter();
        all.map(|one| (text(one, "/site").to_owned(), text(one, "/state").to_owned())).collect()
    };
    let both =
        |state: &str| vec![("graz".to_owned(), "alive".to_owned()), ("vienna".to_owned(), state.to_owned())];
    let found = report(&|one| {
        let has_traffic = number(one, "/sensors/0/health/packets") > 0;
        // A heartbeat between two deliveries reports a lag, and a later one reports none.
        let is_caught_up = one["sensors"][0]["lag"] == 0;
        sensors(one) == both("alive") && one["campaigns"][0].is_object() && has_traffic && is_caught_up
    });
    let [first, campaign] = [&found["sensors"][0], &found["campaigns"][0]];
    assert_eq!((text(campaign, "/external_host"), number(campaign, "/incidents")), ("8.8.4.4", 2));
    assert_eq!(texts(campaign, "/sites"), ["graz", "vienna"]);
    assert_eq!(texts(campaign, "/sensors"), ["graz/gate", "vienna/gate"]);
    assert!(text(campaign, "/first") <= text(campaign, "/last"), "{campaign:#}");
    assert_eq!(text(first, "/health/version"), env!("CARGO_PKG_VERSION"));
    assert_eq!(texts(first, "/health/interfaces"), ["lan0"]);
    assert_eq!(first["lost"], 0);

    vienna.kill().unwrap();
    report(&|one| sensors(one) == both("silent"));
    let (listed, _) = fleet(&[]);
    assert!(listed.contains("vienna/gate  silent"), "{listed}");
    let id = text(campaign, "/id");
    assert!(
        listed.lines().any(|line| line.starts_with(id) && line.contains("graz/gate, vienna/gate")),
        "{listed}"
    );
    assert_eq!(graz.stop().unwrap().code, Some(0));
}

#[test]
fn fleet_is_read_with_the_permissions_of_the_documentation_and_no_fewer() {
    require_lab!(Nats);
    let page = include_str!("../../../docs/fleet.md");
    let (_, section) = page.split_once("The command and the page need permission").unwrap();
    let (section, _) = section.split_once("\n\n").unwrap();
    let needed: Vec<_> = section.split('`').filter(|text| text.starts_with("$JS.API.")).collect();
    assert_eq!(needed.len(), 5, "{needed:?}");
    let namespace = Namespace::new("nats").unwrap();
    let scratch = scratch_dir().unwrap();
    let user = |(number, publish): (usize, Vec<&str>)| {
        format!(
            "{{ user: u{number}, password: pw, permissions: {{ publish: {publish:?}, subscribe: \"_INBOX.>\" }} }}"
        )
    };
    let without = |left_out: &str| needed.iter().copied().filter(|one| *one != left_out).collect();
    let rights = [vec![needed.clone()], needed.iter().map(|one| without(one)).collect()].concat();
    let users: Vec<_> = rights.into_iter().enumerate().map(user).collect();
    let settings = format!(
        "no_auth_user: admin\nauthorization {{ users: [{{ user: admin, password: pw }}, {}] }}",
        users.join(", ")
    );
    let server =
        NatsServer::start(&namespace, Ipv4Addr::LOCALHOST, &scratch.path().join("nats"), &settings).unwrap();
    publish(&namespace, server.address(), &prepared()).unwrap();
    fs::write(scratch.path().join("password"), "pw").unwrap();
    for number in 0..users.len() {
        let path = scratch.path().join("smb-sensor.toml");
        // The others get no answer.
        let timeout = if number == 0 { 20 } else { 1 };
        let config = format!(
            "[[output]]\ntype = \"nats\"\nservers = [\"nats://127.0.0.1\"]\nsite = \"graz\"\ntimeout = {timeout}\n\
             user = \"u{number}\"\npassword_file = \"password\"\n"
        );
        fs::write(&path, config).unwrap();
        let mut command = namespace.command(Agent::program().unwrap());
        let output = command.args(["fleet", "--config"]).arg(&path).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(said.contains("vienna/lab"), number == 0, "{number}: {output:?}");
    }
}
