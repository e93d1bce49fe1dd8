//! The facts of a connection. Each of their lists has a bound.

mod access;
mod counters;
mod datagrams;
mod exploit;
mod peer;
mod webdav;

pub use access::{Credential, Interface, Method, Outcome, Share};
pub use counters::FactCounters;
pub use datagrams::{Answer, Datagrams, Exchange, MAX_DATAGRAMS, Operation};
pub use exploit::ExploitLike;
pub use peer::{Client, Dialect, Server, Signing};
pub use webdav::{WebDav, WebDavEvidence};

use uuid::Uuid;

use super::{interfaces, netbios_name::NetbiosName, status::Status};

/// Most credentials of one connection that are kept.
pub const MAX_CREDENTIALS: usize = 32;
/// Most shares.
pub const MAX_SHARES: usize = 64;
/// Most DCE-RPC interfaces.
pub const MAX_INTERFACES: usize = 32;
/// Most operations of one interface.
pub const MAX_OPERATIONS: usize = 64;
/// Most different statuses in answers to session set-up.
pub const MAX_STATUSES: usize = 16;

/// The facts of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// SMB 1 was spoken.
    pub smb1: bool,
    /// SMB 2 or 3 was spoken.
    pub smb2: bool,
    /// Dialect that the server chose.
    pub dialect: Option<Dialect>,
    /// What the server says about signing.
    pub signing: Option<Signing>,
    /// A signed message was seen.
    pub signed: bool,
    /// An encrypted message was seen, or a session that is to be encrypted throughout.
    pub encrypted: bool,
    /// A compressed message was seen.
    pub compressed: bool,
    /// WebDAV that was seen.
    pub webdav: WebDav,
    /// Names of a NetBIOS session request: called, calling.
    pub netbios: Option<(NetbiosName, NetbiosName)>,
    /// What the client says about itself.
    pub client: Client,
    /// What the server says about itself.
    pub server: Server,
    /// Who authenticated, and the result.
    pub credentials: Vec<Credential>,
    /// Different statuses in answers to session set-up, in the order of their first appearance.
    pub session_statuses: Vec<Status>,
    /// Sessions that were set up.
    pub sessions: u32,
    /// Log-ons that the server refused, including those of credentials that did not fit into the list. An answer that asks for
    /// more (STATUS_MORE_PROCESSING_REQUIRED, MS-SMB2 3.3.5.5) is no refusal.
    pub logons_refused: u32,
    /// Log-ons that the server accepted, except anonymous and guest ones.
    pub logons_accepted: u32,
    /// Log-ons that the server accepted as anonymous or as a guest.
    pub logons_anonymous: u32,
    /// Shares that the client asked for.
    pub shares: Vec<Share>,
    /// Shares that were connected.
    pub trees: u32,
    /// DCE-RPC interfaces.
    pub interfaces: Vec<Interface>,
    /// Exploit-like requests of the client, each kind once.
    pub exploit_like: Vec<ExploitLike>,
    /// Log-offs that the client asked for.
    pub logoffs: u32,
    /// Facts that did not fit into their list.
    pub left_out: u32,
    /// Those of them that are credentials. A further credential replaces one that was refused, and rather one that reveals little
    /// about the password.
    pub credentials_left_out: u32,
}

impl Facts {
    /// SMB was spoken.
    #[must_use]
    pub const fn smb_spoken(&self) -> bool {
        self.smb1 || self.smb2 || self.encrypted || self.compressed
    }

    /// The client sent proof of its identity: an NTLM response or a Kerberos ticket.
    #[must_use]
    pub fn authentication_attempted(&self) -> bool {
        self.credentials.iter().any(|credential| !credential.is_anonymous())
    }

    /// The server accepted a session.
    #[must_use]
    pub const fn session(&self) -> bool {
        self.sessions > 0
    }

    /// The server refused a log-on and has accepted none so far.
    #[must_use]
    pub fn nobody_let_in(&self) -> bool {
        let refuses = |status: &Status| !status.is_success() && !status.is_interim();
        let refused = self.logons_refused > 0 || self.session_statuses.iter().any(refuses);
        refused && !self.session() && !self.encrypted
    }

