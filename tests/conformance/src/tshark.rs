//! tshark's facts.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::{
    fact::{Fact, Seen, account, ends, ticket},
    layers::{all, each, text, walk},
    netbios,
};

/// Whether tshark is installed. One that does not run counts as installed: that is an error, not a reason to skip.
#[cfg(test)]
pub(crate) fn is_installed() -> bool {
    let started = Command::new("tshark").arg("--version").output();
    !started.is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

/// The first line of tshark's version.
pub(crate) fn version() -> Result<String> {
    let output = Command::new("tshark")
        .arg("--version")
        .output()
        .context("running tshark; install the package tshark, or run cargo xtask conformance, which does")?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned())
}

/// What tshark sees in a capture.
#[derive(Default)]
pub(crate) struct Theirs {
    pub(crate) seen: Seen,
    /// Operations of each connection that were called on a pipe, or a TCP connection, whose bind is not in the capture.
    pub(crate) unbound: BTreeMap<String, BTreeSet<String>>,
}

/// Reads a capture; tshark gets the ports on which SMB is spoken besides its own.
pub(crate) fn read(capture: &Path, other_ports: &BTreeSet<u16>) -> Result<Theirs> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(capture).args(["-n", "-T", "json", "--no-duplicate-keys"]);
    command.args([
        "-J",
        "ip ipv6 tcp udp nbss nbns nbdgm mailslot smb smb2 dcerpc ntlmssp gss-api spnego kerberos",
    ]);
    for port in other_ports {
        command.args(["-d", &format!("tcp.port=={port},nbss")]);
    }
    let output = command.output().context("running tshark")?;
    // On a capture with a cut end, tshark fails after it has printed the rest.
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() && text.trim().is_empty() {
        bail!("tshark failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let packets: Value = serde_json::from_str(&text).context("reading what tshark says")?;
    let mut reader = Reader::default();
    for packet in packets.as_array().into_iter().flatten() {
        reader.packet(&packet["_source"]["layers"]);
    }
    Ok(reader.theirs)
}

/// Facts, and the state between packets.
#[derive(Default)]
struct Reader {
    theirs: Theirs,
    /// Pipes with a bind, each by its connection and file identifier; of DCE-RPC over TCP, the connection alone.
    bound: BTreeSet<(String, Option<String>)>,
    /// Names of the SMB 1 dialects that a client offered: the answer has a number.
    offered: HashMap<String, Vec<String>>,
}

impl Reader {
    fn packet(&mut self, layers: &Value) {
        // The reader of captures leaves tunnels to the sensor's own packet path.
        if ["ip", "ipv6"].iter().map(|layer| each(&layers[*layer]).count()).sum::<usize>() > 1 {
            return;
        }
        let Some(ends) = packet_ends(layers) else { return };
        let offered = self.offered.entry(ends.clone()).or_default();
        let mut add = |fact: Fact, value: String| {
            self.theirs.seen.entry((ends.clone(), fact)).or_default().insert(value);
        };
        netbios::theirs(layers, &mut add);
        for message in each(&layers["smb2"]) {
            smb2(message, &mut add);
        }
        for message in each(&layers["smb"]) {
            smb1(message, offered, &mut add);
        }
        // LDAP, HTTP and the KDC's own port carry tickets and NTLM too.
        if ["smb", "smb2", "dcerpc"].iter().any(|protocol| each(&layers[*protocol]).next().is_some()) {
            walk(layers, &mut |object| {
                ntlmssp(object, &mut add);
                kerberos(object, &mut add);
            });
        }
        let mut pipes: Vec<_> =
            ["smb.fid", "smb2.fid"].iter().flat_map(|key| all(layers, key)).map(Some).collect();
        if pipes.is_empty() {
            pipes.push(None);
        }
        let pipes = pipes.into_iter().map(|pipe| (ends.clone(), pipe));
        let interfaces = all(layers, "dcerpc.cn_bind_to_uuid");
        if !interfaces.is_empty() {
            self.bound.extend(pipes.clone());
        }
        interfaces.into_iter().for_each(|uuid| add(Fact::Interface, uuid));
        let is_bound = pipes.into_iter().any(|pipe| self.bound.contains(&pipe));
        // A request is a PDU of type 0; a response has its operation's number from tshark's state.
        for pdu in each(&layers["dcerpc"]).filter(|pdu| text(&pdu["dcerpc.pkt_type"]).as_deref() == Some("0"))
        {
            for number in all(pdu, "dcerpc.opnum") {
                if !is_bound {
                    self.theirs.unbound.entry(ends.clone()).or_default().insert(number.clone());
                }
                add(Fact::Operation, number);
            }
        }
    }
}

fn packet_ends(layers: &Value) -> Option<String> {
    let port = |end| {
        let of = |protocol: &str| text(&each(&layers[protocol]).next()?[format!("{protocol}.{end}")]);
        of("tcp").or_else(|| of("udp"))
    };
    let (source, destination) = match each(&layers["ip"]).next() {
        Some(ip) => (text(&ip["ip.src"])?, text(&ip["ip.dst"])?),
        None => {
            let ip = each(&layers["ipv6"]).next()?;
            (format!("[{}]", text(&ip["ipv6.src"])?), format!("[{}]", text(&ip["ipv6.dst"])?))
        }
    };
    let (from, to) = (port("srcport")?, port("dstport")?);
    Some(ends(format!("{source}:{from}"), format!("{destination}:{to}")))
}

fn smb2(message: &Value, add: &mut impl FnMut(Fact, String)) {
    let header = &message["SMB2 Header"];
    let response = all(header, "smb2.flags.response").first().is_some_and(|flag| flag == "1");
    match (text(&header["smb2.cmd"]).as_deref(), response) {
        (Some("0"), true) => {
            // Another NEGOTIATE follows the wildcard.
            let chosen = all(message, "smb2.dialect").into_iter().filter(|dialect| dialect != "0x02ff");
            chosen.for_each(|dialect| add(Fact::Dialect, dialect));
        }
        (Some("1"), true) => {
            text(&header["smb2.nt_status"]).into_iter().for_each(|status| add(Fact::SessionStatus, status));
        }
        (Some("3"), false) => {
            all(message, "smb2.tree").into_iter().for_each(|path| add(Fact::Share, path));
        }
        _ => {}
    }
}

fn smb1(message: &Value, offered: &mut Vec<String>, add: &mut impl FnMut(Fact, String)) {
    let header = &message["SMB Header"];
    let response = all(header, "smb.flags.response").first().is_some_and(|flag| flag == "1");
    match (text(&header["smb.cmd"]).as_deref(), response) {
        (Some("0x72"), false) => *offered = all(message, "smb.dialect.name"),
        (Some("0x72"), true) => {
            let indices = all(message, "smb.dialect.index").into_iter();
            let chosen = indices.filter_map(|index| offered.get(index.parse::<usize>().ok()?).cloned());
            chosen.for_each(|name| add(Fact::Dialect, name));
            let domains = all(message, "smb.primary_domain").into_iter().filter(|name| !name.is_empty());
            domains.for_each(|name| add(Fact::ServerName, name));
        }
        (Some("0x73"), true) => {
            status(header).into_iter().for_each(|status| add(Fact::SessionStatus, status));
        }
        // A tree connect may be chained to another command.
        (_, false) => walk(message, &mut |object| {
            if let Some(path) = text(&object["smb.path"]) {
                add(Fact::Share, path);
            }
            if let (Some(user), Some(domain)) =
                (text(&object["smb.account"]), text(&object["smb.primary_domain"]))
            {
                add(Fact::Account, account(&domain, &user, ""));
            }
        }),
        _ => {}
    }
}

/// NT_STATUS, or the older error class and code. Success is zero in both.
fn status(header: &Value) -> Option<String> {
    let number = |key| u32::from_str_radix(text(&header[key])?.strip_prefix("0x")?, 16).ok();
    match (number("smb.error_class"), number("smb.error_code")) {
        (Some(0), Some(0)) => Some("0x00000000".to_owned()),
        (Some(class), Some(code)) => Some(format!("DOS {class}/{code}")),
        _ => text(&header["smb.nt_status"]),
    }
}

/// The ticket of an AP-REQ (14); its realm and service are in the object's own ticket.
fn kerberos(object: &Value, add: &mut impl FnMut(Fact, String)) {
    if let Some(request) = object.get("kerberos.ap_req_element") {
        let realms = all(request, "kerberos.realm");
        let names = all(request, "kerberos.SNameString");
        if let Some(realm) = realms.first() {
            add(Fact::Ticket, ticket(realm, &names.join("/")));
        }
    }
}

fn ntlmssp(object: &Value, add: &mut impl FnMut(Fact, String)) {
    // tshark writes NULL for a field of no length.
    let name = |key| text(&object[key]).filter(|name| name != "NULL").unwrap_or_default();
    match text(&object["ntlmssp.messagetype"]).as_deref() {
        Some("0x00000003") => {
            let account = account(
                &name("ntlmssp.auth.domain"),
                &name("ntlmssp.auth.username"),
                &name("ntlmssp.auth.hostname"),
            );
            add(Fact::Account, account);
        }
        Some("0x00000002") => {
            let target = name("ntlmssp.challenge.target_name");
            if !target.is_empty() {
                add(Fact::ServerName, target);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Facts of a packet with a Kerberos ticket, beside these layers.
    fn tickets(port: &str, protocol: &str) -> usize {
        let request = json!({ "kerberos.realm": "R", "kerberos.SNameString": ["cifs", "h"] });
        let layers = json!({
            "ip": { "ip.src": "192.0.2.1", "ip.dst": "192.0.2.2" },
            "tcp": { "tcp.srcport": "50000", "tcp.dstport": port },
            protocol: { "kerberos": { "kerberos.ap_req_element": request } },
        });
        let mut reader = Reader::default();
        reader.packet(&layers);
        reader.theirs.seen.keys().filter(|(_, fact)| *fact == Fact::Ticket).count()
    }

    /// Facts of one packet with a call of operation 7 on a pipe, after a bind on pipe `bound`; and whether it is unbound.
    fn call(pipe: &str, bound: &str, extra_ip: bool) -> (bool, bool) {
        let packet = |pipe: &str, pdu: Value| {
            let ip = json!({ "ip.src": "192.0.2.1", "ip.dst": "192.0.2.2" });
            json!({
                "ip": if extra_ip { json!([ip, ip]) } else { ip },
                "tcp": { "tcp.srcport": "50000", "tcp.dstport": "445" },
                "smb2": { "smb2.fid": pipe },
                "dcerpc": pdu,
            })
        };
        let mut reader = Reader::default();
        reader.packet(&packet(bound, json!({ "dcerpc.pkt_type": "11", "dcerpc.cn_bind_to_uuid": "u" })));
        reader.packet(&packet(pipe, json!({ "dcerpc.pkt_type": "0", "dcerpc.opnum": "7" })));
        let seen = reader.theirs.seen.keys().any(|(_, fact)| *fact == Fact::Operation);
        (seen, reader.theirs.unbound.values().any(|numbers| numbers.contains("7")))
    }

    #[test]
    fn call_on_another_pipe_than_the_bind_is_unbound() {
        assert_eq!(call("a", "a", false), (true, false));
        assert_eq!(call("b", "a", false), (true, true));
    }

    #[test]
    fn tunnelled_packet_gives_no_fact() {
        assert_eq!(call("a", "a", true), (false, false));
    }

    #[test]
    fn ticket_outside_smb_and_dce_rpc_is_no_fact() {
        assert_eq!((tickets("445", "smb2"), tickets("135", "dcerpc")), (1, 1));
        assert_eq!((tickets("88", "kerberos"), tickets("389", "ldap")), (0, 0));
    }
}
