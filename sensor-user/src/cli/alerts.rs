//! `smb-sensor alerts`.

use std::path::PathBuf;

use clap::{Args, builder::PossibleValuesParser};
use ipnet::IpNet;

use crate::{
    cli::directory,
    config::{DEFAULT_STATE_DIR, network},
    flow::Evidence,
    journal::Query,
    listing::Since,
    profile::rule_ids,
};

/// Default limit on the lines of a listing.
const LINES: usize = 1_000;

/// Text below the flags.
pub(super) const EXAMPLES: &str = "EXAMPLES\n  \
    What happened since yesterday:\n    \
    smb-sensor alerts --since 24h\n  \
    Who gave away a credential:\n    \
    smb-sensor alerts --evidence authenticated-attempt\n  \
    Every document about one client:\n    \
    smb-sensor alerts --source 10.0.0.2 --json | jq .message\n  \
    Flows that crossed the border on that day or later:\n    \
    smb-sensor alerts --flows --since 2026-01-31\n\n\
    Each line shows the current state of one entry; --json writes every document. The database is in the state directory; \
    [journal] in the configuration limits its size and age.";

/// Flags of `alerts`.
#[derive(Debug, Args)]
pub struct AlertsArgs {
    /// Nothing older than this: a time span before now (90s, 30m, 24h, 7d), the beginning of a day in UTC (2026-01-31) or a time
    /// (RFC 3339: 2026-01-31T08:00:00Z). Default: everything in the database
    #[arg(long, value_name = "WHEN", value_parser = Since::parse)]
    pub since: Option<Since>,
    /// Only with findings of this rule; may be repeated
    #[arg(long = "rule", value_name = "ID", value_delimiter = ',', value_parser = PossibleValuesParser::new(rule_ids()))]
    pub rules: Vec<String>,
    /// Only with this client: an address or a network
    #[arg(long, value_name = "NET", value_parser = network)]
    pub source: Option<IpNet>,
    /// Only with at least this evidence level
    #[arg(long, value_name = "LEVEL", value_parser = PossibleValuesParser::new(Evidence::ALL.map(Evidence::name)))]
    pub evidence: Option<String>,
    /// Write every document, one per line, instead of the list
    #[arg(long)]
    pub json: bool,
    /// List flow summaries instead
    #[arg(long, conflicts_with = "rules")]
    pub flows: bool,
    /// At most this many lines, the newest. Default: 1000, or all with --json
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// State directory of the agent, as given to `run`
    #[arg(long, value_name = "DIR", default_value = DEFAULT_STATE_DIR, value_parser = directory())]
    pub state_dir: PathBuf,
}

impl AlertsArgs {
    /// The query of the store.
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
