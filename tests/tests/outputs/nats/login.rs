//! Authentication and permissions of a sensor that publishes.

use std::{fs, path::Path};

use anyhow::Result;
use async_nats::{ConnectOptions, jetstream::stream::Config};
use sensor_lab::{Namespace, NatsServer, Topology, poll, require_lab, scratch_dir};
use sensor_tests::{
    Agent, PATIENCE,
    nats::{STREAM, ask, stored},
};

use super::{AT, OUTPUT, STDOUT, converse};

/// What `check` says about outputs.
fn checked(namespace: &Namespace, config: &Path) -> Result<String> {
    let mut command = namespace.command(Agent::program()?);
    let output = command.arg("check").arg("--config").arg(config).output()?;
    let text = String::from_utf8(output.stdout)? + &String::from_utf8(output.stderr)?;
    Ok(text.lines().filter(|line| line.contains(" output ")).collect::<Vec<_>>().join("\n"))
}

#[test]
fn wrong_credentials_are_named_and_not_shown() {
    require_lab!(Nats);
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let settings = "authorization { user: \"sensor\", password: \"r1ght\" }";
    let server = NatsServer::start(border.gateway(), AT, scratch.path(), settings).unwrap();
    let [password, config] = ["password", "sensor.toml"].map(|name| scratch.path().join(name));
    let output = format!("{OUTPUT}user = \"sensor\"\npassword_file = {password:?}\n");

    fs::write(&password, "wr0ng\n").unwrap();
    fs::write(&config, format!("state_dir = {:?}\n{output}", scratch.path())).unwrap();
    let line = checked(border.gateway(), &config).unwrap();
    assert!(line.starts_with("missing") && line.contains("refuses these credentials"), "{line}");
    let agent = Agent::on(border.gateway(), "lan0").config(&output).start().unwrap();
    converse(&border).unwrap();
    agent.wait_for_log("127.0.0.1:4222: the server refuses these credentials").unwrap();
    let ended = agent.stop().unwrap();
    assert_eq!(ended.code, Some(1));
    assert!(!(ended.log + &line).contains("wr0ng"));

    fs::write(&password, "r1ght\n").unwrap();
    let line = checked(border.gateway(), &config).unwrap();
    assert!(line.starts_with("ok") && line.contains("accepts this sensor's credentials"), "{line}");
    let agent = Agent::on(border.gateway(), "lan0").config(&output).start().unwrap();
    converse(&border).unwrap();
    let held = || {
        let options = ConnectOptions::new().user_and_password("sensor".to_owned(), "r1ght".to_owned());
        stored(border.gateway(), server.address(), options, "smb-sensor.>").unwrap_or_default()
    };
    poll(PATIENCE, || (!held().is_empty()).then_some(())).unwrap_or_else(|| panic!("{}", agent.log()));
    agent.wait_for_outputs().unwrap();
    let ended = agent.stop().unwrap();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
}

#[test]
fn sensor_logs_on_over_tls_by_nkey_token_and_certificate() {
    require_lab!(Nats);
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let file = |name: &str| scratch.path().join(name);
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let pair = nkeys::KeyPair::new_user();
    let [certificate, key, seed, token] = ["certificate.pem", "key.pem", "seed", "token"].map(file);
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    fs::write(&seed, pair.seed().unwrap()).unwrap();
    fs::write(&token, "t0ken").unwrap();
    let tls = format!("cert_file: {certificate:?}, key_file: {key:?}");
    let output =
        OUTPUT.replace("nats://127.0.0.1", "tls://localhost") + &format!("ca_file = {certificate:?}\n");
    for (name, settings, keys) in [
        (
            "nkey",
            format!("tls {{ {tls} }}\nauthorization {{ users: [{{ nkey: {} }}] }}", pair.public_key()),
            format!("nkey_file = {seed:?}\n"),
        ),
        (
            "token",
            format!("tls {{ {tls} }}\nauthorization {{ token: \"t0ken\" }}"),
            format!("token_file = {token:?}\n"),
        ),
        (
            "certificate",
            format!("tls {{ {tls}, ca_file: {certificate:?}, verify: true }}"),
            format!("certificate_file = {certificate:?}\nkey_file = {key:?}\n"),
        ),
    ] {
        let server =
            NatsServer::start(border.gateway(), AT, &file(&format!("of-{name}")), &settings).unwrap();
        let config = format!("{output}{keys}{STDOUT}");
        let agent = Agent::on(border.gateway(), "lan0").config(&config).start().unwrap();
        converse(&border).unwrap();
        agent.wait_for(|_| true).unwrap();
        agent.wait_for_outputs().unwrap();
        let ended = agent.stop().unwrap();
        assert!(ended.code == Some(0) && !ended.documents.is_empty(), "{name}: {}", ended.log);
        assert!(!ended.log.contains("t0ken") && !ended.log.contains(&pair.seed().unwrap()), "{name}");
        drop(server);
    }
}

