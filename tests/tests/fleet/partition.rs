//! A cluster that falls into two parts.

use async_nats::ConnectOptions;
use sensor_lab::{Namespace, NatsServer, Topology, poll, require_lab, scratch_dir};
use sensor_tests::nats::{STREAM, Stored, ask, stored};
use serde_json::Value;

use super::{
    HEALTH, behind_gateway,
    cluster::{SETTLED_WITHIN, assert_each_once},
    config, converse, sensor, wait_for_summaries,
};

#[test]
fn nothing_is_lost_or_doubled_while_the_cluster_is_in_two_parts() {
    require_lab!(Nats);
    let border = Topology::builder().lan_server().build().unwrap();
    let scratch = scratch_dir().unwrap();
    let members = ["n1", "n2", "n3"].map(|name| Namespace::new(name).unwrap());
    let at = [0, 1, 2].map(|place| behind_gateway(&border, &members[place], place as u8 + 1).unwrap());
    let places = [0, 1, 2].map(|place| (&members[place], at[place]));
    let cluster = NatsServer::cluster(&places, &scratch.path().join("nats")).unwrap();
    let graz = sensor(&border, "lan0", &config(&at, "graz", HEALTH)).start().unwrap();
    let vienna = sensor(&border, "lan1", &config(&at, "vienna", HEALTH)).start().unwrap();
    let traffic = |rounds: usize| {
        for _ in 0..rounds {
            converse(&border, &[border.client(), border.lan_server().unwrap()]).unwrap();
        }
    };
    let held = |member: usize| -> Vec<Stored> {
        ["incident", "flow"]
            .iter()
            .flat_map(|kind| {
                let (subject, options) = (format!("smb-sensor.*.*.{kind}"), ConnectOptions::new());
                stored(border.gateway(), cluster[member].address(), options, &subject).unwrap_or_default()
            })
            .collect()
    };
    let settle = |member: usize| {
        poll(SETTLED_WITHIN, || {
            let made = graz.documents().len() + vienna.documents().len();
            (made > 0 && held(member).len() >= made).then_some(())
        })
        .unwrap_or_else(|| panic!("{} are there\n{}\n{}", held(member).len(), graz.log(), vienna.log()));
    };
    traffic(5);
    settle(0);

    // The member that leads is cut off from the two others. Sensors reach all three. During an election none leads.
    let leader = || {
        ask(border.gateway(), cluster[0].address(), ConnectOptions::new(), async |jetstream| {
            let info = jetstream.get_stream(STREAM).await?.get_info().await?;
            Ok(info.cluster.and_then(|cluster| cluster.leader))
        })
    };
    let alone = poll(SETTLED_WITHIN, || {
        let leader = leader().ok()??;
        ["n1", "n2", "n3"].iter().position(|name| *name == leader)
    });
    let alone = alone.unwrap();
    let others = [0, 1, 2].into_iter().filter(|place| *place != alone);
    let cut = |what: &str| {
        for other in others.clone() {
            for (from, to) in [(at[alone], at[other]), (at[other], at[alone])] {
                border.gateway().ip(&format!("rule {what} pref 10 from {from} to {to} blackhole")).unwrap();
            }
        }
    };
    cut("add");
    traffic(20);
    let reachable = others.clone().next().unwrap();
    settle(reachable);
    traffic(5);

    cut("del");
    traffic(5);
    settle(reachable);
    for agent in [&graz, &vienna] {
        wait_for_summaries(agent, 35).unwrap();
    }
    let (mut made, mut logs): (Vec<Value>, _) = (vec![], String::new());
    for agent in [graz, vienna] {
        let ended = agent.stop().unwrap();
        assert_eq!(ended.code, Some(0), "{}", ended.log);
        logs += &ended.log;
        made.extend(ended.documents);
    }
    assert_each_once(|| held(reachable), &made, &logs);
    // The member that was alone has the same again.
    poll(SETTLED_WITHIN, || (held(alone).len() == made.len()).then_some(())).unwrap();
}
