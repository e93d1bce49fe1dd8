//! The description of a profile, independent of any address.

use serde::{Deserialize, Serialize};

use sensor_core::profile::{Profile, ProfileName};

/// The description of a profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Profile.
    pub profile: ProfileName,
    /// Description.
    pub summary: String,
    /// The schedule of its source, if its rules do not run at once.
    pub schedule: Option<String>,
    /// Its blind spots.
    pub blind_to: Vec<String>,
}

impl About {
    pub(super) fn of(profile: &Profile) -> Self {
        Self {
            profile: profile.name,
            summary: profile.summary.to_owned(),
            schedule: profile.schedule.map(|schedule| {
                format!(
                    "published: every {} minutes over the last {}, {} alerts at most; here: at once",
                    schedule.every_minutes, schedule.look_back_minutes, schedule.max_alerts
                )
            }),
            blind_to: profile.blind_spots.iter().map(|one| (*one).to_owned()).collect(),
        }
    }
}
