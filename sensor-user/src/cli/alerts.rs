//! `smb-sensor alerts`.

use std::path::PathBuf;

use clap::{Args, builder::PossibleValuesParser};
use ipnet::IpNet;

use crate::{cli::directory, config::{DEFAULT_STATE_DIR, network}, journal::Query, listing::Since};
use sensor_core::flow::Evidence;
use sensor_core::profile::rule_ids;

/// Lines of a listing at most, unless something else is said.
const LINES: usize = 1_000;

/// What stands below the flags.
pub(super) const EXAMPLES: &str = "EXAMPLES\n  \
    What happened since yesterday:\n    \
    smb-sensor alerts --since 24h\n  \
    Who gave a credential away:\n    \
    smb-sensor alerts --evidence authenticated-attempt\n  \
    Everything of one machine, documents:\n    \
    smb-sensor alerts --source 10.0.0.2 --json | jq .message\n  \
    The flows that crossed the border on a day and later:\n    \
    smb-sensor alerts --flows --since 2026-01-31\n\n\
    One alert is one line, as it stands now; --json writes every document of it. The journal lies in the state directory and \
    keeps what [journal] in the configuration says.";

/// Flags of `alerts`.
#[derive(Debug, Args)]
pub struct AlertsArgs {
    /// Nothing older: a time span back from now (90s, 30m, 24h, 7d), a date, from its beginning in UTC on (2026-01-31), or a time
    /// (RFC 3339: 2026-01-31T08:00:00Z). Without it, all that the journal has
    #[arg(long, value_name = "WHEN", value_parser = Since::parse)]
    pub since: Option<Since>,
    /// Only alerts of this rule; may be given several times
    #[arg(long = "rule", value_name = "ID", value_delimiter = ',', value_parser = PossibleValuesParser::new(rule_ids()))]
    pub rules: Vec<String>,
    /// Only with this client: a network or an address; of alerts that were only counted, where it is one of those named
    #[arg(long, value_name = "NET", value_parser = network)]
    pub source: Option<IpNet>,
    /// Only where at least this was seen
    #[arg(long, value_name = "LEVEL", value_parser = PossibleValuesParser::new(Evidence::ALL.map(Evidence::name)))]
    pub evidence: Option<String>,
    /// Write every document, one a line, instead of one line for each alert
    #[arg(long)]
    pub json: bool,
    /// Summaries of flows instead of alerts
    #[arg(long, conflicts_with = "rules")]
    pub flows: bool,
    /// The newest so many lines at most. Without it, 1000, and with --json all
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// State directory of the agent that is asked, as it was given to `run`
    #[arg(long, value_name = "DIR", default_value = DEFAULT_STATE_DIR, value_parser = directory())]
    pub state_dir: PathBuf,
}

impl AlertsArgs {
    /// What is wanted of the journal.
    #[must_use]
    pub fn wanted(&self) -> Query {
        Query {
            since: self.since.map(|since| since.nanos),
            rules: self.rules.clone(),
            source: self.source,
            evidence: self.evidence.clone(),
            every: self.json,
            flows: self.flows,
            most: self.limit.or((!self.json).then_some(LINES)),
        }
    }
}
