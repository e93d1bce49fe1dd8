//! What is left for a person to do.

use std::fmt;

use super::system::System;

/// Reasons, and the commands that mend them, in the order in which they are to be run.
#[derive(Debug, Default)]
pub(super) struct ByHand {
    reasons: Vec<String>,
    steps: Vec<String>,
}

impl ByHand {
    /// Adds a reason why not all is ready.
    pub(super) fn why(&mut self, reason: impl Into<String>) {
        self.reasons.push(reason.into());
    }

    /// Adds something to do.
    pub(super) fn step(&mut self, step: impl Into<String>) {
        self.steps.push(step.into());
    }

    /// Adds the command that installs packages, where the system has one and there are any.
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
        f.write_str("not everything could be made ready:")?;
        for reason in &self.reasons {
            write!(f, "\n  {reason}")?;
        }
        f.write_str("\nby hand:")?;
        for step in &self.steps {
            write!(f, "\n  {step}")?;
        }
        f.write_str("\n  then again: cargo xtask setup")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_come_before_the_commands_that_mend_them() {
        let mut by_hand = ByHand::default();
        assert!(by_hand.is_empty());
        by_hand.why("missing for demo and tests: smbd");
        by_hand.packages(System::Fedora, &["samba"]);
        by_hand.packages(System::Other, &["samba"]);
        assert_eq!(
            by_hand.to_string(),
            "not everything could be made ready:\n  missing for demo and tests: smbd\n\
             by hand:\n  run as root: dnf install samba\n  then again: cargo xtask setup"
        );
    }
}
