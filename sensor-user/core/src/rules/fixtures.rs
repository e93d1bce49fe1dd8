//! Connections and what is known beyond them, for tests: built in words, seen as a [`FlowView`] and a [`History`].
//!
//! ```ignore
//! let flow = FlowFixture::outbound().reached(EvidenceLevel::Session).credential(ntlm_v2(r"CORP\ann").accepted());
//! assert_eq!(fired(&flow, &HistoryFixture::known()), ["smb-to-internet", "ntlm-credential-to-internet"]);
//! ```

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use ipnet::IpNet;
use sensor_common::{
    classify::Place,
    slot::{TCP, UDP},
};
use sensor_dissect::{
    Facts,
    facts::{Credential, Interface, Method, Outcome, Share},
    interfaces,
    ntlmssp::ResponseKind,
    smb2::ShareKind,
    status::Status,
};

use super::{
    ALL, Finding, History, Logons, Relayed, RuleMeta,
    departure::{Cause, Departure},
    evaluate,
    limits::Limits,
    techniques,
};
use crate::{
    address::{Direction, FiveTuple},
    level::EvidenceLevel,
    networks::fixtures::built_in,
    process::Process,
    record::Counts,
    service::{Service, ServicePorts},
    time::Timestamp,
    view::{Content, FlowView},
};

/// When every fixture happens.
pub(crate) const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

/// STATUS_LOGON_FAILURE.
pub(crate) const LOGON_FAILURE: Outcome = Outcome::Refused(Status::Nt(0xC000_006D));

/// A connection with all that it owns.
#[derive(Clone, Debug)]
pub(crate) struct FlowFixture {
    view: FlowView<'static>,
    facts: Option<Arc<Facts>>,
    process: Option<Arc<Process>>,
}

impl FlowFixture {
    /// 10.0.0.2 tries TCP 445 of 8.8.4.4.
    pub(crate) fn outbound() -> Self {
        Self::new(Direction::Outbound, "10.0.0.2", "8.8.4.4")
    }

    /// 8.8.4.4 tries TCP 445 of 10.0.1.2.
    pub(crate) fn inbound() -> Self {
        Self::new(Direction::Inbound, "8.8.4.4", "10.0.1.2")
    }

    fn new(direction: Direction, client: &str, server: &str) -> Self {
        let (client, server) = (end(client, 50_000), end(server, 445));
        let view = FlowView {
            tuple: FiveTuple { transport: TCP, local: client, remote: server },
            direction,
            service: Service::Smb,
            usual_port: true,
            client,
            server,
            roles_known: true,
            level: EvidenceLevel::Attempt,
            first: NOW - Duration::from_secs(1),
            last: NOW,
            settled: true,
            closed: false,
            smb_spoken: false,
            encrypted: false,
            joined_late: false,
            one_sided: false,
            complete: true,
            content: Content::default(),
            other_protocol: None,
            threat: false,
            dropped: false,
            counts: Counts { packets: [1, 0], ..Counts::default() },
            facts: None,
            datagrams: None,
            process: None,
            vlan: None,
            ifindex: Some(2),
            marks: 0,
            lost_before: 0,
        };
        Self { view, facts: None, process: None }.tupled()
    }

    /// Derives the five-tuple from client, server and direction.
    fn tupled(mut self) -> Self {
        let view = &mut self.view;
        (view.tuple.local, view.tuple.remote) = match view.direction {
            Direction::Outbound => (view.client, view.server),
            Direction::Inbound => (view.server, view.client),
        };
        self
    }

    /// Sets the addresses.
    pub(crate) fn between(mut self, client: &str, server: &str) -> Self {
        self.view.client = end(client, self.view.client.port());
        self.view.server = end(server, self.view.server.port());
        self.tupled()
    }

    /// Sets the server's port, and with it the service; on a port that is not watched, SMB was recognised.
    pub(crate) fn on(mut self, transport: u8, port: u16) -> Self {
        let service = ServicePorts::default().service(transport, port);
        self.view.service = service.unwrap_or(Service::Smb);
        self.view.usual_port = service.is_some();
        self.view.tuple.transport = transport;
        self.view.server.set_port(port);
        self.tupled()
    }

    /// Sets how far it got; from `smb` on, SMB was spoken where that is the service.
    pub(crate) fn reached(mut self, level: EvidenceLevel) -> Self {
        self.view.level = level;
        self.view.smb_spoken = level >= EvidenceLevel::Smb && self.view.service == Service::Smb;
        if self.view.smb_spoken {
            self = self.knowing(|facts| facts.smb2 = true);
        }
        self
    }

