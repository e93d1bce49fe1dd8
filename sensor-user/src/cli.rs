//! The command line as typed. The configuration resolves it.

mod block;
mod detach;
mod enforce;
pub mod explain;
mod replay;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use ipnet::IpNet;

pub use self::{
    block::{BlockArgs, UnblockArgs},
    detach::DetachArgs,
    enforce::{EnforceArg, EnforceArgs},
    explain::ExplainArgs,
    replay::{EngineArg, ReplayArgs},
};
use crate::{
    alerts,
    arguments::directory,
    config::{AttributionChoice, InterfaceName, Overrides, internal_network},
    exempt::ExemptArgs,
    exposure, fleet,
    init::InitArgs,
    kernel::attach::{IngressChoice, TcChoice},
    report::{self, ReportArgs},
    status::StatusArgs,
    top::TopArgs,
};
use sensor_core::profile::ProfileName;

/// Reports Windows networking (SMB, NetBIOS, DCE-RPC, WebDAV) that crosses the border between your networks and the Internet.
#[derive(Debug, Parser)]
#[command(name = "smb-sensor", version, propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch interfaces and report incidents until stopped (Ctrl-C)
    #[command(after_help = "EXAMPLES\n  \
        On a gateway, watch the internal side:\n    \
        smb-sensor run --iface lan0\n  \
        On a host, watch its network card:\n    \
        smb-sensor run --iface eth0\n  \
        With a configuration file and an output file:\n    \
        smb-sensor run --config smb-sensor.toml --output /var/log/smb-sensor.json\n  \
        Drop connections that the rules alert on, for an hour:\n    \
        smb-sensor run --iface lan0 --enforce --enforce-for 3600\n\n\
        Documents are JSON lines in Elastic Common Schema on standard output; the log goes to standard error.\n\
        [http] in the configuration serves metrics, health and a status page, by default on 127.0.0.1:9645.\n\
        SIGHUP reads the configuration again: networks, exemptions, threat lists, enforcement and outputs change at once, \
        without losing a packet.")]
    Run(RunArgs),
    /// Check the kernel, the privileges, the interfaces and the configuration, one line each, with the fix for each problem
    Check(CheckArgs),
    /// Read captures (pcap, pcapng) and report what a running agent would have reported
    #[command(after_help = "EXAMPLES\n  \
        One line for each incident in a capture:\n    \
        smb-sensor replay office.pcapng\n  \
        The same documents that `run` writes:\n    \
        smb-sensor replay --json office.pcapng | jq .message\n  \
        Rotated and compressed files, in order:\n    \
        smb-sensor replay day1.pcap.gz day2.pcap.zst\n  \
        From another program:\n    \
        ssh gate tcpdump -w - tcp port 445 | smb-sensor replay -\n  \
        A lab capture, rewritten so that it crosses the border:\n    \
        smb-sensor replay --rewrite 10.9.0.0/16=81.2.0.0/16 lab.pcap\n\n\
        Times, windows and rare destinations follow the clock of the capture. Files that continue one another are one recording; \
        a file that goes back in time starts a new one. Known destinations are kept only with --state-dir.\n\
        If a file is damaged, the place of the damage is reported, the packets before it count, and the exit code is 1. The exit \
        code is also 1 if no frame of a file can be read.")]
    Replay(ReplayArgs),
    /// Show whether the running agent drops packets, or turn that on or off
    #[command(after_help = "EXAMPLES\n  \
        Show how many SYNs it would drop:\n    \
        smb-sensor enforce status\n  \
        Try it for ten minutes:\n    \
        smb-sensor enforce on --for 600\n  \
        Turn it off at once:\n    \
        smb-sensor enforce off\n\n\
        While enforcement is on, the kernel drops the SYN of a connection that a rule would alert on: SMB to the Internet, and \
        any watched TCP service reached from the Internet. Exemptions come first. Established connections are never touched. If \
        the agent hangs or is killed, everything passes again after at most ten seconds. For each rule, would_drop_* counts \
        matching SYNs whether enforcement is on or off, and dropped_* counts dropped ones.")]
    Enforce(EnforceArgs),
    /// Drop the SMB, NetBIOS and DCE-RPC packets of a host, a network or a pair of them for a while
    #[command(after_help = block::EXAMPLES)]
    Block(BlockArgs),
    /// Detach kernel programs that agents left attached for the next run, and remove their pins
    #[command(after_help = "EXAMPLES\n  \
        After the last run, or before the program is removed:\n    \
        smb-sensor detach\n  \
        From one interface:\n    \
        smb-sensor detach --iface lan0\n\n\
        Counts that no agent has read are lost. Nothing is removed that a running agent uses.")]
    Detach(DetachArgs),
    /// List incidents, or show one in full, whether or not an agent runs
    #[command(after_help = alerts::EXAMPLES)]
    Alerts(alerts::AlertsArgs),
    /// Explain how addresses are classified, and whether each profile reports a connection between two of them
    #[command(after_help = "EXAMPLES\n  \
        Is this address internal, and why:\n    \
        smb-sensor explain 100.64.7.9\n  \
        Why is there an incident, or none:\n    \
        smb-sensor explain 10.1.2.3 8.8.4.4\n  \
        The same for another port:\n    \
        smb-sensor explain 8.8.4.4 10.1.2.3 --port 137/udp\n\n\
        The answer comes from the running agent or, if none runs, from the configuration. The active profile is marked with *. \
        An `if` names a further condition.")]
    Explain(ExplainArgs),
    /// List internal hosts whose SMB, NetBIOS or DCE-RPC answered somebody on the Internet, whether or not an agent runs
    #[command(after_help = exposure::EXAMPLES)]
    Exposure(exposure::ExposureArgs),
    /// Add, list, remove and test exemptions for traffic that is known to be safe
    #[command(after_help = "EXAMPLES\n  \
        Exempt a backup to a provider for a month:\n    \
        smb-sensor exempt add --destination 198.51.100.9 --reason copy --expires 30d\n  \
        List exemptions and their hits:\n    \
        smb-sensor exempt list\n  \
        Check whether a connection is exempt:\n    \
        smb-sensor exempt test 10.20.0.15 198.51.100.9 --port 445\n  \
        Remove one:\n    \
        smb-sensor exempt remove 1f3a9c02\n\n\
        Added exemptions are kept in the state directory, and a running agent applies them at once. `test` exits with 0 if the \
        connection is exempt.")]
    Exempt(ExemptArgs),
    /// List the sensors that publish to a stream of NATS, with their health, and external hosts that several sensors have seen
    #[command(after_help = fleet::EXAMPLES)]
    Fleet(fleet::FleetArgs),
    /// Write a first configuration for this machine
    #[command(after_help = "EXAMPLES\n  \
        Ask on the terminal:\n    \
        smb-sensor init\n  \
        In a script, with the proposed values:\n    \
        smb-sensor init --yes\n  \
        Only show it:\n    \
        smb-sensor init --iface lan0 --internal 198.51.100.0/24 --output -\n\n\
        Interfaces that do not have the default route are proposed; if there is no other, the one that has it. A file that is there \
        stays, unless --force is given.")]
    Init(InitArgs),
    /// Write the manual pages into a directory
    #[command(hide = true)]
    Manual(ManualArgs),
    /// Sum up the incidents of a period: verdicts, exposed hosts, pairs, campaigns, loss; as text, JSON or a page with pictures
    #[command(after_help = report::EXAMPLES)]
    Report(ReportArgs),
    /// Show the state of the running agent: interfaces, loss, incidents, outputs
    #[command(after_help = "EXAMPLES\n  \
        Show whether it works:\n    \
        smb-sensor status\n  \
        For a script: documents that wait for each output\n    \
        smb-sensor status --json | jq '.outputs[] | {name, waiting}'\n\n\
        The exit code is 0 if all is well, 1 if there are problems, 3 if no agent runs and 4 if it does not answer.")]
    Status(StatusArgs),
    /// Watch the running agent on the terminal: rates, incidents, outputs
    #[command(after_help = "KEYS\n  \
        q, Escape, Ctrl-C   end\n  \
        arrows, j, k        scroll the incidents\n\n\
        NO_COLOR turns colours off. Incidents are read from the database, whether or not an agent runs.")]
    Top(TopArgs),
    /// End a block at once
    Unblock(UnblockArgs),
}

