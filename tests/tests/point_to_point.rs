//! Interfaces whose packets have no Ethernet header: a tun device and the kernel's tunnels are watched by TC and by generic XDP, and
//! an unreadable link type is refused.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::Output;

use anyhow::{Result, ensure};
use sensor_lab::{
    IpTunnel, Namespace, PASSWORD, SHARE, Smbd, Tun, TunCable, USER, address, require_lab, scratch_dir,
};
use sensor_tests::{
    Agent, EvidenceLevel, attached, has_inner_tunnel_headers, on_this_kernel, reaches, smb_session, text,
};
use sensor_user::capture;

/// The interface of the link at both ends.
const LINK: &str = "link0";

/// What is attached without a setting, and by generic XDP for incoming packets.
const TC: [&str; 2] = ["tcx ingress smb_tc_ip_in", "tcx egress smb_tc_ip_out"];
const GENERIC_XDP_AND_TC: [&str; 2] = ["xdp smb_xdp_ip", "tcx egress smb_tc_ip_out"];

/// The setting of the latter.
const GENERIC_XDP: &[&str] = &["--ingress", "xdp-generic"];

/// An internal client and a server with a link between them.
struct Linked {
    client: Namespace,
    server: Namespace,
    /// Addresses of the server.
    servers: Vec<IpAddr>,
    _cable: Option<TunCable>,
}

impl Linked {
    /// A link of two tun devices to a server with these addresses.
    fn by_tun(server_v4: Ipv4Addr, server_v6: Ipv6Addr) -> Result<Self> {
        let (client, server) = (Namespace::new("client")?, Namespace::new("server")?);
        let cable = TunCable::between((&client, LINK), (&server, LINK))?;
        let linked =
            Self { client, server, servers: vec![server_v4.into(), server_v6.into()], _cable: Some(cable) };
        linked.addressed()
    }

    /// A tunnel that the kernel makes, to the server of the Internet.
    fn by(tunnel: IpTunnel) -> Result<Self> {
        let (client, server) = (Namespace::new("client")?, Namespace::new("server")?);
        tunnel.between(&client, &server, LINK)?;
        let (v4, v6) = tunnel.carries();
        let addresses: [(bool, IpAddr); 2] =
            [(v4, address::SERVER_V4.into()), (v6, address::SERVER_V6.into())];
        let servers = addresses.into_iter().filter(|(carried, _)| *carried).map(|(_, one)| one).collect();
        Self { client, server, servers, _cable: None }.addressed()
    }

    /// Gives both ends their addresses and routes.
    fn addressed(self) -> Result<Self> {
        for one in &self.servers {
            let (client, prefix, all) = match one {
                IpAddr::V4(_) => (IpAddr::from(address::CLIENT_V4), 32, "default"),
                IpAddr::V6(_) => (address::CLIENT_V6.into(), 128, "::/0"),
            };
            for (host, own) in [(&self.client, client), (&self.server, *one)] {
                host.ip_batch(&format!(
                    "address add {own}/{prefix} dev {LINK}\nlink set {LINK} up\nroute add {all} dev {LINK}"
                ))?;
            }
        }
        Ok(self)
    }
}

/// An agent with `arguments` beside a real session with each address of the server has to be attached as `programs`, and to report the
/// session with its user and its share.
fn reports_a_session(linked: &Linked, arguments: &[&str], programs: [&str; 2]) -> Result<()> {
    let _smbd = Smbd::start(&linked.server)?;
    let scratch = scratch_dir()?;
    let file = scratch.path().join("alerts.pcapng");
    let agent = Agent::on(&linked.client, LINK).arguments(arguments);
    let agent = agent.arguments(&["--record", &file.display().to_string()]).start()?;
    let found = attached(&linked.client, LINK)?;
    ensure!(found == on_this_kernel(&programs)?, "attached: {found:?}");
    for server in &linked.servers {
        smb_session(&linked.client, *server)?;
    }
    for server in &linked.servers {
        let server = server.to_string();
        let of_server = |alert: &serde_json::Value| alert["destination"]["ip"] == server.as_str();
        let shown = reaches("smb-to-internet", EvidenceLevel::Share);
        let alert = agent.wait_for(|document| of_server(document) && shown(document))?;
        ensure!(alert.to_string().contains(USER) && alert.to_string().contains(SHARE), "{alert:#}");
        ensure!(!alert.to_string().contains(PASSWORD), "{alert:#}");
        ensure!(alert["smb_sensor"]["smb"]["one_sided"] == false, "{alert:#}");
        ensure!(text(&alert, "/observer/ingress/interface/name") == LINK, "{alert:#}");
    }
    let ended = agent.stop()?;
    ensure!(ended.number("kept")? > 0, "{}", ended.statistics);
    ensure!(ended.number("kept")? == ended.number("accounted")?, "{}", ended.statistics);
    let left = attached(&linked.client, LINK)?;
    ensure!(left.is_empty(), "still attached: {left:?}");
    recorded(&file, &linked.servers)
}