    /// The server connected a share.
    #[must_use]
    pub const fn share(&self) -> bool {
        self.trees > 0
    }
}

/// What a message added to the facts. Numbers are indexes into the lists of [`Facts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum New {
    /// SMB was spoken for the first time.
    Smb,
    /// The dialect was chosen.
    Dialect,
    /// The server named itself.
    ServerNames,
    /// A user authenticates.
    Credential(usize),
    /// The result of that.
    CredentialOutcome(usize),
    /// A session was set up.
    Session,
    /// Session set-up was answered.
    SessionStatus,
    /// The client asks for a share.
    Share(usize),
    /// The result of that.
    ShareOutcome(usize),
    /// A share was connected.
    Tree,
    /// An interface was bound.
    Interface(usize),
    /// An operation was called: place of its interface, number.
    Operation(usize, u16),
    /// A session ends.
    Logoff,
    /// The first encrypted message or session.
    Encrypted,
    /// The first compressed message.
    Compressed,
    /// The first exploit-like request of its kind.
    ExploitLike(ExploitLike),
    /// WebDAV was shown by something else than before.
    WebDav,
    /// A list was full.
    LeftOut,
}

impl Facts {
    /// Adds a credential; returns its index and whether it is new.
    pub(crate) fn add_credential(&mut self, credential: Credential) -> Option<(usize, bool)> {
        let same = self.credentials.iter().position(|known| known.is_repeat_of(&credential));
        if same.is_none() && self.credentials.len() == MAX_CREDENTIALS {
            self.credentials_left_out = self.credentials_left_out.saturating_add(1);
            self.left_out = self.left_out.saturating_add(1);
            // Of many guesses, the correct one must not be the one that is missing.
            let refused = |known: &Credential| matches!(known.outcome, Some(Outcome::Refused(_)));
            let known = &self.credentials;
            let place = known.iter().rposition(|one| refused(one) && !one.is_weak());
            let place = place.or_else(|| known.iter().rposition(refused))?;
            self.credentials[place] = credential;
            return Some((place, true));
        }
        self.add(same, credential, MAX_CREDENTIALS, |facts| &mut facts.credentials)
    }

    pub(crate) fn add_share(&mut self, path: String) -> Option<(usize, bool)> {
        let same = self.shares.iter().position(|share| share.path == path);
        self.add(same, Share { path, kind: None, outcome: None }, MAX_SHARES, |facts| &mut facts.shares)
    }

    pub(crate) fn add_interface(&mut self, uuid: Uuid, version: (u16, u16)) -> Option<(usize, bool)> {
        let same = self.interfaces.iter().position(|known| known.uuid == uuid && known.version == version);
        let name = interfaces::known(&uuid).map(|known| known.name);
        let interface = Interface { uuid, version, name, operations: Vec::new() };
        self.add(same, interface, MAX_INTERFACES, |facts| &mut facts.interfaces)
    }

    /// Adds an operation to an interface; returns whether it is new.
    pub(crate) fn add_operation(&mut self, interface: usize, opnum: u16) -> bool {
        let Some(interface) = self.interfaces.get_mut(interface) else { return false };
        if interface.operations.contains(&opnum) {
            return false;
        }
        if interface.operations.len() == MAX_OPERATIONS {
            self.left_out = self.left_out.saturating_add(1);
            return false;
        }
        interface.operations.push(opnum);
        true
    }

    /// Counts the final answer to a log-on.
    pub(crate) const fn count_logon(&mut self, outcome: Outcome, anonymous: bool) {
        let counter = self.logon_counter(outcome, anonymous);
        *counter = counter.saturating_add(1);
    }

    /// Takes back what [`Self::count_logon`] counted.
    pub(crate) const fn uncount_logon(&mut self, outcome: Outcome, anonymous: bool) {
        let counter = self.logon_counter(outcome, anonymous);
        *counter = counter.saturating_sub(1);
    }

