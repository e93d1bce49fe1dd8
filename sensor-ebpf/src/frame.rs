//! Packet bytes as the hooks see them.

use core::{ffi::c_void, mem::MaybeUninit};

use aya_ebpf::{
    bindings::{__sk_buff, xdp_md},
    helpers::generated::{
        bpf_probe_read_kernel, bpf_skb_load_bytes, bpf_xdp_get_buff_len, bpf_xdp_load_bytes,
    },
};
use sensor_common::{
    bytes::{Bytes, place},
    payload::MAX_PIECE_LEN,
};
use zerocopy::FromBytes;

use crate::{kernel::length_of, scratch::forget_offset};

/// The linear part of a packet: `start..end` in kernel memory.
#[derive(Clone, Copy)]
pub(crate) struct Linear {
    start: usize,
    end: usize,
}

impl Linear {
    /// Bytes between two context pointers.
    #[inline(always)]
    pub(crate) const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// Whether there are less than `length`.
    #[inline(always)]
    pub(crate) const fn is_shorter(self, length: u32) -> bool {
        self.start + length as usize > self.end
    }

    /// How many there are.
    #[inline(always)]
    pub(crate) const fn len(self) -> u32 {
        (self.end - self.start) as u32
    }
}

impl Bytes for Linear {
    #[inline(always)]
    fn forget(&self, offset: usize) -> usize {
        forget_offset(offset)
    }

    #[inline(always)]
    fn load<T: FromBytes + Copy>(&self, offset: usize) -> Option<T> {
        let at = self.start + offset;
        if at + size_of::<T>() > self.end {
            return None;
        }
        // SAFETY: the bytes lie inside the packet, as the verifier proves again; T is valid for any bytes. Alignment:
        // BPF loads do not trap where the verifier lets an unaligned access through, and where it does not (machines
        // without efficient unaligned access) the program is refused, never wrong. An unaligned read would be split
        // into single bytes.
        Some(unsafe { *(at as *const T) })
    }

    #[inline(always)]
    fn copy<const MAX: usize>(
        &self,
        offset: usize,
        target: &mut [u8; MAX_PIECE_LEN],
        at: usize,
        length: u32,
    ) -> bool {
        let length = length_of::<MAX>(length);
        // The verifier wants to know how far into the packet it can get.
        let near = forget_offset(offset);
        if near != offset {
            return false;
        }
        let from = self.start + near;
        if from + length as usize > self.end {
            return false;
        }
        let from = from as *const c_void;
        // SAFETY: the bytes are inside the packet, and the target has room for the longest length there is.
        unsafe { bpf_probe_read_kernel(target.as_mut_ptr().add(place(at, MAX)).cast(), length, from) == 0 }
    }
}

/// What a hook is given for a packet.
pub(crate) trait Context: Copy {
    /// Where the bounds of the linear part stand: its first byte, and the one after the last.
    fn bounds(self) -> (*const u32, *const u32);
    /// Writes `length` bytes from `offset`, linear or not, to `target`; `false` when they are not all there.
    fn fetch(self, offset: usize, target: *mut c_void, length: u32) -> bool;
    /// Length of the whole packet, linear or not.
    fn whole_len(self) -> u32;

    /// The linear part.
    #[inline(always)]
    fn linear(self) -> Linear {
        let (start, end) = self.bounds();
        // SAFETY: the context is valid for the length of the run.
        unsafe { Linear::new(*start as usize, *end as usize) }
    }

    /// The linear part, read again.
    #[inline(always)]
    fn linear_afresh(self) -> Linear {
        let (start, end) = self.bounds();
        // SAFETY: as above.
        unsafe { Linear::new(start.read_volatile() as usize, end.read_volatile() as usize) }
    }
}

impl Context for *mut xdp_md {
    #[inline(always)]
    fn bounds(self) -> (*const u32, *const u32) {
        // SAFETY: the context is valid for the length of the run; nothing is read.
        unsafe { (&raw const (*self).data, &raw const (*self).data_end) }
    }

    #[inline(always)]
    fn fetch(self, offset: usize, target: *mut c_void, length: u32) -> bool {
        // SAFETY: the caller gives room for `length` bytes; the helper fills it or fails.
        unsafe { bpf_xdp_load_bytes(self, offset as u32, target, length) == 0 }
    }

    #[inline(always)]
    fn whole_len(self) -> u32 {
        // SAFETY: the context is valid for the length of the run.
        unsafe { bpf_xdp_get_buff_len(self) as u32 }
    }
}

impl Context for *mut __sk_buff {
    #[inline(always)]
    fn bounds(self) -> (*const u32, *const u32) {
        // SAFETY: as above.
        unsafe { (&raw const (*self).data, &raw const (*self).data_end) }
    }

