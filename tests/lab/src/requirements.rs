//! The requirements of the laboratory, and how a test reports that it was skipped.

use std::env;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use crate::{Cgroup, Namespace, python, scratch_dir, xdp_dispatcher};

/// Environment variable naming a file to which each skipped test appends a line `SKIP <test>: <reason>`.
const SKIP_LOG: &str = "SMB_SENSOR_SKIP_LOG";

/// The needed part of the laboratory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Namespaces, links and processes in them.
    Network,
    /// The network, smbd, nmbd, smbclient, nmblookup and net.
    Samba,
    /// Network and Samba, and impacket and smbprotocol as further peers.
    Python,
    /// All of that, and the programs of attackers: nmap, hydra and rclone.
    Attackers,
    /// Network and Samba, impacket and smbprotocol, and curl.
    WebDav,
    /// Network and Samba, and dnsmasq.
    Names,
    /// The network, and rsyslogd with TLS.
    Syslog,
    /// The network, and nats-server.
    Nats,
    /// The network, and cgroups for the processes in it.
    Cgroup,
    /// The network, and Prometheus with promtool.
    Prometheus,
    /// The network, and Chromium.
    Browser,
    /// The network, and xdp-loader with libxdp.
    XdpTools,
    /// The network, and ext4 on a loop device.
    Disk,
    /// Network and Samba, and wg.
    WireGuard,
}

/// Why the whole laboratory (network and Samba) cannot be used here, or `None` if it can.
#[must_use]
pub fn missing() -> Option<String> {
    missing_for(Need::Samba)
}

/// Why this part of the laboratory cannot be used here, with the remedy, or `None` if it can.
#[must_use]
pub fn missing_for(need: Need) -> Option<String> {
    // Every test asks, and no answer changes during a test run.
    static NETWORK: LazyLock<Option<String>> = LazyLock::new(missing_network);
    static SAMBA: LazyLock<Option<String>> = LazyLock::new(missing_samba);
    static CGROUP: LazyLock<Option<String>> = LazyLock::new(missing_cgroup);
    static DISK: LazyLock<Option<String>> = LazyLock::new(missing_disk);
    NETWORK.clone().or_else(|| match need {
        Need::Network => None,
        Need::Samba => SAMBA.clone(),
        Need::Python => SAMBA.clone().or_else(missing_python),
        Need::Attackers => SAMBA.clone().or_else(missing_python).or_else(missing_attackers),
        Need::WebDav => {
            SAMBA.clone().or_else(missing_python).or_else(|| missing_programs(&[("curl", "curl")]))
        }
        Need::Names => SAMBA.clone().or_else(|| missing_programs(&[("dnsmasq", "dnsmasq-base")])),
        Need::Syslog => missing_syslog(),
        Need::Nats => missing_programs(&[("nats-server", "nats-server")]),
        Need::Cgroup => CGROUP.clone(),
        Need::Prometheus => missing_programs(&[("prometheus", "prometheus"), ("promtool", "prometheus")]),
        Need::Browser => missing_programs(&[("chromium", "chromium")]),
        Need::XdpTools => missing_xdp_tools(),
        Need::Disk => DISK.clone(),
        Need::WireGuard => SAMBA.clone().or_else(|| missing_programs(&[("wg", "wireguard-tools")])),
    })
}

fn missing_network() -> Option<String> {
    missing_programs(&[("ip", "iproute2"), ("unshare", "util-linux")])
        // The kernel decides: capabilities, containers and security modules all matter.
        .or_else(|| Namespace::new("probe").err().map(|error| format!("{error:#}")))
}

fn missing_samba() -> Option<String> {
    missing_programs(&[
        ("smbd", "samba"),
        ("nmbd", "samba"),
        ("smbpasswd", "samba"),
        ("nmblookup", "samba"),
        ("net", "samba"),
        ("smbclient", "smbclient"),
    ])
}

fn missing_python() -> Option<String> {
    let folder = python::folder();
    let absent = "impacket and smbprotocol are not installed in";
    (!python::is_made()).then(|| format!("{absent} {}: run cargo xtask setup", folder.display()))
}

fn missing_attackers() -> Option<String> {
    missing_programs(&[("nmap", "nmap"), ("hydra", "hydra"), ("rclone", "rclone")])
}

fn missing_syslog() -> Option<String> {
    missing_programs(&[("rsyslogd", "rsyslog")]).or_else(|| {
        let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
        let is_there = folders.iter().any(|folder| Path::new(folder).join("rsyslog/lmnsd_gtls.so").is_file());
        (!is_there).then(|| "rsyslogd has no TLS: install the package rsyslog-gnutls".to_owned())
    })
}

