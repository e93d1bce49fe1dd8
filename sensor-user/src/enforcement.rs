//! Whether enforcement is on, and until when.
//!
//! Takes commands and the time, gives the switch for the kernel program. The switch expires a few seconds later, so an
//! agent that hangs or dies enforces nothing.

use std::{fmt, io, time::Duration};

use nix::time::{ClockId, clock_gettime};
use sensor_common::settings;

use sensor_core::time::Timestamp;
use sensor_core::{
    profile::ProfileName,
    time::{Moment, TickClock},
};

use crate::{kernel::ticks::KernelClock, rfc3339::rfc3339};

/// Seconds for which the kernel enforces without renewal.
pub const LEASE: u64 = 10;

/// The present time on the clocks of enforcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Wall clock, for messages, and ticks, for the kernel program.
    pub moment: Moment,
    /// Time since boot (CLOCK_BOOTTIME), which nobody sets: enforcement ends by it.
    pub since_boot: Duration,
}

impl Now {
    /// Reads the clocks.
    ///
    /// # Errors
    /// If the kernel does not give the time.
    pub fn of(clock: KernelClock) -> io::Result<Self> {
        Ok(Self { moment: clock.now()?, since_boot: Duration::from(clock_gettime(ClockId::CLOCK_BOOTTIME)?) })
    }
}

/// When enforcement ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// Time since boot.
    since_boot: Duration,
    /// The wall-clock time of the end, calculated when it was turned on.
    shown: Timestamp,
}

/// Whether enforcement is on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Enforcement {
    /// It is off.
    #[default]
    Off,
    /// It is on until then, or until it is turned off.
    On {
        /// When it ends.
        until: Option<Deadline>,
    },
}

/// Why enforcement cannot be on under a profile, if it cannot.
///
/// # Errors
/// The reason, with what to do. The kernel drops by the sensor's own rules alone: under another profile it would drop
/// connections that the profile does not alert on.
pub fn permitted(profile: ProfileName) -> Result<(), String> {
    match profile {
        ProfileName::Sensor => Ok(()),
        other => Err(format!(
            "the profile {other} only watches: enforcement goes by the sensor's own rules. Set `profile = \"sensor\"` and \
             restart the agent, or leave enforcement off"
        )),
    }
}

impl Enforcement {
    /// On from now, for this many seconds; 0 is without end.
    #[must_use]
    pub fn on(now: Now, seconds: u64) -> Self {
        let until = (seconds > 0).then(|| Deadline {
            since_boot: now.since_boot + Duration::from_secs(seconds),
            shown: now.moment.at + Duration::from_secs(seconds),
        });
        Self::On { until }
    }

    /// Turns it off after its time; returns whether it ended.
    pub fn expire(&mut self, now: Now) -> bool {
        let over = matches!(self, Self::On { until: Some(until) } if until.since_boot <= now.since_boot);
        if over {
            *self = Self::Off;
        }
        over
    }

    /// The switch for the kernel program.
    #[must_use]
    pub fn for_kernel(&self, now: Now, clock: TickClock) -> settings::Enforcement {
        let Self::On { until } = self else { return settings::Enforcement::default() };
        let left = until.map_or(LEASE, |until| {
            let left = until.since_boot.saturating_sub(now.since_boot);
            left.as_secs() + u64::from(left.subsec_nanos() > 0)
        });
        let until = now.moment.ticks.wrapping_add(clock.ticks_in(left.min(LEASE)));
        settings::Enforcement { on: 1, until }
    }
}

impl fmt::Display for Enforcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::On { until: None } => f.write_str("on, until it is turned off"),
            Self::On { until: Some(until) } => write!(f, "on, until {}", rfc3339(until.shown)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOCK: TickClock = TickClock::with_tick(4_000_000);

    fn at(seconds: u64) -> Now {
        Now {
            moment: Moment {
                at: Timestamp::from_unix_seconds(seconds as i64),
                ticks: (seconds * 250) as u32,
            },
            since_boot: Duration::from_secs(seconds),
        }
    }

    #[test]
    fn kernel_enforcement_lasts_a_few_seconds() {
        let allowed = Enforcement::on(at(100), 3_600).for_kernel(at(200), CLOCK);
        assert!(allowed.is_in_force(at(200).moment.ticks) && allowed.is_in_force(at(209).moment.ticks));
        assert!(!allowed.is_in_force(at(210).moment.ticks));
        assert!(!Enforcement::Off.for_kernel(at(200), CLOCK).is_in_force(at(200).moment.ticks));
    }

    #[test]
    fn expires_in_the_agent_and_no_later_in_the_kernel() {
        let mut enforcement = Enforcement::on(at(100), 60);
        assert!(!enforcement.expire(at(159)));
        assert!(!enforcement.for_kernel(at(159), CLOCK).is_in_force(at(160).moment.ticks));
        assert!(enforcement.expire(at(160)) && !enforcement.expire(at(161)));
        assert_eq!(enforcement, Enforcement::Off);
    }

    #[test]
    fn wall_clock_changes_nothing() {
        let mut enforcement = Enforcement::on(at(100), 60);
        let mut set_back = at(161);
        set_back.moment.at = Timestamp::default();
        assert!(enforcement.expire(set_back));
        let mut enforcement = Enforcement::on(at(100), 60);
        let mut set_forward = at(101);
        set_forward.moment.at = Timestamp::from_unix_seconds(100_000_000);
        assert!(!enforcement.expire(set_forward));
        assert!(enforcement.for_kernel(set_forward, CLOCK).is_in_force(set_forward.moment.ticks));
    }

    #[test]
    fn continues_without_an_end() {
        let mut enforcement = Enforcement::on(at(0), 0);
        assert!(!enforcement.expire(at(1_000_000_000)));
        assert!(enforcement.for_kernel(at(9), CLOCK).is_in_force(at(10).moment.ticks));
    }
}
