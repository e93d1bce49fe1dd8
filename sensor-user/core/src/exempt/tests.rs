use super::*;

fn exemption(source: Option<&str>, destination: Option<&str>) -> Exemption {
    let net = |text: Option<&str>| text.map(|text| text.parse().unwrap());
    Exemption::between(net(source), net(destination), "test")
}

fn question<'a>(client: &str, server: &str) -> Question<'a> {
    Question {
        client: client.parse().unwrap(),
        server: server.parse().unwrap(),
        service: Service::Smb,
        port: 445,
        process: [None, None],
    }
}

fn covers(exemption: &Exemption, client: &str, server: &str) -> bool {
    let question = question(client, server);
    assert_eq!(exemption.covers(&question), exemption.mismatch(&question).is_none());
    exemption.covers(&question)
}

#[test]
fn one_end_exempts_any_other() {
    let by_source = exemption(Some("10.1.0.0/16"), None);
    assert!(covers(&by_source, "10.1.2.3", "8.8.8.8"));
    assert!(!covers(&by_source, "10.2.2.3", "8.8.8.8"));
    assert!(!covers(&by_source, "8.8.8.8", "10.1.2.3"), "the other way round it is the server");
}

#[test]
fn pair_exempts_only_both_together() {
    let pair = exemption(Some("10.1.0.0/16"), Some("8.8.4.4/32"));
    assert!(covers(&pair, "10.1.2.3", "8.8.4.4"));
    assert!(!covers(&pair, "10.1.2.3", "8.8.8.8"));
    let flags: Vec<_> = pair.prefixes(4).into_iter().map(|(_, flags)| flags).collect();
    assert_eq!(flags, [PrefixFlags::pair_client(4), PrefixFlags::pair_server(4)]);
}

#[test]
fn ipv4_network_covers_addresses_that_embed_its_own() {
    let by_server = exemption(None, Some("8.8.4.0/24"));
    assert!(covers(&by_server, "fd00::1", "64:ff9b::8.8.4.4"));
    assert!(covers(&by_server, "fd00::1", "::ffff:8.8.4.4"));
    assert!(!covers(&by_server, "fd00::1", "64:ff9b::8.8.5.4"));
}

#[test]
fn finds_the_covering_network_among_very_many() {
    let net =
        |number: u32| IpNet::new(std::net::Ipv4Addr::from(0x1400_0000 + number * 512).into(), 24).unwrap();
    let mut networks: Vec<_> = (0..50_000).rev().map(net).collect();
    networks.extend(["8.0.0.0/8", "8.8.0.0/16", "2001:db8::/32"].map(|net| net.parse::<IpNet>().unwrap()));
    let end = End::new(vec!["large".into()], &networks);
    let has = |address: &str| end.has(address.parse().unwrap());
    assert!(has("20.0.0.1") && has("20.0.2.255") && has("8.9.0.1") && has("8.8.0.1") && has("2001:db8::1"));
    assert!(
        !has("20.0.1.0") && !has("7.255.255.255") && !has("9.0.0.0") && !has("2001:db9::1") && !has("::1")
    );
}

#[test]
fn service_matches_by_protocol_or_port() {
    let only = |spoken| Exemption { services: vec![spoken], ..exemption(Some("10.0.0.0/8"), None) };
    let rpc = only(Spoken::Service(Service::Rpc));
    assert!(rpc.mismatch(&question("10.0.0.1", "8.8.8.8")).unwrap().contains("smb on port 445 is not rpc"));
    let port = only(Spoken::Port(445));
    assert!(covers(&port, "10.0.0.1", "8.8.8.8"));
    assert!(!covers(&only(Spoken::Port(4445)), "10.0.0.1", "8.8.8.8"));
}

#[test]
fn process_matches_by_name_or_file_and_never_when_unknown() {
    let of = |process: &str| Exemption { process: Some(process.into()), ..Exemption::default() };
    let known =
        Question { process: [Some("backupd"), Some("/usr/sbin/backupd")], ..question("10.0.0.1", "8.8.8.8") };
    assert_eq!(of("backupd").mismatch(&known), None);
    assert_eq!(of("/usr/sbin/backupd").mismatch(&known), None);
    assert!(of("/bin/backupd").mismatch(&known).unwrap().contains("backupd is not /bin/backupd"));
    assert!(of("backupd").mismatch(&question("10.0.0.1", "8.8.8.8")).unwrap().contains("not known"));
}

#[test]
fn kernel_leaves_what_it_cannot_decide_to_the_agent() {
    let smb = vec![Spoken::Service(Service::Smb)];
    let flags = |one: &Exemption| one.prefixes(0).into_iter().map(|(_, flags)| flags).collect::<Vec<_>>();
    let source = Exemption { services: smb.clone(), ..exemption(Some("10.1.0.0/16"), None) };
    assert_eq!(flags(&source), [PrefixFlags::MAYBE_EXEMPT_SOURCE]);
    let pair = Exemption { services: smb.clone(), ..exemption(Some("10.1.0.0/16"), Some("8.8.4.4/32")) };
    assert_eq!(flags(&pair), [PrefixFlags::MAYBE_EXEMPT_SOURCE]);
    let anybody = Exemption { services: smb, ..exemption(None, None) };
    assert_eq!(flags(&anybody).len(), 2, "all of IPv4 and all of IPv6");
    assert!(!source.is_for_kernel() && exemption(Some("10.1.0.0/16"), None).is_for_kernel());
}

#[test]
fn entry_is_named_after_its_ends_and_not_its_reason() {
    let one = exemption(Some("10.1.0.0/16"), None);
    let other =
        Exemption { reason: "another".into(), expires: Some(Timestamp::from_unix_seconds(1)), ..one.clone() };
    assert_eq!(one.natural_id(), other.natural_id());
    assert_ne!(one.id, exemption(None, Some("10.1.0.0/16")).id);
}
