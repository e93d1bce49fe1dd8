//! The family of Linux distributions that this machine belongs to, from os-release(5).

use std::fs;

/// A family of distributions that share a package manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum System {
    /// Debian, Ubuntu and their derivatives: apt.
    Debian,
    /// Fedora, RHEL and their derivatives: dnf.
    Fedora,
    /// Arch and its derivatives: pacman.
    Arch,
    /// openSUSE and SLE: zypper.
    Suse,
    /// Any other.
    Other,
}

impl System {
    /// Reads os-release.
    pub(super) fn detect() -> Self {
        let files = ["/etc/os-release", "/usr/lib/os-release"];
        files
            .iter()
            .find_map(|file| fs::read_to_string(file).ok())
            .map_or(Self::Other, |text| Self::of(&text))
    }

    fn of(os_release: &str) -> Self {
        let field = |name: &str| {
            let value = os_release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            value.unwrap_or_default().trim_matches(['"', '\'']).to_owned()
        };
        let own = field("ID");
        let like = field("ID_LIKE");
        let family = |id: &str| match id {
            "debian" | "ubuntu" => Some(Self::Debian),
            "fedora" | "rhel" | "centos" => Some(Self::Fedora),
            "arch" => Some(Self::Arch),
            "suse" | "opensuse" | "sles" => Some(Self::Suse),
            _ => None,
        };
        std::iter::once(own.as_str()).chain(like.split_whitespace()).find_map(family).unwrap_or(Self::Other)
    }

    /// The command that installs packages, for a person to type.
    pub(super) fn install_command(self) -> Option<&'static str> {
        match self {
            Self::Debian => Some("apt-get install --no-install-recommends"),
            Self::Fedora => Some("dnf install"),
            Self::Arch => Some("pacman -S --needed"),
            Self::Suse => Some("zypper install"),
            Self::Other => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognises_distributions_by_id_or_id_like() {
        for (os_release, system) in [
            ("NAME=\"Debian\"\nID=debian\n", System::Debian),
            ("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", System::Debian),
            ("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", System::Fedora),
            ("ID=manjaro\nID_LIKE=arch\n", System::Arch),
            ("ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\n", System::Suse),
            ("ID=nixos\n", System::Other),
            ("", System::Other),
        ] {
            assert_eq!(System::of(os_release), system, "{os_release:?}");
        }
    }
}