/// Flags of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Interface to watch, or a pattern such as "lan*"; may be repeated. Default: the interfaces of the configuration
    #[arg(long = "iface", short = 'i', value_name = "IF", value_delimiter = ',')]
    pub interfaces: Vec<InterfaceName>,
    /// Configuration file (TOML); flags override it
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Rule set: sensor, elastic-v105, elastic-current or netography. Default: that of the configuration, or sensor
    #[arg(long, value_name = "NAME")]
    pub profile: Option<ProfileName>,
    /// Additional internal network or address; may be repeated
    #[arg(long, value_name = "NET", value_delimiter = ',', value_parser = internal_network)]
    pub internal: Vec<IpNet>,
    /// File to append documents to, instead of all outputs of the configuration; "-" is standard output. Default: the outputs of the
    /// configuration, or standard output
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Directory of the database, added exemptions, the fingerprint key and the control socket. Each agent needs its own.
    /// Default: that of the configuration, or /var/lib/smb-sensor
    #[arg(long, value_name = "DIR", value_parser = directory())]
    pub state_dir: Option<PathBuf>,
    /// Hours after the first start in which the agent only learns which SMB servers on the Internet are in use, before it reports
    /// rare ones; 0 turns learning off. Default: the value of the configuration, or 24
    #[arg(long, value_name = "HOURS", value_parser = clap::value_parser!(u64).range(0..=8_760))]
    pub learning_hours: Option<u64>,
    /// Hook for incoming frames. Default: that of the configuration, or auto
    #[arg(long, value_enum, value_name = "HOW")]
    pub ingress: Option<IngressArg>,
    /// How to attach TC programs. Default: the value of the configuration, or auto
    #[arg(long, value_enum, value_name = "HOW")]
    pub tc: Option<TcArg>,
    /// Whether incidents name the process that opened the connection. Default: the value of the configuration, or auto
    #[arg(long, value_enum, value_name = "WHETHER")]
    pub attribution: Option<AttributionArg>,
    /// Drop the SYN of connections that the rules alert on, unless exempt; `smb-sensor enforce off` ends it at once
    #[arg(long)]
    pub enforce: bool,
    /// Time in seconds after which enforcement ends by itself, whenever it is turned on; 0 means never. Default: the value of the
    /// configuration, or 86400
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=31_536_000))]
    pub enforce_for: Option<u64>,
    /// Record the packets of reported connections in this pcapng file: the first 512 bytes of each, from up to 30 seconds before
    /// the incident, with its identifier as comment. They contain credentials and possibly file contents. Default: the file of the
    /// configuration, or no recording
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Leave the kernel program attached when the agent ends, so that the next one continues without a gap; `smb-sensor detach`
    /// removes it. Default: that of the configuration, or not; on a terminal, not
    #[arg(long, conflicts_with = "detach_on_exit")]
    pub keep_attached: bool,
    /// Detach the kernel program when the agent ends, even if the configuration keeps it attached
    #[arg(long)]
    pub detach_on_exit: bool,
    /// Folder of a BPF file system in which the kernel program is pinned if it stays attached. Default: that of the configuration,
    /// or /sys/fs/bpf/smb-sensor
    #[arg(long, value_name = "DIR")]
    pub pin_directory: Option<PathBuf>,
    /// Log each watched packet from the kernel program (slow; for debugging)
    #[arg(long)]
    pub kernel_debug: bool,
}

