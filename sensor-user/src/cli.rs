//! The command line: what was typed. Resolving it is the configuration's job.

mod directory;
mod enforce;
mod explain;
mod replay;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use ipnet::IpNet;

pub(crate) use self::directory::directory;
pub use self::{
    enforce::{EnforceArg, EnforceArgs},
    explain::ExplainArgs,
    replay::{EngineArg, ReplayArgs},
};
use crate::{config::{AttributionChoice, Overrides, internal_network}, exempt::ExemptArgs, kernel::attach::{IngressChoice, TcChoice}};
use sensor_core::profile::ProfileName;

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
        On a gateway, watch the internal side:\n    \
        smb-sensor run --iface lan0\n  \
        On a host, watch its network card:\n    \
        smb-sensor run --iface eth0\n  \
        With a configuration, alerts to a file:\n    \
        smb-sensor run --config smb-sensor.toml --output /var/log/smb-sensor.json\n  \
        Drop what the rules are about, for an hour:\n    \
        smb-sensor run --iface lan0 --enforce --enforce-for 3600\n\n\
        Alerts are JSON lines in Elastic Common Schema on standard output; everything else is told on standard error.\nSIGHUP reads the configuration again: networks, exemptions, threat lists and enforcement change at once, without losing a packet.")]
    Run(RunArgs),
    /// Tell what this kernel, these privileges and these interfaces allow, one line each, with the fix
    Check(CheckArgs),
    /// Replay captures (pcap, pcapng) as if their packets passed now, and tell what would have been alerted on
    #[command(after_help = "EXAMPLES\n  \
        A line for each alert in a capture:\n    \
        smb-sensor replay office.pcapng\n  \
        The documents, as `run` writes them:\n    \
        smb-sensor replay --json office.pcapng | jq .message\n  \
        Rotated and packed files, in order:\n    \
        smb-sensor replay day1.pcap.gz day2.pcap.zst\n  \
        From another program:\n    \
        ssh gate tcpdump -w - tcp port 445 | smb-sensor replay -\n  \
        A lab capture, made to cross the border:\n    \
        smb-sensor replay --rewrite 10.9.0.0/16=81.2.0.0/16 lab.pcap\n\n\
        Times, windows and rare destinations follow the clock of the capture. Files that go on where the one before ended are one \
        recording; one that goes back in time begins anew. Known destinations are kept only with --state-dir.\n\
        A damaged file is told with the place of the damage, and what came before counts; the exit code is then 1, as it is \
        when no frame of a file can be read.")]
    Replay(ReplayArgs),
    /// Ask the running agent whether it drops packets, or turn that on or off at once
    #[command(after_help = "EXAMPLES\n  \
        See what it would drop:\n    \
        smb-sensor enforce status\n  \
        Try it for ten minutes:\n    \
        smb-sensor enforce on --for 600\n  \
        End it at once:\n    \
        smb-sensor enforce off\n\n\
        With enforcement in force a SYN that a rule would alert on is dropped: SMB to the Internet, and any watched TCP \
        service reached from it. Exemptions come first. Connections that stand are never touched. An agent that hangs or is \
        killed lets everything through, ten seconds later at most. Whether enforcement is in force or not, would_drop_* counts \
        what a rule is about and dropped_* what was dropped, for each rule.")]
    Enforce(EnforceArgs),
    /// Tell how addresses are classified and why, and what each profile says of a conversation between two
    #[command(after_help = "EXAMPLES\n  \
        Is this address ours, and why:\n    \
        smb-sensor explain 100.64.7.9\n  \
        Why is there an alert, or none:\n    \
        smb-sensor explain 10.1.2.3 8.8.4.4\n  \
        The same of another port:\n    \
        smb-sensor explain 8.8.4.4 10.1.2.3 --port 137/udp\n\n\
        The running agent is asked by what is in force; where none runs, the configuration. The profile in force is marked \
        with *. An `if` names what has to hold besides.")]
    Explain(ExplainArgs),
    /// Declare traffic safe, see which exemptions there are and what they have covered, take them out, try them
    #[command(after_help = "EXAMPLES\n  \
        A backup to a provider, for a month:\n    \
        smb-sensor exempt add --destination 198.51.100.9 --reason copy --expires 30d\n  \
        Which there are, and their hits:\n    \
        smb-sensor exempt list\n  \
        Whether a conversation is exempt:\n    \
        smb-sensor exempt test 10.20.0.15 198.51.100.9 --port 445\n  \
        Take one out:\n    \
        smb-sensor exempt remove 1f3a9c02\n\n\
        What is added is kept in the state directory; a running agent takes it over at once. `test` exits with 0 when it is exempt.")]
    Exempt(ExemptArgs),
}

