//! The scenarios, one file for each kind.

mod credentials;
mod framing;
mod retries;
mod servers;
mod strays;
mod sweeps;
mod transfers;
mod written;

use anyhow::{Result, ensure};
use sensor_lab::Need;

use super::expectation::Expectation;
use super::expected::{Direction, Expected};
use super::stage::Stage;
use super::wire::Tape;
use super::{Ends, Play, Scenario};

/// Every scenario, in the order of the table.
#[must_use]
pub fn all() -> Vec<Scenario> {
    [
        credentials::scenarios(),
        sweeps::scenarios(),
        transfers::scenarios(),
        servers::scenarios(),
        retries::scenarios(),
        framing::scenarios(),
        strays::scenarios(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A scenario of real peers with one expected incident.
fn live(
    name: &'static str,
    about: &'static str,
    direction: Direction,
    play: fn(&mut Stage<'_>) -> Result<()>,
    expected: Expected,
) -> Scenario {
    let expected = Expectation { incidents: vec![expected], ..Expectation::default() };
    Scenario { name, about, direction, needs: Need::Attackers, play: Play::Live(play), expected }
}

/// A scenario in a capture with these expected incidents.
fn captured(
    name: &'static str,
    about: &'static str,
    direction: Direction,
    play: fn(&mut Tape, Ends),
    expected: Option<Expected>,
) -> Scenario {
    let expected = Expectation { incidents: expected.into_iter().collect(), ..Expectation::default() };
    Scenario { name, about, direction, needs: Need::Network, play: Play::Capture(play), expected }
}

/// Checks that a peer did its part.
fn done(outcome: &sensor_lab::Outcome) -> Result<()> {
    ensure!(outcome.success(), "it failed: {}", outcome.output);
    Ok(())
}

/// Checks that a peer was refused for a wrong password.
fn refused(outcome: &sensor_lab::Outcome) -> Result<()> {
    ensure!(outcome.output.contains("NT_STATUS_LOGON_FAILURE"), "it was not refused: {}", outcome.output);
    Ok(())
}
