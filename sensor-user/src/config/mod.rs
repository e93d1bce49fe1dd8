//! Configuration: from typed text to validated settings.
//!
//! [`Config`] is the validated result: built-in defaults, then the TOML file ([`file`]), then the command
//! line ([`Overrides`]). Validation collects every mistake before anything happens; this module never acts.

mod assets;
mod encoding;
mod exemption_text;
mod exemptions;
mod file;
mod hosts;
mod http;
mod interface_name;
mod lists;
mod options;
mod outputs;
mod places;
mod problem;
mod reader;
mod response;
mod restart;
mod server_port;
mod threats;
mod value;

use std::{
    collections::BTreeSet,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use ipnet::IpNet;

pub(crate) use self::{
    encoding::read as read_text,
    exemption_text::{identifier, process, reason},
    exemptions::networks,
    value::{directory, internal_network},
};
pub use sensor_core::service::{Service, ServicePorts};

pub use self::{
    exemptions::{parse_added, service},
    interface_name::InterfaceName,
    lists::Lists,
    options::{
        AttributionChoice, AutoBlock, DetectionOptions, EnforcementOptions, HttpOptions, KernelOptions,
        ProcessOptions, RecordOptions, ResponseOptions, ServerTlsOptions,
    },
    places::{Places, Written},
    problem::{ConfigError, Problem},
    restart::RestartOptions,
    server_port::ServerPort,
};
use crate::{
    hosts::HostSources,
    kernel::attach::{IngressChoice, TcChoice},
    names::{NamedAddresses, ResolvedNames},
    sinks::{OutputOptions, Take},
    storage::Bounds,
    threat::{ThreatList, ThreatLists},
};
use sensor_core::profile::ProfileName;
use sensor_core::{
    asset::Assets,
    enrichment::ConfiguredName,
    exempt::{End, Exemption},
    profile,
    settings::Settings,
    time::Timestamp,
};

/// Most connections at a time.
const FLOW_CAPACITY: usize = 1 << 18;

/// Default state directory.
pub const DEFAULT_STATE_DIR: &str = "/var/lib/smb-sensor";

/// All settings of the agent.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The rule set.
    pub profile: ProfileName,
    /// Interfaces to watch.
    pub interfaces: Vec<InterfaceName>,
    /// Destinations of documents.
    pub outputs: Vec<OutputOptions>,
    /// State directory.
    pub state_dir: PathBuf,
    /// Seconds between statistics lines.
    pub statistics_interval: u64,
    /// Whether the built-in private networks are internal.
    pub default_networks: bool,
    /// Further internal networks.
    pub internal: Vec<IpNet>,
    /// Named lists of networks.
    pub lists: Lists,
    /// Known safe traffic.
    pub exemptions: Vec<Exemption>,
    /// Addresses of the DNS names in it.
    pub named_addresses: Arc<NamedAddresses>,
    /// The answers of name servers for the DNS names in it.
    pub resolved_names: Arc<ResolvedNames>,
    /// Files of prefixes that somebody warns about.
    pub threat_lists: Vec<ThreatList>,
    /// The entries of those files.
    pub threats: Arc<ThreatLists>,
    /// Mistakes of the threat lists that were left out.
    pub unread_threat_lists: Vec<Problem>,
    /// File of the inventory of own hosts.
    pub assets_file: Option<PathBuf>,
    /// The inventory.
    pub assets: Arc<Assets>,
    /// Mistakes of an inventory that was left out.
    pub unread_assets: Vec<Problem>,
    /// What else is asked about hosts.
    pub hosts: HostSources,
    /// Watched ports.
    pub services: ServicePorts,
    /// Name servers for the DNS names in exemptions; those of the machine if there are none.
    pub dns_servers: Vec<IpAddr>,
    /// Kernel program.
    pub kernel: KernelOptions,
    /// Detections.
    pub detection: DetectionOptions,
    /// Processes.
    pub process: ProcessOptions,
    /// Enforcement.
    pub enforcement: EnforcementOptions,
    /// Responses.
    pub response: ResponseOptions,
    /// Restarts.
    pub restart: RestartOptions,
    /// Retention of the database.
    pub journal: Bounds,
    /// Whether summaries of flows are written too, unless an output says what it takes.
    pub flow_documents: bool,
    /// Recording of packets.
    pub record: RecordOptions,
    /// Metrics, health and status page over HTTP; `None` turns them off.
    pub http: Option<HttpOptions>,
    /// Positions of settings in the file.
    pub places: Places,
}

/// How to treat a threat list or an inventory that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadThreatList {
    /// As a mistake of the configuration.
    Refused,
    /// Left out and noted in [`Config::unread_threat_lists`] or [`Config::unread_assets`]: for a reload, and for commands that need neither.
    LeftOut,
}