fn missing_xdp_tools() -> Option<String> {
    missing_programs(&[("xdp-loader", "xdp-tools")]).or_else(|| {
        let is_there = xdp_dispatcher::object().is_some();
        (!is_there).then(|| "there is no xdp-dispatcher.o: install the package xdp-tools".to_owned())
    })
}

fn missing_cgroup() -> Option<String> {
    // The kernel's first PID namespace (`PROC_PID_INIT_INO`); in others, process numbers differ from the kernel's.
    const FIRST_PID_NAMESPACE: u64 = 0xEFFF_FFFC;
    missing_programs(&[("bash", "bash"), ("setpriv", "util-linux")])
        .or_else(|| {
            let namespace = fs::metadata("/proc/self/ns/pid").map(|about| about.ino());
            let first = namespace.is_ok_and(|number| number == FIRST_PID_NAMESPACE);
            (!first).then(|| "this is a PID namespace of its own: a container needs --pid=host".to_owned())
        })
        .or_else(|| Cgroup::new().err().map(|error| format!("{error:#}")))
}

/// Mounts one, where nobody else sees it: the kernel decides.
fn missing_disk() -> Option<String> {
    const TRY: &str = "cd \"$0\" && truncate -s 16M disk && mkfs.ext4 -q -F disk && mkdir at && mount -o loop disk at && \
                       device=$(findmnt -n -o SOURCE at) && test -w /sys/fs/ext4/${device##*/}/trigger_fs_error";
    missing_programs(&[("mkfs.ext4", "e2fsprogs"), ("e2fsck", "e2fsprogs"), ("findmnt", "util-linux")])
        .or_else(|| {
            let tried = scratch_dir().map_err(|error| format!("{error:#}")).and_then(|scratch| {
                let mut command = Command::new("unshare");
                command.args(["--mount", "--", "sh", "-c", TRY]).arg(scratch.path());
                command.output().map_err(|error| error.to_string())
            });
            match tried {
                Ok(output) if output.status.success() => None,
                Ok(output) => Some(format!(
                    "no ext4 on a loop device: {}",
                    String::from_utf8_lossy(&output.stderr).trim()
                )),
                Err(error) => Some(error),
            }
        })
}

fn missing_programs(programs: &[(&str, &str)]) -> Option<String> {
    let path = env::var_os("PATH").unwrap_or_default();
    let absent = |program: &str| !env::split_paths(&path).any(|folder| folder.join(program).is_file());
    let (program, package) = programs.iter().find(|(program, _)| absent(program))?;
    Some(format!("{program} is not in PATH: install the package {package}"))
}

/// Records that `test` was skipped and why: on standard error, and in the file that `SMB_SENSOR_SKIP_LOG` names.
pub fn skip(test: &str, reason: &str) {
    let line = format!("SKIP {test}: {}\n", reason.replace('\n', " "));
    eprint!("{line}");
    if let Some(path) = env::var_os(SKIP_LOG) {
        // One write in append mode: lines of parallel tests do not mix.
        let written = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .and_then(|mut log| log.write_all(line.as_bytes()));
        if let Err(error) = written {
            eprintln!("append to {}: {error}", path.display());
        }
    }
}

/// Leaves the current test, with a record of it, if the laboratory cannot be used here.
///
/// `require_lab!()` asks for network and Samba, `require_lab!(Network)` for namespaces alone, `require_lab!(Python)` for
/// network, Samba, impacket and smbprotocol, `require_lab!(Attackers)` for those, nmap, hydra and rclone, `require_lab!(WebDav)` for the Python peers and curl, `require_lab!(Names)` for network, Samba and dnsmasq,
/// `require_lab!(Syslog)` for namespaces and rsyslogd, `require_lab!(Nats)` for namespaces and nats-server,
/// `require_lab!(Cgroup)` for namespaces and cgroups, `require_lab!(Prometheus)` and `require_lab!(Browser)` for namespaces and
/// that program, `require_lab!(XdpTools)` for namespaces and xdp-loader, `require_lab!(Disk)` for namespaces and ext4 on a loop device,
/// `require_lab!(WireGuard)` for network, Samba and wg.
#[macro_export]
macro_rules! require_lab {
    () => {
        $crate::require_lab!(Samba)
    };
    ($need:ident) => {
        if let Some(reason) = $crate::missing_for($crate::Need::$need) {
            fn here() {}
            let name = ::std::any::type_name_of_val(&here);
            $crate::skip(name.strip_suffix("::here").unwrap_or(name), &reason);
            return;
        }
    };
}
