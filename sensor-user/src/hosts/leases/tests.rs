use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use super::*;

const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_947_235);

type Shown = (String, Option<String>, Option<String>);

fn shown_leases(leases: &LeaseSet) -> Vec<Shown> {
    let mut all: Vec<_> = leases
        .iter()
        .map(|(address, lease)| {
            (address.to_string(), lease.mac.map(|mac| mac.to_string()), lease.name.clone())
        })
        .collect();
    all.sort();
    all
}

fn lease(address: &str, mac: Option<&str>, name: Option<&str>) -> Shown {
    (address.into(), mac.map(Into::into), name.map(Into::into))
}

#[test]
fn reads_dnsmasq() {
    let text = "1795950000 00:00:5e:00:53:01 10.0.0.2 pc-ann 01:00:00:5e:00:53:01\n\
                0 00:00:5e:00:53:02 10.0.0.3 * *\n\
                duid 00:01:00:01:2a:bb:cc:dd\n\
                1795950000 5423873 fd00:1::9 pc-bob 00:01:00:01\n";
    let leases = dnsmasq::parse(text).unwrap();
    assert_eq!(
        shown_leases(&leases),
        [
            lease("10.0.0.2", Some("00-00-5E-00-53-01"), Some("pc-ann")),
            lease("10.0.0.3", Some("00-00-5E-00-53-02"), None),
            lease("fd00:1::9", None, Some("pc-bob")),
        ]
    );
    let wrong = dnsmasq::parse("1795950000 00:00:5e:00:53:01 10.0.0.2 pc-ann *\nx\n").unwrap_err();
    assert_eq!((wrong[0].0, wrong[0].1.contains("no lease of dnsmasq")), (2, true));
    let cut = &text[..text.len() - 10];
    assert!(dnsmasq::parse(cut).unwrap_err()[0].1.contains("not complete"));
}

#[test]
fn reads_isc_and_takes_the_last_block_of_an_address() {
    let block = |address: &str, state: &str, name: &str| {
        format!(
            "lease {address} {{\n  starts 0 2026/11/29 10:00:00;\n  ends 1 2026/11/30 22:00:00;\n  binding state {state};\n  \
             hardware ethernet 00:00:5e:00:53:01;\n  uid \"\\001\";\n  client-hostname \"{name}\";\n}}\n"
        )
    };
    let text = [
        "# The format of this file is documented in the dhcpd.leases(5) manual page.\nserver-duid \"x\";\n"
            .to_owned(),
        block("10.0.0.2", "active", "old"),
        block("10.0.0.3", "active", "gone"),
        block("10.0.0.2", "active", "pc-ann"),
        block("10.0.0.3", "free", "gone"),
    ]
    .concat();
    let leases = isc::parse(&text).unwrap();
    let expected = lease("10.0.0.2", Some("00-00-5E-00-53-01"), Some("pc-ann"));
    assert_eq!(shown_leases(&leases), std::slice::from_ref(&expected));
    assert_eq!(
        leases[&"10.0.0.2".parse::<IpAddr>().unwrap()].ends,
        Some(Timestamp::from_unix_seconds(1_796_076_000))
    );
    let unfinished = text + "lease 10.0.0.9 {\n  starts 0";
    assert_eq!(shown_leases(&isc::parse(&unfinished).unwrap()), [expected]);
    assert_eq!(isc::parse("\nlease 10.0.0 {\n").unwrap_err()[0].0, 2);
    assert_eq!(isc::parse("lease 10.0.0.2 {\n hardware ethernet zz;\n}\n").unwrap_err()[0].0, 2);
}

