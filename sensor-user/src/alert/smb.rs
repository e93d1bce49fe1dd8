//! What the conversation said, as it stands in the document: `smb_sensor.smb`, `smb_sensor.credentials`,
//! `smb_sensor.rpc`, and the ECS fields that name users and hosts.

use sensor_common::slot::mark;
use serde_json::{Map, Value, json};

use super::negotiation;
use crate::{
    detect::{Sight, windows_client},
    dissect::{
        Facts,
        facts::{Credential, Method, Outcome, Share},
        ntlmssp::ResponseKind,
        smb2::ShareKind,
    },
};

/// What an inference calls the redirector of Windows. It may be imitated; a process number is never made of it.
const WINDOWS_KERNEL_CLIENT: &str = "Windows kernel SMB client";

/// Adds what is known to the document.
pub(super) fn add(document: &mut Value, sight: &Sight<'_>) {
    let marks = sight.flow.marks;
    let Some(facts) = sight.flow.facts.as_deref() else {
        let mut smb = Map::new();
        encryption(&mut smb, marks, None);
        if !smb.is_empty() {
            document["smb_sensor"]["smb"] = Value::Object(smb);
        }
        return;
    };
    let smb = smb(facts, marks);
    if !smb.is_empty() {
        document["smb_sensor"]["smb"] = Value::Object(smb);
    }
    if !facts.credentials.is_empty() {
        let all: Vec<_> = facts.credentials.iter().map(credential).collect();
        document["smb_sensor"]["credentials"] = Value::Array(all);
    }
    if !facts.interfaces.is_empty() {
        document["smb_sensor"]["rpc"] = rpc(facts);
    }
    // Where the process is known there is nothing to infer.
    if let Some(grounds) = windows_client::grounds(facts).filter(|_| sight.flow.owner.is_none()) {
        document["smb_sensor"]["client"] = json!({ "inferred": WINDOWS_KERNEL_CLIENT, "grounds": grounds });
    }
    users(document, facts);
    if let Some(name) = &facts.server.names.dns_computer {
        document["destination"]["domain"] = json!(name);
    }
}

/// ECS `source.user` and `related`.
fn users(document: &mut Value, facts: &Facts) {
    let named = facts.credentials.iter().filter(|credential| !credential.is_anonymous());
    let mut users: Vec<&str> = Vec::new();
    for user in named.clone().filter_map(|credential| credential.user.as_deref()) {
        if !users.contains(&user) {
            users.push(user);
        }
    }
    let mut hosts: Vec<&str> = Vec::new();
    let workstations = facts.credentials.iter().filter_map(|credential| credential.workstation.as_deref());
    let server = [&facts.server.names.netbios_computer, &facts.server.names.dns_computer];
    let server = server.into_iter().filter_map(|name| name.as_deref());
    let calling = facts.netbios.iter().map(|(_, calling)| calling.name.as_str());
    for host in workstations.chain(server).chain(calling) {
        if !host.is_empty() && !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    if let Some(first) = named.clone().find(|credential| credential.user.is_some()) {
        let mut user = json!({ "name": first.user });
        if let Some(domain) = first.domain.as_deref().filter(|domain| !domain.is_empty()) {
            user["domain"] = json!(domain);
        }
        document["source"]["user"] = user;
    }
    let mut related = Map::new();
    if !users.is_empty() {
        related.insert("user".into(), json!(users));
    }
    if !hosts.is_empty() {
        related.insert("hosts".into(), json!(hosts));
    }
    for (name, values) in related {
        document["related"][name] = values;
    }
}

fn smb(facts: &Facts, marks: u16) -> Map<String, Value> {
    let mut smb = Map::new();
    let mut put = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            smb.insert(name.into(), json!(value));
        }
    };
    put("dialect", facts.dialect.as_ref().map(ToString::to_string));
    put("client_version", facts.client.ntlm_version.map(|version| version.to_string()));
    put("client_os", facts.client.native_os.clone());
    put("client_lan_manager", facts.client.native_lan_manager.clone());
    put("server_version", facts.server.ntlm_version.map(|version| version.to_string()));
    put("server_os", facts.server.native_os.clone());
    put("server_lan_manager", facts.server.native_lan_manager.clone());
    put("server_name", facts.server.names.netbios_computer.clone());
    put("server_dns_name", facts.server.names.dns_computer.clone());
    put("server_domain", facts.server.names.netbios_domain.clone());
    put("server_dns_domain", facts.server.names.dns_domain.clone());
    put("server_dns_forest", facts.server.names.dns_forest.clone());
    put("server_target_name", facts.server.target.clone());
    put("server_called", facts.client.contexts.netname.clone());
    put("client_guid", facts.client.guid.map(|guid| guid.to_string()));
    put("server_guid", facts.server.guid.map(|guid| guid.to_string()));
    negotiation::add(&mut smb, facts);
    if facts.smb_spoken() {
        let mut versions = Vec::new();
        for (spoken, version) in [(facts.smb1, 1), (facts.smb2, 2)] {
            if spoken {
                versions.push(version);
            }
        }
        smb.insert("versions".into(), json!(versions));
    }
    encryption(&mut smb, marks, Some(facts));
    for (name, count) in [("sessions", facts.sessions), ("logoffs", facts.logoffs)] {
        if count > 0 {
            smb.insert(name.into(), json!(count));
        }
    }
    if !facts.session_statuses.is_empty() {
        let statuses: Vec<_> = facts.session_statuses.iter().map(ToString::to_string).collect();
        smb.insert("session_statuses".into(), json!(statuses));
    }
    if !facts.shares.is_empty() {
        smb.insert("shares".into(), Value::Array(facts.shares.iter().map(share).collect()));
    }
    if facts.left_out > 0 {
        smb.insert("left_out".into(), json!(facts.left_out));
    }
    smb
}

