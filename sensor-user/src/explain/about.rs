//! What a profile is, apart from any address.

use serde::{Deserialize, Serialize};

use sensor_core::profile::{Profile, ProfileName};

/// A profile in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Profile.
    pub profile: ProfileName,
    /// What it is.
    pub summary: String,
    /// How its source runs its rules, where that is not at once.
    pub schedule: Option<String>,
    /// What it does not see.
    pub blind_to: Vec<String>,
}

impl About {
    pub(super) fn of(profile: &Profile) -> Self {
        Self {
            profile: profile.name,
            summary: profile.summary.to_owned(),
            schedule: profile.schedule.map(|schedule| {
                format!(
                    "published: every {} minutes over the last {}, {} alerts at most; here: when it is seen",
                    schedule.every_minutes, schedule.look_back_minutes, schedule.max_alerts
                )
            }),
            blind_to: profile.blind_spots.iter().map(|one| (*one).to_owned()).collect(),
        }
    }
}