    const fn logon_counter(&mut self, outcome: Outcome, anonymous: bool) -> &mut u32 {
        match outcome {
            Outcome::Refused(_) => &mut self.logons_refused,
            Outcome::Accepted if !anonymous => &mut self.logons_accepted,
            Outcome::Accepted | Outcome::AcceptedAsGuest => &mut self.logons_anonymous,
        }
    }

    /// Adds the status of an answer to session set-up.
    pub(crate) fn add_session_status(&mut self, status: Status) {
        let same = self.session_statuses.iter().position(|known| *known == status);
        self.add(same, status, MAX_STATUSES, |facts| &mut facts.session_statuses);
    }

    /// Adds an exploit-like request; returns whether it is the first of its kind.
    pub(crate) fn add_exploit_like(&mut self, request: ExploitLike) -> bool {
        let new = !self.exploit_like.contains(&request);
        if new {
            self.exploit_like.push(request);
        }
        new
    }

    fn add<T>(
        &mut self,
        same: Option<usize>,
        fact: T,
        most: usize,
        list: impl Fn(&mut Self) -> &mut Vec<T>,
    ) -> Option<(usize, bool)> {
        if let Some(place) = same {
            return Some((place, false));
        }
        let place = list(self).len();
        if place == most {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        list(self).push(fact);
        Some((place, true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_dialects_by_their_usual_names() {
        let shown = [0x0202, 0x0210, 0x0300, 0x0302, 0x0311, 0x02FF].map(|n| Dialect::Smb2(n).to_string());
        assert_eq!(shown, ["2.0.2", "2.1", "3.0", "3.0.2", "3.1.1", "2.???"]);
    }

    fn guess(number: u32, method: Method) -> Credential {
        Credential {
            method,
            user: Some(number.to_string()),
            domain: None,
            workstation: None,
            target: None,
            fingerprint: None,
            outcome: None,
        }
    }

    #[test]
    fn distinguishes_two_passwords_of_one_user() {
        let mut facts = Facts::default();
        let v1 = Method::Ntlm(crate::ntlmssp::ResponseKind::V1);
        for number in 0..100 {
            let method = [Method::Kerberos, v1, Method::Password]
                [usize::from(number == 31) + 2 * usize::from(number == 20)];
            let (place, new) = facts.add_credential(guess(7, method)).unwrap();
            assert!(new, "nothing proves that it is the same");
            facts.credentials[place].outcome = Some(Outcome::Refused(Status::Nt(0xC000_006D)));
        }
        let weak: Vec<_> =
            facts.credentials.iter().filter(|one| one.is_weak()).map(|one| one.method).collect();
        assert_eq!(weak, [Method::Password, v1]);
    }

    #[test]
    fn keeps_the_accepted_of_many_guesses_and_counts_the_rest() {
        let mut facts = Facts::default();
        for number in 0..100 {
            let (place, _) = facts.add_credential(guess(number, Method::Kerberos)).unwrap();
            let outcome =
                if number == 50 { Outcome::Accepted } else { Outcome::Refused(Status::Nt(0xC000_006D)) };
            facts.credentials[place].outcome = Some(outcome);
        }
        let users: Vec<_> = facts.credentials.iter().filter_map(|one| one.user.as_deref()).collect();
        assert_eq!(users.len(), MAX_CREDENTIALS);
        assert!(["0", "1", "50", "99"].iter().all(|user| users.contains(user)), "{users:?}");
        assert_eq!((facts.credentials_left_out, facts.left_out), (68, 68));
    }

    #[test]
    fn full_list_counts_omitted_entries() {
        let mut facts = Facts::default();
        for number in 0..1000 {
            facts.add_share(format!(r"\\h\{number}"));
            facts.add_share(r"\\h\0".to_owned());
        }
        assert_eq!((facts.shares.len(), facts.left_out), (MAX_SHARES, 1000 - MAX_SHARES as u32));
    }
}
