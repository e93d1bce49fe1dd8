//! The packet path, frame by frame, in the kernel (BPF_PROG_TEST_RUN at every hook) and on the host: both must agree with each
//! other and with the expectation of each fixture.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is test code; clippy knows only the test functions as such"
)]

mod any_port;
mod blocks;
mod classification;
mod consistency;
mod differential;
mod embedded_ipv4;
mod enforcement;
mod exemptions;
mod expect;
mod extension_headers;
mod flow_slots;
mod fragments;
mod headers;
mod lengths;
mod lost_records;
mod marked_ports;
mod other_cpu;
mod payload;
mod ports;
mod pppoe;
mod profiles;
mod quic;
mod reserved;
mod smb;
mod threats;
mod truncation;
mod tunnels;
mod views;

use sensor_tests::encapsulation;