/// The recording has packets of the IP versions of these addresses and of no other, each from its IP header on.
fn recorded(file: &std::path::Path, addresses: &[IpAddr]) -> Result<()> {
    const RAW_IP: i32 = 101;
    let mut versions = Vec::new();
    capture::frames(file, |frame| versions.push((frame.link.0, frame.bytes[0] >> 4)))?;
    for (version, expected) in
        [(4, addresses.iter().any(IpAddr::is_ipv4)), (6, addresses.iter().any(IpAddr::is_ipv6))]
    {
        let packets = versions.iter().filter(|one| **one == (RAW_IP, version)).count();
        ensure!((packets > 10) == expected, "{packets} packets of version {version} in {versions:?}");
    }
    ensure!(versions.iter().all(|(link, _)| *link == RAW_IP), "{versions:?}");
    Ok(())
}

/// As [`reports_a_session`], over tun.
fn reports_a_session_over_tun(arguments: &[&str], programs: [&str; 2]) -> Result<()> {
    reports_a_session(&Linked::by_tun(address::SERVER_V4, address::SERVER_V6)?, arguments, programs)
}

#[test]
fn session_over_tun_is_reported_with_user_and_share() {
    require_lab!();
    reports_a_session_over_tun(&[], TC).unwrap();
}

#[test]
fn clsact_filters_on_tun_see_a_session() {
    require_lab!();
    let programs = ["filter ingress smb_tc_ip_in", "filter egress smb_tc_ip_out"];
    reports_a_session_over_tun(&["--tc", "clsact"], programs).unwrap();
}

#[test]
fn generic_xdp_on_tun_sees_a_session() {
    require_lab!();
    reports_a_session_over_tun(GENERIC_XDP, GENERIC_XDP_AND_TC).unwrap();
}

#[test]
fn session_between_internal_hosts_over_tun_is_nothing() {
    require_lab!();
    let linked = Linked::by_tun(address::LAN_SERVER_V4, address::LAN_SERVER_V6).unwrap();
    let _smbd = Smbd::start(&linked.server).unwrap();
    let agent = Agent::on(&linked.client, LINK).config("flow_documents = true\n").start().unwrap();
    smb_session(&linked.client, address::LAN_SERVER_V4).unwrap();
    smb_session(&linked.client, address::LAN_SERVER_V6).unwrap();
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

fn check(namespace: &Namespace, interface: &str) -> Result<Output> {
    let mut command = namespace.command(Agent::program()?);
    Ok(command.args(["check", "--iface", interface]).output()?)
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
        let output = check(&namespace, "tun0").unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.lines().any(|line| line.starts_with("missing") && line.contains(name)), "{said}");
    }
}

/// Tunnels of the kernel, each watched by TC and by generic XDP.
mod ip_tunnels {
    use super::*;

    /// Reports a session, or where the kernel shows the outer headers of the tunnel, refuses the interface and says so.
    fn is_watched_or_refused(tunnel: IpTunnel, arguments: &[&str], programs: [&str; 2]) -> Result<()> {
        let linked = Linked::by(tunnel)?;
        if tunnel == IpTunnel::WireGuard || has_inner_tunnel_headers() {
            return reports_a_session(&linked, arguments, programs);
        }
        const REASON: &str = "kernels before 5.14 show the outer headers of incoming packets too";
        let refusal = Agent::on(&linked.client, LINK).arguments(arguments).refused()?;
        ensure!(refusal.stderr.contains(LINK) && refusal.stderr.contains(REASON), "{}", refusal.stderr);
        ensure!(attached(&linked.client, LINK)?.is_empty(), "something is attached");
        let output = check(&linked.client, LINK)?;
        let said = String::from_utf8(output.stdout)?;
        ensure!(output.status.code() == Some(1), "{said}");
        ensure!(said.lines().any(|line| line.starts_with("missing") && line.contains(REASON)), "{said}");
        Ok(())
    }

    macro_rules! both_ways {
        ($($name:ident: $tunnel:ident, $need:ident;)*) => {$(
            mod $name {
                use super::*;

                #[test]
                #[ignore = "needs a kernel with these links; cargo xtask vm-test runs them"]
                fn by_tc() {
                    require_lab!($need);
                    is_watched_or_refused(IpTunnel::$tunnel, &[], TC).unwrap();
                }

                #[test]
                #[ignore = "needs a kernel with these links; cargo xtask vm-test runs them"]
                fn by_generic_xdp() {
                    require_lab!($need);
                    is_watched_or_refused(IpTunnel::$tunnel, GENERIC_XDP, GENERIC_XDP_AND_TC).unwrap();
                }
            }
        )*};
    }

    both_ways! {
        ipip: IpIp, Samba;
        gre: Gre, Samba;
        sit: Sit, Samba;
        wireguard: WireGuard, WireGuard;
    }
}
