//! What the conversation said of NetBIOS names, in the request of a session or in datagrams, as it stands in the document:
//! `smb_sensor.netbios`, and the hosts that datagrams name.

use serde_json::{Map, Value, json};

use crate::{
    detect::Sight,
    dissect::{
        Sender,
        facts::{Answer, Datagrams, Exchange, Operation},
        netbios_datagram::{Datagram, DatagramKind},
        netbios_name::NetbiosName,
    },
};

/// Adds what is known to the document.
pub(super) fn add(document: &mut Value, sight: &Sight<'_>) {
    let session = sight.flow.facts.as_deref().and_then(|facts| facts.netbios.as_ref());
    if let Some((called, calling)) = session {
        let names = json!({ "called": name(called, None), "calling": name(calling, Some(false)) });
        document["smb_sensor"]["netbios"] = json!({ "session": names });
    }
    if let Some(said) = sight.flow.datagrams.as_deref() {
        add_datagrams(document, said);
    }
}

fn add_datagrams(document: &mut Value, said: &Datagrams) {
    let mut netbios = Map::new();
    if !said.exchanges.is_empty() {
        netbios.insert("names".into(), said.exchanges.iter().map(exchange).collect());
    }
    if !said.messages.is_empty() {
        netbios.insert("datagrams".into(), said.messages.iter().map(message).collect());
    }
    if said.foreign {
        netbios.insert("foreign".into(), json!(true));
    }
    if said.left_out > 0 {
        netbios.insert("left_out".into(), json!(said.left_out));
    }
    document["smb_sensor"]["netbios"] = Value::Object(netbios);
    let hosts = hosts(said);
    if !hosts.is_empty() {
        document["related"]["hosts"] = json!(hosts);
    }
}

/// Machines that were named, each once: those that told their names, and senders.
fn hosts(said: &Datagrams) -> Vec<&str> {
    let computers = said.exchanges.iter().filter_map(|one| one.answer.as_ref()?.computer());
    let senders = said.messages.iter().filter_map(|(_, one)| Some(one.names.as_ref()?.source.name.as_str()));
    let mut hosts = Vec::new();
    for host in computers.chain(senders).filter(|host| !host.is_empty()) {
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    hosts
}

/// The end of the document that a side is.
const fn end(side: Sender) -> &'static str {
    match side {
        Sender::Client => "source",
        Sender::Server => "destination",
    }
}

fn exchange(exchange: &Exchange) -> Value {
    let mut value = name(&exchange.name, None);
    value["asked_by"] = json!(end(exchange.asked_by));
    value["operation"] = json!(operation(exchange.operation));
    let Some(answer) = &exchange.answer else {
        value["outcome"] = json!("unknown");
        return value;
    };
    if let Some(refusal) = answer.refusal() {
        value["outcome"] = json!("refused");
        value["status"] = json!(refusal);
        return value;
    }
    value["outcome"] = json!("answered");
    told(&mut value, answer);
    value
}

/// What a node said of itself.
fn told(value: &mut Value, answer: &Answer) {
    for (key, text) in [("computer", answer.computer()), ("workgroup", answer.workgroup())] {
        if let Some(text) = text {
            value[key] = json!(text);
        }
    }
    if !answer.names.is_empty() {
        let names = answer.names.iter().map(|one| {
            let mut value = name(&one.name, Some(one.group));
            value["group"] = json!(one.group);
            value
        });
        value["told"] = names.collect();
    }
}

fn name(name: &NetbiosName, group: Option<bool>) -> Value {
    let mut value = json!({ "name": name.name, "suffix": format!("0x{:02x}", name.suffix) });
    if let Some(role) = name.role(group) {
        value["role"] = json!(role);
    }
    value
}

fn message((sender, datagram): &(Sender, Datagram)) -> Value {
    let mut value = json!({
        "sent_by": end(*sender),
        "kind": kind(datagram.kind),
        "sender_address": datagram.source_address.to_string(),
    });
    if let Some(names) = &datagram.names {
        value["from"] = name(&names.source, None);
        value["to"] = name(&names.destination, None);
    }
    if let Some(mailslot) = datagram.mailslot.as_deref().filter(|name| !name.is_empty()) {
        value["mailslot"] = json!(mailslot);
    }
    value
}

const fn kind(kind: DatagramKind) -> &'static str {
    match kind {
        DatagramKind::DirectUnique => "direct unique",
        DatagramKind::DirectGroup => "direct group",
        DatagramKind::Broadcast => "broadcast",
        DatagramKind::Error(_) => "error",
        DatagramKind::Query => "query",
    }
}

const fn operation(operation: Operation) -> &'static str {
    match operation {
        Operation::Query => "query",
        Operation::NodeStatus => "node status",
        Operation::Registration => "registration",
        Operation::Release => "release",
        Operation::Refresh => "refresh",
        Operation::Other(_) => "other",
    }
}

/// What was said, in a sentence's part: the first question with its answer, or the first message.
pub(super) fn in_words(said: &Datagrams) -> Option<String> {
    if let Some(first) = said.exchanges.first() {
        let who = if first.asked_by == Sender::Client { "it" } else { "the server" };
        return Some(format!("{who} {}{}", asked(first), answered(first.answer.as_ref())));
    }
    if let Some((sender, first)) = said.messages.first() {
        let who = if *sender == Sender::Client { "it" } else { "the server" };
        let names = first.names.as_ref();
        let names = names.map(|names| format!(" from {} to {}", names.source, names.destination));
        let mailslot = first.mailslot.as_ref().map(|name| format!(" for {name}"));
        let (names, mailslot) = (names.unwrap_or_default(), mailslot.unwrap_or_default());
        return Some(format!("{who} sent a NetBIOS datagram{names}{mailslot}"));
    }
    said.foreign.then(|| "what it said is no NetBIOS".to_owned())
}

fn asked(exchange: &Exchange) -> String {
    let name = &exchange.name;
    match exchange.operation {
        Operation::Query => format!("asked for the name {name}"),
        Operation::NodeStatus => format!("asked for the node status of {name}"),
        Operation::Registration => format!("registered the name {name}"),
        Operation::Release => format!("released the name {name}"),
        Operation::Refresh => format!("refreshed the name {name}"),
        Operation::Other(code) => format!("asked for operation {code} on the name {name}"),
    }
}

fn answered(answer: Option<&Answer>) -> String {
    let Some(answer) = answer else { return String::new() };
    if let Some(refusal) = answer.refusal() {
        return format!(", and was refused: {refusal}");
    }
    match (answer.computer(), answer.workgroup()) {
        (Some(computer), Some(workgroup)) => format!(", and was told {computer} of {workgroup}"),
        (Some(name), None) | (None, Some(name)) => format!(", and was told {name}"),
        (None, None) => ", and was answered".to_owned(),
    }
}

#[cfg(test)]
pub(super) mod tests;
