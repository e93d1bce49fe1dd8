//! A session inside a tunnel is reported like the session itself, if tunnels are watched.

use crate::{documents, file, replay, session};
use sensor_tests::{
    ByteOrder, Recording,
    encapsulation::{
        ENDS, ERSPAN, ERSPAN_III, GRE, MPLS, MPLS_IN_IP, SEQUENCE, VXLAN_GPE, datagram, erspan_ii,
        erspan_iii, gre, ip, labels, vxlan_gpe,
    },
    link,
};

#[test]
fn session_in_a_tunnel_is_reported_like_the_session_itself() {
    let (_config_folder, config) = file("tunnels.toml", b"[kernel]\ntunnels = true\n");
    let session = session();
    let replayed = |session: &Recording| {
        let (_folder, path) = file("capture", &session.pcap(ByteOrder::Little, false, link::ETHERNET));
        documents(&replay(&["--config", &config, &path]))
    };
    let expected = replayed(&session);
    assert!(expected.len() >= 3, "{expected:#?}");
    type Wrap = fn(&[u8]) -> Vec<u8>;
    let tunnels: [(&str, Wrap); 6] = [
        ("ERSPAN I", |frame| ip(ENDS, GRE, &gre(0, ERSPAN, frame)).build()),
        ("ERSPAN II", |frame| ip(ENDS, GRE, &gre(SEQUENCE, ERSPAN, &erspan_ii(frame))).build()),
        ("ERSPAN III", |frame| {
            ip(ENDS, GRE, &gre(SEQUENCE, ERSPAN_III, &erspan_iii(0, true, frame))).build()
        }),
        ("VXLAN-GPE", |frame| datagram(ENDS, VXLAN_GPE, &vxlan_gpe(3, frame)).build()),
        ("MPLS in GRE", |frame| ip(ENDS, GRE, &gre(0, MPLS, &labels(2, &frame[14..]))).build()),
        ("MPLS in IP", |frame| ip(ENDS, MPLS_IN_IP, &labels(4, &frame[14..])).build()),
    ];
    for (name, wrap) in tunnels {
        let mut tunnelled = session.clone();
        tunnelled.frames.iter_mut().for_each(|(_, frame)| *frame = wrap(frame));
        assert_eq!(replayed(&tunnelled), expected, "{name}");
    }
}
