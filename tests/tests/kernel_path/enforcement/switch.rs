//! When packets are dropped: from the switch until its last tick, and never those of an established connection.

use std::time::Duration;

use sensor_common::{
    counter::Counter::{DroppedOutbound, Kept, WouldDropOutbound},
    path::Verdict,
    slot::{
        Hook, mark,
        tcp::{ACK, FIN, SYN},
    },
};
use sensor_lab::poll;
use sensor_tests::{Fate, Frame, HOOKS, Setup, flows};

use super::{LONG, Rule, begin_anew, check, enforcement};
use crate::expect::{CLIENT, CLIENT_V6, SERVER, SERVER_V6, on, syn, syn_v6};

#[test]
fn established_connection_continues_and_its_successor_is_dropped() {
    let test = "established_connection_continues_and_its_successor_is_dropped";
    let rows: [(Vec<u8>, Vec<u8>, Rule); 3] = [
        (syn().build(), Frame::tcp(SERVER, CLIENT).flags(SYN | ACK).build(), Rule::Outbound),
        (syn_v6().build(), Frame::tcp(SERVER_V6, CLIENT_V6).flags(SYN | ACK).build(), Rule::Outbound),
        (
            Frame::tcp("8.8.4.4:50000", "10.0.0.2:445").build(),
            Frame::tcp("10.0.0.2:445", "8.8.4.4:50000").flags(SYN | ACK).build(),
            Rule::Inbound,
        ),
    ];
    on(test, &Setup::default(), move |twin| {
        for (opening, answer, rule) in rows {
            for hook in HOOKS {
                begin_anew(twin, hook);
                twin.end_enforcement().unwrap();
                let flags_at = opening.len() - 7;
                let mut data = opening.clone();
                data[flags_at] = ACK;
                let mut end = data.clone();
                end[flags_at] = FIN | ACK;
                check(&twin.run(hook, &opening).unwrap(), rule, false).unwrap();
                twin.enforce_for(LONG).unwrap();
                for frame in [&answer, &data, &data, &end] {
                    let effect = twin.run(hook, frame).unwrap();
                    assert_eq!((effect.verdict, enforcement(&effect)), (Verdict::Kept, [0; 4]), "{hook:?}");
                }
                check(&twin.run(hook, &opening).unwrap(), rule, true).unwrap();
                twin.end_enforcement().unwrap();
            }
        }
        vec![]
    });
}

#[test]
fn counts_and_drops_every_retransmitted_syn() {
    on("counts_and_drops_every_retransmitted_syn", &Setup::default(), |twin| {
        twin.enforce_for(LONG).unwrap();
        for hook in HOOKS {
            begin_anew(twin, hook);
            let effect = twin.repeat(hook, &syn().build(), 5).unwrap();
            assert_eq!(enforcement(&effect), [5, 5, 0, 0], "{hook:?}");
            assert_eq!(effect.counted.get(Kept), 5, "what is dropped is accounted all the same");
            let [_, (_, reported)] = flows(&effect.records).unwrap()[..] else { panic!("{effect:?}") };
            assert!(reported.marks & mark::DROPPED != 0);
        }
        twin.end_enforcement().unwrap();
        vec![]
    });
}

#[test]
fn drops_nothing_before_the_start_or_after_the_last_tick() {
    let test = "drops_nothing_before_the_start_or_after_the_last_tick";
    on(test, &Setup::default(), |twin| {
        for (ticks, in_force) in
            [(LONG, true), (0, false), (LONG, true), (-1, false), (-LONG, false), (2 * LONG, false)]
        {
            twin.enforce_for(ticks).unwrap();
            for hook in HOOKS {
                begin_anew(twin, hook);
                let effect = twin.run(hook, &syn().build()).unwrap();
                check(&effect, Rule::Outbound, in_force).unwrap_or_else(|how| panic!("{ticks} ticks: {how}"));
            }
        }
        twin.end_enforcement().unwrap();
        let effect = twin.run(Hook::XdpIngress, &syn().build()).unwrap();
        assert_eq!(enforcement(&effect), [1, 0, 0, 0], "switched off, with ticks left");
        vec![]
    });
}

#[test]
fn enforcement_ends_without_renewal() {
    let test = "enforcement_ends_without_renewal";
    let Some(mut kernel) = Setup::default().kernel(test).unwrap() else { return };
    let frame = syn().build();
    assert_eq!(kernel.run(Hook::XdpIngress, &frame, 1).unwrap(), Fate::Passed, "it is off to begin with");
    kernel.enforce_for(3_000).unwrap();
    assert_eq!(kernel.run(Hook::XdpIngress, &frame, 1).unwrap(), Fate::Dropped);
    let passed = poll(Duration::from_secs(60), || {
        (kernel.run(Hook::XdpIngress, &frame, 1).unwrap() == Fate::Passed).then_some(())
    });
    passed.expect("3,000 ticks pass");
    let counters = kernel.counters().unwrap();
    let (would, dropped) = (counters.get(WouldDropOutbound), counters.get(DroppedOutbound));
    assert_eq!(would, dropped + 2, "the first and the last were only counted");
}
