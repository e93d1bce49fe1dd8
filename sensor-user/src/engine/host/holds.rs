//! Guards that the packet path uses for a slot, and for the buffer of a piece of payload.

use std::{
    cell::{Cell, RefCell},
    ops::{Deref, DerefMut},
    rc::Rc,
};

use sensor_common::{payload, slot::Slot};
use zerocopy::FromZeros as _;

/// The slots, and which of them were touched since the last sweep: one bit each.
pub(super) struct Slots {
    pub(super) all: Vec<Slot>,
    pub(super) touched: Vec<u64>,
}

impl Slots {
    pub(super) fn new(count: usize) -> Self {
        // Memory comes zeroed, and takes none before it is written. Without memory for it, this ends as other allocations do.
        let all = Slot::new_vec_zeroed(count).unwrap_or_else(|_| vec![Slot::default(); count]);
        Self { all, touched: vec![0; count.div_ceil(64)] }
    }

    /// Has this many slots from now on, if there were fewer.
    pub(super) fn extend(&mut self, count: usize) {
        if self.all.len() < count {
            self.all.resize(count, Slot::default());
            self.touched.resize(count.div_ceil(64), 0);
        }
    }

    fn put(&mut self, index: usize, slot: Slot) {
        if let (Some(place), Some(word)) = (self.all.get_mut(index), self.touched.get_mut(index / 64)) {
            *place = slot;
            *word |= 1 << (index % 64);
        }
    }
}

/// A guard for one slot; changes are written back when it is dropped.
pub struct SlotGuard {
    pub(super) slot: Slot,
    pub(super) index: usize,
    pub(super) slots: Rc<RefCell<Slots>>,
}

impl Deref for SlotGuard {
    type Target = Slot;

    fn deref(&self) -> &Slot {
        &self.slot
    }
}

impl DerefMut for SlotGuard {
    fn deref_mut(&mut self) -> &mut Slot {
        &mut self.slot
    }
}

impl Drop for SlotGuard {
    fn drop(&mut self) {
        self.slots.borrow_mut().put(self.index, self.slot);
    }
}

/// A guard for the buffer of a piece of payload, which is returned when this is dropped.
pub struct PieceBufferGuard {
    pub(super) piece_buffer: Option<Box<payload::PieceBuffer>>,
    pub(super) place: Rc<Cell<Option<Box<payload::PieceBuffer>>>>,
}

impl Deref for PieceBufferGuard {
    type Target = payload::PieceBuffer;

    fn deref(&self) -> &payload::PieceBuffer {
        self.piece_buffer.as_ref().unwrap_or_else(|| unreachable!("it is taken when dropped"))
    }
}

impl DerefMut for PieceBufferGuard {
    fn deref_mut(&mut self) -> &mut payload::PieceBuffer {
        self.piece_buffer.as_mut().unwrap_or_else(|| unreachable!("it is taken when dropped"))
    }
}

impl Drop for PieceBufferGuard {
    fn drop(&mut self) {
        self.place.set(self.piece_buffer.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_slots_are_vacant() {
        assert!(Slots::new(3).all == [Slot::default(); 3]);
    }
}