#[test]
fn reads_kea_for_both_families() {
    let v4 = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id\n\
              10.0.0.2,00:00:5e:00:53:01,,3600,1795950000,1,0,0,pc-ann.example.,0,,0\n\
              10.0.0.3,00:00:5e:00:53:02,,3600,1795950000,1,0,0,gone,0,,0\n\
              10.0.0.3,00:00:5e:00:53:02,,0,1795946400,1,0,0,gone,0,,0\n\
              10.0.0.4,,,3600,1795950000,1,0,0,declined,1,,0\n\
              10.0.0.5,00:00:5e:00:53:05,,36";
    let expected = lease("10.0.0.2", Some("00-00-5E-00-53-01"), Some("pc-ann.example"));
    assert_eq!(shown_leases(&kea::parse(v4).unwrap()), [expected]);
    let v6 = "address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,fqdn_fwd,fqdn_rev,hostname,hwaddr,state\n\
              fd00:1::9,00:01,3600,1795950000,1,1800,0,7,128,0,0,pc-bob,00:00:5e:00:53:09,0\n";
    let expected = lease("fd00:1::9", Some("00-00-5E-00-53-09"), Some("pc-bob"));
    assert_eq!(shown_leases(&kea::parse(v6).unwrap()), [expected]);
    assert!(kea::parse("a,b\n").unwrap_err()[0].1.contains("is this a memfile of Kea?"));
    let wrong = v6.replace("3600", "soon");
    assert_eq!(kea::parse(&wrong).unwrap_err(), [(2, "\"soon\" is no number".to_owned())]);
}

#[test]
fn hostile_names_are_escaped_and_cut() {
    let text = format!("0 00:00:5e:00:53:01 10.0.0.2 a\u{1b}[2J{} *\n", "x".repeat(4_000));
    let leases = dnsmasq::parse(&text).unwrap();
    let name = leases[&"10.0.0.2".parse::<IpAddr>().unwrap()].name.clone().unwrap();
    assert!(name.starts_with("a\\u{1b}[2Jxxx") && name.len() <= 300, "{name}");
}

#[test]
fn too_many_leases_are_refused() {
    let mut text = String::new();
    for number in 0..=MAX_LEASES as u32 {
        text.push_str(&format!(
            "0 00:00:5e:00:53:01 {} * *\n",
            std::net::Ipv4Addr::from(0x0A00_0000 + number)
        ));
    }
    assert!(dnsmasq::parse(&text).unwrap_err()[0].1.contains("more than 250000 leases"));
}

fn one_file(folder: &Path) -> (PathBuf, Leases) {
    let file = folder.join("dnsmasq.leases");
    let leases = Leases::of(&[LeaseFile { file: file.clone(), format: LeaseFormat::Dnsmasq }]);
    (file, leases)
}

fn name_of(leases: &Leases, address: &str) -> Option<String> {
    leases.of_address(address.parse().unwrap(), NOW)?.name.clone()
}

#[test]
fn file_that_is_damaged_or_half_written_keeps_the_last_leases() {
    let folder = tempfile::tempdir().unwrap();
    let (file, mut leases) = one_file(folder.path());
    leases.refresh();
    assert_eq!(name_of(&leases, "10.0.0.2"), None, "there is no file yet");
    fs::write(&file, "0 00:00:5e:00:53:01 10.0.0.2 pc-ann *\n").unwrap();
    leases.refresh();
    assert_eq!(name_of(&leases, "10.0.0.2").as_deref(), Some("pc-ann"));
    // As a server leaves it between two writes.
    fs::write(&file, "0 00:00:5e:00:53:01 10.0.0.2 pc-bob *\n0 00:00:5e:0").unwrap();
    leases.refresh();
    assert_eq!(name_of(&leases, "10.0.0.2").as_deref(), Some("pc-ann"));
    // Replaced by a huge one, by a pipe, and by nothing.
    fs::File::create(&file).unwrap().set_len(1 << 30).unwrap();
    leases.refresh();
    fs::remove_file(&file).unwrap();
    leases.refresh();
    assert_eq!(name_of(&leases, "10.0.0.2").as_deref(), Some("pc-ann"));
    fs::write(folder.path().join("new"), "0 00:00:5e:00:53:01 10.0.0.2 pc-bob *\n").unwrap();
    fs::rename(folder.path().join("new"), &file).unwrap();
    leases.refresh();
    assert_eq!(name_of(&leases, "10.0.0.2").as_deref(), Some("pc-bob"));
}

