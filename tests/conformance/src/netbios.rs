//! NetBIOS names and datagrams, in the dissector's form and in tshark's.

use sensor_dissect::{
    facts::Operation,
    netbios_datagram::DatagramKind,
    netbios_name::{NBSTAT, NetbiosName},
};
use sensor_user::capture::RecordedDatagrams;
use serde_json::Value;

use crate::{
    fact::Fact,
    layers::{all, each, text},
};

/// The dissector's facts of a connection.
pub(crate) fn ours(recorded: &RecordedDatagrams) -> Vec<(Fact, String)> {
    let mut seen = Vec::new();
    for exchange in &recorded.said.exchanges {
        let operation = match exchange.operation {
            Operation::Query => 0,
            Operation::NodeStatus => NODE_STATUS,
            Operation::Registration => 5,
            Operation::Release => 6,
            Operation::Refresh => 8,
            Operation::Other(opcode) => opcode.into(),
        };
        seen.push((Fact::NetbiosName, format!("operation {operation} on {}", exchange.name)));
        let Some(answer) = &exchange.answer else { continue };
        seen.push((Fact::NetbiosResult, format!("{} for {}", answer.code, exchange.name)));
        let names = answer.names.iter().map(|one| node_name(&one.name.name, one.group));
        seen.extend(names.map(|name| (Fact::NodeName, name)));
    }
    for (_, message) in &recorded.said.messages {
        let kind = match message.kind {
            DatagramKind::DirectUnique => 0x10,
            DatagramKind::DirectGroup => 0x11,
            DatagramKind::Broadcast => 0x12,
            DatagramKind::Error(_) => 0x13,
            DatagramKind::Query => 0x14,
        };
        let names = message.names.as_ref();
        let names = names.map(|names| (names.source.to_string(), names.destination.to_string()));
        seen.push((Fact::Datagram, datagram(kind, names, message.mailslot.as_deref())));
    }
    seen
}

/// The facts in a packet from tshark.
pub(crate) fn theirs(layers: &Value, add: &mut impl FnMut(Fact, String)) {
    for packet in each(&layers["nbns"]) {
        name_packet(packet, add);
    }
    for packet in each(&layers["nbdgm"]) {
        let Some(kind) = number(&packet["nbdgm.type"]) else { continue };
        let names = Option::zip(text(&packet["nbdgm.source_name"]), text(&packet["nbdgm.destination_name"]));
        let names = names.map(|(from, to)| (name(&from), name(&to)));
        let mailslot = all(&layers["mailslot"], "mailslot.name").into_iter().next();
        add(Fact::Datagram, datagram(kind, names, mailslot.as_deref()));
    }
}

/// Text for a query (0) that asks for the names of a node.
const NODE_STATUS: u16 = 100;

fn name_packet(packet: &Value, add: &mut impl FnMut(Fact, String)) {
    // The first name is that of the question, or otherwise of the answer.
    let record = ["Queries", "Answers"].iter().find_map(|part| packet[part].as_object()?.values().next());
    let Some(record) = record else { return };
    let (Some(about), Some(opcode)) = (
        text(&record["nbns.name"]),
        all(packet, "nbns.flags.opcode").first().and_then(|code| code.parse().ok()),
    ) else {
        return;
    };
    let about = name(&about);
    let status = text(&record["nbns.type"]) == Some(NBSTAT.to_string());
    let operation = match opcode {
        0 if status => NODE_STATUS,
        // Two numbers each with the same meaning.
        9 => 8,
        15 => 5,
        other => other,
    };
    add(Fact::NetbiosName, format!("operation {operation} on {about}"));
    if let Some(code) = all(packet, "nbns.flags.rcode").first() {
        add(Fact::NetbiosResult, format!("{code} for {about}"));
    }
    // tshark gives the suffix of such a name only as text.
    let names = all(record, "nbns.netbios_name");
    let groups = all(record, "nbns.name_flags.group");
    for (field, group) in names.iter().zip(groups) {
        add(Fact::NodeName, node_name(&plain(field), group == "1"));
    }
}

fn node_name(name: &str, group: bool) -> String {
    format!("{name} of {}", if group { "a group" } else { "one" })
}

fn datagram(kind: u16, names: Option<(String, String)>, mailslot: Option<&str>) -> String {
    let (from, to) = names.unwrap_or_default();
    format!("0x{kind:02x} from {from} to {to} for {}", mailslot.unwrap_or_default())
}

/// A name in the dissector's form, from `NAME<20> (meaning)`.
fn name(field: &str) -> String {
    let field = field.split(" (").next().unwrap_or_default();
    let (characters, suffix) = field.rsplit_once('<').unwrap_or((field, ""));
    let suffix = u8::from_str_radix(suffix.trim_end_matches('>'), 16).unwrap_or_default();
    NetbiosName { name: plain(characters), suffix }.to_string()
}

/// The characters of a name; tshark writes control characters as `<01>`, and the dissector as U+FFFD.
fn plain(field: &str) -> String {
    let mut plain = String::new();
    let mut rest = field;
    while let Some(first) = rest.chars().next() {
        let code = rest.strip_prefix('<').and_then(|code| code.get(..3)?.strip_suffix('>'));
        if let Some(code) = code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            plain.push(if code == 0 { '\0' } else { char::REPLACEMENT_CHARACTER });
            rest = &rest[4..];
        } else {
            plain.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    plain.trim_end_matches(['\0', ' ']).to_owned()
}

fn number(value: &Value) -> Option<u16> {
    text(value)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names_as_tshark_writes_them() {
        assert_eq!(name("EQGRP<00> (Workstation/Redirector)"), "EQGRP<00>");
        assert_eq!(name("*<00><00><00><00>"), "*<00>");
        assert_eq!(name("<01><02>__MSBROWSE__<02><01>"), "\u{FFFD}\u{FFFD}__MSBROWSE__\u{FFFD}<01>");
    }
}
