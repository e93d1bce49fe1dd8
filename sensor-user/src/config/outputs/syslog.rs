//! Keys of syslog.

use std::{net::Ipv6Addr, path::Path};

use toml_span::{Span, de_helpers::TableHelper};

use super::{required, tls};
use crate::{
    config::{reader::Reader, value::one_of},
    sinks::{Body, SyslogOptions, TlsOptions, Transport},
};

/// Default facility of syslog.
const LOCAL0: u8 = 16;

/// Facilities that fit a program (RFC 5424, table 1).
const FACILITIES: [(&str, u8); 12] = [
    ("user", 1),
    ("daemon", 3),
    ("auth", 4),
    ("authpriv", 10),
    ("local0", LOCAL0),
    ("local1", 17),
    ("local2", 18),
    ("local3", 19),
    ("local4", 20),
    ("local5", 21),
    ("local6", 22),
    ("local7", 23),
];

pub(super) fn options(
    reader: &mut Reader,
    table: &mut TableHelper<'_>,
    (span, folder): (Span, &Path),
) -> Option<SyslogOptions> {
    let (mut server, mut transport, mut body, mut facility) =
        (String::new(), Transport::Tcp, Body::Json, LOCAL0);
    let has_server = required(reader, table, "server", ("HOST:PORT of the server", span));
    reader.value(table, "server", &mut server, is_server);
    reader.value(table, "transport", &mut transport, |text: String| match text.as_str() {
        "udp" => Ok(Transport::Udp),
        "tcp" => Ok(Transport::Tcp),
        "tls" => Ok(Transport::Tls(TlsOptions::default())),
        _ => Err(format!("{text:?} is unknown; write one of udp, tcp, tls")),
    });
    reader.value(table, "format", &mut body, |text: String| {
        one_of(&text, &[("json", Body::Json), ("cef", Body::Cef)])
    });
    reader.value(table, "facility", &mut facility, |text: String| one_of(&text, &FACILITIES));
    if let Transport::Tls(options) = &mut transport {
        *options = tls::options(reader, table, (span, folder));
    } else {
        tls::unused(reader, table, "TLS: write transport = \"tls\"");
    }
    has_server.then_some(SyslogOptions { server, transport, body, facility })
}

/// `HOST:PORT`, or `[IPv6]:PORT`.
fn is_server(text: String) -> Result<String, String> {
    let is_valid = text.rsplit_once(':').is_some_and(|(host, port)| {
        let is_host = match host.strip_prefix('[') {
            Some(address) => address.strip_suffix(']').is_some_and(|one| one.parse::<Ipv6Addr>().is_ok()),
            None => !host.is_empty() && !host.contains([':', '/', ' ']),
        };
        is_host && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if is_valid {
        Ok(text)
    } else {
        Err(format!(
            "{text:?} is no server; write HOST:PORT, such as siem.example:6514 or [2001:db8::1]:6514"
        ))
    }
}