    /// Changes what is seen of it.
    pub(crate) fn seen(mut self, change: impl FnOnce(&mut FlowView<'static>)) -> Self {
        change(&mut self.view);
        self
    }

    /// Changes what its messages say.
    pub(crate) fn knowing(mut self, change: impl FnOnce(&mut Facts)) -> Self {
        change(Arc::make_mut(self.facts.get_or_insert_default()));
        self
    }

    /// Adds a credential.
    pub(crate) fn credential(self, credential: Credential) -> Self {
        self.knowing(|facts| facts.credentials.push(credential))
    }

    /// Adds a share that the server connected.
    pub(crate) fn share(self, path: &str, kind: ShareKind) -> Self {
        let share = Share { path: path.to_owned(), kind: Some(kind), outcome: Some(Outcome::Accepted) };
        self.knowing(|facts| {
            facts.trees += 1;
            facts.shares.push(share);
        })
    }

    /// Adds calls of an interface that is known by this name.
    pub(crate) fn called(self, interface: u128, operations: &[u16]) -> Self {
        let uuid = uuid::Uuid::from_u128(interface);
        let name = interfaces::known(&uuid).map(|known| known.name);
        let interface = Interface { uuid, version: (1, 0), name, operations: operations.to_vec() };
        self.knowing(|facts| facts.interfaces.push(interface))
    }

    /// Payload that left and came in.
    pub(crate) fn payload(mut self, left: u64, came: u64) -> Self {
        self.view.counts.payload = [left, came];
        self
    }

    /// Commands that carry content were seen.
    pub(crate) fn content(mut self, left: bool, came: bool) -> Self {
        self.view.content = Content { left, came };
        self
    }

    /// A process of this machine opened it.
    pub(crate) fn process(mut self, process: Process) -> Self {
        self.process = Some(Arc::new(process));
        self
    }

    /// What rules are given.
    pub(crate) fn view(&self) -> FlowView<'_> {
        FlowView { facts: self.facts.as_ref(), process: self.process.as_ref(), ..self.view }
    }
}

/// An address with a port.
fn end(address: &str, port: u16) -> SocketAddr {
    SocketAddr::new(address.parse().unwrap(), port)
}

/// Interfaces by their identifiers in MS-SRVS, MS-SCMR, MS-TSCH, MS-RRP, MS-SAMR and MS-LSAD.
pub(crate) mod interface {
    pub(crate) const SRVSVC: u128 = 0x4b324fc8_1670_01d3_1278_5a47bf6ee188;
    pub(crate) const SVCCTL: u128 = 0x367abb81_9844_35f1_ad32_98f038001003;
    pub(crate) const ATSVC: u128 = 0x1ff70682_0a51_30e8_076d_740be8cee98b;
    pub(crate) const TASKS: u128 = 0x86d35949_83c9_4044_b424_db363231fd0c;
    pub(crate) const WINREG: u128 = 0x338cd001_2244_31f1_aaaa_900038001003;
    pub(crate) const SAMR: u128 = 0x12345778_1234_abcd_ef00_0123456789ac;
    pub(crate) const LSARPC: u128 = 0x12345778_1234_abcd_ef00_0123456789ab;
}

/// A credential of `DOMAIN\user`, which the server has not answered.
pub(crate) fn credential(account: &str, method: Method) -> Credential {
    let (domain, user) = account.split_once('\\').unwrap_or(("", account));
    let named = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    Credential {
        method,
        user: named(user),
        domain: named(domain),
        workstation: None,
        target: None,
        fingerprint: None,
        outcome: None,
    }
}

/// An NTLMv2 response of `DOMAIN\user`.
pub(crate) fn ntlm_v2(account: &str) -> Credential {
    credential(account, Method::Ntlm(ResponseKind::V2))
}

/// What becomes of a credential.
pub(crate) trait Answered {
    /// The service that it is for.
    fn for_target(self, target: &str) -> Self;
    /// The server accepted it.
    fn accepted(self) -> Self;
    /// The server let the client in as guest.
    fn let_in_as_guest(self) -> Self;
    /// The server refused it.
    fn refused(self) -> Self;
}

impl Answered for Credential {
    fn for_target(mut self, target: &str) -> Self {
        self.target = Some(target.to_owned());
        self
    }

    fn accepted(mut self) -> Self {
        self.outcome = Some(Outcome::Accepted);
        self
    }

    fn let_in_as_guest(mut self) -> Self {
        self.outcome = Some(Outcome::AcceptedAsGuest);
        self
    }

    fn refused(mut self) -> Self {
        self.outcome = Some(LOGON_FAILURE);
        self
    }
}

/// What is known beyond a connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct HistoryFixture {
    pub(crate) limits: Limits,
    pub(crate) new_destination: bool,
    pub(crate) logons: Logons,
    pub(crate) departure: Option<Departure>,
    pub(crate) relayed: Option<Relayed>,
}

impl HistoryFixture {
    /// A destination that is known, and nothing else.
    pub(crate) fn known() -> Self {
        Self::default()
    }

    /// A destination that nobody used.
    pub(crate) fn new_destination() -> Self {
        Self { new_destination: true, ..Self::default() }
    }

