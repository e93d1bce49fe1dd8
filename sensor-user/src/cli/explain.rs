//! `smb-sensor explain`.

mod command;

use std::{net::IpAddr, path::PathBuf};

use clap::Args;
use ipnet::IpNet;

pub use self::command::{ExplainRequest, run};
use crate::{arguments::directory, config::ServerPort, explain::Query};

/// Flags of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// An address
    #[arg(value_name = "ADDR", value_parser = address)]
    pub first: IpAddr,
    /// A second address: explain a connection between the two, with either as the client
    #[arg(value_name = "ADDR2", value_parser = address)]
    pub second: Option<IpAddr>,
    /// Port of the server, such as 445 or 137/udp. Without a protocol, 137 and 138 are UDP and all others TCP
    #[arg(long, value_name = "N", default_value = "445")]
    pub port: ServerPort,
    /// Configuration file (TOML) to use if no agent runs
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// State directory of the agent, as given to `run`. Default: that of --config, or /var/lib/smb-sensor
    #[arg(long, value_name = "DIR", value_parser = directory())]
    pub state_dir: Option<PathBuf>,
    /// Use the configuration even if an agent runs
    #[arg(long)]
    pub no_agent: bool,
    /// Write one JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| match text.parse::<IpNet>() {
        Ok(net) => format!("this is a network; name one address in it, like {}", net.addr()),
        Err(_) => "not an IP address; write it like 192.0.2.7 or 2001:db8::7".to_owned(),
    })
}

impl ExplainArgs {
    /// What to explain, and how.
    #[must_use]
    pub fn request(&self) -> ExplainRequest {
        let (udp, port) = (self.port.is_udp(), self.port.number);
        ExplainRequest {
            query: Query { first: self.first, second: self.second, udp, port },
            config: self.config.clone(),
            state_dir: self.state_dir.clone(),
            no_agent: self.no_agent,
            json: self.json,
        }
    }
}
