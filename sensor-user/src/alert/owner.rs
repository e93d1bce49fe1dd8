//! The owner of a conversation as ECS fields; what ECS has no field for is under `smb_sensor.process`.

use serde_json::{Value, json};

use crate::{
    detect::{Direction, Sight},
    owner::Owner,
};

/// Adds what is known of the process that opened the conversation. Only the client opens one, so an inbound conversation
/// has no owner here.
pub(super) fn tell(sight: &Sight<'_>, document: &mut Value) {
    if let (Some(owner), Direction::Outbound) = (&sight.flow.owner, sight.direction) {
        add(owner, document);
    }
}

/// Adds what is known of this process.
pub(super) fn add(owner: &Owner, document: &mut Value) {
    let mut process = json!({ "pid": owner.process });
    if let Some(name) = &owner.name {
        process["name"] = json!(name);
    }
    if let Some(thread) = &owner.thread {
        process["thread"] = json!({ "id": thread.id, "name": thread.name });
    }
    // A text, for not every reader of JSON takes numbers of 64 bits whole.
    let mut further = json!({ "cgroup_id": owner.cgroup_id.to_string() });
    if let Some(executable) = &owner.executable {
        process["executable"] = json!(executable.path);
        further["executable_deleted"] = json!(executable.deleted);
    }
    if let Some(cgroup) = &owner.cgroup {
        further["cgroup"] = json!(cgroup);
    }
    let mut user = json!({ "id": owner.user.to_string() });
    if let Some(name) = &owner.user_name {
        user["name"] = json!(name);
    }
    document["process"] = process;
    document["user"] = user;
    document["smb_sensor"]["process"] = further;
    if let Some(container) = &owner.container {
        document["container"] = json!({ "id": container.id });
        if let Some(runtime) = container.runtime {
            document["container"]["runtime"] = json!(runtime);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use sensor_common::slot::{Side, TCP};

    use super::*;
    use crate::{
        config::ServicePorts,
        detect::fixtures::flow,
        flow::Evidence,
        owner::{Container, Executable, Owner, Thread},
    };

    pub(crate) fn everything_known() -> Owner {
        Owner {
            process: 4_242,
            name: Some("python3".into()),
            thread: Some(Thread { id: 4_250, name: "worker".into() }),
            user: 1_000,
            user_name: Some("ann".into()),
            executable: Some(Executable { path: "/usr/bin/python3.11".into(), deleted: true }),
            cgroup_id: u64::MAX,
            cgroup: Some("/docker/x".into()),
            container: Some(Container { id: "x".into(), runtime: Some("docker") }),
        }
    }

    fn told(owner: Option<Owner>, client: Side) -> Value {
        let (local, remote) = ("10.0.0.2:445", "8.8.4.4:445");
        let mut flow = flow(TCP, local, remote, client, Evidence::Data);
        flow.owner = owner.map(Arc::new);
        let mut document = json!({ "smb_sensor": {} });
        tell(&Sight::of(&flow, &ServicePorts::default()).unwrap(), &mut document);
        document
    }

    #[test]
    fn all_that_is_known_has_its_field() {
        let expected = json!({
            "process": {
                "pid": 4_242,
                "name": "python3",
                "thread": { "id": 4_250, "name": "worker" },
                "executable": "/usr/bin/python3.11",
            },
            "user": { "id": "1000", "name": "ann" },
            "container": { "id": "x", "runtime": "docker" },
            "smb_sensor": {
                "process": {
                    "cgroup_id": "18446744073709551615",
                    "executable_deleted": true,
                    "cgroup": "/docker/x",
                },
            },
        });
        assert_eq!(told(Some(everything_known()), Side::Local), expected);
    }

    #[test]
    fn what_is_not_known_has_no_field() {
        let owner = Owner {
            name: None,
            thread: None,
            user_name: None,
            executable: None,
            cgroup: None,
            container: None,
            ..everything_known()
        };
        let expected = json!({
            "process": { "pid": 4_242 },
            "user": { "id": "1000" },
            "smb_sensor": { "process": { "cgroup_id": "18446744073709551615" } },
        });
        assert_eq!(told(Some(owner), Side::Local), expected);
    }

    #[test]
    fn a_conversation_that_a_stranger_opened_has_no_owner() {
        let nothing = json!({ "smb_sensor": {} });
        assert_eq!(told(Some(everything_known()), Side::Remote), nothing);
        assert_eq!(told(None, Side::Local), nothing);
    }
}
