//! Records of the ring as tests compare them: flows and pieces, without times.

use anyhow::{Context as _, Result, ensure};
use sensor_common::{
    payload::PieceHead,
    slot::{FlowDetails, FlowLine, RECORD_V4_LEN, RecordKind, RecordV4},
};
use sensor_core::record::{self, Observation, Piece, Record};
use zerocopy::{FromBytes as _, IntoBytes as _};

/// The flows in records, in order; pieces of payload are left out.
///
/// # Errors
/// Records that cannot be decoded.
pub fn flows<R: AsRef<[u8]>>(records: impl IntoIterator<Item = R>) -> Result<Vec<(RecordKind, Observation)>> {
    let mut flows = Vec::new();
    for bytes in records {
        match record::record(bytes.as_ref())? {
            Record::Flow(kind, flow) => flows.push((kind, flow)),
            Record::Replaced(settled, opened) => {
                flows.push((RecordKind::Settled, settled));
                if let Record::Flow(kind, opened) = record::record(opened)? {
                    flows.push((kind, opened));
                }
            }
            Record::Piece(_) => {}
        }
    }
    Ok(flows)
}

/// The pieces of payload in records, in order.
///
/// # Errors
/// Records that cannot be decoded.
pub fn pieces<R: AsRef<[u8]>>(records: &[R]) -> Result<Vec<Piece<'_>>> {
    let mut pieces = Vec::new();
    for bytes in records {
        if let Record::Piece(piece) = record::record(bytes.as_ref())? {
            pieces.push(piece);
        }
    }
    Ok(pieces)
}

/// Records without the fields that differ between a machine and a model of it: ticks and CPU. A record of two flows becomes two.
pub(crate) fn timeless(records: Vec<Vec<u8>>, cpu: u16) -> Result<Vec<Vec<u8>>> {
    let mut timeless = Vec::new();
    for record in records {
        let kind = record.get(1).copied().and_then(RecordKind::from_wire);
        match kind.with_context(|| format!("a record of {} bytes", record.len()))? {
            RecordKind::Payload => timeless.push(piece_without_time(&record)?),
            RecordKind::Replaced => {
                let (settled, opened) = record.split_at(RECORD_V4_LEN);
                timeless.push(flow_without_time(settled, Some(RecordKind::Settled), cpu)?);
                timeless.push(flow_without_time(opened, None, cpu)?);
            }
            _ => timeless.push(flow_without_time(&record, None, cpu)?),
        }
    }
    Ok(timeless)
}

fn piece_without_time(record: &[u8]) -> Result<Vec<u8>> {
    let (head, bytes) =
        PieceHead::read_from_prefix(record).ok().with_context(|| format!("a piece of {}", record.len()))?;
    Ok([PieceHead { at: 0, ..head }.as_bytes(), bytes].concat())
}

fn flow_without_time(record: &[u8], kind: Option<RecordKind>, cpu: u16) -> Result<Vec<u8>> {
    let (RecordV4 { line, details }, rest) = RecordV4::read_from_prefix(record)
        .ok()
        .with_context(|| format!("a record of {} bytes", record.len()))?;
    ensure!(details.cpu == cpu, "a record of CPU {} on CPU {cpu}", details.cpu);
    ensure!(
        line.last.wrapping_sub(details.first) < u32::MAX / 2,
        "last {} before first {}",
        line.last,
        details.first
    );
    let kind = kind.map_or(line.kind, |kind| kind as u8);
    let line = FlowLine { kind, last: 0, ..line };
    let details = FlowDetails { first: 0, cpu: 0, ..details };
    Ok([line.as_bytes(), details.as_bytes(), rest].concat())
}
