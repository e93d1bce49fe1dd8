//! The exemptions in force in a replay: by the capture's time, not by today's.

use crate::{config::Config, exempt::next_expiry};
use sensor_core::time::Timestamp;

/// The configuration at the time of the frames.
pub(super) struct InForce {
    config: Config,
    /// When the engine's configuration expires.
    until: Timestamp,
}

impl InForce {
    /// For a replay whose engine has all of this configuration.
    pub(super) fn of(config: &Config) -> Self {
        Self { config: config.clone(), until: Timestamp::MIN }
    }

    /// Another recording begins, maybe before the time of the last one.
    pub(super) const fn begin_anew(&mut self) {
        self.until = Timestamp::MIN;
    }

    /// The configuration at `now`, if it differs from the engine's.
    pub(super) fn changed(&mut self, now: Timestamp) -> Option<Config> {
        if now < self.until {
            return None;
        }
        self.until = next_expiry(&self.config.exemptions, now).unwrap_or(Timestamp::MAX);
        // The engine already has the exemptions that never end.
        let ends = self.config.exemptions.iter().any(|one| one.expires.is_some());
        ends.then(|| self.config.at(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exempt::Exemption;

    fn at(nanos: i64) -> Timestamp {
        Timestamp::from_unix_nanos(nanos)
    }

    #[test]
    fn exemption_lasts_until_the_capture_clock_passes_it() {
        let exemption =
            |net: &str, expires| Exemption { expires, ..Exemption::between(net.parse().ok(), None, "test") };
        let lasting = exemption("10.1.0.0/16", None);
        let mut all = InForce::of(&Config { exemptions: vec![lasting.clone()], ..Config::default() });
        assert_eq!(all.changed(at(5)), None, "the engine knows already");
        let exemptions =
            vec![lasting, exemption("10.2.0.0/16", Some(at(20))), exemption("10.3.0.0/16", Some(at(10)))];
        let mut all = InForce::of(&Config { exemptions, ..Config::default() });
        let mut in_force = |now| all.changed(at(now)).map(|config| config.exemptions.len());
        assert_eq!([in_force(9), in_force(9), in_force(10), in_force(19)], [Some(3), None, Some(2), None]);
        assert_eq!([in_force(25), in_force(1_000)], [Some(1), None]);
        all.begin_anew();
        assert_eq!(all.changed(at(0)).map(|config| config.exemptions.len()), Some(3));
    }
}
