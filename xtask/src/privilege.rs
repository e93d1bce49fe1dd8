//! How this user can run a program as root.

use std::ffi::OsStr;
use std::io::{self, IsTerminal};
use std::process::{Command, Stdio};

use nix::unistd::Uid;

/// How to become root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Privilege {
    /// This process is root.
    Root,
    /// sudo works without a password.
    Sudo,
    /// sudo may work with a password, and there is a terminal to ask on.
    SudoWithPassword,
    /// There is no way.
    None,
}

impl Privilege {
    /// Finds out without asking the user.
    pub(crate) fn detect() -> Self {
        if Uid::effective().is_root() {
            return Self::Root;
        }
        let sudo = Command::new("sudo")
            .args(["-n", "true"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        match sudo {
            Ok(status) if status.success() => Self::Sudo,
            Ok(_) if io::stdin().is_terminal() => Self::SudoWithPassword,
            _ => Self::None,
        }
    }

    /// A command that runs `program` as root, if there is a way.
    pub(crate) fn command(self, program: impl AsRef<OsStr>) -> Option<Command> {
        let sudo = |options: &[&str]| {
            let mut sudo = Command::new("sudo");
            sudo.args(options).arg("--").arg(program.as_ref());
            Some(sudo)
        };
        match self {
            Self::Root => Some(Command::new(program.as_ref())),
            Self::Sudo => sudo(&["-n"]),
            Self::SudoWithPassword => sudo(&[]),
            Self::None => None,
        }
    }
}

impl Privilege {
    /// Lets sudo ask for the password now, so that later commands need not. Does nothing where no password is wanted.
    pub(crate) fn ask_password(self) {
        if self == Self::SudoWithPassword {
            println!("sudo needs your password to continue as root");
            // A refusal shows when the command itself is run.
            let _ = Command::new("sudo").arg("-v").status();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(command: &Command) -> Vec<String> {
        std::iter::once(command.get_program())
            .chain(command.get_args())
            .map(|word| word.to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn root_runs_a_program_itself() {
        assert_eq!(words(&Privilege::Root.command("ip").unwrap()), ["ip"]);
    }

    #[test]
    fn sudo_without_password_never_asks() {
        assert_eq!(words(&Privilege::Sudo.command("ip").unwrap()), ["sudo", "-n", "--", "ip"]);
    }

    #[test]
    fn without_a_way_there_is_no_command() {
        assert!(Privilege::None.command("ip").is_none());
    }
}
