//! The sequence lock of a flow slot, read from the instructions of the compiled object: the compiler may merge plain stores, and
//! then a reader could copy a mixture of two flows without noticing.

use std::{mem::offset_of, ops::Range};

use anyhow::{Context as _, Result, bail, ensure};
use aya_obj::{Object, generated::bpf_insn};
use sensor_common::slot::FlowLine;
use sensor_user::kernel::object::OBJECT;

/// Instruction classes and operations (Documentation/bpf/standardization/instruction-set.rst of Linux).
const CLASS: u8 = 0x07;
const ST: u8 = 0x02;
const STX: u8 = 0x03;
const SIZE: u8 = 0x18;
const ALU: [u8; 2] = [0x04, 0x07];
const IMMEDIATE: u8 = 0x08;
const OPERATION: u8 = 0xF0;
const OR: u8 = 0x40;
const XOR: u8 = 0xA0;

/// A call of another function of the object: of memset, by which the compiler clears counts.
const CALL: u8 = 0x85;
const OF_THE_OBJECT: u8 = 1;
/// The register that points to the stack.
const STACK: u8 = 10;

const GENERATION: usize = offset_of!(FlowLine, generation);

/// Most instructions before a store of the generation in which its parity is computed.
const NEAR: usize = 8;

/// A store to memory behind a register.
struct Store {
    base: u8,
    from: usize,
    length: usize,
}

fn store(instruction: &bpf_insn) -> Option<Store> {
    let class = instruction.code & CLASS;
    let length = match instruction.code & SIZE {
        0x00 => 4,
        0x08 => 2,
        0x10 => 1,
        _ => 8,
    };
    (class == ST || class == STX).then_some(Store {
        base: instruction.dst_reg(),
        from: usize::try_from(instruction.off).ok()?,
        length,
    })
}

/// Whether `instruction` makes this register odd, or even.
fn parity(instruction: &bpf_insn, register: u8) -> Option<bool> {
    let arithmetic = ALU.contains(&(instruction.code & CLASS)) && instruction.code & IMMEDIATE == 0;
    if !arithmetic || instruction.dst_reg() != register {
        return None;
    }
    match (instruction.code & OPERATION, instruction.imm) {
        (OR, 1) => Some(true),
        (XOR, 1) => Some(false),
        _ => None,
    }
}

/// Whether a store of the generation makes it odd, or even; `None` for any other store.
fn generation(instructions: &[bpf_insn], at: usize) -> Option<bool> {
    let written = store(&instructions[at])?;
    if written.from != GENERATION || written.length != 4 {
        return None;
    }
    let register = instructions[at].src_reg();
    instructions[at.saturating_sub(NEAR)..at].iter().rev().find_map(|before| parity(before, register))
}

/// The bytes written between an odd and an even store of the generation.
#[derive(Clone, Copy, Debug)]
struct Change {
    /// The bytes of the first line; nothing else but the stack is written meanwhile.
    bytes: [bool; GENERATION],
    /// A function writes them.
    by_call: bool,
}

impl Change {
    /// Whether these bytes are all written.
    fn covers(&self, bytes: Range<usize>) -> bool {
        self.bytes[bytes].iter().all(|written| *written)
    }
}

/// The changes of a slot in a function, in the order in which they stand there.
fn changes(name: &str, instructions: &[bpf_insn]) -> Result<Vec<Change>> {
    let mut changes = Vec::new();
    let mut open: Option<Change> = None;
    for (at, instruction) in instructions.iter().enumerate() {
        if instruction.code == CALL && instruction.src_reg() == OF_THE_OBJECT {
            open.iter_mut().for_each(|change| change.by_call = true);
        }
        let Some(written) = store(instruction) else { continue };
        match (generation(instructions, at), &mut open) {
            (Some(true), None) => open = Some(Change { bytes: [false; GENERATION], by_call: false }),
            // The same odd value once more, with all the rest.
            (Some(true), Some(_)) => {}
            (Some(false), Some(_)) => changes.extend(open.take()),
            (Some(false), None) => bail!("{name}: instruction {at} ends a change that was not started"),
            (None, Some(change)) if written.base != STACK => {
                for byte in change.bytes.iter_mut().skip(written.from).take(written.length) {
                    *byte = true;
                }
            }
            (None, _) => {}
        }
    }
    ensure!(open.is_none(), "{name}: a change does not end");
    Ok(changes)
}

#[test]
fn slot_changes_between_an_odd_and_an_even_generation() {
    look_at_all_functions().unwrap();
}

fn look_at_all_functions() -> Result<()> {
    let object = Object::parse(OBJECT).context("parse the kernel object")?;
    let counts = offset_of!(FlowLine, packets)..offset_of!(FlowLine, payload) + 8;
    let mut accounting = 0;
    for function in object.functions.values() {
        let changes = changes(&function.name, &function.instructions)?;
        if changes.is_empty() {
            continue;
        }
        accounting += 1;
        let (mut openings, mut settlements) = (0, 0);
        for change in &changes {
            ensure!(
                change.by_call || change.covers(counts.clone()),
                "{}: counts are written outside of a change: {change:?}",
                function.name
            );
            if change.covers(offset_of!(FlowLine, local_low)..GENERATION) {
                openings += 1;
            } else {
                settlements += 1;
            }
        }
        ensure!(
            openings > 0 && settlements > 0,
            "{}: {openings} openings and {settlements} settlements",
            function.name
        );
    }
    // XDP and its program for frames in several buffers: plain IPv4 in line, and plain IPv6. TC likewise. One for all other packets.
    ensure!(accounting == 7, "{accounting} functions account packets, 7 expected");
    Ok(())
}
