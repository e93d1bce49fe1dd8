//! Records as fast as one CPU can make them, to find out how fast the agent can read.

use aya_ebpf::{
    bindings::{BPF_RB_NO_WAKEUP, xdp_action},
    macros::{map, xdp},
    maps::{PerCpuArray, RingBuf},
    programs::XdpContext,
};
use sensor_common::slot::{FlowDetails, FlowLine, RECORD_VERSION, RecordKind, RecordV4, TCP};

/// The ring; the benchmark sets the size.
#[map]
static PRODUCED: RingBuf = RingBuf::with_byte_size(4096, 0);

/// Records that went into the ring, and records that found it full.
#[map]
static OUTCOMES: PerCpuArray<[u64; 2]> = PerCpuArray::with_max_entries(1, 0);

/// Records of one run: many, so that what a run costs beside them does not count.
const RECORDS: usize = 16;

/// Hands over records of IPv4 flows and wakes nobody.
#[xdp]
pub(crate) fn bench_produce(_context: XdpContext) -> u32 {
    let Some(outcomes) = OUTCOMES.get_ptr_mut(0) else {
        return xdp_action::XDP_ABORTED;
    };
    // SAFETY: the value is this CPU's own.
    let [sent, lost] = unsafe { &mut *outcomes };
    for _ in 0..RECORDS {
        let Some(mut record) = PRODUCED.reserve::<RecordV4>(0) else {
            *lost += 1;
            continue;
        };
        let line = FlowLine {
            version: RECORD_VERSION,
            kind: RecordKind::Opened as u8,
            transport: TCP,
            family: 4,
            local_low: *sent as u32,
            local_port: 50_000u16.to_be(),
            remote_port: 445u16.to_be(),
            packets: [1, 0],
            ..FlowLine::default()
        };
        record.write(RecordV4 { line, details: FlowDetails::default() });
        record.submit(u64::from(BPF_RB_NO_WAKEUP));
        *sent += 1;
    }
    xdp_action::XDP_PASS
}
