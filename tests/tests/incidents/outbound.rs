//! Credentials that leave, and servers of other protocols.

use crate::shows;

#[test]
fn a_leak_that_is_refused_is_one_high_incident() {
    shows("leak-refused");
}

#[test]
fn a_leak_that_is_accepted_is_one_critical_incident() {
    shows("leak-accepted");
}

#[test]
fn the_same_leak_three_times_is_one_incident() {
    shows("leak-three-times");
}

#[test]
fn a_log_on_by_kerberos_alone_is_a_session_and_shows_no_exfiltration() {
    shows("kerberos-set-up-alone");
}

#[test]
fn a_relay_is_one_critical_incident_each_way() {
    shows("relay");
}

#[test]
fn a_web_server_on_445_is_one_low_incident_that_says_http() {
    shows("http-on-445");
}

#[test]
fn a_tls_server_on_445_is_one_low_incident_that_says_tls() {
    shows("tls-on-445");
}
