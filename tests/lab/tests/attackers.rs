//! The attackers work.

use std::fs;
use std::time::Duration;

use sensor_lab::{
    Answer, Guesser, Hydra, Nmap, NtlmRelay, PASSWORD, Rclone, Smbclient, Smbd, Sweep, Swept, TcpListener,
    Topology, USER, WebServer, address, require_lab, scratch_dir,
};

const SOON: Duration = Duration::from_secs(20);

#[test]
fn relay_logs_on_inside_with_a_victims_credential() {
    require_lab!(Attackers);
    let lab = Topology::builder().lan_server().build().expect("build");
    let smbd = Smbd::start(lab.lan_server().expect("second LAN")).expect("start smbd");
    let relay = NtlmRelay::start(lab.server(), address::LAN_SERVER_V4).expect("start the relay");
    let victim = Smbclient::new(lab.client(), address::SERVER_V4).list_shares().expect("run");
    let line =
        relay.wait_for_log_on(SOON).unwrap_or_else(|error| panic!("{error:#}\n{victim:?}\n{}", smbd.log()));
    assert!(line.to_lowercase().contains(USER), "{line}");
}

#[test]
fn guesser_finds_the_password_among_a_hundred() {
    require_lab!(Attackers);
    let lab = Topology::border().expect("build");
    let _smbd = Smbd::start(lab.client()).expect("start smbd");
    let mut pairs: Vec<_> = (0..100).map(|n| (USER.to_owned(), format!("guess-{n}"))).collect();
    pairs[70].1 = PASSWORD.to_owned();
    let guessed = Guesser::new(lab.server(), address::CLIENT_V4).guess(&pairs).expect("guess");
    assert_eq!((guessed.accepted, guessed.refused), (vec![USER.to_owned()], 99));
}

#[test]
fn hydra_finds_the_password_over_smb1() {
    require_lab!(Attackers);
    let lab = Topology::border().expect("build");
    let _smbd = Smbd::builder().ntlmv1().start(lab.client()).expect("start smbd");
    let hydra = Hydra::new(lab.server(), address::CLIENT_V4);
    let mut passwords: Vec<_> = (0..20).map(|n| format!("guess-{n}")).collect();
    assert_eq!(hydra.guess(USER, &passwords).expect("guess"), None);
    passwords.push(PASSWORD.to_owned());
    assert_eq!(hydra.guess(USER, &passwords).expect("guess").as_deref(), Some(PASSWORD));
}

#[test]
fn sweep_tries_300_addresses_and_reports_each_answer() {
    require_lab!(Attackers);
    let lab = Topology::border().expect("build");
    lab.server()
        .ip_batch("route add local 8.9.0.0/24 dev lo\nroute add blackhole 8.9.1.0/24")
        .expect("add the targets");
    lab.gateway().ip(&format!("route add 8.9.0.0/16 via {}", address::SERVER_V4)).expect("add a route");
    let _open: Vec<_> = (0..10)
        .map(|n| {
            let address = std::net::Ipv4Addr::new(8, 9, 0, n);
            TcpListener::start(lab.server(), (address, 445), Answer::Silence).expect("listen")
        })
        .collect();
    for how in [Sweep::HalfOpen, Sweep::Connect] {
        let swept = Nmap::new(lab.client()).sweep(how, &["8.9.0.0/24", "8.9.1.0-43"]).expect("sweep");
        assert_eq!(swept, Swept { open: 10, closed: 246, filtered: 44 }, "{how:?}");
    }
}

#[test]
fn nmap_scripts_speak_smb() {
    require_lab!(Attackers);
    let lab = Topology::border().expect("build");
    let _smbd = Smbd::start(lab.server()).expect("start smbd");
    let scripts = ["smb-protocols", "smb2-security-mode", "smb-os-discovery", "smb-enum-shares"];
    let found = Nmap::new(lab.client()).scripts(address::SERVER_V4, &scripts).expect("run");
    for word in ["dialects:", "311", "Message signing enabled", "Samba 4", "IPC$"] {
        assert!(found.output.contains(word), "{word}: {}", found.output);
    }
}

#[test]
fn rclone_copies_a_folder_to_the_share() {
    require_lab!(Attackers);
    let lab = Topology::border().expect("build");
    let smbd = Smbd::start(lab.server()).expect("start smbd");
    let scratch = scratch_dir().expect("scratch folder");
    fs::write(scratch.path().join("copied.txt"), b"from the LAN").expect("write");
    let outcome = Rclone::new(lab.client(), address::SERVER_V4).upload(scratch.path()).expect("run");
    assert!(outcome.success(), "{outcome:?}");
    assert_eq!(fs::read(smbd.share_dir().join("copied.txt")).expect("read"), b"from the LAN");
}

#[test]
fn stores_a_thousand_files_in_one_session() {
    require_lab!();
    let lab = Topology::border().expect("build");
    let smbd = Smbd::start(lab.server()).expect("start smbd");
    let scratch = scratch_dir().expect("scratch folder");
    for n in 0..1000 {
        fs::write(scratch.path().join(format!("file-{n}")), vec![7; 1024]).expect("write");
    }
    let outcome = Smbclient::new(lab.client(), address::SERVER_V4).put_all(scratch.path()).expect("run");
    assert!(outcome.success(), "{outcome:?}");
    let stored = fs::read_dir(smbd.share_dir()).expect("list").flatten();
    assert_eq!(stored.filter(|file| file.file_name().to_string_lossy().starts_with("file-")).count(), 1000);
}

#[test]
fn web_server_on_445_serves_its_page_with_and_without_tls() {
    require_lab!(Attackers);
    for tls in [false, true] {
        let lab = Topology::border().expect("build");
        let server = WebServer::start(lab.server(), 445, tls).expect("start the web server");
        let outcome = server.fetch(lab.client(), address::SERVER_V4, 445).expect("run");
        assert_eq!(outcome.output, "fetched 11", "{outcome:?}");
    }
}