/// Flags of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Interface to watch; may be given several times. Without it, what the configuration says
    #[arg(long = "iface", short = 'i', value_name = "IF", value_delimiter = ',')]
    pub interfaces: Vec<String>,
    /// Configuration file (TOML); flags override it
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Whose rules judge: sensor, elastic-v105, elastic-current or netography. Without it, what the configuration says, or sensor
    #[arg(long, value_name = "NAME")]
    pub profile: Option<ProfileName>,
    /// A further internal network, or address; may be given several times
    #[arg(long, value_name = "NET", value_delimiter = ',', value_parser = internal_network)]
    pub internal: Vec<IpNet>,
    /// File to append alerts to; "-" is standard output. Without it, what the configuration says, or standard output
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Directory of the journal, known destinations, added exemptions, the fingerprint key and the control socket; one for each
    /// agent. Without it, what the configuration says, or /var/lib/smb-sensor
    #[arg(long, value_name = "DIR", value_parser = directory())]
    pub state_dir: Option<PathBuf>,
    /// Hours after its first start in which the agent only learns which SMB servers on the Internet are in use, before it tells of rare
    /// ones; 0 is none. Without it, what the configuration says, or 24
    #[arg(long, value_name = "HOURS", value_parser = clap::value_parser!(u64).range(0..=8_760))]
    pub learning_hours: Option<u64>,
    /// How incoming frames are reached. Without it, what the configuration says, or auto
    #[arg(long, value_enum, value_name = "HOW")]
    pub ingress: Option<IngressArg>,
    /// How TC programs are attached. Without it, what the configuration says, or auto
    #[arg(long, value_enum, value_name = "HOW")]
    pub tc: Option<TcArg>,
    /// Whether alerts name the process that opened the connection. Without it, what the configuration says, or auto
    #[arg(long, value_enum, value_name = "WHETHER")]
    pub attribution: Option<AttributionArg>,
    /// Drop what the rules would alert on at its SYN, exemptions first; `smb-sensor enforce off` ends it at once
    #[arg(long)]
    pub enforce: bool,
    /// With enforcement, now or later: seconds after which it ends by itself; 0 is never. Without it, what the configuration says,
    /// or 86400
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=31_536_000))]
    pub enforce_for: Option<u64>,
    /// Keep the packets of alerted flows in this pcapng file, from up to 30 seconds before the alert on; the first 512 bytes of
    /// each, with the alert's id as comment. They hold credentials and perhaps contents. Without it,
    /// what the configuration says, or nothing is kept
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Log each watched packet from inside the kernel program (slow; for debugging)
    #[arg(long)]
    pub kernel_debug: bool,
}

/// Flags of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Interface to try: the program is attached to it for a moment; may be given several times. Without it, those of the
    /// configuration
    #[arg(long = "iface", short = 'i', value_name = "IF", value_delimiter = ',')]
    pub interfaces: Vec<String>,
    /// Configuration file (TOML) to check
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Write one JSON object instead of lines
    #[arg(long)]
    pub json: bool,
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
            profile: self.profile,
            interfaces: self.interfaces.clone(),
            internal: self.internal.clone(),
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
            learning_hours: self.learning_hours,
            enforce: self.enforce,
            enforce_for: self.enforce_for,
            kernel_debug: self.kernel_debug,
            record: self.record.clone(),
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
