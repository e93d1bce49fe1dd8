//! Whether enforcement is in force, and until when.
//!
//! Takes commands and the time, gives what the kernel program is to be told. What is told to the kernel ends by itself a few
//! seconds later: an agent that hangs or dies enforces nothing.

use std::fmt;

use sensor_common::settings;

use crate::{
    alert::rfc3339,
    kernel::ticks::{Moment, TickClock},
};

const SECOND: i128 = 1_000_000_000;

/// Seconds that the kernel goes on by itself.
pub const LEASE: u64 = 10;

/// Whether enforcement is in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Enforcement {
    /// It is not.
    #[default]
    Off,
    /// It is, until then (nanoseconds since the Unix epoch), or until it is turned off.
    On {
        /// When it ends by itself.
        until: Option<i128>,
    },
}

impl Enforcement {
    /// In force from now on, for so many seconds; 0 is without end.
    #[must_use]
    pub fn on(now: Moment, seconds: u64) -> Self {
        let until = (seconds > 0).then(|| now.unix_nanos + i128::from(seconds) * SECOND);
        Self::On { until }
    }

    /// Ends it when its time is up; tells whether it ended.
    pub fn expire(&mut self, now: Moment) -> bool {
        let over = matches!(self, Self::On { until: Some(until) } if *until <= now.unix_nanos);
        if over {
            *self = Self::Off;
        }
        over
    }

    /// What the kernel program is to be told now.
    #[must_use]
    pub fn for_kernel(&self, now: Moment, clock: TickClock) -> settings::Enforcement {
        let Self::On { until } = self else { return settings::Enforcement::default() };
        let left = until.map_or(i128::from(LEASE), |until| (until - now.unix_nanos + SECOND - 1) / SECOND);
        let seconds = u64::try_from(left).unwrap_or(0).min(LEASE);
        settings::Enforcement { on: 1, until: now.ticks.wrapping_add(clock.ticks_in(seconds)) }
    }
}

impl fmt::Display for Enforcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::On { until: None } => f.write_str("on, until it is turned off"),
            Self::On { until: Some(until) } => write!(f, "on, until {}", rfc3339(*until)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOCK: TickClock = TickClock::with_tick(4_000_000);

    fn at(seconds: i128) -> Moment {
        Moment { unix_nanos: seconds * SECOND, ticks: (seconds * 250) as u32 }
    }

    #[test]
    fn the_kernel_is_told_for_a_few_seconds_at_a_time() {
        let told = Enforcement::on(at(100), 3_600).for_kernel(at(200), CLOCK);
        assert!(told.is_in_force(at(200).ticks) && told.is_in_force(at(209).ticks));
        assert!(!told.is_in_force(at(210).ticks));
        assert!(!Enforcement::Off.for_kernel(at(200), CLOCK).is_in_force(at(200).ticks));
    }

    #[test]
    fn it_ends_by_itself_in_the_agent_and_no_later_in_the_kernel() {
        let mut enforcement = Enforcement::on(at(100), 60);
        assert!(!enforcement.expire(at(159)));
        assert!(!enforcement.for_kernel(at(159), CLOCK).is_in_force(at(160).ticks));
        assert!(enforcement.expire(at(160)) && !enforcement.expire(at(161)));
        assert_eq!(enforcement, Enforcement::Off);
    }

    #[test]
    fn without_an_end_it_goes_on() {
        let mut enforcement = Enforcement::on(at(0), 0);
        assert!(!enforcement.expire(at(1_000_000_000)));
        assert!(enforcement.for_kernel(at(9), CLOCK).is_in_force(at(10).ticks));
    }
}
