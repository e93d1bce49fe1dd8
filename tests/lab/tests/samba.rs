//! Real SMB sessions through the border.

use std::net::IpAddr;

use sensor_lab::{PASSWORD, SHARE, Smbclient, Smbd, Topology, USER, address, require_lab};

#[test]
fn alice_lists_shares_and_moves_files_over_ipv4_and_ipv6() {
    require_lab!();
    let lab = Topology::border().expect("build");
    let smbd = Smbd::start(lab.server()).expect("start smbd");
    for server in [IpAddr::from(address::SERVER_V4), address::SERVER_V6.into()] {
        let alice = Smbclient::new(lab.client(), server);
        let listed = alice.list_shares().expect("run");
        assert_eq!(listed.shares(), [SHARE], "{listed:?}");
        let got = alice.get("hello.txt").expect("run");
        assert!(got.success(), "{got:?}");
        assert_eq!(got.content.as_deref(), Some(&b"Hello from the laboratory.\n"[..]));
        let put = alice.put("sent.txt", b"from the LAN").expect("run");
        assert!(put.success(), "{put:?}");
        assert_eq!(std::fs::read(smbd.share_dir().join("sent.txt")).expect("read"), b"from the LAN");
    }
    smbd.create_large_file("large.bin", 3).expect("create");
    let large = Smbclient::new(lab.client(), address::SERVER_V4).get("large.bin").expect("run");
    assert_eq!(large.content.map(|content| content.len()), Some(3 << 20));
}

#[test]
fn refuses_wrong_password_unknown_user_and_anonymous() {
    require_lab!();
    let lab = Topology::border().expect("build");
    let _smbd = Smbd::start(lab.server()).expect("start smbd");
    let client = || Smbclient::new(lab.client(), address::SERVER_V4);
    for (login, reason) in [
        (client().user(USER, "guess"), "NT_STATUS_LOGON_FAILURE"),
        (client().user("mallory", PASSWORD), "NT_STATUS_LOGON_FAILURE"),
        (client().anonymous(), "NT_STATUS_ACCESS_DENIED"),
    ] {
        let outcome = login.get("hello.txt").expect("run");
        assert!(!outcome.success() && outcome.output.contains(reason), "{outcome:?}");
        assert_eq!(outcome.content, None);
    }
}

#[test]
fn guests_ports_dialects_and_encryption_are_as_configured() {
    require_lab!();
    let lab = Topology::border().expect("build");
    let _smbd = Smbd::builder()
        .ports(&[445, 139, 4445])
        .guest()
        .ntlmv1()
        .global("server string = laboratory")
        .start(lab.server())
        .expect("start smbd");
    let client = || Smbclient::new(lab.client(), address::SERVER_V4);
    for client in [
        client().anonymous(),
        client().port(139),
        client().port(4445),
        client().protocol("NT1"),
        client().protocol("SMB2_02"),
        client().protocol("SMB3_00"),
        client().option("--client-protection=encrypt"),
        client().protocol("NT1").option("--option=client ntlmv2 auth=no"),
    ] {
        let outcome = client.get("hello.txt").expect("run");
        assert!(outcome.success() && outcome.content.is_some(), "{outcome:?}");
    }
}
