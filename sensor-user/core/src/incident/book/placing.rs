//! Finds the incident of a connection: that of its pair of hosts, of its client, or of the port that answered it.

use super::{Book, Context, REMEMBERED};
use crate::{
    address::Direction,
    incident::{
        Incident, IncidentId, Party,
        entry::{Key, StoredIncident},
        link::{Contribution, Link},
    },
    level::EvidenceLevel,
    service::Service,
    time::Timestamp,
    view::FlowView,
};

impl Book {
    /// The incident to which a connection belongs as it stands, made if there is none. Its sums are not merged yet.
    pub(crate) fn place(
        &mut self,
        view: &FlowView<'_>,
        link: &mut Link,
        context: &Context<'_>,
    ) -> IncidentId {
        let key = self.key_of(view);
        let id = match self.current(&key, view, link, context) {
            Some(id) => id,
            None => self.begin(key, view, context),
        };
        if let Some(before) = link.incident.filter(|before| *before != id) {
            if let Some(stored) = self.incidents.get_mut(&before) {
                stored.incident.counted.replace(&link.counted, &Contribution::default());
                self.changed.insert(before);
            }
            link.counted = Contribution::default();
            link.credentials.clear();
        }
        link.incident = Some(id);
        id
    }

    /// What a connection as it stands is found by.
    fn key_of(&mut self, view: &FlowView<'_>) -> Key {
        let (internal, external) = (view.internal(), view.external());
        let direction = view.direction;
        let pair = Key::Pair { internal, external, direction };
        let client = Key::Client { client: view.client.ip(), direction };
        let exposure = Key::Exposure {
            server: view.server.ip(),
            transport: view.tuple.transport,
            port: view.server.port(),
        };
        if is_of_a_pair(view) {
            for narrow in [client, exposure] {
                self.narrow_down(narrow, pair, view);
            }
            return pair;
        }
        if self.keys.contains_key(&pair) {
            return pair;
        }
        match direction {
            Direction::Outbound => client,
            Direction::Inbound if view.level < EvidenceLevel::Answered || !view.server_seen() => client,
            Direction::Inbound => {
                if self.is_sweeping(view) {
                    self.narrow_down(exposure, client, view);
                    client
                } else {
                    exposure
                }
            }
        }
    }

    /// An incident that is about this connection's hosts alone goes on under another key, as it is about them in another way now.
    fn narrow_down(&mut self, from: Key, to: Key, view: &FlowView<'_>) {
        if self.keys.contains_key(&to) {
            return;
        }
        let other = match from {
            Key::Exposure { .. } => view.client.ip(),
            _ => view.server.ip(),
        };
        let Some(id) = self.keys.get(&from).copied() else { return };
        let Some(stored) = self.incidents.get_mut(&id) else { return };
        if stored.only_target() != Some(other) || stored.incident.closed.is_some() {
            return;
        }
        self.keys.remove(&from);
        self.keys.insert(to, id);
        stored.key = to;
        stored.incident.scope = to.scope();
        stored.targets.clear();
        stored.incident.targets = None;
        stored.incident.internal.addresses = vec![view.internal()];
        stored.incident.external.addresses = vec![view.external()];
        stored.incident.internal.count = 1;
        stored.incident.external.count = 1;
        stored.incident.internal.network = None;
        stored.incident.external.network = None;
    }

    /// The incident of a key that a connection goes on with: one that is open, or one that is closed and of which the
    /// connection shows nothing new.
    fn current(
        &mut self,
        key: &Key,
        view: &FlowView<'_>,
        link: &Link,
        context: &Context<'_>,
    ) -> Option<IncidentId> {
        let id = *self.keys.get(key)?;
        let stored = self.incidents.get_mut(&id)?;
        if stored.incident.closed.is_none() {
            return Some(id);
        }
        let age = context.now.distance(stored.incident.last.max(stored.incident.updated));
        let goes_on = match key {
            Key::Client { .. } if !stored.targets.contains_key(&view.server.ip()) => {
                context.now.distance(stored.incident.last) < context.sweep_window
            }
            // Whatever a later stranger shows, that the port answers is known.
            Key::Exposure { .. } => age < REMEMBERED,
            _ => {
                let (mut trial, mut trial_link) = (stored.incident.clone(), link.clone());
                age < REMEMBERED && !trial.merge(view, &mut trial_link)
            }
        };
        if !goes_on {
            return None;
        }
        stored.reopen();
        Some(id)
    }

    pub(super) fn begin(&mut self, key: Key, view: &FlowView<'_>, context: &Context<'_>) -> IncidentId {
        if self.incidents.len() >= self.most {
            self.forget_oldest(context.now);
        }
        let id = identifier(&key, view.first, context.identity);
        let (internal, external) = match key {
            Key::Client { direction: Direction::Outbound, .. } => {
                (Party::one(view.internal()), Party::default())
            }
            Key::Client { .. } => (Party::default(), Party::one(view.external())),
            Key::Exposure { .. } => (Party::one(view.internal()), Party::default()),
            _ => (Party::one(view.internal()), Party::one(view.external())),
        };
        let incident = Incident {
            scope: key.scope(),
            direction: view.direction,
            internal,
            external,
            opened: context.now,
            first: view.first,
            last: view.last,
            updated: context.now,
            learning_until: context.learning_until,
            lost_records: context.lost_records.saturating_sub(view.lost_before),
            ..Incident::empty(id)
        };
        self.keys.insert(key, id);
        self.incidents.insert(id, StoredIncident::new(incident, key));
        id
    }
}

/// Whether a connection is about its two hosts: something was spoken, or a threat list warns of a host that answered.
fn is_of_a_pair(view: &FlowView<'_>) -> bool {
    let spoken = match view.service {
        // Of WebDAV inside, a stranger learns that the port serves it, as whoever asks does: that is about the port until a log-on.
        Service::WebDav if view.direction == Direction::Inbound => EvidenceLevel::Smb,
        Service::Netbios | Service::WebDav => EvidenceLevel::Connected,
        Service::Smb | Service::Rpc => EvidenceLevel::Smb,
        // All that shows of what follows the ClientHello is that the server answers.
        Service::SmbOverQuic => EvidenceLevel::Answered,
    };
    view.level >= spoken || view.threat && view.level >= EvidenceLevel::Answered
}

/// The identifier of an incident: the same traffic gives the same one, and nobody who lacks the identity can foresee it.
fn identifier(key: &Key, first: Timestamp, identity: &[u8; 32]) -> IncidentId {
    let mut hasher = blake3::Hasher::new_keyed(identity);
    hasher.update(format!("{key:?}").as_bytes());
    hasher.update(&first.unix_nanos().to_le_bytes());
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    IncidentId(u64::from_le_bytes(bytes))
}
