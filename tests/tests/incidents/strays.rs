//! Packets that open nothing.

use crate::shows;

#[test]
fn a_stray_syn_ack_opens_nothing() {
    shows("stray-syn-ack");
}

#[test]
fn a_stray_ack_opens_nothing() {
    shows("stray-ack");
}

#[test]
fn reflected_syn_acks_are_no_sweep() {
    shows("reflected-syn-acks");
}

#[test]
fn a_dns_query_from_port_138_opens_nothing() {
    shows("dns-from-port-138");
}

#[test]
fn a_netbios_response_alone_opens_nothing() {
    shows("netbios-response-only");
}
