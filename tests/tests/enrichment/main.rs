//! Facts about hosts in incidents that come from other sources than packets.

mod campaign;
mod dhcp;
mod inventory;
mod leases;
mod names;
mod origin;
mod waiting;
