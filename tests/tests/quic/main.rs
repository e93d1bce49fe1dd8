//! SMB over QUIC across the border: a real client and server of QUIC, and the sensor on the gateway between them.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test cannot go on without an answer")]

mod flood;
mod offers;
mod peers;
