//! The clock of a replay: it follows the times of the frames, and never goes back.

use std::time::Duration;

use sensor_core::time::{Moment, TickClock, Timestamp};

/// A tick of a replay: a millisecond.
const TICK: u64 = 1_000_000;

/// How far back a frame may lie: interfaces, and the processors that serve them, take turns.
const JITTER: Duration = Duration::from_secs(60);

/// The same at the beginning of a file: one that begins before the end of the last one is another recording.
const OVERLAP: Duration = Duration::from_secs(1);

/// The effect of a frame's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Time advances.
    On(Moment),
    /// It went back so far that another recording begins here.
    Anew(Moment),
}

/// The clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReplayClock {
    now: Option<Timestamp>,
    file_begins: bool,
}

impl ReplayClock {
    /// The conversion of ticks in a replay.
    #[must_use]
    pub const fn ticks() -> TickClock {
        TickClock::with_tick(TICK)
    }

    /// The moment at a time.
    #[must_use]
    pub const fn moment(at: Timestamp) -> Moment {
        Moment { at, ticks: (at.unix_nanos() / TICK as i64) as u32 }
    }

    /// Another file begins.
    pub const fn begin_file(&mut self) {
        self.file_begins = true;
    }

    /// The present moment, after the first frame.
    #[must_use]
    pub fn now(&self) -> Option<Moment> {
        self.now.map(Self::moment)
    }

    /// Advances to a frame's time; a frame without a time (0) comes right after the last one.
    pub fn step(&mut self, nanoseconds: u64) -> Step {
        let time = Timestamp::from_unix_nanos(i64::try_from(nanoseconds).unwrap_or(i64::MAX));
        let file_begins = std::mem::take(&mut self.file_begins);
        let Some(now) = self.now else {
            self.now = Some(time);
            return Step::On(Self::moment(time));
        };
        let allowed = if file_begins { OVERLAP } else { JITTER };
        if nanoseconds != 0 && now.since(time) > allowed {
            self.now = Some(time);
            return Step::Anew(Self::moment(time));
        }
        let now = now.max(time);
        self.now = Some(now);
        Step::On(Self::moment(now))
    }
}

/// Speed of a replay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// As fast as possible.
    Max,
    /// This multiple of the recorded speed.
    Times(f64),
}

impl std::str::FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse::<f64>() {
            _ if text == "max" => Ok(Self::Max),
            Ok(times) if times.is_finite() && times > 0.0 => Ok(Self::Times(times)),
            _ => Err("a number above 0 is expected, or max".to_owned()),
        }
    }
}

impl Speed {
    /// When a frame is due after the start of the replay, from its time after the first frame.
    #[must_use]
    pub fn due(self, recorded: Duration) -> Duration {
        match self {
            Self::Max => Duration::ZERO,
            Self::Times(times) => {
                Duration::try_from_secs_f64(recorded.as_secs_f64() / times).unwrap_or(Duration::MAX)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_700_000_000_000_000_000;
    const S: u64 = 1_000_000_000;

    #[test]
    fn time_never_goes_back_within_a_recording() {
        let mut clock = ReplayClock::default();
        let at = |seconds| ReplayClock::moment(Timestamp::from_unix_nanos((START + seconds * S) as i64));
        assert_eq!(clock.step(START + 5 * S), Step::On(at(5)));
        assert_eq!(clock.step(START + 3 * S), Step::On(at(5)), "a little late");
        assert_eq!(clock.step(0), Step::On(at(5)), "no time at all");
        assert_eq!(clock.step(START + 100 * S), Step::On(at(100)));
        assert_eq!(clock.step(START + 10 * S), Step::Anew(at(10)), "another recording");
    }

    #[test]
    fn file_before_the_end_of_the_last_is_another_recording() {
        let mut clock = ReplayClock::default();
        let _ = clock.step(START + 5 * S);
        clock.begin_file();
        assert!(matches!(clock.step(START + 5 * S - 1_000), Step::On(_)), "rotated files overlap a little");
        clock.begin_file();
        assert!(matches!(clock.step(START + 3 * S), Step::Anew(_)));
    }

    #[test]
    fn speed_divides_time() {
        assert_eq!("max".parse(), Ok(Speed::Max));
        assert_eq!("2".parse::<Speed>().unwrap().due(Duration::from_secs(10)), Duration::from_secs(5));
        assert_eq!(Speed::Max.due(Duration::from_secs(10)), Duration::ZERO);
        for wrong in ["0", "-1", "nan", "inf", "fast"] {
            assert!(wrong.parse::<Speed>().is_err(), "{wrong}");
        }
    }
}
