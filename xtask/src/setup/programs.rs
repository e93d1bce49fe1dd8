//! The programs that the demo and the tests run: real SMB peers in network namespaces.

use std::env;
use std::path::PathBuf;

use super::by_hand::ByHand;
use super::system::System;
use super::{apt, install_optional, packages};
use crate::{privilege::Privilege, steps::Steps};

/// A required program.
pub(super) struct Program {
    /// File name of the program.
    pub(super) name: &'static str,
    /// What the demo and the tests use it for.
    pub(super) purpose: &'static str,
    /// The package that holds it on Debian, Fedora, Arch and openSUSE.
    packages: [&'static str; 4],
}

/// Required programs besides the toolchain.
pub(super) const NEEDED: &[Program] = &[
    Program {
        name: "ip",
        purpose: "makes the network namespaces",
        packages: ["iproute2", "iproute", "iproute2", "iproute2"],
    },
    Program {
        name: "smbd",
        purpose: "SMB server, run in namespaces only",
        packages: ["samba", "samba", "samba", "samba"],
    },
    Program {
        name: "nmbd",
        purpose: "NetBIOS server, run in namespaces only",
        packages: ["samba", "samba", "samba", "samba"],
    },
    Program {
        name: "nmblookup",
        purpose: "NetBIOS client",
        packages: ["samba-common-bin", "samba-client", "smbclient", "samba-client"],
    },
    Program {
        name: "smbpasswd",
        purpose: "creates the users of the SMB server",
        packages: ["samba-common-bin", "samba", "samba", "samba"],
    },
    Program {
        name: "net",
        purpose: "makes a user of the SMB server an administrator, and administers it",
        packages: ["samba-common-bin", "samba-common-tools", "smbclient", "samba-client"],
    },
    Program {
        name: "smbclient",
        purpose: "SMB client",
        packages: ["smbclient", "samba-client", "smbclient", "samba-client"],
    },
];

/// Programs that only some tests need, which are skipped without them: attackers, another client, servers. The demo does not
/// need them.
pub(super) const OPTIONAL: &[Program] = &[
    Program {
        name: "nmap",
        purpose: "scanner in the tests of incidents, run in namespaces only",
        packages: ["nmap", "nmap", "nmap", "nmap"],
    },
    Program {
        name: "hydra",
        purpose: "password guesser of those tests",
        packages: ["hydra", "hydra", "hydra", "hydra"],
    },
    Program {
        name: "rclone",
        purpose: "another SMB client of those tests",
        packages: ["rclone", "rclone", "rclone", "rclone"],
    },
    Program {
        name: "tshark",
        purpose: "reads captures and recordings in the tests that compare",
        packages: ["tshark", "wireshark-cli", "wireshark-cli", "wireshark"],
    },
    Program {
        name: "curl",
        purpose: "WebDAV client in the tests of log-ons over HTTP, run in namespaces only",
        packages: ["curl", "curl", "curl", "curl"],
    },
    Program {
        name: "dnsmasq",
        purpose: "name server in the tests of exemptions by name, run in namespaces only",
        packages: ["dnsmasq-base", "dnsmasq", "dnsmasq", "dnsmasq"],
    },
    Program {
        name: "prometheus",
        purpose: "reads the metrics in the tests of monitoring, run in namespaces only",
        packages: [
            "prometheus",
            "golang-github-prometheus",
            "prometheus",
            "golang-github-prometheus-prometheus",
        ],
    },
    Program {
        name: "chromium",
        purpose: "shows the status page in those tests, run in namespaces only",
        packages: ["chromium", "chromium", "chromium", "chromium"],
    },
    Program {
        name: "tmux",
        purpose: "terminal in the test of `smb-sensor top`",
        packages: ["tmux", "tmux", "tmux", "tmux"],
    },
    Program {
        name: "rsyslogd",
        purpose: "syslog server in the tests of outputs, run in namespaces only",
        // Its module for TLS depends on it.
        packages: ["rsyslog-gnutls", "rsyslog-gnutls", "rsyslog", "rsyslog-module-gtls"],
    },
    Program {
        name: "nats-server",
        purpose: "NATS server in those tests, run in namespaces only",
        packages: ["nats-server", "nats-server", "nats-server", "nats-server"],
    },
    Program {
        name: "xdp-loader",
        purpose: "loads libxdp's dispatcher in a test of interfaces, run in namespaces only",
        packages: ["xdp-tools", "xdp-tools", "xdp-tools", "xdp-tools"],
    },
    Program {
        name: "wg",
        purpose: "sets up WireGuard in the tests of tunnel interfaces, run in virtual machines only",
        packages: ["wireguard-tools", "wireguard-tools", "wireguard-tools", "wireguard-tools"],
    },
    Program {
        name: "bpftool",
        purpose: "lists the instructions of the kernel program in a test of them",
        packages: ["bpftool", "bpftool", "bpf", "bpftool"],
    },
    Program {
        name: "systemd-analyze",
        purpose: "checks the unit in the tests of the service",
        packages: ["systemd", "systemd", "systemd", "systemd"],
    },
];

impl Program {
    /// Finds the program.
    pub(super) fn find(&self) -> Option<PathBuf> {
        find(self.name)
    }