/// Settings of the command line, which override the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// Profile, instead of the file's.
    pub profile: Option<ProfileName>,
    /// Interfaces, instead of the file's.
    pub interfaces: Vec<InterfaceName>,
    /// Further internal networks.
    pub internal: Vec<IpNet>,
    /// Output, instead of the file's; `-` is standard output.
    pub output: Option<PathBuf>,
    /// State directory, instead of the file's.
    pub state_dir: Option<PathBuf>,
    /// Ingress, instead of the file's.
    pub ingress: Option<IngressChoice>,
    /// TC, instead of the file's.
    pub tc: Option<TcChoice>,
    /// Hours of learning, instead of the file's.
    pub learning_hours: Option<u64>,
    /// Attribution, instead of the file's.
    pub attribution: Option<AttributionChoice>,
    /// Start with enforcement on.
    pub enforce: bool,
    /// Seconds of enforcement, instead of the file's.
    pub enforce_for: Option<u64>,
    /// Turn the kernel program's debug log on.
    pub kernel_debug: bool,
    /// Recording, instead of the file's.
    pub record: Option<PathBuf>,
    /// Whether the kernel program stays attached, instead of the file's.
    pub keep_attached: Option<bool>,
    /// Where it is pinned, instead of the file's.
    pub pin_directory: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            profile: ProfileName::Sensor,
            interfaces: vec![],
            outputs: vec![OutputOptions::single(None)],
            state_dir: PathBuf::from(DEFAULT_STATE_DIR),
            statistics_interval: 60,
            default_networks: true,
            internal: vec![],
            lists: Lists::new(),
            exemptions: vec![],
            named_addresses: Arc::default(),
            resolved_names: Arc::default(),
            threat_lists: vec![],
            threats: Arc::default(),
            unread_threat_lists: vec![],
            assets_file: None,
            assets: Arc::default(),
            unread_assets: vec![],
            hosts: HostSources::default(),
            services: ServicePorts::default(),
            dns_servers: vec![],
            kernel: KernelOptions::default(),
            detection: DetectionOptions::default(),
            process: ProcessOptions::default(),
            enforcement: EnforcementOptions::default(),
            response: ResponseOptions::default(),
            restart: RestartOptions::default(),
            journal: Bounds::default(),
            flow_documents: false,
            record: RecordOptions::default(),
            http: None,
            places: Places::default(),
        }
    }
}

impl Config {
    /// Reads the file, if any, and applies the command line.
    ///
    /// # Errors
    /// [`ConfigError`] with every mistake of the file, each with line and column.
    pub fn load(path: Option<&Path>, overrides: &Overrides) -> Result<Self, ConfigError> {
        Self::load_with(path, overrides, BadThreatList::Refused)
    }

    /// The same, with the treatment of unreadable threat lists.
    ///
    /// # Errors
    /// [`ConfigError`] with every mistake of the file, each with line and column.
    pub fn load_with(
        path: Option<&Path>,
        overrides: &Overrides,
        bad_threat_list: BadThreatList,
    ) -> Result<Self, ConfigError> {
        let mut config = match path {
            Some(path) => {
                let text = read_text(path)?;
                let parsed = file::parse(&text, path.parent().unwrap_or(Path::new("")), bad_threat_list)
                    .map_err(|problems| ConfigError::Invalid { path: path.to_owned(), problems })?;
                Self { places: Places::of(path, &text), ..parsed }
            }
            None => Self::default(),
        };
        config.apply(overrides);
        config.resolve_names();
        Ok(config)
    }

    /// The DNS names in exemptions and in the lists that they name.
    #[must_use]
    pub fn names(&self) -> BTreeSet<String> {
        exemptions::names(&self.exemptions, &self.lists)
    }

    /// Adds the addresses of names that the agent has resolved. The thread that resolves them reports a file that cannot be read.
    pub(crate) fn resolve_names(&mut self) {
        if !self.names().is_empty() {
            let resolved = ResolvedNames::read(&self.state_dir).unwrap_or_default();
            exemptions::resolve(&mut self.exemptions, &self.lists, &resolved);
            self.named_addresses = Arc::new(exemptions::named(&self.exemptions, &self.lists, &resolved));
            self.resolved_names = Arc::new(resolved);
        }
    }

    /// The DNS name because of which an address is at one end of an exemption; `None` if there is no such name.
    #[must_use]
    pub fn name_of(&self, exemption: &Exemption, end: &End, address: IpAddr) -> Option<ConfiguredName> {
        exemptions::name_of((exemption, end), address, &self.lists, &self.resolved_names)
    }

    /// The watched ports: the configured ones, or those of the profile if it has its own.
    #[must_use]
    pub fn watched(&self) -> ServicePorts {
        self.profile.profile().services(&self.services)
    }

