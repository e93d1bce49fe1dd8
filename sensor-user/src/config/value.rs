//! Checks of single values, each with advice on what to write instead.

use std::time::Duration;
use std::{fmt::Display, path::Path};

use ipnet::IpNet;

use crate::parse::network;

/// An internal network.
///
/// # Errors
/// The expected form, or that nothing would be external.
pub(crate) fn internal_network(text: &str) -> Result<IpNet, String> {
    let net = network(text)?;
    if net.prefix_len() == 0 {
        return Err(format!(
            "{text:?} is every address: nothing would be external, and nothing be alerted on; name your own networks"
        ));
    }
    Ok(net)
}

/// A directory, or a path where one can be made.
///
/// # Errors
/// What exists there instead.
pub(crate) fn directory(path: &Path) -> Result<(), String> {
    if path.metadata().is_ok_and(|there| !there.is_dir()) {
        return Err(format!("{} is no directory but a file; name a directory", path.display()));
    }
    Ok(())
}

/// A port number.
pub(crate) fn port(number: i64) -> Result<u16, String> {
    match u16::try_from(number) {
        Ok(port) if port != 0 => Ok(port),
        _ => Err(format!("{number} is not a port; ports are 1 to 65535")),
    }
}

/// A number in bounds.
pub(crate) fn within(number: i64, least: u64, most: u64) -> Result<u64, String> {
    u64::try_from(number)
        .ok()
        .filter(|n| (least..=most).contains(n))
        .ok_or_else(|| format!("{number} is out of range; use {least} to {most}"))
}

/// A number of seconds in bounds.
pub(crate) fn seconds(number: i64, least: u64, most: u64) -> Result<Duration, String> {
    within(number, least, most).map(Duration::from_secs)
}

/// A power of two in bounds.
pub(crate) fn power_of_two(number: i64, least: u32, most: u32) -> Result<u32, String> {
    u32::try_from(number)
        .ok()
        .filter(|n| n.is_power_of_two() && (least..=most).contains(n))
        .ok_or_else(|| format!("{number} does not fit; use a power of two from {least} to {most}"))
}

/// The value with this name.
pub(crate) fn one_of<T: Copy>(name: &str, choices: &[(&str, T)]) -> Result<T, String> {
    choices.iter().find(|(known, _)| *known == name).map(|(_, value)| *value).ok_or_else(|| {
        let known: Vec<_> = choices.iter().map(|(known, _)| *known).collect();
        format!("{name:?} is unknown; write one of {}", known.join(", "))
    })
}

/// A text that is not empty.
pub(crate) fn non_empty(text: &str, what: impl Display) -> Result<(), String> {
    if text.is_empty() { Err(format!("is empty; write {what}")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_host_bits_with_a_suggestion() {
        assert!(network("10.1.2.3/8").unwrap_err().contains("10.0.0.0/8"));
        assert_eq!(network("10.1.2.3").unwrap().to_string(), "10.1.2.3/32");
    }

    #[test]
    fn mapped_network_is_the_ipv4_network() {
        assert_eq!(network("::ffff:10.1.2.3").unwrap().to_string(), "10.1.2.3/32");
        assert_eq!(network("::ffff:10.0.0.0/104").unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(network("::/0").unwrap().to_string(), "::/0");
        assert_eq!(network("fd00::/8").unwrap().to_string(), "fd00::/8");
    }
}
