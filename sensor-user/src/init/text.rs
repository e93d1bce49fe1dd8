//! The configuration as text.

use std::path::Path;

use ipnet::IpNet;

use super::{Answers, Found, matches};

/// The file, with a comment for each key.
pub(super) fn of(answers: &Answers, found: &[Found], documents: Option<&Path>) -> String {
    let watched = found.iter().filter(|one| matches(&answers.interfaces, &one.name));
    let notes: String = watched.map(|one| format!("# {}: {}\n", one.name, listed(&one.addresses))).collect();
    let interfaces: Vec<_> = answers.interfaces.iter().map(|name| quoted(name)).collect();
    let output = documents
        .map_or_else(|| quoted("-"), |folder| quoted(&folder.join("alerts.json").display().to_string()));
    let internal: Vec<_> = answers.internal.iter().map(|net| quoted(&net.to_string())).collect();
    format!(
        "\
# Configuration of smb-sensor, begun by `smb-sensor init`. docs/configuration.md and the example file describe every key.
# After a change: `smb-sensor check --config FILE`, then `systemctl reload smb-sensor` (networks, exemptions, threat lists,
# enforcement and outputs) or `systemctl restart smb-sensor` (everything else).

# Interfaces to watch: on a gateway those that face the internal networks, on a host its network card.
# A pattern (\"lan*\") means all that match, also those that appear later.
{notes}interfaces = [{}]

# Where documents go: \"-\" is standard output, which is the journal in a service; anything else is a file.
# For several destinations use [[output]] tables instead; docs/outputs.md describes them.
output = {output}

[networks]
# Internal beside 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 and fc00::/7: all public addresses of your organisation. Without them,
# traffic between your own sites looks like traffic with the Internet.
internal = [{}]

# Traffic that is known to be safe. `smb-sensor exempt add` adds more while the agent runs.
# [[exempt]]
# source = \"10.20.0.15\"
# destination = \"198.51.100.9\"
# service = \"smb\"
# expires = \"2030-06-30\"
# reason = \"nightly copy to the file server at the provider\"
",
        interfaces.join(", "),
        internal.join(", "),
    )
}

fn listed(nets: &[IpNet]) -> String {
    if nets.is_empty() {
        return "no address".to_owned();
    }
    nets.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A string of TOML: it has the escapes of JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Overrides};

    #[test]
    fn file_says_what_was_answered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("smb-sensor.toml");
        let answers = Answers {
            interfaces: vec!["lan0".into(), "odd\"\\*".into()],
            internal: vec!["198.51.100.0/24".parse().unwrap()],
        };
        let lan0 = Found {
            name: "lan0".into(),
            addresses: vec!["10.0.0.1/24".parse().unwrap()],
            is_up: true,
            is_outer: false,
        };
        let text = of(&answers, &[lan0], Some(Path::new("/var/log/smb-sensor")));
        assert!(text.contains("\n# lan0: 10.0.0.1/24\ninterfaces = [\"lan0\", "), "{text}");
        std::fs::write(&path, &text).unwrap();
        let config = Config::load(Some(&path), &Overrides::default()).unwrap();
        let names: Vec<_> = config.interfaces.iter().map(ToString::to_string).collect();
        assert_eq!(names, answers.interfaces);
        assert_eq!(config.internal, answers.internal);
        assert_eq!(config.outputs.len(), 1);
    }
}