fn encryption(smb: &mut Map<String, Value>, marks: u16, facts: Option<&Facts>) {
    if marks & mark::ENCRYPTED != 0 || facts.is_some_and(|facts| facts.encrypted) {
        smb.insert("encrypted".into(), json!(true));
    }
    if marks & mark::COMPRESSED != 0 || facts.is_some_and(|facts| facts.compressed) {
        smb.insert("compressed".into(), json!(true));
    }
}

fn share(share: &Share) -> Value {
    let mut value = json!({ "path": share.path });
    let kind = share.kind.map(|kind| match kind {
        ShareKind::Disk => "disk",
        ShareKind::Pipe => "pipe",
        ShareKind::Printer => "printer",
        ShareKind::Other(_) => "other",
    });
    if let Some(kind) = kind {
        value["kind"] = json!(kind);
    }
    outcome(&mut value, share.outcome);
    value
}

fn outcome(value: &mut Value, outcome: Option<Outcome>) {
    match outcome {
        Some(Outcome::Accepted) => value["outcome"] = json!("accepted"),
        Some(Outcome::AcceptedAsGuest) => value["outcome"] = json!("accepted as guest"),
        Some(Outcome::Refused(status)) => {
            value["outcome"] = json!("refused");
            value["status"] = json!(status.to_string());
        }
        None => value["outcome"] = json!("unknown"),
    }
}

/// The method's name, as people call it.
const fn method(credential: &Credential) -> &'static str {
    match credential.method {
        Method::Ntlm(ResponseKind::V1) => "NTLMv1",
        Method::Ntlm(ResponseKind::V2) => "NTLMv2",
        Method::Ntlm(ResponseKind::Anonymous) => "anonymous",
        Method::Kerberos => "Kerberos",
        Method::Password => "plaintext password",
    }
}

/// The same in a sentence.
pub(super) const fn with_article(credential: &Credential) -> &'static str {
    match credential.method {
        Method::Ntlm(ResponseKind::V1) => "an NTLMv1",
        Method::Ntlm(ResponseKind::V2) => "an NTLMv2",
        Method::Ntlm(ResponseKind::Anonymous) => "an anonymous",
        Method::Kerberos => "a Kerberos",
        Method::Password => "a plaintext",
    }
}

fn credential(credential: &Credential) -> Value {
    let mut value = json!({ "method": method(credential) });
    for (name, text) in [
        ("user", &credential.user),
        ("domain", &credential.domain),
        ("workstation", &credential.workstation),
        ("target", &credential.target),
    ] {
        if let Some(text) = text.as_deref().filter(|text| !text.is_empty()) {
            value[name] = json!(text);
        }
    }
    if let Some(fingerprint) = &credential.fingerprint {
        value["fingerprint"] = json!(fingerprint.to_string());
    }
    outcome(&mut value, credential.outcome);
    value
}

fn rpc(facts: &Facts) -> Value {
    facts
        .interfaces
        .iter()
        .map(|interface| {
            let operations: Vec<_> = interface
                .operations
                .iter()
                .map(|number| interface.operation(*number).map_or_else(|| number.to_string(), str::to_owned))
                .collect();
            let mut value = json!({ "uuid": interface.uuid.to_string() });
            if let Some(name) = interface.name {
                value["interface"] = json!(name);
            }
            if !operations.is_empty() {
                value["operations"] = json!(operations);
            }
            value
        })
        .collect()
}

#[cfg(test)]
pub(super) mod tests;
