//! The container of a cgroup, by the names that container engines give their cgroups.

use sensor_core::process::Container;
use sensor_dissect::escape::shown;

/// The engines whose systemd scopes are named `<prefix>-<64 hexadecimal digits>.scope`. Other scopes of theirs
/// (a monitor: `libpod-conmon-…`, `crio-conmon-…`) is no container.
const SCOPES: [(&str, &str); 4] =
    [("docker-", "docker"), ("cri-containerd-", "containerd"), ("crio-", "cri-o"), ("libpod-", "podman")];

/// Folders in which engines without systemd keep a folder for each container.
const PARENTS: [(&str, &str); 3] =
    [("docker", "docker"), ("libpod_parent", "podman"), ("default", "containerd")];

/// The innermost container on a cgroup's path.
pub(super) fn container_on(path: &str) -> Option<Container> {
    let mut found = None;
    let mut parent = "";
    for part in path.split('/').filter(|part| !part.is_empty()) {
        found = container_named(part, parent).or(found);
        parent = part;
    }
    found
}

/// The container whose cgroup is named `part` and is inside `parent`.
fn container_named(part: &str, parent: &str) -> Option<Container> {
    let container = |id: &str, runtime: Option<&str>| {
        Some(Container { id: shown(id.as_bytes()), runtime: runtime.map(str::to_owned) })
    };
    for (prefix, runtime) in SCOPES {
        let scope = part.strip_prefix(prefix).map(|rest| rest.strip_suffix(".scope").unwrap_or(rest));
        if let Some(id) = scope.filter(|id| is_identifier(id)) {
            return container(id, Some(runtime));
        }
    }
    // containerd's systemd driver without systemd: `<slice>:cri-containerd:<id>`.
    if let Some((_, id)) = part.split_once(":cri-containerd:").filter(|(_, id)| is_identifier(id)) {
        return container(id, Some("containerd"));
    }
    if is_identifier(part) {
        let runtime = PARENTS.iter().find(|(name, _)| *name == parent).map(|(_, runtime)| *runtime);
        return container(part, runtime);
    }
    // LXC: `lxc.payload.<name>`, and `lxc/<name>` before version 4. `lxc.monitor.<name>` is outside.
    if let Some(name) = part.strip_prefix("lxc.payload.").filter(|name| !name.is_empty()) {
        return container(name, Some("lxc"));
    }
    if matches!(parent, "lxc" | "lxc.payload") {
        return container(part, Some("lxc"));
    }
    // systemd-nspawn: `systemd-nspawn@<name>.service`, or `machine-<name>.scope`, which virtual machines have as well.
    let unit = part.strip_prefix("systemd-nspawn@").and_then(|rest| rest.strip_suffix(".service"));
    if let Some(name) = unit {
        return container(&unescaped(name), Some("systemd-nspawn"));
    }
    let machine = part.strip_prefix("machine-").and_then(|rest| rest.strip_suffix(".scope"));
    match machine.map(unescaped) {
        Some(name) if !name.is_empty() && !name.starts_with("qemu-") => container(&name, None),
        _ => None,
    }
}

/// Whether it is an identifier in the engines' form: SHA-256 in hexadecimal digits.
fn is_identifier(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// systemd writes other characters than letters, digits, `:`, `_` and `.` as `\x2d` (systemd.unit(5)).
fn unescaped(name: &str) -> String {
    let mut text = String::new();
    let mut rest = name;
    while let Some((before, after)) = rest.split_once("\\x") {
        let code = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        // Only escapes of plain characters; others stay as systemd wrote them.
        match code.filter(u8::is_ascii_graphic) {
            Some(code) => {
                text.push_str(before);
                text.push(char::from(code));
                rest = &after[2..];
            }
            None => {
                text.push_str(before);
                text.push_str("\\x");
                rest = after;
            }
        }
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbb00000000000000001111111111111111";
    const B: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn found(path: &str) -> Option<(String, Option<String>)> {
        container_on(path).map(|container| (container.id, container.runtime))
    }

    #[test]
    fn recognises_each_engine_by_its_cgroups() {
        for (path, id, runtime) in [
            (format!("/system.slice/docker-{A}.scope"), A, Some("docker")),
            (format!("/docker/{A}"), A, Some("docker")),
            (format!("/kubepods.slice/kubepods-pod1.slice/cri-containerd-{A}.scope"), A, Some("containerd")),
            (format!("/kubepods/burstable/pod7d1/{A}"), A, None),
            (
                format!("/system.slice/containerd.service/kubepods-pod.slice:cri-containerd:{A}"),
                A,
                Some("containerd"),
            ),
            (format!("/kubepods.slice/crio-{A}.scope/container"), A, Some("cri-o")),
            (format!("/machine.slice/libpod-{A}.scope/container"), A, Some("podman")),
            (
                format!("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{A}.scope"),
                A,
                Some("podman"),
            ),
            ("/lxc.payload.web1/system.slice/ssh.service".to_owned(), "web1", Some("lxc")),
            ("/lxc/web1".to_owned(), "web1", Some("lxc")),
            (
                "/machine.slice/systemd-nspawn@build\\x2dbox.service/payload".to_owned(),
                "build-box",
                Some("systemd-nspawn"),
            ),
            ("/machine.slice/machine-web.scope".to_owned(), "web", None),
            (format!("/docker/{A}/kubelet/kubepods/pod1/cri-containerd-{B}.scope"), B, Some("containerd")),
        ] {
            assert_eq!(found(&path), Some((id.to_owned(), runtime.map(str::to_owned))), "{path}");
        }
    }

    #[test]
    fn other_cgroups_are_no_container() {
        for path in [
            "/".to_owned(),
            "/system.slice/ssh.service".to_owned(),
            "/user.slice/user-1000.slice/session-3.scope".to_owned(),
            "/system.slice/docker.service".to_owned(),
            format!("/machine.slice/libpod-conmon-{A}.scope"),
            format!("/system.slice/crio-conmon-{A}.scope"),
            "/lxc.monitor.web1".to_owned(),
            "/machine.slice/machine-qemu\\x2d1\\x2dwin10.scope".to_owned(),
            format!("/docker/{}", &A[1..]),
            format!("/docker/{}", A.to_uppercase()),
        ] {
            assert_eq!(found(&path), None, "{path}");
        }
    }

    #[test]
    fn escape_gives_no_control_character() {
        assert_eq!(unescaped("a\\x2db\\x0ac\\xzz\\x"), "a-b\\x0ac\\xzz\\x");
    }
}
