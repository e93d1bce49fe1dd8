//! The container file and the manifest for Kubernetes: checks of their text. `cargo xtask dist --try` runs them.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is test code; clippy knows only the test functions as such"
)]

use std::{fs, path::Path};

use yaml_rust2::{Yaml, YamlLoader};

fn source(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging").join(path)).unwrap()
}

/// The documents of the manifest.
fn manifest() -> Vec<Yaml> {
    YamlLoader::load_from_str(&source("container/daemonset.yaml")).unwrap()
}

/// The only container of the DaemonSet.
fn container() -> Yaml {
    let set = manifest().into_iter().find(|document| document["kind"].as_str() == Some("DaemonSet")).unwrap();
    let containers = set["spec"]["template"]["spec"]["containers"].as_vec().unwrap().clone();
    assert_eq!(containers.len(), 1);
    containers[0].clone()
}

/// Capabilities of the service, without the prefix that containers leave out.
fn of_the_unit(setting: &str) -> Vec<String> {
    let unit = source("systemd/smb-sensor.service");
    let value = unit.lines().find_map(|line| line.strip_prefix(setting)?.strip_prefix('=')).unwrap();
    value.split_whitespace().map(|name| name.strip_prefix("CAP_").unwrap().to_owned()).collect()
}

#[test]
fn capabilities_are_those_of_the_unit_and_no_more() {
    let capabilities = &container()["securityContext"]["capabilities"];
    let names = |key: &str| -> Vec<String> {
        capabilities[key].as_vec().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("drop"), ["ALL"]);
    assert_eq!(names("add"), of_the_unit("AmbientCapabilities"));
    assert_eq!(names("add"), of_the_unit("CapabilityBoundingSet"));
    // The command for podman has the same.
    let listed = format!("--cap-add {} ", names("add").join(","));
    assert!(source("container/README.md").contains(&listed), "{listed}");
}

#[test]
fn container_gains_no_privileges_and_writes_nothing_but_its_state() {
    let container = container();
    let security = &container["securityContext"];
    assert_eq!(security["allowPrivilegeEscalation"].as_bool(), Some(false));
    assert_eq!(security["readOnlyRootFilesystem"].as_bool(), Some(true));
    assert!(security["privileged"].is_badvalue());
    let mounts = container["volumeMounts"].as_vec().unwrap();
    let writable = mounts.iter().filter(|mount| mount["readOnly"].as_bool() != Some(true));
    let writable: Vec<_> = writable.filter_map(|mount| mount["mountPath"].as_str()).collect();
    assert_eq!(writable, ["/var/lib/smb-sensor"]);
}

#[test]
fn every_mounted_volume_exists() {
    let set = manifest().into_iter().find(|document| document["kind"].as_str() == Some("DaemonSet")).unwrap();
    let names = |list: &Yaml| -> Vec<String> {
        let mut names: Vec<_> =
            list.as_vec().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    let pod = &set["spec"]["template"]["spec"];
    assert_eq!(names(&pod["volumes"]), names(&container()["volumeMounts"]));
    let labels = |value: &Yaml| value["app.kubernetes.io/name"].as_str().map(str::to_owned);
    assert_eq!(
        labels(&set["spec"]["selector"]["matchLabels"]),
        labels(&set["spec"]["template"]["metadata"]["labels"])
    );
}

#[test]
fn image_takes_the_tarball_of_the_agent_and_not_the_sources() {
    let text = source("container/Containerfile");
    let added = text.lines().find_map(|line| line.strip_prefix("ADD target/dist/")).unwrap();
    let (pattern, _) = added.split_once(' ').unwrap();
    let (begin, end) = pattern.split_once('*').unwrap();
    let takes = |name: &str| name.starts_with(begin) && name.ends_with(end);
    for architecture in ["x86_64", "aarch64"] {
        assert!(takes(&format!("smb-sensor-0.1.0-{architecture}.tar.gz")), "{pattern}");
    }
    assert!(!takes("smb-sensor-0.1.0-source.tar.gz"), "{pattern}");
}
