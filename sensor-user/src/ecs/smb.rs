//! `smb_sensor.smb`, `.credentials` and `.rpc` of a connection: the facts of its messages.

use schemars::JsonSchema;
use sensor_core::incident::LogonOutcome;
use sensor_dissect::{
    Facts,
    facts::{Credential, Interface, Method, Outcome, Share, Signing},
    ntlmssp::ResponseKind,
    smb2::{AlgorithmKind, ShareKind},
};
use serde::{Serialize, Serializer};

/// What the two ends say about themselves.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SmbFields {
    dialect: Option<String>,
    versions: Vec<u8>,
    client_version: Option<String>,
    client_os: Option<String>,
    client_lan_manager: Option<String>,
    client_guid: Option<String>,
    client_signing: Option<&'static str>,
    client_ciphers: Vec<String>,
    client_compression_algorithms: Vec<String>,
    client_signing_algorithms: Vec<String>,
    server_version: Option<String>,
    server_os: Option<String>,
    server_lan_manager: Option<String>,
    server_guid: Option<String>,
    server_signing: Option<&'static str>,
    server_ciphers: Vec<String>,
    server_compression_algorithms: Vec<String>,
    server_signing_algorithms: Vec<String>,
    server_name: Option<String>,
    server_dns_name: Option<String>,
    server_domain: Option<String>,
    server_dns_domain: Option<String>,
    server_dns_forest: Option<String>,
    server_target_name: Option<String>,
    /// The client's name for the server.
    server_called: Option<String>,
    signed: bool,
    encrypted: bool,
    compressed: bool,
    sessions: u32,
    logoffs: u32,
    session_statuses: Vec<String>,
    shares: Vec<ShareFields>,
    /// Facts that did not fit.
    left_out: u32,
}

/// A requested share.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ShareFields {
    path: String,
    kind: Option<&'static str>,
    #[serialize_always]
    #[serde(serialize_with = "or_unknown")]
    #[schemars(with = "String")]
    outcome: Option<LogonOutcome>,
    status: Option<String>,
}

/// A user who authenticated.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CredentialFields {
    method: &'static str,
    user: Option<String>,
    domain: Option<String>,
    workstation: Option<String>,
    target: Option<String>,
    fingerprint: Option<String>,
    #[serialize_always]
    #[serde(serialize_with = "or_unknown")]
    #[schemars(with = "String")]
    outcome: Option<LogonOutcome>,
    status: Option<String>,
}

/// A DCE-RPC interface.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RpcFields {
    uuid: String,
    interface: Option<&'static str>,
    operations: Vec<String>,
}

impl SmbFields {
    /// The known facts; `encrypted` is also set if no message could be read.
    pub(super) fn of(facts: Option<&Facts>, encrypted: bool) -> Option<Self> {
        let Some(facts) = facts else {
            return encrypted.then(|| Self { encrypted, ..Self::default() });
        };
        let (client, server) = (&facts.client, &facts.server);
        let names = |kind: AlgorithmKind, numbers: &[u16]| {
            numbers.iter().map(|number| kind.name(*number).into_owned()).collect()
        };
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        Some(Self {
            dialect: facts.dialect.as_ref().map(ToString::to_string),
            versions: [(facts.smb1, 1), (facts.smb2, 2)]
                .into_iter()
                .filter(|(spoken, _)| *spoken)
                .map(|(_, v)| v)
                .collect(),
            client_version: client.ntlm_version.map(|version| version.to_string()),
            client_os: filled(&client.native_os),
            client_lan_manager: filled(&client.native_lan_manager),
            client_guid: client.guid.map(|guid| guid.to_string()),
            client_signing: client.signing.map(Signing::name),
            client_ciphers: names(AlgorithmKind::Cipher, &client.contexts.ciphers),
            client_compression_algorithms: names(AlgorithmKind::Compression, &client.contexts.compression),
            client_signing_algorithms: names(AlgorithmKind::Signing, &client.contexts.signing),
            server_version: server.ntlm_version.map(|version| version.to_string()),
            server_os: filled(&server.native_os),
            server_lan_manager: filled(&server.native_lan_manager),
            server_guid: server.guid.map(|guid| guid.to_string()),
            server_signing: facts.signing.map(Signing::name),
            server_ciphers: names(AlgorithmKind::Cipher, &server.contexts.ciphers),
            server_compression_algorithms: names(AlgorithmKind::Compression, &server.contexts.compression),
            server_signing_algorithms: names(AlgorithmKind::Signing, &server.contexts.signing),
            server_name: filled(&server.names.netbios_computer),
            server_dns_name: filled(&server.names.dns_computer),
            server_domain: filled(&server.names.netbios_domain),
            server_dns_domain: filled(&server.names.dns_domain),
            server_dns_forest: filled(&server.names.dns_forest),
            server_target_name: filled(&server.target),
            server_called: filled(&client.contexts.netname),
            signed: facts.signed,
            encrypted: encrypted || facts.encrypted,
            compressed: facts.compressed,
            sessions: facts.sessions,
            logoffs: facts.logoffs,
            session_statuses: facts.session_statuses.iter().map(ToString::to_string).collect(),
            shares: facts.shares.iter().map(share).collect(),
            left_out: facts.left_out,
        })
    }
}

