//! The steps that a person has to do by hand.

use std::fmt;

use super::system::System;

/// Reasons why setup is incomplete, and the commands that complete it, in order.
#[derive(Debug, Default)]
pub(super) struct ByHand {
    reasons: Vec<String>,
    steps: Vec<String>,
}

impl ByHand {
    /// Adds a reason why setup is incomplete.
    pub(super) fn why(&mut self, reason: impl Into<String>) {
        self.reasons.push(reason.into());
    }

    /// Adds a command or instruction.
    pub(super) fn step(&mut self, step: impl Into<String>) {
        self.steps.push(step.into());
    }

    /// Adds the command that installs `packages`, if the system has one and the list is not empty.
    pub(super) fn packages(&mut self, system: System, packages: &[&str]) {
        if let Some(command) = system.install_command().filter(|_| !packages.is_empty()) {
            self.step(format!("run as root: {command} {}", packages.join(" ")));
        }
    }

    /// Whether there is nothing to do.
    pub(super) fn is_empty(&self) -> bool {
        self.reasons.is_empty() && self.steps.is_empty()
    }
}

impl fmt::Display for ByHand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("setup is incomplete:")?;
        for reason in &self.reasons {
            write!(f, "\n  {reason}")?;
        }
        f.write_str("\nto complete it:")?;
        for step in &self.steps {
            write!(f, "\n  {step}")?;
        }
        f.write_str("\n  then run again: cargo xtask setup")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_come_before_commands() {
        let mut by_hand = ByHand::default();
        assert!(by_hand.is_empty());
        by_hand.why("missing programs: smbd");
        by_hand.packages(System::Fedora, &["samba"]);
        by_hand.packages(System::Other, &["samba"]);
        assert_eq!(
            by_hand.to_string(),
            "setup is incomplete:\n  missing programs: smbd\n\
             to complete it:\n  run as root: dnf install samba\n  then run again: cargo xtask setup"
        );
    }
}
