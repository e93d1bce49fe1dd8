//! The command line: what was typed. Resolving it is the configuration's job.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use ipnet::IpNet;

use crate::{
    config::{AttributionChoice, Overrides},
    kernel::attach::{IngressChoice, TcChoice},
};

/// Tells when Windows networking (SMB, NetBIOS, DCE-RPC) crosses the border between your networks and the Internet.
#[derive(Debug, Parser)]
#[command(name = "smb-sensor", version, propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch interfaces and write alerts until stopped (Ctrl-C)
    #[command(after_help = "EXAMPLES\n  \
        On a gateway, watch the internal side:   smb-sensor run --iface lan0\n  \
        On a host, watch its network card:       smb-sensor run --iface eth0\n  \
        With a configuration, alerts to a file:  smb-sensor run --config smb-sensor.toml --output /var/log/smb-sensor.json\n\n\
        Alerts are JSON lines in Elastic Common Schema on standard output; everything else is told on standard error.\nSIGHUP reads the configuration again: networks and exemptions change at once, without losing a packet.")]
    Run(RunArgs),
    /// Tell what this kernel, these privileges and these interfaces allow, one line each, with the fix
    Check(CheckArgs),
}

/// Flags of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Interface to watch; may be given several times
    #[arg(long = "iface", short = 'i', value_name = "IF", value_delimiter = ',')]
    pub interfaces: Vec<String>,
    /// Configuration file (TOML); flags override it
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A further internal network; may be given several times
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    pub internal: Vec<IpNet>,
    /// File to append alerts to; "-" is standard output
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Directory of the embedded store
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// How incoming frames are reached
    #[arg(long, value_enum, value_name = "HOW")]
    pub ingress: Option<IngressArg>,
    /// How TC programs are attached
    #[arg(long, value_enum, value_name = "HOW")]
    pub tc: Option<TcArg>,
    /// Whether alerts name the process that opened the connection
    #[arg(long, value_enum, value_name = "WHETHER")]
    pub attribution: Option<AttributionArg>,
    /// Log each watched packet from inside the kernel program (slow; for debugging)
    #[arg(long)]
    pub kernel_debug: bool,
}

/// Flags of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Interface to try: the program is attached to it for a moment; may be given several times
    #[arg(long = "iface", short = 'i', value_name = "IF", value_delimiter = ',')]
    pub interfaces: Vec<String>,
    /// Configuration file to check
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// `--ingress`
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum IngressArg {
    /// Native XDP, else generic XDP, else TC
    Auto,
    /// XDP in the driver
    XdpNative,
    /// XDP in the network stack
    XdpGeneric,
    /// TC
    Tc,
}

/// `--tc`
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum TcArg {
    /// TCX, else clsact
    Auto,
    /// TCX (Linux 6.6 and newer)
    Tcx,
    /// A clsact filter
    Clsact,
}

/// `--attribution`
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum AttributionArg {
    /// Where the kernel allows it, for processes of this machine
    Auto,
    /// Never
    Off,
}

impl RunArgs {
    /// What the flags say over the configuration file.
    #[must_use]
    pub fn overrides(&self) -> Overrides {
        Overrides {
            interfaces: self.interfaces.clone(),
            internal: self.internal.iter().map(IpNet::trunc).collect(),
            output: self.output.clone(),
            state_dir: self.state_dir.clone(),
            ingress: self.ingress.map(|choice| match choice {
                IngressArg::Auto => IngressChoice::Auto,
                IngressArg::XdpNative => IngressChoice::XdpNative,
                IngressArg::XdpGeneric => IngressChoice::XdpGeneric,
                IngressArg::Tc => IngressChoice::Tc,
            }),
            tc: self.tc.map(|choice| match choice {
                TcArg::Auto => TcChoice::Auto,
                TcArg::Tcx => TcChoice::Tcx,
                TcArg::Clsact => TcChoice::Clsact,
            }),
            attribution: self.attribution.map(|choice| match choice {
                AttributionArg::Auto => AttributionChoice::Auto,
                AttributionArg::Off => AttributionChoice::Off,
            }),
            kernel_debug: self.kernel_debug,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn interfaces_may_be_listed_or_repeated() {
        let cli = Cli::parse_from(["smb-sensor", "run", "-i", "a,b", "--iface", "c"]);
        let Command::Run(run) = cli.command else { panic!("run expected") };
        assert_eq!(run.overrides().interfaces, ["a", "b", "c"]);
    }
}
