//! What incidents say of their hosts beyond the packets.

mod campaign;
mod dhcp;
mod inventory;
mod leases;
mod names;
mod origin;
mod waiting;
