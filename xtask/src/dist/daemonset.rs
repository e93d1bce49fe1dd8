//! The DaemonSet of `packaging/container` as a container of podman: what a kubelet makes of the manifest, as functions of a shell.
//!
//! It reads the settings that the manifest has and refuses any other, so that none goes untried unnoticed.

use std::fmt::Write as _;

use anyhow::{Context, bail};
use yaml_rust2::{Yaml, YamlLoader};

/// The folder that stands for the root folder of the node.
const NODE: &str = "/run/node";

/// Settings of the container that are applied here, and those that only Kubernetes has.
const SETTINGS: [&str; 8] = [
    "name",
    "image",
    "args",
    "securityContext",
    "readinessProbe",
    "livenessProbe",
    "resources",
    "volumeMounts",
];

/// What the trial needs of the manifest.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DaemonSet {
    /// Options of `podman run` without the added capabilities.
    options: Vec<String>,
    image: String,
    arguments: Vec<String>,
    /// Added capabilities.
    capabilities: Vec<String>,
    /// Seconds between SIGTERM and SIGKILL.
    grace: i64,
    readiness: Probe,
    liveness: Probe,
    /// The configuration: names of files and their text.
    configuration: Vec<(String, String)>,
}

/// A command in the container that has to succeed.
#[derive(Debug, PartialEq, Eq)]
struct Probe {
    command: Vec<String>,
    /// Its longest time, in seconds.
    limit: i64,
}

impl DaemonSet {
    /// Reads a manifest with one DaemonSet that has one container.
    ///
    /// # Errors
    /// When it is no such manifest, or has a setting that is not known here.
    pub(super) fn read(manifest: &str) -> anyhow::Result<Self> {
        let documents = YamlLoader::load_from_str(manifest).context("reading YAML")?;
        let of_kind = |kind: &str| {
            let found = documents.iter().find(|document| document["kind"].as_str() == Some(kind));
            found.with_context(|| format!("the manifest has no {kind}"))
        };
        let pod = &of_kind("DaemonSet")?["spec"]["template"]["spec"];
        let [container] = list(&pod["containers"], "containers")? else {
            bail!("the pod has several containers")
        };
        only(container, &SETTINGS)?;
        let mut options = security(&container["securityContext"])?;
        options.extend(host(pod)?);
        options.extend(mounts(pod, container)?);
        let configuration = of_kind("ConfigMap")?["data"].as_hash().context("the ConfigMap has no data")?;
        let configuration = configuration
            .iter()
            .map(|(name, value)| Ok((text(name, "a name of data")?, text(value, "data")?)))
            .collect::<anyhow::Result<_>>()?;
        Ok(Self {
            options,
            image: text(&container["image"], "image")?,
            arguments: texts(&container["args"], "args")?,
            capabilities: texts(&container["securityContext"]["capabilities"]["add"], "add")?,
            grace: number(&pod["terminationGracePeriodSeconds"], "terminationGracePeriodSeconds")?,
            readiness: Probe::read(&container["readinessProbe"])?,
            liveness: Probe::read(&container["livenessProbe"])?,
            configuration,
        })
    }

    /// The image that it runs.
    pub(super) fn image(&self) -> &str {
        &self.image
    }

    /// Variables and functions for a shell:
    /// - `$node`, the root folder of the node, `$capabilities` and `$grace`;
    /// - `configure`, which writes the configuration of the node;
    /// - `run_agent`, which calls `podman_run` with its own arguments as further options;
    /// - `readiness` and `liveness`, which call `probe` with the longest time and the command.
    pub(super) fn shell(&self) -> String {
        let mut shell = format!("node={NODE}\ncapabilities='{}'\n", self.capabilities.join(" "));
        let mut line = |text: String| {
            shell.push_str(&text);
            shell.push('\n');
        };
        line(format!("grace={}", self.grace));
        line("configure() {".to_owned());
        for (name, value) in &self.configuration {
            line(format!(
                "printf %s {} > {}",
                quoted(value),
                quoted(&format!("{NODE}/configuration/{name}"))
            ));
        }
        line("}".to_owned());
        let (options, arguments) = (words(&self.options), words(&self.arguments));
        line(format!("run_agent() {{ podman_run {options} \"$@\" {} {arguments}; }}", quoted(&self.image)));
        for (name, probe) in [("readiness", &self.readiness), ("liveness", &self.liveness)] {
            line(format!("{name}() {{ probe {} {}; }}", probe.limit, words(&probe.command)));
        }
        shell
    }
}

impl Probe {
    fn read(probe: &Yaml) -> anyhow::Result<Self> {
        let command = texts(&probe["exec"]["command"], "command")?;
        Ok(Self { command, limit: number(&probe["timeoutSeconds"], "timeoutSeconds")? })
    }
}

/// The security context of the container.
fn security(context: &Yaml) -> anyhow::Result<Vec<String>> {
    let mut options = Vec::new();
    for (name, value) in context.as_hash().context("there is no securityContext")? {
        match (text(name, "a name of securityContext")?.as_str(), value) {
            ("runAsUser", Yaml::Integer(user)) => options.push(format!("--user={user}")),
            ("allowPrivilegeEscalation", Yaml::Boolean(false)) => {
                options.push("--security-opt=no-new-privileges".to_owned());
            }
            // Kubernetes mounts no file systems in memory beside it, as podman does.
            ("readOnlyRootFilesystem", Yaml::Boolean(true)) => {
                options.extend(["--read-only", "--read-only-tmpfs=false"].map(str::to_owned));
            }
            ("capabilities", value) => {
                only(value, &["drop", "add"])?;
                options
                    .extend(texts(&value["drop"], "drop")?.iter().map(|name| format!("--cap-drop={name}")));
            }
            // Which profile that is depends on the container runtime.
            ("seccompProfile", value) if value["type"].as_str() == Some("RuntimeDefault") => (),
            (name, value) => bail!("the trial cannot apply {name}: {value:?} of the securityContext"),
        }
    }
    Ok(options)
}

