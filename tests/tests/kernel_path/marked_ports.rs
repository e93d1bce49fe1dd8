//! The mark of a port on which SMB was recognised, removed again.

use sensor_common::{
    counter::Counter,
    slot::{Hook, tcp},
};
use sensor_tests::{Frame, HOOKS, Kernel, Setup};

use crate::any_port::message;

const CLIENT: &str = "10.0.0.2:50000";
const SERVER: &str = "8.8.4.4:4445";

fn data(payload: &[u8]) -> Vec<u8> {
    Frame::tcp(CLIENT, SERVER).flags(tcp::ACK).payload(payload).build()
}

/// How many of this many packets are kept.
fn kept(kernel: &mut Kernel, hook: Hook, frame: &[u8]) -> u64 {
    let count = |kernel: &Kernel| kernel.counters().unwrap().get(Counter::Kept);
    let before = count(kernel);
    kernel.inject(hook, frame, 1).unwrap();
    count(kernel) - before
}

#[test]
fn unmarked_port_is_ordinary_until_smb_appears_again() {
    let test = "unmarked_port_is_ordinary_until_smb_appears_again";
    let Some(mut kernel) = Setup::default().kernel(test).unwrap() else { return };
    let (smb, other) = (data(&message(0xFE, false)), data(&[0x55; 200]));
    for hook in HOOKS {
        assert_eq!(
            (kept(&mut kernel, hook, &smb), kept(&mut kernel, hook, &other)),
            (1, 1),
            "a packet of the flow that spoke SMB"
        );
        assert_eq!(kernel.unmark_ports().unwrap(), [4_445]);
        assert_eq!(
            (kept(&mut kernel, hook, &other), kept(&mut kernel, hook, &smb), kept(&mut kernel, hook, &other)),
            (0, 1, 1)
        );
        assert_eq!(
            kept(&mut kernel, hook, &Frame::tcp(CLIENT, "8.8.4.4:445").build()),
            1,
            "watched ports stay watched"
        );
        assert_eq!(kernel.unmark_ports().unwrap(), [4_445]);
        assert!(kernel.unmark_ports().unwrap().is_empty());
    }
}