    /// The package that holds it, if the system's packages are known.
    pub(super) fn package(&self, system: System) -> Option<&'static str> {
        let [debian, fedora, arch, suse] = self.packages;
        match system {
            System::Debian => Some(debian),
            System::Fedora => Some(fedora),
            System::Arch => Some(arch),
            System::Suse => Some(suse),
            System::Other => None,
        }
    }
}

/// Finds a program on PATH and in the folders of administrators' programs, which are not on every user's PATH.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let administrators = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    let mut folders = env::split_paths(&path).chain(administrators);
    folders.find_map(|folder| Some(folder.join(program)).filter(|file| file.is_file()))
}

/// The missing programs.
pub(super) fn missing() -> Vec<&'static Program> {
    NEEDED.iter().filter(|program| program.find().is_none()).collect()
}

/// Installs those that are missing, or prints why that failed; no setup fails because of it.
pub(super) fn install_optional_programs(steps: &Steps) {
    let missing: Vec<&Program> = OPTIONAL.iter().filter(|program| program.find().is_none()).collect();
    if missing.is_empty() {
        return;
    }
    // Packages are installed on Debian only, so the names are Debian's.
    if let Err(error) = install_optional(steps, &packages(&missing, System::Debian)) {
        let names: Vec<&str> = missing.iter().map(|program| program.name).collect();
        println!("  continuing without {}; tests that need them are skipped: {error:#}", names.join(" and "));
    }
}

/// Installs the packages of missing programs.
pub(super) fn install(steps: &Steps, system: System, privilege: Privilege, by_hand: &mut ByHand) {
    let missing = missing();
    let names: Vec<&str> = missing.iter().map(|program| program.name).collect();
    let packages = packages(&missing, system);
    let why = format!("missing programs: {}", names.join(", "));
    match (system, privilege) {
        (System::Debian, privilege) if privilege != Privilege::None => {
            if let Err(error) = apt::install(steps, &packages, privilege) {
                by_hand.why(format!("{why}: {error:#}"));
                by_hand.packages(system, &packages);
            }
        }
        _ => {
            by_hand.why(why);
            if packages.is_empty() {
                by_hand.step("install iproute2, Samba's server and smbclient with your package manager");
            }
            by_hand.packages(system, &packages);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_has_a_package_on_each_known_system() {
        for system in [System::Debian, System::Fedora, System::Arch, System::Suse] {
            let mut programs = NEEDED.iter().chain(OPTIONAL);
            assert!(programs.all(|program| program.package(system).is_some()), "{system:?}");
        }
    }

    #[test]
    fn names_a_package_of_two_programs_once() {
        let programs: Vec<&Program> = NEEDED.iter().collect();
        assert_eq!(packages(&programs, System::Arch), ["iproute2", "samba", "smbclient"]);
    }
}
