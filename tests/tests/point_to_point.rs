//! Interfaces whose packets have no Ethernet header: a tun device is watched by TC, and an unreadable link type is refused.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::process::Output;

use anyhow::{Result, ensure};
use sensor_lab::{Namespace, PASSWORD, SHARE, Smbd, Tun, TunCable, USER, address, require_lab, scratch_dir};
use sensor_tests::{Agent, EvidenceLevel, attached, on_this_kernel, reaches, smb_session, text};
use sensor_user::capture;

/// An internal client and a server with a tunnel between them.
struct Tunnel {
    client: Namespace,
    server: Namespace,
    _cable: TunCable,
}

impl Tunnel {
    /// A tunnel to a server with these addresses.
    fn to(server_v4: Ipv4Addr, server_v6: Ipv6Addr) -> Result<Self> {
        let (client, server) = (Namespace::new("client")?, Namespace::new("server")?);
        let cable = TunCable::between((&client, "tun0"), (&server, "tun0"))?;
        for (host, v4, v6) in
            [(&client, address::CLIENT_V4, address::CLIENT_V6), (&server, server_v4, server_v6)]
        {
            host.ip_batch(&format!(
                "address add {v4}/32 dev tun0\naddress add {v6}/128 dev tun0\nlink set tun0 up\n\
                 route add default dev tun0\n\
                 route add ::/0 dev tun0"
            ))?;
        }
        Ok(Self { client, server, _cable: cable })
    }
}

/// An agent with `arguments` beside a real session through the tunnel has to be attached as `programs`, and to report the
/// session with its user and its share.
fn reports_a_session(arguments: &[&str], programs: [&str; 2]) -> Result<()> {
    let tunnel = Tunnel::to(address::SERVER_V4, address::SERVER_V6)?;
    let _smbd = Smbd::start(&tunnel.server)?;
    let scratch = scratch_dir()?;
    let file = scratch.path().join("alerts.pcapng");
    let agent = Agent::on(&tunnel.client, "tun0").arguments(arguments);
    let agent = agent.arguments(&["--record", &file.display().to_string()]).start()?;
    let found = attached(&tunnel.client, "tun0")?;
    ensure!(found == on_this_kernel(&programs)?, "attached: {found:?}");
    smb_session(&tunnel.client, address::SERVER_V4)?;
    smb_session(&tunnel.client, address::SERVER_V6)?;
    for server in [address::SERVER_V4.to_string(), address::SERVER_V6.to_string()] {
        let of_server = |alert: &serde_json::Value| alert["destination"]["ip"] == server.as_str();
        let shown = reaches("smb-to-internet", EvidenceLevel::Share);
        let alert = agent.wait_for(|document| of_server(document) && shown(document))?;
        ensure!(alert.to_string().contains(USER) && alert.to_string().contains(SHARE), "{alert:#}");
        ensure!(!alert.to_string().contains(PASSWORD), "{alert:#}");
        ensure!(alert["smb_sensor"]["smb"]["one_sided"] == false, "{alert:#}");
        ensure!(text(&alert, "/observer/ingress/interface/name") == "tun0", "{alert:#}");
    }
    let ended = agent.stop()?;
    ensure!(ended.number("kept")? == ended.number("accounted")?, "{}", ended.statistics);
    let left = attached(&tunnel.client, "tun0")?;
    ensure!(left.is_empty(), "still attached: {left:?}");
    recorded(&file)
}

/// The recording has packets of both versions, each from its IP header on.
fn recorded(file: &std::path::Path) -> Result<()> {
    const RAW_IP: i32 = 101;
    let mut versions = Vec::new();
    capture::frames(file, |frame| versions.push((frame.link.0, frame.bytes[0] >> 4)))?;
    for version in [4, 6] {
        let packets = versions.iter().filter(|one| **one == (RAW_IP, version)).count();
        ensure!(packets > 10, "{packets} packets of version {version} in {versions:?}");
    }
    ensure!(versions.iter().all(|(link, _)| *link == RAW_IP), "{versions:?}");
    Ok(())
}

#[test]
fn session_over_tun_is_reported_with_user_and_share() {
    require_lab!();
    reports_a_session(&[], ["tcx ingress smb_tc_ip_in", "tcx egress smb_tc_ip_out"]).unwrap();
}

#[test]
fn clsact_filters_on_tun_see_a_session() {
    require_lab!();
    let programs = ["filter ingress smb_tc_ip_in", "filter egress smb_tc_ip_out"];
    reports_a_session(&["--tc", "clsact"], programs).unwrap();
}

#[test]
fn generic_xdp_on_tun_sees_a_session() {
    require_lab!();
    let programs = ["xdp smb_xdp_ip", "tcx egress smb_tc_ip_out"];
    reports_a_session(&["--ingress", "xdp-generic"], programs).unwrap();
}

#[test]
fn session_between_internal_hosts_over_tun_is_nothing() {
    require_lab!();
    let tunnel = Tunnel::to(address::LAN_SERVER_V4, address::LAN_SERVER_V6).unwrap();
    let _smbd = Smbd::start(&tunnel.server).unwrap();
    let agent = Agent::on(&tunnel.client, "tun0").config("flow_documents = true\n").start().unwrap();
    smb_session(&tunnel.client, address::LAN_SERVER_V4).unwrap();
    smb_session(&tunnel.client, address::LAN_SERVER_V6).unwrap();
    let ended = agent.stop().unwrap();
    assert!(ended.documents.is_empty(), "{:#?}", ended.documents);
    assert_eq!(ended.number("kept").unwrap(), 0, "{}", ended.statistics);
    assert!(ended.number("lateral").unwrap() > 20, "the sessions were seen: {}", ended.statistics);
}

#[test]
fn auto_takes_tc_and_native_xdp_is_refused() {
    require_lab!(Network);
    let namespace = Namespace::new("tunnelled").unwrap();
    let _tun = Tun::new(&namespace, "tun0").unwrap();
    let agent = Agent::on(&namespace, "tun0").start().unwrap();
    let said = agent.wait_for_log("watching tun0:").unwrap();
    assert!(said.trim_end().ends_with("incoming by TCX, outgoing by TCX"), "{said}");
    agent.stop().unwrap();
    let native = ["--ingress", "xdp-native"];
    let refusal = Agent::on(&namespace, "tun0").arguments(&native).refused().unwrap();
    assert!(refusal.stderr.contains("tun0: native XDP: it takes Ethernet frames"), "{}", refusal.stderr);
    assert_eq!(attached(&namespace, "tun0").unwrap(), [""; 0]);
}

fn check(namespace: &Namespace) -> Result<Output> {
    let mut command = namespace.command(Agent::program()?);
    Ok(command.args(["check", "--iface", "tun0"]).output()?)
}

#[test]
fn unreadable_link_type_is_refused_by_name_and_number() {
    require_lab!(Network);
    for (number, name) in
        [(32, "InfiniBand (ARPHRD 32)"), (803, "802.11 monitor (ARPHRD 803)"), (9_999, "ARPHRD 9999")]
    {
        let namespace = Namespace::new("foreign").unwrap();
        let tun = Tun::new(&namespace, "tun0").unwrap();
        tun.hardware_type(number).unwrap();
        let refusal = Agent::on(&namespace, "tun0").refused().unwrap();
        assert!(refusal.stderr.contains("tun0") && refusal.stderr.contains(name), "{}", refusal.stderr);
        let output = check(&namespace).unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.lines().any(|line| line.starts_with("missing") && line.contains(name)), "{said}");
    }
}
