//! Sessions with unusual segments.

use crate::shows;

#[test]
fn a_session_after_a_forged_reset_is_one_incident_with_all_of_it() {
    shows("forged-reset");
}

#[test]
fn two_sessions_on_the_same_ports_are_two_connections_of_one_incident() {
    shows("port-reuse");
}

#[test]
fn a_stray_syn_ack_teaches_nothing() {
    shows("rare-after-stray");
}

#[test]
fn a_log_on_behind_a_keep_alive_is_read() {
    shows("keep-alive-before-log-on");
}

#[test]
fn a_log_on_behind_an_echo_is_read() {
    shows("echo-before-log-on");
}

#[test]
fn a_log_on_whose_header_comes_alone_is_read() {
    shows("header-alone");
}
