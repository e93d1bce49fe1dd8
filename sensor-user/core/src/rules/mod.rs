//! The detections: one file each, all with the same input, [`FlowView`] and [`History`].
//!
//! Takes a connection whose roles are known and that no exemption covers; gives findings, the techniques that the evidence
//! shows, and the severity. Pure: nothing is remembered here. Only [`sweep`] is about many connections.

pub mod account_discovery;
pub mod another_port;
pub mod credential;
pub mod data_leaving;
pub mod download;
pub mod exploit;
pub mod exposed_service;
pub mod external_access;
pub mod external_logon;
pub mod limits;
mod meta;
pub mod outbound_volume;
pub mod password_guessing;
pub mod password_spraying;
pub mod rare_destination;
pub mod relay;
pub mod remote_execution;
mod role;
pub mod sentence;
mod severity;
pub mod share_discovery;
pub mod smb1;
pub mod smb_over_quic;
pub mod smb_to_internet;
pub mod sweep;
mod techniques;
pub mod webdav;
pub mod windows_client;

pub use meta::{
    BY_PORT, EVERY_SERVICE, Field, Finding, History, Logons, NewTerm, Relayed, Rule, RuleMeta, SMB,
    SMB_OVER_QUIC, Scope, TargetCounts, WEBDAV,
};
pub use role::severity_by_role;
pub use severity::{Observed, fires_on_any_packet, leading, severity};
pub use techniques::{techniques, techniques_shown};

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod tests;

use crate::view::FlowView;

/// The registry: every rule of the sensor, in the order of the documentation.
pub static ALL: &[&dyn Rule] = &[
    &smb_to_internet::Detection,
    &rare_destination::Detection,
    &external_access::Detection,
    &exposed_service::Detection,
    &credential::Detection,
    &external_logon::Detection,
    &password_guessing::Detection,
    &password_spraying::Detection,
    &relay::Detection,
    &data_leaving::Detection,
    &download::Detection,
    &remote_execution::Detection,
    &account_discovery::Detection,
    &share_discovery::Detection,
    &exploit::Detection,
    &smb1::Detection,
    &another_port::Detection,
    &smb_over_quic::Detection,
    &webdav::Detection,
    &sweep::Detection,
];

/// The findings of every rule of the registry on a connection.
#[must_use]
pub fn evaluate(view: &FlowView<'_>, history: &History<'_>) -> Vec<Finding> {
    ALL.iter().filter_map(|rule| rule.evaluate(view, history)).collect()
}
