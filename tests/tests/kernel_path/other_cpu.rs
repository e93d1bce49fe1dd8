//! A flow that was recognised on an unwatched port is followed on every CPU, and no other flow of that port is.

use sensor_common::{
    block::BlockEntry,
    counter::Counter,
    flow::SlotKey,
    flow_mark::place,
    headers::Link,
    path::{Arrival, Verdict},
    settings::Settings,
    slot::{
        Hook, Side, TCP,
        mark::{self, SERVER_IS_LOCAL, SERVER_IS_REMOTE},
        tcp::{ACK, SYN},
    },
};
use sensor_tests::{Effect, Frame, HOOKS, Setup, TEST_RUN_IFINDEX, Twin, flows};
use sensor_user::response::Target;

use crate::any_port::message;

const SERVER: &str = "8.8.4.4:8080";
const REQUEST: &[u8] = b"PROPFIND /share HTTP/1.1\r\nHost: a.example\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\nDAV: 1,2\r\n\r\n";
const CONTENT: &[u8] = &[0x55; 400];

pub(crate) fn setup() -> Setup {
    Setup { slots_per_cpu: 1024, ..Setup::default() }
}

/// Both engines, if there are two CPUs.
pub(crate) fn twin(test: &str, setup: &Setup) -> Option<Twin> {
    let twin = setup.twin(test).unwrap();
    if twin.cpus() < 2 {
        sensor_lab::skip(test, "there is one CPU only");
        return None;
    }
    Some(twin)
}

fn data(from: &str, to: &str, payload: &[u8]) -> Vec<u8> {
    Frame::tcp(from, to).flags(ACK).payload(payload).build()
}

/// Gives a frame to a CPU of both engines.
fn give(twin: &mut Twin, cpu: u16, hook: Hook, frame: &[u8]) -> Effect {
    twin.move_to(cpu).unwrap();
    twin.run(hook, frame).unwrap()
}

#[track_caller]
fn assert_kept(effect: &Effect) {
    assert_eq!((effect.counted.get(Counter::Seen), effect.counted.get(Counter::Kept)), (1, 1));
}

#[track_caller]
fn assert_nothing(effect: &Effect) {
    assert_eq!(effect.changes(), []);
}

#[test]
fn answers_on_another_cpu_are_counted_and_those_of_a_web_server_are_not() {
    let test = "answers_on_another_cpu_are_counted_and_those_of_a_web_server_are_not";
    let Some(mut twin) = twin(test, &setup()) else { return };
    let peers = [
        ("10.0.0.2", "8.8.4.4", SERVER_IS_REMOTE, Side::Remote),
        ("8.8.4.4", "10.0.0.2", SERVER_IS_LOCAL, Side::Local),
        ("[fd00:1::2]", "[2001:4860::8844]", SERVER_IS_REMOTE, Side::Remote),
    ];
    for (number, hook) in HOOKS.into_iter().enumerate() {
        for (client, server, marks, answering) in peers {
            let server = format!("{server}:808{number}");
            let [client, browser] = [50_000, 50_001].map(|port| format!("{client}:{port}"));
            assert_nothing(&give(&mut twin, 1, hook, &data(&server, &client, ANSWER)));
            assert_kept(&give(&mut twin, 0, hook, &data(&client, &server, REQUEST)));
            let answered = give(&mut twin, 1, hook, &data(&server, &client, ANSWER));
            assert_kept(&answered);
            assert_eq!(answered.counted.get(Counter::PayloadSent), 1, "its head is handed up");
            let (_, opened) = flows(&answered.records).unwrap()[0];
            assert_eq!(opened.marks & !mark::HOOKS & !mark::FIRST_FROM_LOCAL, marks | mark::HTTP);
            assert_eq!(opened.counts.payload[answering as usize], ANSWER.len() as u64);
            for frame in [data(&server, &client, CONTENT), data(&client, &server, CONTENT)] {
                let more = give(&mut twin, 1, hook, &frame);
                assert_kept(&more);
                assert_eq!(more.counted.get(Counter::PayloadSent), 0, "content stays in the kernel");
            }
            for cpu in [0, 1] {
                for frame in [data(&browser, &server, b"GET / HTTP/1.1"), data(&server, &browser, ANSWER)] {
                    assert_nothing(&give(&mut twin, cpu, hook, &frame));
                }
            }
        }
    }
}

#[test]
fn file_content_of_smb_on_another_cpu_is_counted() {
    let Some(mut twin) = twin("file_content_of_smb_on_another_cpu_is_counted", &setup()) else { return };
    let (client, server) = ("10.0.0.2:50000", "8.8.4.4:4445");
    let smb = message(0xFE, false);
    assert_kept(&give(&mut twin, 1, Hook::XdpIngress, &data(client, server, &smb)));
    let content = give(&mut twin, 0, Hook::TcEgress, &data(client, server, CONTENT));
    assert_kept(&content);
    let (_, opened) = flows(&content.records).unwrap()[0];
    assert_eq!(opened.marks & (mark::HTTP | SERVER_IS_LOCAL | SERVER_IS_REMOTE), SERVER_IS_REMOTE);
}

