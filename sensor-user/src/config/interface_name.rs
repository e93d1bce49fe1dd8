//! The name of a configured interface, or a pattern for the names of several.

use std::{fmt, str::FromStr};

use wildmatch::WildMatch;

/// Bytes of the longest name that an interface can have (IFNAMSIZ without the zero at the end).
const MAX_NAME_LEN: usize = 15;

/// The loopback interface, which no pattern means.
const LOOPBACK: &str = "lo";

/// The name of an interface, in which `*` stands for any characters and `?` for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceName(String);

impl InterfaceName {
    /// Whether it may mean more than one interface.
    #[must_use]
    pub fn is_pattern(&self) -> bool {
        self.0.contains(['*', '?'])
    }

    /// Whether it means the interface `name`.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        self.0 == name || self.is_pattern() && name != LOOPBACK && WildMatch::new(&self.0).matches(name)
    }
}

impl FromStr for InterfaceName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = Self(text.to_owned());
        match text {
            "" => Err("an interface name is empty".to_owned()),
            _ if !name.is_pattern() && text.len() > MAX_NAME_LEN => {
                Err(format!("no interface can have the name {text}: it is longer than {MAX_NAME_LEN} bytes"))
            }
            _ => Ok(name),
        }
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pattern_matches_names_and_never_loopback() {
        let name = |text: &str| text.parse::<InterfaceName>().unwrap();
        assert!(
            name("lan*").matches("lan0") && name("lan*").matches("lan") && !name("lan*").matches("wlan0")
        );
        assert!(name("w?0").matches("wg0") && !name("w?0").matches("wg10"));
        assert!(!name("*").matches("lo") && name("*").matches("eth0") && name("lo").matches("lo"));
        assert!(name("lan0").matches("lan0") && !name("lan0").matches("lan01") && !name("lan0").is_pattern());
        // A bracket is a plain character.
        assert!(name("a[0-9]*").matches("a[0-9]x") && !name("a[0-9]*").matches("a1"));
    }

    #[test]
    fn impossible_names_are_refused() {
        assert!("".parse::<InterfaceName>().is_err());
        assert!("sixteen-bytes-xx".parse::<InterfaceName>().unwrap_err().contains("15"));
        assert!("fifteen-bytes-x".parse::<InterfaceName>().is_ok());
    }
}
