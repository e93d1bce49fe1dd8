//! Reloading the configuration while the agent runs (SIGHUP).
//!
//! Takes the configuration in force and the new one, says what can change now and what needs a restart. A new configuration
//! that cannot be read or put into force leaves the running one as it is.

use crate::config::Config;

/// Settings that differ and take effect only after a restart, by their names in the file.
#[must_use]
pub fn needs_restart(running: &Config, new: &Config) -> Vec<&'static str> {
    let mut names = Vec::new();
    let mut differ = |name, different| {
        if different {
            names.push(name);
        }
    };
    differ("profile", running.profile != new.profile);
    differ("interfaces", running.interfaces != new.interfaces);
    differ("output", running.output != new.output);
    differ("flow_documents", running.flow_documents != new.flow_documents);
    differ("journal", running.journal != new.journal);
    differ("state_dir", running.state_dir != new.state_dir);
    differ("statistics_interval", running.statistics_interval != new.statistics_interval);
    differ("services", running.services != new.services);
    differ("kernel", running.kernel != new.kernel);
    differ("detection", running.detection != new.detection);
    differ("process", running.process != new.process);
    differ("record", running.record != new.record);
    names
}

/// The configuration that is in force after a reload: networks, exemptions, threat lists and enforcement of `new`, the rest of `running`.
#[must_use]
pub fn merged(running: &Config, new: Config) -> Config {
    Config {
        default_networks: new.default_networks,
        internal: new.internal,
        lists: new.lists,
        exemptions: new.exemptions,
        threat_lists: new.threat_lists,
        threats: new.threats,
        enforcement: new.enforcement,
        places: new.places,
        ..running.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_change_at_once_and_the_rest_waits_for_a_restart() {
        let running = Config::default();
        let mut new = Config { internal: vec!["9.0.0.0/8".parse().unwrap()], ..Config::default() };
        assert!(needs_restart(&running, &new).is_empty());
        new.interfaces = vec!["lan9".into()];
        new.kernel.tunnels = true;
        assert_eq!(needs_restart(&running, &new), ["interfaces", "kernel"]);
        let merged = merged(&running, new);
        assert_eq!(merged.internal.len(), 1);
        assert!(merged.interfaces.is_empty() && !merged.kernel.tunnels);
    }
}
