//! A port of a server as typed: `445`, `137/udp`.

use std::{fmt, str::FromStr};

use sensor_common::slot::{TCP, UDP};

/// A port, with its transport if given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerPort {
    /// Number, not 0.
    pub number: u16,
    /// IP protocol number, if given.
    pub transport: Option<u8>,
}

impl ServerPort {
    /// Whether it is UDP: without a transport, for NetBIOS's UDP ports.
    #[must_use]
    pub fn is_udp(self) -> bool {
        self.transport.map_or(matches!(self.number, 137 | 138), |transport| transport == UDP)
    }
}

impl FromStr for ServerPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, transport) =
            text.split_once('/').map_or((text, None), |(number, name)| (number, Some(name)));
        let number = number.parse::<u16>().ok().filter(|number| *number != 0);
        match (number, transport) {
            (Some(number), None) => Ok(Self { number, transport: None }),
            (Some(number), Some("tcp")) => Ok(Self { number, transport: Some(TCP) }),
            (Some(number), Some("udp")) => Ok(Self { number, transport: Some(UDP) }),
            _ => Err("not a port; write 1 to 65535, with /tcp or /udp behind it if need be".to_owned()),
        }
    }
}

impl fmt::Display for ServerPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, if self.is_udp() { "udp" } else { "tcp" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_has_the_transport_of_its_service_by_default() {
        let parsed = |text: &str| text.parse::<ServerPort>().map(|port| port.to_string());
        for (typed, meant) in
            [("445", "445/tcp"), ("137", "137/udp"), ("137/tcp", "137/tcp"), ("445/udp", "445/udp")]
        {
            assert_eq!(parsed(typed).as_deref(), Ok(meant));
        }
        for wrong in ["", "0", "65536", "/udp", "445/", "445/sctp", "-1"] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }
}
