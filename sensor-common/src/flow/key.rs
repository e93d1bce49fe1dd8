//! Which flow a packet belongs to, and in which slot that is.

use core::borrow::Borrow;

use crate::headers::Address;

/// The key of a flow, seen from the internal side, so both directions have the same one. `A` is an
/// [`Address`] or a reference to one: in the kernel, IPv6 addresses do not fit into the registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotKey<A = Address> {
    /// 4 or 6.
    pub family: u8,
    /// IP protocol.
    pub transport: u8,
    /// Interface index.
    pub ifindex: u32,
    /// Internal address.
    pub local: A,
    /// External address.
    pub remote: A,
    /// Internal port, wire order.
    pub local_port: u16,
    /// External port, wire order.
    pub remote_port: u16,
}

impl SlotKey<()> {
    /// The same key with these addresses.
    #[inline(always)]
    pub(crate) const fn between<A>(&self, local: A, remote: A) -> SlotKey<A> {
        let Self { family, transport, ifindex, local_port, remote_port, .. } = *self;
        SlotKey { family, transport, ifindex, local, remote, local_port, remote_port }
    }
}

impl<A: Borrow<Address>> SlotKey<A> {
    /// The slot of this flow among `slots`, a power of two.
    #[inline(always)]
    #[must_use]
    pub fn slot_index(&self, seed: [u64; 2], slots: u32) -> u32 {
        // The same as that of the hash, in fewer instructions.
        fold(self.hash_of_addresses(seed) ^ self.ends(self.ifindex) ^ seed[1]) as u32 & (slots - 1)
    }

    /// A multiply-and-fold hash with a secret seed: it spreads flows evenly, and outsiders cannot aim at a slot.
    #[inline(always)]
    #[must_use]
    pub fn hash(&self, seed: [u64; 2]) -> FlowHash {
        FlowHash(self.hash_of_addresses(seed) ^ self.ends(0) ^ seed[1])
    }

    #[inline(always)]
    fn hash_of_addresses(&self, seed: [u64; 2]) -> u64 {
        let (local, remote) = (self.local.borrow(), self.remote.borrow());
        if self.family == 6 {
            // One after the other for each address, but both at the same time.
            let local = fold(fold(seed[0] ^ wide(local[0], local[1])) ^ wide(local[2], local[3]));
            let remote = fold(fold(seed[1] ^ wide(remote[0], remote[1])) ^ wide(remote[2], remote[3]));
            local.wrapping_add(remote)
        } else {
            fold(seed[0] ^ wide(local[3], remote[3]))
        }
    }

    /// Ports, protocol and interface.
    #[inline(always)]
    const fn ends(&self, ifindex: u32) -> u64 {
        self.local_port as u64
            | (self.remote_port as u64) << 16
            | ((ifindex << 8 | self.transport as u32) as u64) << 32
    }
}

/// The hash of a flow but for its last step, in which the interface comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowHash(u64);

impl FlowHash {
    /// The slot of the flow at this interface among `slots`, a power of two.
    #[inline(always)]
    #[must_use]
    pub const fn slot_index(self, ifindex: u32, slots: u32) -> u32 {
        fold(self.0 ^ ((ifindex << 8) as u64) << 32) as u32 & (slots - 1)
    }

    /// The hash of the flow that is the same at all interfaces: requests and answers may come in at different ones.
    #[inline(always)]
    #[must_use]
    pub const fn anywhere(self) -> u64 {
        fold(self.0)
    }
}

/// Two words as one.
#[inline(always)]
pub(super) const fn wide(low: u32, high: u32) -> u64 {
    low as u64 | (high as u64) << 32
}

#[inline(always)]
const fn fold(value: u64) -> u64 {
    let product = value.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    product ^ product >> 32
}