/// What the container shares with the node.
fn host(pod: &Yaml) -> anyhow::Result<Vec<String>> {
    let mut options = Vec::new();
    for (name, option) in [("hostNetwork", "--network"), ("hostPID", "--pid")] {
        match pod[name].as_bool() {
            Some(true) => options.push(format!("{option}=host")),
            _ => bail!("the trial is made for a pod with {name}: true"),
        }
    }
    Ok(options)
}

/// The volumes of the container.
fn mounts(pod: &Yaml, container: &Yaml) -> anyhow::Result<Vec<String>> {
    let volumes = list(&pod["volumes"], "volumes")?;
    let mount = |mount: &Yaml| {
        let name = text(&mount["name"], "name")?;
        let volume = volumes.iter().find(|volume| volume["name"] == mount["name"]);
        let volume = volume.with_context(|| format!("there is no volume {name}"))?;
        let path = volume["hostPath"]["path"].as_str();
        let source = match (path, volume["hostPath"]["type"].as_str()) {
            (Some(path), Some("DirectoryOrCreate")) => format!("{NODE}{path}"),
            (Some(path), None) => path.to_owned(),
            (None, _) if !volume["configMap"].is_badvalue() => format!("{NODE}/configuration"),
            _ => bail!("the trial cannot make the volume {name}"),
        };
        let mode = if mount["readOnly"].as_bool() == Some(true) { "ro" } else { "rw" };
        Ok(format!("--volume={source}:{}:{mode}", text(&mount["mountPath"], "mountPath")?))
    };
    list(&container["volumeMounts"], "volumeMounts")?.iter().map(mount).collect()
}

/// Fails when a mapping has another key than these.
fn only(mapping: &Yaml, keys: &[&str]) -> anyhow::Result<()> {
    for (key, _) in mapping.as_hash().context("no mapping")? {
        let key = text(key, "a key")?;
        if !keys.contains(&key.as_str()) {
            bail!("the trial does not know the setting {key}");
        }
    }
    Ok(())
}

fn list<'a>(value: &'a Yaml, name: &str) -> anyhow::Result<&'a [Yaml]> {
    value.as_vec().map(Vec::as_slice).with_context(|| format!("{name} is no list"))
}

fn text(value: &Yaml, name: &str) -> anyhow::Result<String> {
    value.as_str().map(str::to_owned).with_context(|| format!("{name} is no text"))
}

fn texts(value: &Yaml, name: &str) -> anyhow::Result<Vec<String>> {
    list(value, name)?.iter().map(|one| text(one, name)).collect()
}

fn number(value: &Yaml, name: &str) -> anyhow::Result<i64> {
    value.as_i64().with_context(|| format!("{name} is no number"))
}

/// Words of a shell command.
fn words(words: &[String]) -> String {
    let mut line = String::new();
    for word in words {
        let separator = if line.is_empty() { "" } else { " " };
        // Writing to a string does not fail.
        let _ = write!(line, "{separator}{}", quoted(word));
    }
    line
}

/// One word of a shell command, whatever is in it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = include_str!("../../../packaging/container/daemonset.yaml");

    #[test]
    fn shell_runs_the_container_of_the_manifest() {
        let shell = DaemonSet::read(MANIFEST).unwrap().shell();
        for line in [
            "capabilities='BPF PERFMON NET_ADMIN SYS_PTRACE NET_RAW'",
            "grace=30",
            "readiness() { probe 10 'smb-sensor' 'status'; }",
            "interfaces = [\"eth*\", \"en*\"]",
        ] {
            assert!(
                shell.lines().any(|one| one.trim_start_matches("printf %s '") == line),
                "{line}: {shell}"
            );
        }
        let run = shell.lines().find(|line| line.starts_with("run_agent() {")).unwrap();
        for option in [
            "'--user=0'",
            "'--security-opt=no-new-privileges'",
            "'--read-only'",
            "'--cap-drop=ALL'",
            "'--network=host'",
            "'--pid=host'",
            "'--volume=/run/node/configuration:/etc/smb-sensor:ro'",
            "'--volume=/run/node/var/lib/smb-sensor:/var/lib/smb-sensor:rw'",
            "'--volume=/sys/fs/cgroup:/sys/fs/cgroup:ro'",
        ] {
            assert!(run.contains(&format!(" {option} ")), "{option}: {run}");
        }
    }

    #[test]
    fn refuses_a_setting_that_is_not_tried() {
        for (known, unknown) in [
            ("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"),
            ("readOnlyRootFilesystem: true", "privileged: true"),
            ("image: smb-sensor:latest", "image: smb-sensor:latest\n          env: []"),
            ("hostPID: true", "hostPID: false"),
            ("type: RuntimeDefault", "type: Unconfined"),
        ] {
            assert!(MANIFEST.contains(known), "{known}");
            assert!(DaemonSet::read(&MANIFEST.replace(known, unknown)).is_err(), "{unknown}");
        }
    }

    #[test]
    fn word_with_quotes_is_one_word_of_a_shell() {
        let command = format!("printf %s {}", quoted("it's $HOME \"and\"\nmore"));
        let output = std::process::Command::new("sh").args(["-c", &command]).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "it's $HOME \"and\"\nmore");
    }
}
