//! This sensor's own rules, as data: the registry, for comparison with the other profiles.

use std::{borrow::Cow, sync::LazyLock};

use super::{Networks, Ports, Profile, ProfileName, ProfileRule};
use crate::rules::ALL;

/// The profile.
pub(super) static PROFILE: LazyLock<Profile> = LazyLock::new(|| Profile {
    name: ProfileName::Sensor,
    summary: "the sensor's own rules: both directions, IPv6, every service, each with how far the connection got",
    networks: Networks::Configured { reserved: true },
    unwraps: true,
    rules: Cow::Owned(
        ALL.iter()
            .map(|rule| rule.meta())
            .map(|rule| ProfileRule {
                rule,
                source: "smb-sensor",
                ports: Ports::Of(rule.scope.services),
                process: &[],
            })
            .collect(),
    ),
    schedule: None,
    blind_spots: &[],
});