#[test]
fn server_with_another_certificate_gets_no_credentials() {
    require_lab!(Nats);
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let file = |name: &str| scratch.path().join(name);
    let [theirs, ours] =
        [(); 2].map(|()| rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap());
    let [certificate, key, ca_file] = ["certificate.pem", "key.pem", "ours.pem"].map(file);
    fs::write(&certificate, theirs.cert.pem()).unwrap();
    fs::write(&key, theirs.signing_key.serialize_pem()).unwrap();
    fs::write(&ca_file, ours.cert.pem()).unwrap();
    let settings = format!("tls {{ cert_file: {certificate:?}, key_file: {key:?} }}");
    let _server = NatsServer::start(border.gateway(), AT, scratch.path(), &settings).unwrap();
    let output = OUTPUT.replace("nats://127.0.0.1", "tls://localhost") + &format!("ca_file = {ca_file:?}\n");
    let agent = Agent::on(border.gateway(), "lan0").config(&output).start().unwrap();
    converse(&border).unwrap();
    agent.wait_for_log("certificate").unwrap();
    assert_eq!(agent.stop().unwrap().code, Some(1));
}

#[test]
fn sensor_needs_permission_for_its_own_subjects_alone() {
    require_lab!(Nats);
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let user = |name: &str, publish: &str| {
        format!(
            "{{ user: {name}, password: pw, permissions: {{ publish: \"{publish}\", subscribe: \"_INBOX.>\" }} }}"
        )
    };
    let users = [
        user("gate", "smb-sensor.lab.gate.>"),
        user("other", "smb-sensor.lab.other.>"),
        "{ user: admin, password: pw }".into(),
    ];
    let settings = format!("authorization {{ users: [{}] }}", users.join(", "));
    let server = NatsServer::start(border.gateway(), AT, &scratch.path().join("nats"), &settings).unwrap();
    let admin = || ConnectOptions::new().user_and_password("admin".to_owned(), "pw".to_owned());
    ask(border.gateway(), server.address(), admin(), async |jetstream| {
        let (name, subjects) = (STREAM.to_owned(), vec!["smb-sensor.>".to_owned()]);
        jetstream.create_stream(Config { name, subjects, allow_rollup: true, ..Config::default() }).await?;
        Ok(())
    })
    .unwrap();
    let password = scratch.path().join("password");
    fs::write(&password, "pw").unwrap();
    let config = |user: &str| {
        let output = OUTPUT
            .replace("create_stream = true\n", "")
            .replace("health_interval = 0", "health_interval = 1");
        format!("{output}user = \"{user}\"\npassword_file = {password:?}\n{STDOUT}")
    };
    let agent = Agent::on(border.gateway(), "lan0").config(&config("other")).start().unwrap();
    converse(&border).unwrap();
    agent.wait_for_log("Permissions Violation for Publish to").unwrap();
    assert_eq!(agent.stop().unwrap().code, Some(1));

    let agent = Agent::on(border.gateway(), "lan0").config(&config("gate")).start().unwrap();
    converse(&border).unwrap();
    let held = |kind: &str| {
        let subject = format!("smb-sensor.lab.gate.{kind}");
        stored(border.gateway(), server.address(), admin(), &subject).unwrap().len()
    };
    poll(PATIENCE, || (held("health") > 0).then_some(())).unwrap_or_else(|| panic!("{}", agent.log()));
    agent.wait_for_outputs().unwrap();
    let ended = agent.stop().unwrap();
    assert_eq!((ended.code, held("incident")), (Some(0), ended.documents.len()), "{}", ended.log);
}