    /// Whether internal networks should be configured and none is; a profile with lists of its own needs none.
    #[must_use]
    pub fn lacks_networks(&self) -> bool {
        self.internal.is_empty() && !self.profile.profile().has_own_networks()
    }

    /// Whether summaries of flows are made: for everybody, or for an output that takes them.
    #[must_use]
    pub fn has_flow_summaries(&self) -> bool {
        self.flow_documents || self.outputs.iter().any(|output| output.take.is_some_and(Take::has_flows))
    }

    /// Settings of the core.
    #[must_use]
    pub fn core_settings(&self) -> Settings {
        let detection = &self.detection;
        Settings {
            profile: self.profile,
            rulebook: self.profile_settings(),
            watched: self.watched(),
            exemptions: self.exemptions.clone(),
            threats: self.threats.shared(),
            assets: Arc::clone(&self.assets),
            limits: detection.limits,
            attempt_settle: Duration::from_secs(detection.attempt_settle),
            flow_idle: Duration::from_secs(self.kernel.flow_idle),
            flow_capacity: FLOW_CAPACITY,
            incident_idle: Duration::from_secs(detection.incident_idle),
            flow_summaries: self.has_flow_summaries(),
            shared_terms: self.outputs.iter().any(outputs::shares_terms),
            recording: self.record.file.is_some(),
        }
    }

    /// Settings of profiles.
    #[must_use]
    pub fn profile_settings(&self) -> profile::Settings {
        let internal = self.internal.iter().enumerate();
        profile::Settings {
            services: self.services.clone(),
            default_networks: self.default_networks,
            internal: internal
                .map(|(number, net)| (net.trunc(), origin(&self.places.internal(number))))
                .collect(),
            windows: self.detection.windows.clone(),
        }
    }

    /// The configuration with only those exemptions that have not expired at `now`.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> Self {
        let mut config = self.clone();
        config.exemptions.retain(|exemption| exemption.is_in_force(now));
        config
    }

    fn apply(&mut self, overrides: &Overrides) {
        self.profile = overrides.profile.unwrap_or(self.profile);
        if !overrides.interfaces.is_empty() {
            self.interfaces.clone_from(&overrides.interfaces);
        }
        self.internal.extend(&overrides.internal);
        if let Some(output) = &overrides.output {
            self.outputs = vec![OutputOptions::single(destination(output))];
        }
        if let Some(state_dir) = &overrides.state_dir {
            self.state_dir.clone_from(state_dir);
        }
        self.kernel.ingress = overrides.ingress.unwrap_or(self.kernel.ingress);
        self.kernel.tc = overrides.tc.unwrap_or(self.kernel.tc);
        self.process.attribution = overrides.attribution.unwrap_or(self.process.attribution);
        let detection = &mut self.detection;
        detection.learning_hours = overrides.learning_hours.unwrap_or(detection.learning_hours);
        self.kernel.debug |= overrides.kernel_debug;
        if overrides.record.is_some() {
            self.record.file.clone_from(&overrides.record);
        }
        if let Some(keep_attached) = overrides.keep_attached {
            (self.restart.keep_attached, self.restart.is_typed) = (keep_attached, true);
        }
        if let Some(directory) = &overrides.pin_directory {
            self.restart.pin_directory.clone_from(directory);
        }
        self.enforcement.active |= overrides.enforce;
        self.enforcement.expire_after = overrides.enforce_for.unwrap_or(self.enforcement.expire_after);
    }
}

/// Where an internal network is written, as text.
fn origin(written: &Written) -> String {
    match written {
        Written::CommandLine => "--internal on the command line".to_owned(),
        Written::File { .. } => format!("networks.internal, {written}"),
    }
}

/// `-` is standard output.
fn destination(path: &Path) -> Option<PathBuf> {
    (path != Path::new("-")).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_overrides_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sensor.toml");
        std::fs::write(
            &path,
            "interfaces = [\"a\"]\noutput = \"/tmp/x\"\n[networks]\ninternal = [\"9.0.0.0/8\"]\n",
        )
        .unwrap();
        let overrides = Overrides {
            interfaces: vec!["b".parse().unwrap()],
            internal: vec!["11.0.0.0/8".parse().unwrap()],
            output: Some("-".into()),
            ..Overrides::default()
        };
        let config = Config::load(Some(&path), &overrides).unwrap();
        assert_eq!(config.interfaces, overrides.interfaces);
        assert_eq!(config.outputs, [OutputOptions::single(None)]);
        assert_eq!(config.internal.len(), 2, "internal networks add up");
    }

    #[test]
    fn names_a_missing_file() {
        let error = Config::load(Some(Path::new("/nonexistent/x.toml")), &Overrides::default()).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/x.toml"), "{error}");
    }
}
