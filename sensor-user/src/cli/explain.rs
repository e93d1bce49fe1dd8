//! What was typed behind `smb-sensor explain`.

use std::{net::IpAddr, path::PathBuf};

use clap::Args;
use ipnet::IpNet;

use crate::explain::{Query, command::Order};

/// Flags of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// An address
    #[arg(value_name = "ADDR", value_parser = address)]
    pub first: IpAddr,
    /// Another address: what would be said of a conversation between the two, either of them being the client
    #[arg(value_name = "ADDR2", value_parser = address)]
    pub second: Option<IpAddr>,
    /// Port of the server: 445, 137/udp. UDP is meant for 137 and 138, TCP for the others, unless it is said
    #[arg(long, value_name = "N", default_value = "445", value_parser = port)]
    pub port: (u16, bool),
    /// Configuration file (TOML): where no agent runs it is explained by this one
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// State directory of the agent that is asked, as it was given to `run`
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Explain by the configuration even where an agent runs
    #[arg(long)]
    pub no_agent: bool,
    /// Write JSON
    #[arg(long)]
    pub json: bool,
}

fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| match text.parse::<IpNet>() {
        Ok(net) => format!("this is a network; name one address of it, like {}", net.addr()),
        Err(_) => "not an IP address; write it like 192.0.2.7 or 2001:db8::7".to_owned(),
    })
}

fn port(text: &str) -> Result<(u16, bool), String> {
    let (number, transport) =
        text.split_once('/').map_or((text, None), |(number, name)| (number, Some(name)));
    let number = number.parse::<u16>().ok().filter(|number| *number != 0);
    match (number, transport) {
        (Some(port), None) => Ok((port, matches!(port, 137 | 138))),
        (Some(port), Some("tcp")) => Ok((port, false)),
        (Some(port), Some("udp")) => Ok((port, true)),
        _ => Err("not a port; write 1 to 65535, with /tcp or /udp behind it if need be".to_owned()),
    }
}

impl ExplainArgs {
    /// What is to be explained, and how.
    #[must_use]
    pub fn order(&self) -> Order {
        let (port, udp) = self.port;
        Order {
            query: Query { first: self.first, second: self.second, udp, port },
            config: self.config.clone(),
            state_dir: self.state_dir.clone(),
            no_agent: self.no_agent,
            json: self.json,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_has_the_transport_of_its_service_unless_it_is_said() {
        assert_eq!(port("445"), Ok((445, false)));
        assert_eq!(port("137"), Ok((137, true)));
        assert_eq!(port("137/tcp"), Ok((137, false)));
        assert_eq!(port("445/udp"), Ok((445, true)));
        for wrong in ["", "0", "65536", "/udp", "445/", "445/sctp", "-1"] {
            assert!(port(wrong).is_err(), "{wrong}");
        }
    }
}
