//! Questions on the terminal.

use anyhow::{Context as _, Result};
use dialoguer::{Input, MultiSelect, theme::ColorfulTheme, theme::SimpleTheme, theme::Theme};
use ipnet::IpNet;

use super::detect::Found;
use crate::config::internal_network;

/// Which interfaces to watch; at least one.
pub(super) fn interfaces(found: &[Found], proposed: &[String]) -> Result<Vec<String>> {
    let lines: Vec<_> = found.iter().map(line).collect();
    let marked: Vec<_> = found.iter().map(|one| proposed.contains(&one.name)).collect();
    let theme = theme();
    loop {
        let chosen = MultiSelect::with_theme(theme.as_ref())
            .with_prompt(
                "Interfaces to watch: those that face your internal networks (space marks, enter ends)",
            )
            .items(&lines)
            .defaults(&marked)
            .interact()
            .context("cannot ask")?;
        if !chosen.is_empty() {
            return Ok(chosen.into_iter().map(|index| found[index].name.clone()).collect());
        }
    }
}

/// Which networks are internal beside the private ones.
pub(super) fn internal(proposed: &[IpNet]) -> Result<Vec<IpNet>> {
    let proposed: Vec<_> = proposed.iter().map(ToString::to_string).collect();
    let theme = theme();
    let text: String = Input::with_theme(theme.as_ref())
        .with_prompt("Public networks of your organisation, with commas between them")
        .with_initial_text(proposed.join(", "))
        .allow_empty(true)
        .validate_with(|text: &String| networks(text).map(drop))
        .interact_text()
        .context("cannot ask")?;
    networks(&text).map_err(anyhow::Error::msg)
}

/// Networks with commas or spaces between them.
fn networks(text: &str) -> Result<Vec<IpNet>, String> {
    text.split([',', ' ']).filter(|word| !word.is_empty()).map(internal_network).collect()
}

/// `lan0  10.0.0.1/24, fd00:1::1/64  (default route)`
fn line(one: &Found) -> String {
    let addresses: Vec<_> = one.addresses.iter().map(ToString::to_string).collect();
    let mut line = format!("{:<15}  {}", one.name, addresses.join(", "));
    for (is_so, note) in [(one.is_outer, "  (default route)"), (!one.is_up, "  (down)")] {
        if is_so {
            line.push_str(note);
        }
    }
    line.trim_end().to_owned()
}

/// NO_COLOR turns colours off (no-color.org).
fn theme() -> Box<dyn Theme> {
    if std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        Box::new(SimpleTheme)
    } else {
        Box::new(ColorfulTheme::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_separated_by_commas_or_spaces() {
        let texts =
            |text| networks(text).map(|nets| nets.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(
            texts("198.51.100.0/24, 2001:db8::/32 203.0.113.9").unwrap(),
            ["198.51.100.0/24", "2001:db8::/32", "203.0.113.9/32"]
        );
        assert_eq!(texts(" , "), Ok(vec![]));
        assert!(texts("0.0.0.0/0").is_err() && texts("mine").is_err());
    }
}
