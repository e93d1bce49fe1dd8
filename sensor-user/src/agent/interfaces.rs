//! Interfaces that appear, disappear, change their names or lose their programs.
//!
//! Checked once a second. The agent watches the configured interfaces that exist, and attaches detached programs again.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context as _, Result};
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::Sensor;
use crate::{
    config::InterfaceName,
    kernel::{attach::Attached, interface::Interface},
    plan,
};

/// Time after which an interface that could not be watched is tried again.
const RETRY: Duration = Duration::from_secs(30);

/// Interfaces that could not be watched, by index: when to try again. They are logged once.
#[derive(Debug, Default)]
pub(super) struct Refused(HashMap<u32, RefusedInterface>);

/// An interface that could not be watched.
#[derive(Debug)]
pub(super) struct RefusedInterface {
    again: Instant,
    /// Name.
    pub(super) name: String,
    /// Why.
    pub(super) reason: String,
}

impl Refused {
    /// All of them, by index.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &RefusedInterface)> {
        self.0.iter().map(|(index, one)| (*index, one))
    }

    /// Why the interface with this index cannot be watched, if it cannot.
    pub(super) fn reason(&self, index: u32) -> Option<&str> {
        self.0.get(&index).map(|one| one.reason.as_str())
    }

    /// Whether an interface is to be tried now.
    fn is_due(&self, index: u32) -> bool {
        self.0.get(&index).is_none_or(|one| Instant::now() >= one.again)
    }

    /// Remembers that it was refused; logs the reason if that is new.
    fn refuse(&mut self, index: u32, name: &str, reason: &str) {
        let again = Instant::now() + RETRY;
        let one = RefusedInterface { again, name: name.to_owned(), reason: reason.to_owned() };
        if self.0.insert(index, one).is_none() {
            error!("cannot watch interface {name}: {reason}. It is tried again every {} s", RETRY.as_secs());
        }
    }
}

/// The configured interfaces that are there at the start. Those that are not are logged, unless none is there.
///
/// # Errors
/// When none is there, and when one that is named in full cannot be read.
pub(super) fn present(wanted: &[InterfaceName]) -> Result<Vec<Interface>> {
    let all = Interface::all().context("cannot list the interfaces")?;
    let mut found: Vec<Interface> = Vec::new();
    let mut missing = Vec::new();
    for one in wanted {
        let matching: Vec<&str> =
            all.iter().map(|(_, name)| name.as_str()).filter(|name| one.matches(name)).collect();
        if matching.is_empty() {
            missing.push(one);
        }
        for name in matching {
            match Interface::named(name) {
                Ok(interface) if found.iter().all(|known| known.index != interface.index) => {
                    found.push(interface);
                }
                Ok(_) => {}
                Err(error) if one.is_pattern() => warn!("{error}. It matches {one} and is not watched"),
                Err(error) => return Err(error.into()),
            }
        }
    }
    if let Some(one) = missing.first()
        && found.is_empty()
    {
        return Err(Interface::missing(&one.to_string()).into());
    }
    for one in missing {
        warn!("there is no interface {one} yet; it is watched when it appears");
    }
    Ok(found)
}

impl Sensor {
    /// Looks after all interfaces.
    pub(super) fn tend_interfaces(&mut self) {
        let Ok(all) = Interface::all() else { return };
        self.miss_interfaces(&all);
        self.follow_names(&all);
        self.put_back_programs();
        self.watch_new_interfaces(&all);
    }

    fn miss_interfaces(&mut self, all: &[(u32, String)]) {
        let before = self.attached.len();
        let is_there = |index: u32| all.iter().any(|(known, _)| *known == index);
        self.attached.retain_mut(|attached| {
            let there = is_there(attached.interface.index);
            attached.stays &= there;
            if !there {
                let name = &attached.interface.name;
                warn!("interface {name} is gone and no longer watched; it is watched again when it is back");
            }
            there
        });
        self.refused.0.retain(|index, _| is_there(*index));
        if before > 0 && self.attached.is_empty() {
            error!("no interface is left to watch: nothing is seen until one is back");
        }
    }

    /// An interface keeps its programs under another name.
    fn follow_names(&mut self, all: &[(u32, String)]) {
        for attached in &mut self.attached {
            let Interface { index, name, .. } = &mut attached.interface;
            if let Some((_, other)) = all.iter().find(|(known, other)| known == index && other != name) {
                info!("interface {name} is called {other} now and is still watched");
                name.clone_from(other);
                self.pipeline.interface_renamed(*index, other);
            }
        }
    }

    /// Attaches again what somebody took off.
    fn put_back_programs(&mut self) {
        let (ingress, tc) = (self.config.kernel.ingress, self.config.kernel.tc);
        for attached in &mut self.attached {
            let index = attached.interface.index;
            for direction in attached.missing() {
                let name = attached.interface.name.clone();
                if !self.refused.is_due(index) {
                    continue;
                }
                match attached.restore(&mut self.kernel, direction, ingress, tc) {
                    Ok(()) => {
                        self.refused.0.remove(&index);
                        warn!(
                            "the program for {direction} packets of {name} was taken off, and is put back: {attached}"
                        );
                    }
                    Err(error) => {
                        let reason = format!(
                            "its program for {direction} packets was taken off and cannot be put back: {error}"
                        );
                        self.refused.refuse(index, &name, &reason);
                    }
                }
            }
        }
    }

    fn watch_new_interfaces(&mut self, all: &[(u32, String)]) {
        for (index, name) in all {
            let wanted = self.config.interfaces.iter().any(|one| one.matches(name));
            let known = self.attached.iter().any(|attached| attached.interface.index == *index);
            if !wanted || known || !self.refused.is_due(*index) {
                continue;
            }
            match self.watch_interface(name) {
                Ok(()) => drop(self.refused.0.remove(index)),
                Err(error) => self.refused.refuse(*index, name, &format!("{error:#}")),
            }
        }
    }

    fn watch_interface(&mut self, name: &str) -> Result<()> {
        let interface = Interface::named(name)?;
        let (ingress, tc) = (self.config.kernel.ingress, self.config.kernel.tc);
        let attached = Attached::new(&mut self.kernel, interface, ingress, tc)?;
        let one = std::slice::from_ref(&attached.interface);
        for warning in plan::interface_warnings(&plan::prefixes(&self.config), one) {
            warn!("{warning}");
        }
        self.pipeline.interface(&attached.interface);
        info!("watching {name}: {attached}");
        self.attached.push(attached);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::MissedTickBehavior;

    use super::*;
    use crate::agent::sweeps;

    #[tokio::test]
    async fn attachments_are_looked_at_every_two_seconds_or_more_often() {
        let looks = sweeps();
        assert!(looks.period() <= Duration::from_secs(2));
        // After a look that takes long, the next one comes a period later.
        assert_eq!(looks.missed_tick_behavior(), MissedTickBehavior::Delay);
    }
}
