//! The hooks of an interface: the wanted ones, and those in use.

use std::fmt;

use aya::programs::{TcAttachType, XdpMode};
use sensor_common::{headers::Link, slot::Hook};

use crate::kernel::{
    pins::Place,
    rtnetlink::{CLSACT_EGRESS, CLSACT_INGRESS},
};

/// The wanted hook for incoming frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IngressChoice {
    /// The best that the interface supports.
    #[default]
    Auto,
    /// Native XDP only.
    XdpNative,
    /// Generic XDP only.
    XdpGeneric,
    /// TC only.
    Tc,
}

/// The wanted way to attach TC programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TcChoice {
    /// TCX if available, else clsact.
    #[default]
    Auto,
    /// TCX only.
    Tcx,
    /// clsact only.
    Clsact,
}

/// The hook for incoming frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ingress {
    /// XDP in the driver.
    XdpNative,
    /// XDP in the network stack.
    XdpGeneric,
    /// TC.
    Tc(TcMode),
}

/// The way a TC program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcMode {
    /// A TCX link.
    Tcx,
    /// A filter on the clsact queueing discipline.
    Clsact,
}

impl Ingress {
    /// Where that is at an interface.
    pub(super) const fn place(self) -> Place {
        match self {
            Self::XdpNative => Place::XdpNative,
            Self::XdpGeneric => Place::XdpGeneric,
            Self::Tc(mode) => Direction::Incoming.place(mode),
        }
    }
}

impl fmt::Display for Ingress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::XdpNative => f.write_str("native XDP"),
            Self::XdpGeneric => f.write_str("generic XDP"),
            Self::Tc(mode) => mode.fmt(f),
        }
    }
}

impl fmt::Display for TcMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcx => "TCX",
            Self::Clsact => "TC clsact",
        })
    }
}

/// Which packets a program sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Incoming ones.
    Incoming,
    /// Outgoing ones.
    Outgoing,
}

impl Direction {
    pub(super) const fn attach_type(self) -> TcAttachType {
        match self {
            Self::Incoming => TcAttachType::Ingress,
            Self::Outgoing => TcAttachType::Egress,
        }
    }

    pub(super) const fn hook(self) -> Hook {
        match self {
            Self::Incoming => Hook::TcIngress,
            Self::Outgoing => Hook::TcEgress,
        }
    }

    /// Where a TC program is for it.
    pub(super) const fn place(self, mode: TcMode) -> Place {
        match (self, mode) {
            (Self::Incoming, TcMode::Tcx) => Place::TcxIngress,
            (Self::Incoming, TcMode::Clsact) => Place::ClsactIngress,
            (Self::Outgoing, TcMode::Tcx) => Place::TcxEgress,
            (Self::Outgoing, TcMode::Clsact) => Place::ClsactEgress,
        }
    }

    pub(super) const fn clsact_parent(self) -> u32 {
        match self {
            Self::Incoming => CLSACT_INGRESS,
            Self::Outgoing => CLSACT_EGRESS,
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Incoming => "incoming",
            Self::Outgoing => "outgoing",
        })
    }
}

impl IngressChoice {
    /// The ways by XDP to be tried. Packets without an Ethernet header are left to TC unless XDP is asked for: at generic XDP they are
    /// socket buffers already, and no driver gives them to native XDP.
    pub(super) const fn xdp_modes(self, link: Link) -> &'static [(Ingress, XdpMode)] {
        match self {
            Self::Auto | Self::XdpNative if matches!(link, Link::Ip) => &[],
            Self::Auto => &[(Ingress::XdpNative, XdpMode::Driver), (Ingress::XdpGeneric, XdpMode::Skb)],
            Self::XdpNative => &[(Ingress::XdpNative, XdpMode::Driver)],
            Self::XdpGeneric => &[(Ingress::XdpGeneric, XdpMode::Skb)],
            Self::Tc => &[],
        }
    }
}

impl TcChoice {
    /// The ways that it allows.
    pub(super) const fn modes(self) -> &'static [TcMode] {
        match self {
            Self::Auto => &[TcMode::Tcx, TcMode::Clsact],
            Self::Tcx => &[TcMode::Tcx],
            Self::Clsact => &[TcMode::Clsact],
        }
    }
}
