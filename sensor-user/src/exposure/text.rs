//! Exposed hosts as a table and as CSV.

use sensor_core::level::EvidenceLevel;

use super::ExposedHost;
use crate::columns::aligned;

const COLUMNS: [&str; 10] =
    ["HOST", "PORTS", "SINCE", "LAST", "ANSWERED", "EVIDENCE", "DIALECTS", "SIGNING", "SMB 1", "ANONYMOUS"];

fn cells(host: &ExposedHost) -> [String; 10] {
    let list = |all: &std::collections::BTreeSet<String>| {
        let shown: Vec<_> = all.iter().map(|one| one.escape_debug().to_string()).collect();
        shown.join(" ")
    };
    let if_seen = |seen: bool| if seen { "seen" } else { "not seen" }.to_owned();
    [
        host.host.clone(),
        list(&host.ports),
        host.since.clone(),
        host.last.clone(),
        format!("{}{}", if host.at_least { "at least " } else { "" }, host.external_hosts),
        host.evidence.map_or("", EvidenceLevel::name).to_owned(),
        list(&host.dialects),
        list(&host.signing),
        if_seen(host.smb1),
        if_seen(host.anonymous),
    ]
}

/// A table with a header, or a sentence if there is no host.
pub(crate) fn table(hosts: &[ExposedHost]) -> String {
    if hosts.is_empty() {
        return "no internal host was seen to answer the Internet\n".to_owned();
    }
    let header = COLUMNS.map(str::to_owned).to_vec();
    let rows: Vec<Vec<String>> =
        std::iter::once(header).chain(hosts.iter().map(|host| cells(host).to_vec())).collect();
    aligned(&rows)
}

/// CSV (RFC 4180) with a header.
pub(super) fn csv(hosts: &[ExposedHost]) -> String {
    let header = [
        "host",
        "ports",
        "since",
        "last",
        "external_hosts",
        "at_least",
        "evidence",
        "dialects",
        "signing",
        "smb1",
        "anonymous",
        "incidents",
    ];
    let mut text = header.join(",") + "\r\n";
    for host in hosts {
        let [name, ports, since, last, _, evidence, dialects, signing, ..] = cells(host);
        let row = [
            name,
            ports,
            since,
            last,
            host.external_hosts.to_string(),
            host.at_least.to_string(),
            evidence,
            dialects,
            signing,
            host.smb1.to_string(),
            host.anonymous.to_string(),
            host.incidents.join(" "),
        ];
        let row: Vec<String> = row.iter().map(|cell| quoted(cell)).collect();
        text.push_str(&row.join(","));
        text.push_str("\r\n");
    }
    text
}

fn quoted(cell: &str) -> String {
    // What a spreadsheet would take for a formula is no text of ours: a dialect comes off the wire.
    let cell = if cell.starts_with(['=', '+', '-', '@']) { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains([',', '"', '\r', '\n']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

#[cfg(test)]
mod tests {
    use sensor_core::incident::{Incident, fixtures};

    use super::{super::Exposures, *};

    fn hosts(incidents: Vec<Incident>) -> Vec<ExposedHost> {
        let mut all = Exposures::default();
        for incident in &incidents {
            all.add(incident);
        }
        all.finish()
    }

    #[test]
    fn lists_hosts_that_answered_the_farthest_first() {
        let mut session = fixtures::exposure();
        session.internal.addresses = vec!["10.0.1.3".parse().unwrap()];
        session.level = EvidenceLevel::Session;
        session.counted.logons_anonymous = 1;
        session.dialects = vec!["3.1.1".into()];
        session.signing = vec!["enabled".into()];
        let found = hosts(vec![fixtures::exposure(), session, fixtures::leak_accepted()]);
        let shown: Vec<_> =
            found.iter().map(|one| (one.host.as_str(), one.evidence, one.anonymous)).collect();
        assert_eq!(
            shown,
            [
                ("10.0.1.3", Some(EvidenceLevel::Session), true),
                ("10.0.1.2", Some(EvidenceLevel::Answered), false)
            ]
        );
        let text = table(&found);
        assert!(text.starts_with("HOST      PORTS") && text.contains("not seen"), "{text}");
        assert!(text.contains("3.1.1     enabled  not seen  seen"), "{text}");
        assert!(csv(&found).contains(",3.1.1,enabled,false,true,"), "{}", csv(&found));
        assert_eq!(table(&[]), "no internal host was seen to answer the Internet\n");
    }

    #[test]
    fn counts_external_hosts_over_incidents() {
        let mut later = fixtures::exposure();
        later.external.addresses = vec!["9.9.7.1".parse().unwrap()];
        later.external.count = 1;
        let one = hosts(vec![fixtures::exposure()]);
        assert_eq!((one[0].external_hosts, one[0].at_least), (20, false));
        let both = hosts(vec![fixtures::exposure(), later]);
        assert_eq!((both.len(), both[0].incidents.len()), (1, 2));
        assert!(both[0].at_least, "addresses that are not listed may be the same");
    }

    #[test]
    fn csv_quotes_and_disarms_text_off_the_wire() {
        let mut incident = fixtures::exposure();
        incident.dialects = vec!["=1+1,\"x\"\r\n".into()];
        let text = csv(&hosts(vec![incident]));
        let rows: Vec<&str> = text.split("\r\n").collect();
        assert_eq!(rows.len(), 3, "a header, a row and the end: {text:?}");
        assert!(rows[1].contains("\"'=1+1,"), "{text:?}");
    }
}
