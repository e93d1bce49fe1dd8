//! Scans of one host and of many.

use crate::shows;

#[test]
fn scripts_of_nmap_outwards_are_one_critical_incident_since_they_answer_by_ntlmv1() {
    shows("nmap-scripts-outwards");
}

#[test]
fn scripts_of_nmap_inwards_are_one_high_incident() {
    shows("nmap-scripts-inwards");
}

#[test]
fn a_half_open_sweep_outwards_is_one_high_incident() {
    shows("half-open-sweep-outwards");
}

#[test]
fn a_half_open_sweep_inwards_is_one_medium_incident() {
    shows("half-open-sweep-inwards");
}

#[test]
fn a_connect_sweep_outwards_is_one_high_incident() {
    shows("connect-sweep-outwards");
}

#[test]
fn a_connect_sweep_inwards_is_one_medium_incident() {
    shows("connect-sweep-inwards");
}

#[test]
fn a_slow_sweep_is_one_high_incident() {
    shows("slow-sweep");
}

#[test]
fn a_sweep_whose_incident_closes_after_each_address_is_one_high_incident() {
    shows("hourly-sweep");
}
