//! `netography`, row by row.

use super::*;

const FITS: [&str; 1] = ["external-access"];

#[test]
fn service_set_is_windows_networking() {
    let rulebook = rulebook(ProfileName::Netography);
    for port in [134, 135, 136, 137, 138, 139, 140, 443, 444, 445, 446, 4445] {
        let (over_tcp, over_udp) = ([135, 139, 445].contains(&port), [137, 138].contains(&port));
        assert_eq!(fitting(&rulebook, &tcp("8.8.8.8", "10.0.0.1", port)) == FITS, over_tcp, "TCP {port}");
        assert_eq!(fitting(&rulebook, &udp("8.8.8.8", "10.0.0.1", port)) == FITS, over_udp, "UDP {port}");
        let spoken = Question { smb: Some(true), ..tcp("8.8.8.8", "10.0.0.1", port) };
        assert_eq!(fitting(&rulebook, &spoken) == FITS, over_tcp, "SMB on {port}");
    }
}

#[test]
fn address_in_no_own_network_is_outside() {
    let settings = with_internal("9.0.0.0/8 2001:db8:7::/48");
    let rulebook = Rulebook::of(ProfileName::Netography, &settings);
    for client in ["8.8.8.8", "198.18.0.1", "169.254.1.1", "100.64.0.1", "2001:4860::1", "64:ff9b::808:808"] {
        for server in ["9.0.0.0", "9.255.255.255", "10.0.0.0", "192.168.255.255", "fd00::1", "2001:db8:7::1"]
        {
            assert_eq!(fitting(&rulebook, &tcp(client, server, 445)), FITS, "{client} to {server}");
        }
        for server in ["8.255.255.255", "1.1.1.1", "2001:db8:8::1"] {
            assert!(fitting(&rulebook, &tcp(client, server, 445)).is_empty(), "{client} to {server}");
        }
    }
    for client in ["9.1.1.1", "10.0.0.1", "fd00::2", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::1"] {
        assert!(fitting(&rulebook, &tcp(client, "10.0.0.1", 445)).is_empty(), "{client} is ours");
    }
}

#[test]
fn configuration_alone_names_own_networks() {
    let settings = Settings { default_networks: false, ..with_internal("9.0.0.0/8") };
    let rulebook = Rulebook::of(ProfileName::Netography, &settings);
    assert_eq!(fitting(&rulebook, &tcp("10.0.0.1", "9.0.0.1", 445)), FITS);
    assert!(fitting(&rulebook, &tcp("8.8.8.8", "10.0.0.1", 445)).is_empty());
}

#[test]
fn ignores_outbound_connections() {
    for port in [135, 139, 445] {
        assert!(fitting(&rulebook(ProfileName::Netography), &tcp("10.0.0.1", "8.8.8.8", port)).is_empty());
    }
}

#[test]
fn techniques_match_the_source() {
    let rule = ProfileName::Netography.profile().rules[0].rule;
    let ids: Vec<_> = rule.techniques.iter().map(|one| one.id).collect();
    assert_eq!(ids, ["T1046", "T1048", "T1133", "T1135"]);
    assert_eq!(ProfileName::Netography.profile().rules[0].new_term(), None);
}