    /// Adds refused log-ons of an account.
    pub(crate) fn refused(mut self, account: &str, count: u64) -> Self {
        *self.logons.refused.entry(account.to_owned()).or_default() += count;
        self.logons.refused_total += count;
        self
    }

    /// Adds an account that was accepted.
    pub(crate) fn accepted(mut self, account: &str) -> Self {
        self.logons.accepted.push(account.to_owned());
        self
    }

    /// Too many bytes left between the two hosts.
    pub(crate) fn departed(mut self, bytes: u64) -> Self {
        self.departure = Some(Departure { cause: Cause::Bytes, bytes, rate: 0 });
        self
    }

    /// The same response was seen the other way, so long ago.
    pub(crate) fn relayed(mut self, internal: &str, external: &str, ago: Duration) -> Self {
        let [internal, external] = [internal, external].map(|text| text.parse().unwrap());
        self.relayed = Some(Relayed { at: NOW - ago, internal, external });
        self
    }

    /// What rules are given.
    pub(crate) fn history(&self) -> History<'_> {
        History {
            limits: &self.limits,
            now: NOW,
            new_destination: self.new_destination,
            logons: &self.logons,
            departure: self.departure,
            relayed: self.relayed,
        }
    }
}

/// Rules that find something.
pub(crate) fn fired(flow: &FlowFixture, past: &HistoryFixture) -> Vec<&'static str> {
    let findings = evaluate(&flow.view(), &past.history());
    findings.into_iter().map(|finding| finding.rule.id).collect()
}

/// What one rule finds.
pub(crate) fn found(rule: &RuleMeta, flow: &FlowFixture, past: &HistoryFixture) -> Option<Finding> {
    let rule = ALL.iter().find(|one| one.meta().id == rule.id).unwrap();
    rule.evaluate(&flow.view(), &past.history())
}

/// The techniques of a finding.
pub(crate) fn shown(finding: &Finding) -> Vec<&'static str> {
    finding.techniques.iter().map(|technique| technique.id).collect()
}

/// Techniques that the evidence shows.
pub(crate) fn shown_techniques(flow: &FlowFixture, past: &HistoryFixture) -> Vec<&'static str> {
    let shown = techniques(&flow.view(), &past.history());
    shown.into_iter().map(|(technique, _)| technique.id).collect()
}

/// What is done about a false positive.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Remedy<'a> {
    /// A network is listed as internal.
    Internal(&'a str),
    /// Connections between these networks are exempt.
    Exempt { client: Option<&'a str>, server: Option<&'a str> },
}

impl Remedy<'_> {
    /// Whether the connection is still given to rules.
    pub(crate) fn leaves(self, view: &FlowView<'_>) -> bool {
        let within = |net: &str, address: IpAddr| net.parse::<IpNet>().unwrap().contains(&address);
        match self {
            Self::Internal(net) => crosses(view, &[net]),
            Self::Exempt { client, server } => {
                let client = client.is_none_or(|net| within(net, view.client.ip()));
                let server = server.is_none_or(|net| within(net, view.server.ip()));
                !(client && server)
            }
        }
    }
}

/// Whether a connection crosses the border, with these networks internal beside the built-in ones.
fn crosses(view: &FlowView<'_>, internal: &[&str]) -> bool {
    let set = built_in(internal);
    let place = |address| Place::of(set.lookup(address));
    (place(view.internal()), place(view.external())) == (Place::Internal, Place::External)
}

/// Holds a rule to a false positive that its metadata names in these words: it fires on the connection as it is, and is not
/// given it once the remedy is applied.
pub(crate) fn assert_false_positive(
    rule: &RuleMeta,
    words: &str,
    (flow, past): (&FlowFixture, &HistoryFixture),
    remedies: &[Remedy<'_>],
) {
    assert_names(rule, words);
    assert!(crosses(&flow.view(), &[]), "{} is never given this connection", rule.id);
    assert!(found(rule, flow, past).is_some(), "{} is silent from the start", rule.id);
    for remedy in remedies {
        assert!(!remedy.leaves(&flow.view()), "{} fires in spite of {remedy:?}", rule.id);
    }
}

/// The rule names a false positive in these words.
pub(crate) fn assert_names(rule: &RuleMeta, words: &str) {
    assert!(rule.false_positives.iter().any(|text| text.contains(words)), "{} says no {words:?}", rule.id);
}

#[test]
fn a_fixture_is_a_consistent_view() {
    let flow = FlowFixture::inbound().on(UDP, 137);
    let view = flow.view();
    assert_eq!((view.internal(), view.external()), (view.server.ip(), view.client.ip()));
    assert_eq!((view.service, view.usual_port), (Service::Netbios, true));
    let elsewhere = FlowFixture::outbound().on(TCP, 4_445);
    assert_eq!((elsewhere.view().service, elsewhere.view().usual_port), (Service::Smb, false));
}
