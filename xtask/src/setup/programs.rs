//! The programs that demo and tests run: real SMB peers, in network namespaces.

use std::env;
use std::path::PathBuf;

use super::by_hand::ByHand;
use super::system::System;
use super::{apt, install_optional, packages};
use crate::privilege::Privilege;

/// A program that must be there.
pub(super) struct Program {
    /// Its file name.
    pub(super) name: &'static str,
    /// What demo and tests use it for.
    pub(super) purpose: &'static str,
    /// Its package on Debian, Fedora, Arch, openSUSE.
    packages: [&'static str; 4],
}

/// What is needed besides the toolchain.
pub(super) const NEEDED: &[Program] = &[
    Program {
        name: "ip",
        purpose: "maker of the network namespaces of demo and tests",
        packages: ["iproute2", "iproute", "iproute2", "iproute2"],
    },
    Program {
        name: "smbd",
        purpose: "the SMB server of demo and tests, run in namespaces only",
        packages: ["samba", "samba", "samba", "samba"],
    },
    Program {
        name: "nmbd",
        purpose: "the NetBIOS server of the tests, run in namespaces only",
        packages: ["samba", "samba", "samba", "samba"],
    },
    Program {
        name: "nmblookup",
        purpose: "what asks that server for its names",
        packages: ["samba-common-bin", "samba-client", "smbclient", "samba-client"],
    },
    Program {
        name: "smbpasswd",
        purpose: "what gives that server its users",
        packages: ["samba-common-bin", "samba", "samba", "samba"],
    },
    Program {
        name: "smbclient",
        purpose: "the SMB client of demo and tests",
        packages: ["smbclient", "samba-client", "smbclient", "samba-client"],
    },
];

/// What attacks in the tests of incidents; those that want it are skipped without. No demo runs it.
pub(super) const ATTACKERS: &[Program] = &[
    Program {
        name: "nmap",
        purpose: "the scanner in the tests of incidents, run in namespaces only",
        packages: ["nmap", "nmap", "nmap", "nmap"],
    },
    Program {
        name: "hydra",
        purpose: "a guesser of passwords in those tests",
        packages: ["hydra", "hydra", "hydra", "hydra"],
    },
    Program {
        name: "rclone",
        purpose: "a further SMB client of those tests",
        packages: ["rclone", "rclone", "rclone", "rclone"],
    },
];

impl Program {
    /// Where it is: administrators' programs are not on every user's PATH.
    pub(super) fn find(&self) -> Option<PathBuf> {
        let path = env::var_os("PATH").unwrap_or_default();
        let administrators = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
        let mut folders = env::split_paths(&path).chain(administrators);
        folders.find_map(|folder| Some(folder.join(self.name)).filter(|file| file.is_file()))
    }

    /// The package that it is in, as far as it is known.
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

/// Which are not there.
pub(super) fn missing() -> Vec<&'static Program> {
    NEEDED.iter().filter(|program| program.find().is_none()).collect()
}

/// Installs the attackers that are not there, or says why not: no setup ends with that.
pub(super) fn install_attackers() {
    let missing: Vec<&Program> = ATTACKERS.iter().filter(|program| program.find().is_none()).collect();
    if missing.is_empty() {
        return;
    }
    for program in &missing {
        println!("{} is missing: {}", program.name, program.purpose);
    }
    // Where they can be installed at all, the names are Debian's.
    if let Err(error) = install_optional(&packages(&missing, System::Debian)) {
        println!("the tests of incidents are skipped without them: {error:#}");
    }
}

/// Installs the packages of those that are not there.
pub(super) fn install(system: System, privilege: Privilege, by_hand: &mut ByHand) {
    let missing = missing();
    let names: Vec<&str> = missing.iter().map(|program| program.name).collect();
    let packages = packages(&missing, system);
    let why = format!("missing for demo and tests: {}", names.join(", "));
    match (system, privilege) {
        (System::Debian, privilege) if privilege != Privilege::None => {
            for program in &missing {
                println!("{} is missing: {}", program.name, program.purpose);
            }
            if let Err(error) = apt::install(&packages, privilege) {
                by_hand.why(format!("{why}: {error:#}"));
                by_hand.packages(system, &packages);
            }
        }
        _ => {
            by_hand.why(why);
            if packages.is_empty() {
                by_hand.step("install iproute2, samba (its server) and smbclient, in your system's way");
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
            let mut programs = NEEDED.iter().chain(ATTACKERS);
            assert!(programs.all(|program| program.package(system).is_some()), "{system:?}");
        }
    }

    #[test]
    fn a_package_of_two_programs_is_named_once() {
        let programs: Vec<&Program> = NEEDED.iter().collect();
        assert_eq!(packages(&programs, System::Arch), ["iproute2", "samba", "smbclient"]);
    }
}