/// Who authenticated.
pub(super) fn credentials(facts: &Facts) -> Vec<CredentialFields> {
    facts.credentials.iter().map(credential).collect()
}

/// DCE-RPC interfaces.
pub(super) fn rpc(facts: &Facts) -> Vec<RpcFields> {
    let operation = |interface: &Interface, number: u16| {
        interface.operation(number).map_or_else(|| number.to_string(), str::to_owned)
    };
    facts
        .interfaces
        .iter()
        .map(|one| RpcFields {
            uuid: one.uuid.to_string(),
            interface: one.name,
            operations: one.operations.iter().map(|number| operation(one, *number)).collect(),
        })
        .collect()
}

fn share(share: &Share) -> ShareFields {
    let kind = share.kind.map(|kind| match kind {
        ShareKind::Disk => "disk",
        ShareKind::Pipe => "pipe",
        ShareKind::Printer => "printer",
        ShareKind::Other(_) => "other",
    });
    let (outcome, status) = outcome(share.outcome);
    ShareFields { path: share.path.clone(), kind, outcome, status }
}

fn credential(one: &Credential) -> CredentialFields {
    let (outcome, status) = outcome(one.outcome);
    CredentialFields {
        method: match one.method {
            Method::Ntlm(ResponseKind::V1) => "NTLMv1",
            Method::Ntlm(ResponseKind::V2) => "NTLMv2",
            Method::Ntlm(ResponseKind::Anonymous) => "anonymous",
            Method::Ntlm(ResponseKind::Unknown) => "NTLM",
            Method::Kerberos => "Kerberos",
            Method::Password => "plaintext password",
        },
        user: one.user.clone().filter(|text| !text.is_empty()),
        domain: one.domain.clone().filter(|text| !text.is_empty()),
        workstation: one.workstation.clone().filter(|text| !text.is_empty()),
        target: one.target.clone().filter(|text| !text.is_empty()),
        fingerprint: one.fingerprint.map(|fingerprint| fingerprint.to_string()),
        outcome,
        status,
    }
}

/// The outcome as incidents have it, and the status of a refusal.
fn outcome(outcome: Option<Outcome>) -> (Option<LogonOutcome>, Option<String>) {
    let status = match outcome {
        Some(Outcome::Refused(status)) => Some(status.to_string()),
        _ => None,
    };
    (outcome.map(LogonOutcome::from), status)
}

/// An outcome that was not seen is `unknown`.
fn or_unknown<S: Serializer>(outcome: &Option<LogonOutcome>, serializer: S) -> Result<S::Ok, S::Error> {
    match outcome {
        Some(outcome) => outcome.serialize(serializer),
        None => "unknown".serialize(serializer),
    }
}