/// Flags of `manual`.
#[derive(Debug, Args)]
pub struct ManualArgs {
    /// Directory for the pages
    pub directory: PathBuf,
}

/// Flags of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Interface to test by attaching the program to it for a moment, or a pattern such as "lan*"; may be repeated. Default:
    /// the interfaces of the configuration
    #[arg(long = "iface", short = 'i', value_name = "IF", value_delimiter = ',')]
    pub interfaces: Vec<InterfaceName>,
    /// Configuration file (TOML) to check
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Show what confines the agent that runs now, instead: its user, the privileges of its threads, and who may read its files
    #[arg(long, conflicts_with = "interfaces")]
    pub security: bool,
    /// State directory of that agent. Default: that of the configuration
    #[arg(long, value_name = "DIR", requires = "security")]
    pub state_dir: Option<PathBuf>,
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
    /// The flags that override the configuration file.
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
            pin_directory: self.pin_directory.clone(),
            keep_attached: match (self.keep_attached, self.detach_on_exit) {
                (true, _) => Some(true),
                (_, true) => Some(false),
                _ => None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn interfaces_may_be_listed_or_repeated() {
        let cli = Cli::parse_from(["smb-sensor", "run", "-i", "a,b", "--iface", "c"]);
        let Command::Run(run) = cli.command else { panic!("run expected") };
        let names: Vec<String> = run.overrides().interfaces.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["a", "b", "c"]);
    }
}
