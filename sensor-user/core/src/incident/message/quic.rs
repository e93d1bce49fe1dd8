//! Sentences about SMB over QUIC: the client's offer, and the amount of data. The messages that follow are encrypted.

use super::Headline;
use crate::{
    incident::{Incident, phrase::server_names},
    level::EvidenceLevel,
    rules::sentence,
    service::Service,
};

/// The headline of an incident in which SMB was offered over QUIC and seen in no other way.
pub(super) fn offer(incident: &Incident) -> Option<Headline> {
    if incident.quic.is_empty() || incident.level >= EvidenceLevel::Smb || !incident.is_about_two_hosts() {
        return None;
    }
    let (client, server, ports) =
        (incident.client().phrase(), incident.server().phrase(), quic_ports(incident));
    let names = names(incident);
    let (whole, short) = match incident.volume_phrase() {
        Some(volume) if incident.level >= EvidenceLevel::Answered => {
            (format!(", which answered; at least {volume}"), format!("; at least {volume}"))
        }
        _ if incident.level >= EvidenceLevel::Answered => {
            (", which answered".to_owned(), ", answered".to_owned())
        }
        _ => (", and no answer was seen".to_owned(), ", no answer".to_owned()),
    };
    Some(Headline::with_volume(
        format!("{client} offered SMB over QUIC to {ports} of {server}{names}{whole}"),
        format!("SMB offered over QUIC{names}{short}"),
    ))
}

/// The same as a clause, where SMB was seen in another way.
pub(super) fn clause(incident: &Incident) -> Option<String> {
    let is_said = incident.quic.is_empty() || incident.level < EvidenceLevel::Smb;
    (!is_said).then(|| {
        let (client, ports) = (incident.client().phrase(), quic_ports(incident));
        format!("{client} also offered SMB over QUIC to {ports}{}", names(incident))
    })
}

fn names(incident: &Incident) -> String {
    server_names(incident.quic.iter().filter_map(|hello| hello.server_name.as_deref()))
}

/// "UDP 443".
fn quic_ports(incident: &Incident) -> String {
    let ports = incident.ports.iter().filter(|(.., service)| *service == Service::SmbOverQuic);
    let ports: Vec<String> = ports.map(|(_, port, _)| port.to_string()).collect();
    format!("UDP {}", sentence::list(&ports))
}
