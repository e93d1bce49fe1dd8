//! Credentials of a server with accounts: JSON web tokens that an operator and an account have signed.

use std::fs;

use anyhow::Result;
use async_nats::ConnectOptions;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use nkeys::KeyPair;
use sensor_lab::{NatsServer, Topology, require_lab, scratch_dir};
use sensor_tests::{Agent, nats::stored};
use serde_json::{Value, json};

use super::{AT, OUTPUT, STDOUT, converse};

/// A token of NATS (version 2) about a key, signed by another one.
fn token(issuer: &KeyPair, subject: &KeyPair, name: &str, claims: &Value) -> Result<String> {
    let header = json!({ "typ": "JWT", "alg": "ed25519-nkey" });
    let body = json!({
        "jti": name,
        "iat": 1_700_000_000,
        "iss": issuer.public_key(),
        "sub": subject.public_key(),
        "name": name,
        "nats": claims,
    });
    let encoded = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encoded(&header), encoded(&body));
    let signature = issuer.sign(signed.as_bytes())?;
    Ok(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
}

/// The claims of an account without limits but that of storage; -1 is none.
fn account(storage: i64) -> Value {
    let limits = ["subs", "data", "payload", "imports", "exports", "conn", "leaf", "streams", "consumer"];
    let mut limits: serde_json::Map<String, Value> =
        limits.into_iter().map(|name| (name.to_owned(), json!(-1))).collect();
    limits.insert("wildcards".to_owned(), json!(true));
    for kind in ["mem_storage", "disk_storage"] {
        limits.insert(kind.to_owned(), json!(storage));
    }
    json!({ "type": "account", "version": 2, "limits": limits })
}

/// The file of credentials, as `nsc` writes it.
fn credentials(account: &KeyPair, user: &KeyPair) -> Result<String> {
    let limits = json!({ "type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1 });
    Ok(format!(
        "-----BEGIN NATS USER JWT-----\n{}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
        token(account, user, "sensor", &limits)?,
        user.seed()?
    ))
}

#[test]
fn sensor_logs_on_with_credentials_of_an_account() {
    require_lab!(Nats);
    let border = Topology::border().unwrap();
    let scratch = scratch_dir().unwrap();
    let operator = KeyPair::new_operator();
    let [lab, system, stranger] = [(); 3].map(|()| KeyPair::new_account());
    let [user, other] = [(); 2].map(|()| KeyPair::new_user());
    let of = |key: &KeyPair, name: &str, storage: i64| {
        format!("{}: {:?}", key.public_key(), token(&operator, key, name, &account(storage)).unwrap())
    };
    let settings = format!(
        "operator: {:?}\nsystem_account: {}\nresolver: MEMORY\nresolver_preload: {{ {}, {} }}",
        token(&operator, &operator, "lab", &json!({ "type": "operator", "version": 2 })).unwrap(),
        system.public_key(),
        of(&system, "system", 0),
        of(&lab, "lab", -1),
    );
    let server = NatsServer::start(border.gateway(), AT, &scratch.path().join("nats"), &settings).unwrap();
    let file = scratch.path().join("sensor.creds");
    let config = format!("{OUTPUT}credentials_file = {file:?}\n{STDOUT}");
    let run = |text: &str| {
        fs::write(&file, text).unwrap();
        let agent = Agent::on(border.gateway(), "lan0").config(&config).start().unwrap();
        converse(&border).unwrap();
        agent.wait_for(|_| true).unwrap();
        agent
    };

    // An account that the operator does not know.
    let wrong = run(&credentials(&stranger, &other).unwrap());
    wrong.wait_for_log("the server refuses these credentials").unwrap();
    assert_eq!(wrong.stop().unwrap().code, Some(1));

    let right = credentials(&lab, &user).unwrap();
    let agent = run(&right);
    agent.wait_for_outputs().unwrap();
    let ended = agent.stop().unwrap();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(!ended.log.contains(&user.seed().unwrap()), "a secret is in the log");
    let options = ConnectOptions::new().credentials(&right).unwrap();
    let all = stored(border.gateway(), server.address(), options, "smb-sensor.>").unwrap();
    assert!(!all.is_empty() && all.len() == ended.documents.len(), "{}", ended.log);
}