    #[inline(always)]
    fn fetch(self, offset: usize, target: *mut c_void, length: u32) -> bool {
        // SAFETY: as above.
        unsafe { bpf_skb_load_bytes(self.cast(), offset as u32, target, length) == 0 }
    }

    #[inline(always)]
    fn whole_len(self) -> u32 {
        // SAFETY: as above.
        unsafe { (*self).len }
    }
}

/// The linear part of a packet whose bounds are read anew each time: a bound that is kept over a call would lose, in the
/// compiler's hands, what the verifier knows it by.
#[derive(Clone, Copy)]
pub(crate) struct Reloaded<C>(pub(crate) C);

impl<C: Context> Bytes for Reloaded<C> {
    #[inline(always)]
    fn forget(&self, offset: usize) -> usize {
        forget_offset(offset)
    }

    #[inline(always)]
    fn load<T: FromBytes + Copy>(&self, offset: usize) -> Option<T> {
        self.0.linear_afresh().load(offset)
    }

    #[inline(always)]
    fn whole_len(&self) -> Option<u32> {
        Some(self.0.linear_afresh().len())
    }

    #[inline(always)]
    fn copy<const MAX: usize>(
        &self,
        offset: usize,
        target: &mut [u8; MAX_PIECE_LEN],
        at: usize,
        length: u32,
    ) -> bool {
        self.0.linear_afresh().copy::<MAX>(offset, target, at, length)
    }
}

/// A packet in several pieces, an XDP frame or a socket buffer: the first, which holds the headers, and the others for
/// deep loads. `L` says how the bounds of the first come about.
#[derive(Clone, Copy)]
pub(crate) struct Pieces<L, C> {
    linear: L,
    context: C,
}

/// How the bounds of the first piece come about.
pub(crate) trait Bounds<C>: Copy {
    /// The first piece.
    fn linear(self, context: C) -> Linear;
}

impl<C> Bounds<C> for Linear {
    #[inline(always)]
    fn linear(self, _context: C) -> Linear {
        self
    }
}

/// They are read each time, as in [`Reloaded`].
#[derive(Clone, Copy)]
pub(crate) struct EachTime;

impl<C: Context> Bounds<C> for EachTime {
    #[inline(always)]
    fn linear(self, context: C) -> Linear {
        context.linear_afresh()
    }
}

/// A packet in several pieces whose bounds are read anew each time.
pub(crate) type Scattered<C> = Pieces<EachTime, C>;

/// One whose bounds are held: for what is done with a packet in one go.
pub(crate) type Buffered<C> = Pieces<Linear, C>;

impl<C: Context> Scattered<C> {
    /// The packet of a hook.
    #[inline(always)]
    pub(crate) const fn scattered(context: C) -> Self {
        Self { linear: EachTime, context }
    }
}

impl<C: Context> Buffered<C> {
    /// The packet of a hook.
    #[inline(always)]
    pub(crate) fn held(context: C) -> Self {
        Self { linear: context.linear(), context }
    }
}

impl<C: Context, L: Bounds<C>> Bytes for Pieces<L, C> {
    #[inline(always)]
    fn forget(&self, offset: usize) -> usize {
        forget_offset(offset)
    }

    #[inline(always)]
    fn load<T: FromBytes + Copy>(&self, offset: usize) -> Option<T> {
        self.linear.linear(self.context).load(offset)
    }

    #[inline(always)]
    fn load_deep<T: FromBytes + Copy>(&self, offset: usize) -> Option<T> {
        self.load(offset).or_else(|| fetched(self.context, offset))
    }

    #[inline(always)]
    fn whole_len(&self) -> Option<u32> {
        Some(self.context.whole_len())
    }

    #[inline(always)]
    fn copy<const MAX: usize>(
        &self,
        offset: usize,
        target: &mut [u8; MAX_PIECE_LEN],
        at: usize,
        length: u32,
    ) -> bool {
        // SAFETY: the place is inside the target.
        let target = unsafe { target.as_mut_ptr().add(place(at, MAX)) };
        self.context.fetch(offset, target.cast(), length_of::<MAX>(length))
    }
}

/// A value that is not in the linear part.
#[inline(always)]
fn fetched<T: FromBytes, C: Context>(context: C, offset: usize) -> Option<T> {
    let mut value = MaybeUninit::<T>::uninit();
    let there = context.fetch(offset, value.as_mut_ptr().cast(), size_of::<T>() as u32);
    // SAFETY: all bytes were written, and T is valid for any.
    there.then(|| unsafe { value.assume_init() })
}