#[test]
fn syn_between_the_same_ends_begins_a_connection_that_is_not_followed() {
    let test = "syn_between_the_same_ends_begins_a_connection_that_is_not_followed";
    let Some(mut twin) = twin(test, &setup()) else { return };
    let server = SERVER;
    for (port, flags) in [(50_000, SYN), (50_001, SYN | ACK)] {
        let client = format!("10.0.0.2:{port}");
        let hook = Hook::TcIngress;
        assert_kept(&give(&mut twin, 0, hook, &data(&client, server, REQUEST)));
        let syn = if flags == SYN { Frame::tcp(&client, server) } else { Frame::tcp(server, &client) };
        assert_nothing(&give(&mut twin, 1, hook, &syn.flags(flags).sequence(77).build()));
        assert_nothing(&give(&mut twin, 1, hook, &data(server, &client, ANSWER)));
        assert_kept(&give(&mut twin, 0, hook, &data(&client, server, REQUEST)));
        assert_kept(&give(&mut twin, 1, hook, &data(server, &client, ANSWER)));
    }
}

/// Where the mark of the flow of this internal port is.
fn place_of(port: u16) -> usize {
    let key = SlotKey {
        family: 4,
        transport: TCP,
        ifindex: TEST_RUN_IFINDEX,
        local: [0, 0, 0, u32::from_ne_bytes([10, 0, 0, 2])],
        remote: [0, 0, 0, u32::from_ne_bytes([8, 8, 4, 4])],
        local_port: port.to_be(),
        remote_port: 8_080_u16.to_be(),
    };
    place(key.hash(Settings::DEFAULT.seed).anywhere())
}

#[test]
fn mark_that_another_flow_took_is_counted() {
    let Some(mut twin) = twin("mark_that_another_flow_took_is_counted", &setup()) else { return };
    let other = (10_000..50_000).find(|port| place_of(*port) == place_of(50_000)).unwrap();
    let hook = Hook::XdpIngress;
    let [first, second] = [50_000, other].map(|port| format!("10.0.0.2:{port}"));
    let replaced = |effect: Effect| {
        assert_kept(&effect);
        effect.counted.get(Counter::FlowMarksReplaced)
    };
    for (number, client) in [&first, &first, &second, &second].into_iter().enumerate() {
        let asked = give(&mut twin, 0, hook, &data(client, SERVER, REQUEST));
        assert_eq!(replaced(asked), u64::from(number == 2), "request {number}");
    }
    assert_nothing(&give(&mut twin, 1, hook, &data(SERVER, &first, ANSWER)));
    assert_kept(&give(&mut twin, 1, hook, &data(SERVER, &second, ANSWER)));
    assert_eq!(replaced(give(&mut twin, 0, hook, &data(&first, SERVER, REQUEST))), 1);
    assert_kept(&give(&mut twin, 1, hook, &data(SERVER, &first, ANSWER)));
}

#[test]
fn block_cuts_a_flow_on_every_cpu() {
    let targets = vec!["8.8.4.4".parse::<Target>().unwrap()];
    let setup = Setup { blocked: targets.clone(), ..setup() };
    let Some(mut twin) = twin("block_cuts_a_flow_on_every_cpu", &setup) else { return };
    let (client, browser) = ("10.0.0.2:50000", "10.0.0.2:50001");
    let hook = Hook::TcIngress;
    assert_kept(&give(&mut twin, 0, hook, &data(client, SERVER, REQUEST)));
    let block = |is_dry| [(targets[0].key(), BlockEntry::new(1, is_dry))];
    twin.block(&block(false), 1 << 14).unwrap();
    let cut = give(&mut twin, 1, hook, &data(SERVER, client, ANSWER));
    assert_eq!((cut.verdict, cut.counted.get(Counter::Blocked)), (Verdict::Dropped, 1));
    assert_nothing(&give(&mut twin, 1, hook, &data(SERVER, browser, ANSWER)));
    twin.block(&block(true), 1 << 14).unwrap();
    let passed = give(&mut twin, 1, hook, &data(SERVER, client, ANSWER));
    assert_kept(&passed);
    assert_eq!(passed.counted.get(Counter::WouldDropBlocked), 1);
    // A connection whose first request was cut is as if that had not come.
    twin.block(&block(false), 1 << 14).unwrap();
    let asked = give(&mut twin, 0, hook, &data(browser, SERVER, REQUEST));
    assert_eq!(asked.counted.get(Counter::Blocked), 1);
    assert_nothing(&give(&mut twin, 1, hook, &data(SERVER, browser, ANSWER)));
}

#[test]
fn flow_is_followed_until_it_is_idle_and_at_every_interface() {
    let mut host = Setup { idle_ticks: 10_000, ..setup() }.host();
    let client = "10.0.0.2:50000";
    let mut verdict = |now, cpu, ifindex, frame: &[u8]| {
        host.set_now(now);
        host.set_cpu(cpu);
        let frame_len = frame.len() as u32;
        let arrival = Arrival { hook: Hook::XdpIngress, ifindex, link: Link::Ethernet, frame_len, vlan: 0 };
        host.frame(frame, arrival)
    };
    let answer = data(SERVER, client, CONTENT);
    assert_eq!(verdict(0, 0, 1, &data(client, SERVER, REQUEST)), Verdict::Kept);
    assert_eq!(verdict(9_000, 1, 2, &answer), Verdict::Kept, "it came in at another interface");
    // Each packet of it that a CPU with a slot sees keeps it alive, also without a request.
    assert_eq!(verdict(10_000, 1, 2, &answer), Verdict::Kept);
    assert_eq!(verdict(19_000, 2, 1, &answer), Verdict::Kept);
    assert_eq!(verdict(31_000, 3, 1, &answer), Verdict::Foreign);
    assert_eq!(verdict(31_000, 1, 2, &answer), Verdict::Foreign, "nor where it was in a slot");
}
