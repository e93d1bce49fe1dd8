//! Reloads the configuration while the agent runs (SIGHUP).
//!
//! Takes the active configuration and the new one, says what can change now and what needs a restart. If the new one
//! cannot be read or applied, the active one stays.

use std::sync::Arc;

use crate::config::{Config, ResponseOptions};

/// Changed settings that need a restart, by their names in the file.
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
    differ("flow_documents", running.flow_documents != new.flow_documents);
    differ("journal", running.journal != new.journal);
    differ("state_dir", running.state_dir != new.state_dir);
    differ("statistics_interval", running.statistics_interval != new.statistics_interval);
    differ("services", running.services != new.services);
    differ("dns", running.dns_servers != new.dns_servers);
    differ("kernel", running.kernel != new.kernel);
    differ("detection", running.detection != new.detection);
    differ("enrichment", running.hosts != new.hosts);
    differ("process", running.process != new.process);
    differ("record", running.record != new.record);
    differ("restart", running.restart != new.restart);
    differ("http", running.http != new.http);
    differ("response.exec", running.response.exec != new.response.exec);
    names
}

/// The configuration after a reload: networks, inventory, exemptions, threat lists, enforcement, responses and outputs of `new`, the rest
/// of `running`.
#[must_use]
pub fn merged(running: &Config, new: Config) -> Config {
    let threats = match new.unread_threat_lists.as_slice() {
        [] => new.threats,
        // A list that cannot be read keeps its old entries.
        _ => Arc::new(new.threats.as_ref().clone().keeping(&new.threat_lists, &running.threats)),
    };
    let assets = if new.unread_assets.is_empty() { new.assets } else { Arc::clone(&running.assets) };
    Config {
        assets_file: new.assets_file,
        assets,
        unread_assets: new.unread_assets,
        default_networks: new.default_networks,
        internal: new.internal,
        lists: new.lists,
        exemptions: new.exemptions,
        named_addresses: new.named_addresses,
        resolved_names: new.resolved_names,
        threat_lists: new.threat_lists,
        unread_threat_lists: new.unread_threat_lists,
        threats,
        enforcement: new.enforcement,
        response: ResponseOptions { exec: running.response.exec.clone(), ..new.response },
        outputs: new.outputs,
        places: new.places,
        ..running.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{BadThreatList, Overrides};

    #[test]
    fn networks_change_at_once_and_the_rest_at_a_restart() {
        let running = Config::default();
        let mut new = Config { internal: vec!["9.0.0.0/8".parse().unwrap()], ..Config::default() };
        assert!(needs_restart(&running, &new).is_empty());
        new.interfaces = vec!["lan9".parse().unwrap()];
        new.kernel.tunnels = true;
        assert_eq!(needs_restart(&running, &new), ["interfaces", "kernel"]);
        let merged = merged(&running, new);
        assert_eq!(merged.internal.len(), 1);
        assert!(merged.interfaces.is_empty() && !merged.kernel.tunnels);
    }

    #[test]
    fn unreadable_threat_list_stays_and_delays_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let (path, feed) = (folder.path().join("sensor.toml"), folder.path().join("feed"));
        let text =
            "[networks]\ninternal = [\"9.0.0.0/8\"]\n[[threat_list]]\nname = \"feed\"\nfile = \"feed\"\n";
        std::fs::write(&path, text).unwrap();
        let load = || Config::load_with(Some(&path), &Overrides::default(), BadThreatList::LeftOut);
        std::fs::write(&feed, "8.8.4.4\n").unwrap();
        let running = Config { internal: vec![], ..load().unwrap() };
        std::fs::write(&feed, "8.8.4.4\nnonsense\n").unwrap();
        assert!(Config::load(Some(&path), &Overrides::default()).is_err(), "at the start it is a mistake");
        let merged = merged(&running, load().unwrap());
        assert_eq!((merged.internal.len(), merged.threats.len()), (1, 1));
        let message = merged.unread_threat_lists[0].to_string();
        assert!(message.contains("feed, line 2: \"nonsense\""), "{message}");
    }

    #[test]
    fn bad_inventory_leaves_the_hosts_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let (path, hosts) = (folder.path().join("sensor.toml"), folder.path().join("hosts.csv"));
        std::fs::write(&path, "[assets]\nfile = \"hosts.csv\"\n").unwrap();
        let load = || Config::load_with(Some(&path), &Overrides::default(), BadThreatList::LeftOut).unwrap();
        std::fs::write(&hosts, "10.0.1.2,fs01\n").unwrap();
        let running = load();
        std::fs::write(&hosts, "10.0.1.2,fs02\n10.0.1.3\n").unwrap();
        let kept = merged(&running, load());
        let name = |config: &Config| config.assets.of("10.0.1.2".parse().unwrap()).unwrap().name.clone();
        assert_eq!(name(&kept), "fs01");
        assert!(kept.unread_assets[0].to_string().contains("hosts.csv, line 2"));
        std::fs::write(&hosts, "10.0.1.2,fs02\n").unwrap();
        assert_eq!(name(&merged(&kept, load())), "fs02");
    }
}
