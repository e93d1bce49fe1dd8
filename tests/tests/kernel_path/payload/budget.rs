//! Bounds on the pieces of a flow: their number in each generation, and the space on the ring.

use sensor_common::{
    counter::Counter,
    headers::Link,
    path::{Arrival, MAX_PIECES},
    slot::{Hook, Side::Local},
};
use sensor_core::record::observation;
use sensor_tests::{HOOKS, Setup, TEST_RUN_IFINDEX, Twin, pieces};

use super::{
    ENDS, begin_anew,
    message::{REQUEST, of_smb2, smb2},
    segment,
};
use crate::expect::on;

/// Whether messages of the flow that was seen last were left out, as its slot says.
fn leaves_messages_out(twin: &mut Twin) -> bool {
    let slots = twin.changed_slots();
    observation(slots.last().unwrap()).unwrap().unfollowed.messages
}

#[test]
fn limits_pieces_per_generation_and_counts_the_rest() {
    let test = "limits_pieces_per_generation_and_counts_the_rest";
    let message = segment(ENDS, Local, 1, &of_smb2(smb2::NEGOTIATE, REQUEST, 100)).build();
    // A generation ends at 2^31 bytes: these are 32,769 packets of 65,535.
    let giant = segment(ENDS, Local, 1, &[]).modified(|frame| frame.length(65_535)).build();
    let most = u64::from(MAX_PIECES);
    on(test, &Setup::default(), move |twin| {
        for hook in HOOKS {
            begin_anew(twin, hook);
            let effect = twin.repeat(hook, &message, MAX_PIECES + 88).unwrap();
            assert_eq!(pieces(&effect.records).unwrap().len() as u64, most, "{hook:?}");
            let counted = |counter| effect.counted.get(counter);
            assert_eq!((counted(Counter::PayloadSent), counted(Counter::PayloadOver)), (most, 88));
            assert_eq!(counted(Counter::Kept), most + 88, "they are accounted all the same");
            assert!(leaves_messages_out(twin), "{hook:?}");

            begin_anew(twin, hook);
            let again = twin.run(hook, &message).unwrap();
            assert_eq!(again.counted.get(Counter::PayloadSent), 1, "another flow begins at none");
            assert!(!leaves_messages_out(twin), "{hook:?}");

            twin.repeat(hook, &message, MAX_PIECES).unwrap();
            let over = twin.run(hook, &message).unwrap();
            assert_eq!(over.counted.get(Counter::PayloadOver), 1);
            twin.repeat(hook, &giant, 32_769).unwrap();
            let settled = twin.run(hook, &message).unwrap();
            assert_eq!(settled.counted.get(Counter::PayloadSent), 1, "and so does another generation");
        }
        vec![]
    });
}

#[test]
fn log_ons_of_a_connection_beyond_the_limit_are_counted_and_said() {
    let test = "log_ons_of_a_connection_beyond_the_limit_are_counted_and_said";
    let message = of_smb2(smb2::SESSION_SETUP, REQUEST, 100);
    on(test, &Setup::default(), move |twin| {
        for hook in HOOKS {
            begin_anew(twin, hook);
            for number in 0..MAX_PIECES + 3 {
                let log_on = segment(ENDS, Local, 1 + number * message.len() as u32, &message).build();
                let effect = twin.run(hook, &log_on).unwrap();
                let is_over = number >= MAX_PIECES;
                let counted = [Counter::PayloadSent, Counter::PayloadOver, Counter::Unfollowed]
                    .map(|counter| effect.counted.get(counter));
                assert_eq!(counted, [u64::from(!is_over), u64::from(is_over), 0], "{number} at {hook:?}");
                assert_eq!(leaves_messages_out(twin), is_over, "{number} at {hook:?}");
            }
        }
        vec![]
    });
}

#[test]
fn unreported_piece_uses_no_budget() {
    let test = "unreported_piece_uses_no_budget";
    let message = of_smb2(smb2::NEGOTIATE, REQUEST, 300);
    let whole = segment(ENDS, Local, 1, &message).build();
    // It ends before the message does, although its length claims the whole message.
    let cut = segment(ENDS, Local, 1, &message[..200]).modified(|frame| frame.length(340)).build();
    on(test, &Setup::default(), move |twin| {
        for hook in HOOKS {
            begin_anew(twin, hook);
            let effect = twin.repeat(hook, &cut, MAX_PIECES + 1).unwrap();
            let pieces = [Counter::PayloadSent, Counter::PayloadOver, Counter::LostPayload];
            assert_eq!(effect.counted.sum(&pieces), 0, "{hook:?}: {:?}", effect.changes());
            let effect = twin.run(hook, &whole).unwrap();
            assert_eq!(effect.counted.get(Counter::PayloadSent), 1, "{hook:?}");
        }
        vec![]
    });
}

#[test]
fn counts_a_piece_as_lost_when_the_ring_is_full() {
    let setup = Setup { ring_bytes: 65_536, ..Setup::default() };
    let Some(mut kernel) = setup.kernel("counts_a_piece_as_lost_when_the_ring_is_full").unwrap() else {
        return;
    };
    let mut host = setup.host();
    let message = segment(ENDS, Local, 1, &of_smb2(smb2::NEGOTIATE, REQUEST, 1_000)).build();
    for _ in 0..200 {
        kernel.inject(Hook::XdpIngress, &message, 1).unwrap();
        let frame_len = message.len() as u32;
        let hook = Hook::XdpIngress;
        host.frame(
            &message,
            Arrival { hook, ifindex: TEST_RUN_IFINDEX, link: Link::Ethernet, frame_len, vlan: 0 },
        );
    }
    let due = pieces(&host.take_records()).unwrap().len() as u64;
    let read = pieces(&kernel.take_records()).unwrap().len() as u64;
    let counters = kernel.counters().unwrap();
    let (sent, lost) = (counters.get(Counter::PayloadSent), counters.get(Counter::LostPayload));
    assert!(read > 50 && lost > 50, "{read} read, {lost} lost: the ring did not overflow as meant");
    assert_eq!((sent, sent + lost, due), (read, due, 200));
    assert_eq!(counters.get(Counter::Kept), 200);

    kernel.inject(Hook::XdpIngress, &message, 1).unwrap();
    assert_eq!(pieces(&kernel.take_records()).unwrap().len(), 1, "with space again, it is reported again");
}
