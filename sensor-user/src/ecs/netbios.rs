//! `smb_sensor.netbios` of a connection: names in its session request, and facts of its datagrams.

use schemars::JsonSchema;
use sensor_core::view::FlowView;
use sensor_dissect::{
    Sender,
    facts::{Answer, Exchange, Operation},
    netbios_datagram::{Datagram, DatagramKind},
    netbios_name::NetbiosName,
};
use serde::Serialize;

/// NetBIOS.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NetbiosFields {
    session: Option<SessionFields>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    names: Vec<ExchangeFields>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    datagrams: Vec<DatagramFields>,
    /// Datagrams other than NetBIOS arrived.
    not_netbios: bool,
    /// Facts that did not fit.
    left_out: u32,
}

/// A session request (RFC 1002 4.3.2).
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SessionFields {
    called: NameFields,
    calling: NameFields,
}

/// A name.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NameFields {
    name: String,
    suffix: String,
    role: Option<String>,
    group: Option<bool>,
}

/// A request of the name service and its answer.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ExchangeFields {
    name: NameFields,
    asked_by: &'static str,
    operation: String,
    outcome: &'static str,
    status: Option<String>,
    computer: Option<String>,
    workgroup: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    names: Vec<NameFields>,
}

/// A message of the datagram service.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DatagramFields {
    sent_by: &'static str,
    kind: String,
    source: Option<NameFields>,
    destination: Option<NameFields>,
    mailslot: Option<String>,
}

impl NetbiosFields {
    /// The known facts; `None` if no name was seen.
    pub(super) fn of(view: &FlowView<'_>) -> Option<Self> {
        let session = view.facts.and_then(|facts| facts.netbios.as_ref());
        let session = session.map(|(called, calling)| SessionFields {
            called: name(called, None),
            calling: name(calling, Some(false)),
        });
        let Some(datagrams) = view.datagrams else {
            return session.map(|session| Self { session: Some(session), ..Self::default() });
        };
        Some(Self {
            session,
            names: datagrams.exchanges.iter().map(exchange).collect(),
            datagrams: datagrams.messages.iter().map(message).collect(),
            not_netbios: datagrams.not_netbios,
            left_out: datagrams.left_out,
        })
    }
}

/// Hosts that datagrams name, each once: those that answered with their names, and senders.
pub(super) fn hosts(view: &FlowView<'_>) -> Vec<String> {
    let Some(datagrams) = view.datagrams else { return vec![] };
    let computers = datagrams.exchanges.iter().filter_map(|one| one.answer.as_ref()?.computer());
    let senders =
        datagrams.messages.iter().filter_map(|(_, one)| Some(one.names.as_ref()?.source.name.as_str()));
    computers.chain(senders).map(str::to_owned).collect()
}

/// The role of a side in the document.
const fn end(side: Sender) -> &'static str {
    match side {
        Sender::Client => "source",
        Sender::Server => "destination",
    }
}

fn name(name: &NetbiosName, group: Option<bool>) -> NameFields {
    NameFields {
        name: name.name.clone(),
        suffix: format!("0x{:02x}", name.suffix),
        role: name.role(group).map(ToString::to_string),
        group,
    }
}

fn exchange(one: &Exchange) -> ExchangeFields {
    let refusal = one.answer.as_ref().and_then(Answer::refusal);
    ExchangeFields {
        name: name(&one.name, None),
        asked_by: end(one.asked_by),
        operation: operation(one.operation).to_owned(),
        outcome: match (&one.answer, refusal) {
            (None, _) => "unknown",
            (Some(_), Some(_)) => "refused",
            (Some(_), None) => "answered",
        },
        status: refusal.map(str::to_owned),
        computer: one.answer.as_ref().and_then(Answer::computer).map(str::to_owned),
        workgroup: one.answer.as_ref().and_then(Answer::workgroup).map(str::to_owned),
        names: one
            .answer
            .iter()
            .flat_map(|answer| &answer.names)
            .map(|one| name(&one.name, Some(one.group)))
            .collect(),
    }
}

fn message((sender, datagram): &(Sender, Datagram)) -> DatagramFields {
    let names = datagram.names.as_ref();
    DatagramFields {
        sent_by: end(*sender),
        kind: kind(datagram.kind).to_owned(),
        source: names.map(|names| name(&names.source, None)),
        destination: names.map(|names| name(&names.destination, None)),
        mailslot: datagram.mailslot.clone().filter(|name| !name.is_empty()),
    }
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
