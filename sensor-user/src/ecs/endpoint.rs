//! The parts that documents of incidents and flows share: community IDs, the process, transports and services.

use std::net::SocketAddr;

use community_id::calculate_community_id;
use schemars::JsonSchema;
use sensor_common::slot::UDP;
use sensor_core::{process, service::Service};
use serde::Serialize;

use super::fields::{Container, Process, Thread, User};

/// The Community ID (version 1, seed 0), as Zeek, Suricata and Packetbeat compute it.
pub(super) fn community_id(client: SocketAddr, server: SocketAddr, transport: u8) -> Option<String> {
    let ports = (Some(client.port()), Some(server.port()));
    calculate_community_id(0, client.ip(), server.ip(), ports.0, ports.1, transport, false).ok()
}

/// ECS `network.transport`.
pub(super) const fn transport(number: u8) -> &'static str {
    if number == UDP { "udp" } else { "tcp" }
}

/// `smb_sensor.service`.
pub(super) const fn service(service: Service) -> &'static str {
    match service {
        Service::SmbOverQuic => "smb_over_quic",
        Service::WebDav => "webdav",
        other => protocol(other),
    }
}

/// ECS `network.protocol`.
pub(super) const fn protocol(service: Service) -> &'static str {
    match service {
        Service::Smb => "smb",
        Service::Rpc => "dce_rpc",
        Service::Netbios => "netbios",
        Service::SmbOverQuic => "quic",
        Service::WebDav => "http",
    }
}

/// Fields of a process that are not in ECS.
#[serde_with::skip_serializing_none]
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ProcessDetails {
    /// Number of the cgroup, as text: not every JSON reader keeps 64-bit numbers exact.
    pub cgroup_id: String,
    /// Path of the cgroup below the root of the hierarchy.
    pub cgroup: Option<String>,
    /// Whether the program file had been deleted.
    pub executable_deleted: Option<bool>,
}

/// ECS `process`, `user` and `container`, and the details.
pub(super) type ProcessFields = (Process, User, Option<Container>, ProcessDetails);

/// The fields of the process that opened the connections.
pub(super) fn process_fields(known: &process::Process) -> ProcessFields {
    let process = Process {
        pid: known.pid,
        name: known.name.clone(),
        executable: known.executable.as_ref().map(|executable| executable.path.clone()),
        thread: known.thread.as_ref().map(|thread| Thread { id: thread.id, name: thread.name.clone() }),
    };
    let user = User { id: Some(known.user.to_string()), name: known.user_name.clone(), domain: None };
    let container = known
        .container
        .as_ref()
        .map(|container| Container { id: container.id.clone(), runtime: container.runtime.clone() });
    let details = ProcessDetails {
        cgroup_id: known.cgroup_id.to_string(),
        cgroup: known.cgroup.clone(),
        executable_deleted: known.executable.as_ref().map(|executable| executable.deleted),
    };
    (process, user, container, details)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn community_id_matches_the_specification() {
        // From the specification's baseline vectors (corelight/community-id-spec, tcp.pcap).
        let (client, server) =
            ("128.232.110.120:34855".parse().unwrap(), "66.35.250.204:80".parse().unwrap());
        let id = community_id(client, server, 6);
        assert_eq!(id.as_deref(), Some("1:LQU9qZlK+B5F3KDmev6m5PMibrg="));
        assert_eq!(community_id(server, client, 6), id, "the same for both directions");
    }
}
