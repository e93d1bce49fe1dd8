//! All facts of all captures, as once checked. A change shows as a difference in the file; the
//! variable `UPDATE_FACTS` makes the test rewrite it.

use std::{env, fmt::Write as _, fs};

use sensor_dissect::Facts;

use crate::corpus::{captures, connections};

#[test]
fn facts_of_every_capture_match_the_records() {
    let mut found = String::new();
    for path in captures() {
        let name = path.file_stem().unwrap().to_str().unwrap();
        for recorded in connections(name) {
            writeln!(found, "{name}: {} > {}", recorded.client, recorded.server).unwrap();
            describe(&recorded.facts, &mut found);
            for problem in recorded.problems {
                writeln!(found, "  problem {problem}").unwrap();
            }
        }
    }
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/captures/samba/facts.txt");
    if env::var_os("UPDATE_FACTS").is_some() {
        fs::write(file, &found).unwrap();
    }
    let recorded = fs::read_to_string(file).unwrap();
    for (number, (found, recorded)) in found.lines().zip(recorded.lines()).enumerate() {
        assert_eq!(found, recorded, "{file}, line {}", number + 1);
    }
    assert_eq!(found.lines().count(), recorded.lines().count(), "{file}");
}

fn describe(facts: &Facts, to: &mut String) {
    let mut line = |text: String| writeln!(to, "  {text}").unwrap();
    let levels = [
        (facts.smb_spoken(), "smb"),
        (facts.authentication_attempted(), "authentication"),
        (facts.session(), "session"),
        (facts.share(), "share"),
    ];
    let levels = levels.iter().filter(|(reached, _)| *reached).map(|(_, name)| *name);
    line(format!("evidence {}", levels.collect::<Vec<_>>().join(" ")));
    if let Some(dialect) = &facts.dialect {
        let (signed, encrypted) = (facts.signed, facts.encrypted);
        line(format!(
            "dialect {dialect}, signing {:?}, signed {signed}, encrypted {encrypted}",
            facts.signing
        ));
    }
    if let Some((called, calling)) = &facts.netbios {
        line(format!(
            "netbios {}<{:02x}> from {}<{:02x}>",
            called.name, called.suffix, calling.name, calling.suffix
        ));
    }
    let client = &facts.client;
    line(format!("client offers {:?} {:04x?}", client.smb1_dialects, client.dialects));
    line(format!(
        "client {:?} {:04x} contexts {:?} calls {:?}",
        client.signing, client.capabilities, client.contexts.kinds, client.contexts.netname
    ));
    line(format!("client os {:?}, ntlm {}", client.native_os, shown(client.ntlm_version)));
    let server = &facts.server;
    line(format!("server {:?} {:?} ntlm {}", server.target, server.names, shown(server.ntlm_version)));
    for credential in &facts.credentials {
        line(format!(
            "{:?} {:?}\\{:?} at {:?} for {:?}: {:?}",
            credential.method,
            credential.domain,
            credential.user,
            credential.workstation,
            credential.target,
            credential.outcome
        ));
    }
    for share in &facts.shares {
        line(format!("share {} {:?}: {:?}", share.path, share.kind, share.outcome));
    }
    for interface in &facts.interfaces {
        let operations =
            interface.operations.iter().map(|number| interface.operation(*number).unwrap_or("?"));
        line(format!(
            "rpc {} {:?}: {}",
            interface.uuid,
            interface.name,
            operations.collect::<Vec<_>>().join(" ")
        ));
    }
    let statuses: Vec<_> = facts.session_statuses.iter().map(ToString::to_string).collect();
    line(format!("statuses {}", statuses.join(" ")));
    line(format!("sessions {}, trees {}, log-offs {}", facts.sessions, facts.trees, facts.logoffs));
}

fn shown(version: Option<impl ToString>) -> String {
    version.map_or_else(|| "unknown".to_owned(), |version| version.to_string())
}
