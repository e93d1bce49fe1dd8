//! Steps in the course of an incident, in words.

use std::collections::BTreeSet;

use super::{Milestone, TimelineEntry, phrase::clean};

/// The steps in as few words as possible, fit to be shown between the other facts of the incident. They name users only where there are
/// several.
#[must_use]
pub fn short_phrases(timeline: &[TimelineEntry]) -> Vec<String> {
    let users: BTreeSet<_> = timeline.iter().filter_map(|entry| entry.what.user()).collect();
    timeline.iter().map(|entry| entry.what.short_phrase(users.len() > 1)).collect()
}

impl Milestone {
    /// The user of a log-on, if it is a step of one. `Some(None)` is a user who is not known.
    const fn user(&self) -> Option<&Option<String>> {
        match self {
            Self::CredentialSent(account) | Self::Accepted(account) | Self::LogonRefused(account) => {
                Some(account)
            }
            _ => None,
        }
    }

    fn short_phrase(&self, names_users: bool) -> String {
        match self {
            Self::CredentialSent(_) if !names_users => "credential sent".to_owned(),
            Self::Accepted(_) if !names_users => "accepted".to_owned(),
            Self::LogonRefused(_) if !names_users => "log-on refused".to_owned(),
            Self::Share(path) => clean(path),
            other => other.phrase(),
        }
    }

    /// The step in a few words, fit to be shown: `\\8.8.4.4\files`, `credential of CORP\ann sent`.
    #[must_use]
    pub fn phrase(&self) -> String {
        let of = |account: &Option<String>| {
            account.as_deref().map(|account| format!(" of {}", clean(account))).unwrap_or_default()
        };
        match self {
            Self::Attempted => "tried".to_owned(),
            Self::Refused => "refused".to_owned(),
            Self::Answered => "answered".to_owned(),
            Self::Connected => "connected".to_owned(),
            Self::Smb => "SMB".to_owned(),
            Self::SmbOverQuic(name) => {
                let to = name.as_deref().map(|name| format!(" to {}", clean(name))).unwrap_or_default();
                format!("SMB offered over QUIC{to}")
            }
            Self::WebDav => "WebDAV".to_owned(),
            Self::CredentialSent(account) => format!("credential{} sent", of(account)),
            Self::Accepted(account) => format!("log-on{} accepted", of(account)),
            Self::LogonRefused(account) => format!("log-on{} refused", of(account)),
            Self::Share(path) => format!("{} connected", clean(path)),
            Self::Operation(operation) => format!("{} called", clean(operation)),
            Self::Data => "content".to_owned(),
            Self::Finding(rule) => format!("found {}", clean(rule)),
            Self::Closed => "closed".to_owned(),
            Self::Restarted => "sensor restarted".to_owned(),
        }
    }

    /// The kind of step, as documents name it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Attempted => "attempted",
            Self::Refused => "refused",
            Self::Answered => "answered",
            Self::Connected => "connected",
            Self::Smb => "smb",
            Self::SmbOverQuic(_) => "smb-over-quic",
            Self::WebDav => "webdav",
            Self::CredentialSent(_) => "credential-sent",
            Self::Accepted(_) => "logon-accepted",
            Self::LogonRefused(_) => "logon-refused",
            Self::Share(_) => "share-connected",
            Self::Operation(_) => "operation-called",
            Self::Data => "data",
            Self::Finding(_) => "finding",
            Self::Closed => "closed",
            Self::Restarted => "sensor-restarted",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeline_step_names_and_escapes_its_facts() {
        assert_eq!(Milestone::CredentialSent(None).phrase(), "credential sent");
        let offered = |name: Option<&str>| Milestone::SmbOverQuic(name.map(str::to_owned)).phrase();
        assert_eq!(offered(None), "SMB offered over QUIC");
        assert_eq!(offered(Some("a\u{1b}b")), "SMB offered over QUIC to a\\u{1b}b");
        assert_eq!(Milestone::Accepted(Some(r"CORP\ann".into())).phrase(), r"log-on of CORP\ann accepted");
        assert_eq!(Milestone::Share("\\\\h\\a\u{1b}[2J".into()).phrase(), "\\\\h\\a\\u{1b}[2J connected");
    }

    #[test]
    fn short_steps_name_users_only_where_there_are_several() {
        let ann = || Some(r"CORP\ann".to_owned());
        let entry = |what| TimelineEntry { at: crate::time::Timestamp::default(), what };
        let mut timeline = vec![
            entry(Milestone::CredentialSent(ann())),
            entry(Milestone::LogonRefused(ann())),
            entry(Milestone::Accepted(ann())),
            entry(Milestone::Share("\\\\h\\a\u{1b}".into())),
        ];
        let short = ["credential sent", "log-on refused", "accepted", r"\\h\a\u{1b}"];
        assert_eq!(short_phrases(&timeline), short);
        timeline.push(entry(Milestone::CredentialSent(None)));
        let named = [r"credential of CORP\ann sent", r"log-on of CORP\ann refused"];
        assert_eq!(short_phrases(&timeline)[..2], named, "one of another user");
    }
}