#[test]
fn lease_that_is_over_names_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let (file, mut leases) = one_file(folder.path());
    let end = NOW.unix_nanos() / 1_000_000_000;
    let text =
        format!("{end} 00:00:5e:00:53:01 10.0.0.2 over *\n{} 00:00:5e:00:53:02 10.0.0.3 valid *\n", end + 1);
    fs::write(&file, text).unwrap();
    leases.refresh();
    assert_eq!(name_of(&leases, "10.0.0.2"), None);
    assert_eq!(name_of(&leases, "10.0.0.3").as_deref(), Some("valid"));
}

#[test]
fn file_that_lost_all_its_leases_is_believed_after_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let (file, mut leases) = one_file(folder.path());
    fs::write(&file, "0 00:00:5e:00:53:01 10.0.0.2 pc-ann *\n").unwrap();
    assert!(leases.refresh());
    let emptied = Instant::now();
    fs::write(&file, "").unwrap();
    while name_of(&leases, "10.0.0.2").is_some() {
        assert!(emptied.elapsed() < PATIENCE, "it has been empty for long");
        leases.refresh();
        thread::sleep(Duration::from_millis(10));
    }
    assert!(emptied.elapsed() >= EMPTY_FOR, "somebody may be writing it");
}

/// Bytes that a server writes at once.
const BLOCK: usize = 4_096;

/// Longest time until a set of leases is read.
const PATIENCE: Duration = Duration::from_secs(20);

/// Writes a file anew in its place, as dnsmasq does: truncates it, and writes block after block.
fn rewrite(file: &Path, text: &str) {
    let mut file = fs::File::create(file).unwrap();
    for block in text.as_bytes().chunks(BLOCK) {
        file.write_all(block).unwrap();
    }
}

#[test]
fn reads_while_a_writer_replaces_and_rewrites_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let (file, mut leases) = one_file(folder.path());
    // Both sets are longer than a block.
    let names = ["first", "another"];
    let sets = names.map(|name| -> String {
        let line =
            |host: u32| format!("0 00:00:5e:00:53:01 10.0.{}.{} {name} *\n", host / 250, host % 250 + 1);
        (0..1_000).map(line).collect()
    });
    for set in &sets {
        let cut = (BLOCK..set.len()).step_by(BLOCK).all(|end| set.as_bytes()[end - 1] != b'\n');
        assert!(cut, "each block but the last ends within a line");
    }
    fs::write(&file, &sets[0]).unwrap();
    leases.refresh();
    let read = AtomicUsize::new(0);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 1..=200 {
                let new = folder.path().join("new");
                fs::write(&new, &sets[round % 2]).unwrap();
                fs::rename(&new, &file).unwrap();
            }
            // Ends with the first set, and begins with the other one.
            for round in 1..=20 {
                rewrite(&file, &sets[round % 2]);
                let written = Instant::now();
                while read.load(Ordering::Relaxed) != round % 2 {
                    assert!(written.elapsed() < PATIENCE, "round {round} is not read");
                    thread::yield_now();
                }
            }
        });
        while !writer.is_finished() {
            leases.refresh();
            let of_hosts: BTreeSet<_> = (0..1_000_u32)
                .map(|host| name_of(&leases, &format!("10.0.{}.{}", host / 250, host % 250 + 1)).unwrap())
                .collect();
            assert_eq!(of_hosts.len(), 1, "a set is never a mixture");
            let number = names.iter().position(|name| of_hosts.contains(*name)).unwrap();
            read.store(number, Ordering::Relaxed);
        }
        writer.join().unwrap();
    });
}
