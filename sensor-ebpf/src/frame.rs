//! Packet bytes as the hooks see them.

use core::mem::MaybeUninit;

use aya_ebpf::{
    EbpfContext as _,
    helpers::generated::{bpf_skb_load_bytes, bpf_xdp_load_bytes},
    programs::{TcContext, XdpContext},
};
use sensor_common::bytes::Bytes;
use zerocopy::FromBytes;

use crate::scratch::forget_offset;

/// The linear part of a packet: `start..end` in kernel memory.
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
}

/// An XDP frame in several buffers: the first, which holds the headers, and the others for deep loads.
pub(crate) struct Scattered<'a> {
    linear: Linear,
    context: &'a XdpContext,
}

impl<'a> Scattered<'a> {
    /// The frame of an XDP hook.
    #[inline(always)]
    pub(crate) fn new(context: &'a XdpContext) -> Self {
        Self { linear: Linear::new(context.data(), context.data_end()), context }
    }
}

impl Bytes for Scattered<'_> {
    #[inline(always)]
    fn forget(&self, offset: usize) -> usize {
        forget_offset(offset)
    }

    #[inline(always)]
    fn load<T: FromBytes + Copy>(&self, offset: usize) -> Option<T> {
        self.linear.load(offset)
    }

    #[inline(always)]
    fn load_deep<T: FromBytes + Copy>(&self, offset: usize) -> Option<T> {
        if let Some(value) = self.linear.load(offset) {
            return Some(value);
        }
        let mut value = MaybeUninit::<T>::uninit();
        // SAFETY: the helper writes size_of::<T>() bytes to `value` or fails; T is valid for any bytes.
        unsafe {
            let (target, length) = (value.as_mut_ptr().cast(), size_of::<T>() as u32);
            let status = bpf_xdp_load_bytes(self.context.ctx, offset as u32, target, length);
            if status == 0 { Some(value.assume_init()) } else { None }
        }
    }
}

/// A socket buffer: its linear part, and the pages behind it for deep loads.
pub(crate) struct SocketBuffer<'a> {
    linear: Linear,
    context: &'a TcContext,
}

impl<'a> SocketBuffer<'a> {
    /// The packet of a TC hook.
    #[inline(always)]
    pub(crate) fn new(context: &'a TcContext) -> Self {
        Self { linear: Linear::new(context.data(), context.data_end()), context }
    }
}

impl Bytes for SocketBuffer<'_> {
    #[inline(always)]
    fn forget(&self, offset: usize) -> usize {
        forget_offset(offset)
    }

    #[inline(always)]
    fn load<T: FromBytes + Copy>(&self, offset: usize) -> Option<T> {
        self.linear.load(offset)
    }

    #[inline(always)]
    fn load_deep<T: FromBytes + Copy>(&self, offset: usize) -> Option<T> {
        if let Some(value) = self.linear.load(offset) {
            return Some(value);
        }
        let mut value = MaybeUninit::<T>::uninit();
        // SAFETY: the helper writes size_of::<T>() bytes to `value` or fails; T is valid for any bytes.
        unsafe {
            let status = bpf_skb_load_bytes(
                self.context.as_ptr().cast(),
                offset as u32,
                value.as_mut_ptr().cast(),
                size_of::<T>() as u32,
            );
            if status == 0 { Some(value.assume_init()) } else { None }
        }
    }
}
