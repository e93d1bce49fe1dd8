//! Attaches the loaded program to interfaces, and detaches it.
//!
//! Incoming frames: native XDP, else generic XDP, else TC. Outgoing frames: TC. Packets without an Ethernet header: TC in
//! both directions. TC means TCX where the kernel has it (6.6 and newer), else a clsact filter. Everything attached goes when [`Attached`] is dropped; TCX and XDP links go
//! even when the process is killed.

use std::{fmt, io};

use aya::{
    programs::{
        LinkOrder, ProgramError, SchedClassifier, TcAttachType, XdpMode,
        links::Link as _,
        tc::{
            NlOptions, SchedClassifierLink, TcAttachOptions, TcError, qdisc_add_clsact, qdisc_detach_program,
        },
        xdp::XdpLink,
    },
    sys::SyscallError,
};
use nix::errno::Errno;
use sensor_common::{headers::Link, slot::Hook};
use thiserror::Error;

use super::{
    claim::Claim,
    interface::Interface,
    object::{KernelProgram, LoadError, program},
    rtnetlink::{self, CLSACT_EGRESS, CLSACT_INGRESS, LinkInfo},
    xdp_program::XdpProgram,
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

/// Why a program could not be attached.
#[derive(Debug, Error)]
pub enum AttachError {
    /// Another XDP program is attached.
    #[error(
        "interface {interface} has an XDP program already: {program}. Stop whoever put it there, or use TC with \
         `ingress = \"tc\"`"
    )]
    Busy {
        /// Interface.
        interface: String,
        /// The program.
        program: XdpProgram,
    },
    /// No way worked.
    #[error(
        "cannot attach to {direction} frames of {interface}: {reasons}. `smb-sensor check --iface {interface}` shows what it allows"
    )]
    Refused {
        /// Interface.
        interface: String,
        /// Which of its frames.
        direction: Direction,
        /// The tried ways, each with the kernel's answer.
        reasons: String,
    },
    /// The embedded object lacks a program.
    #[error(transparent)]
    Object(#[from] LoadError),
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
    const fn attach_type(self) -> TcAttachType {
        match self {
            Self::Incoming => TcAttachType::Ingress,
            Self::Outgoing => TcAttachType::Egress,
        }
    }

    const fn hook(self) -> Hook {
        match self {
            Self::Incoming => Hook::TcIngress,
            Self::Outgoing => Hook::TcEgress,
        }
    }

    const fn clsact_parent(self) -> u32 {
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

/// A program on an interface, in both directions. Detaches on drop.
pub struct Attached {
    /// Interface.
    pub interface: Interface,
    /// Hook for incoming frames.
    pub ingress: Ingress,
    /// Why not in a better way, if that was tried.
    pub instead: Option<String>,
    /// How outgoing frames are reached.
    pub egress: TcMode,
    /// None where a program was taken off and could not be put back.
    incoming: Option<Program>,
    outgoing: Option<Program>,
    /// Set while one of the links is a clsact filter.
    claim: Option<Claim>,
}

/// An attached program: its identifier in the kernel, and the link.
struct Program {
    id: u32,
    link: AnyLink,
}

enum AnyLink {
    Xdp(XdpLink),
    Tcx(SchedClassifierLink),
    Clsact(SchedClassifierLink),
}

impl Program {
    /// Whether the kernel still has it there.
    fn is_there(&self, Interface { name, index, .. }: &Interface, direction: Direction) -> bool {
        match self.link {
            AnyLink::Xdp(_) => LinkInfo::of(*index).is_ok_and(|info| info.xdp_program == Some(self.id)),
            AnyLink::Tcx(_) => SchedClassifier::query_tcx(name, direction.attach_type())
                .is_ok_and(|(_, programs)| programs.iter().any(|program| program.id() == self.id)),
            // Without the clsact discipline the question is an error.
            AnyLink::Clsact(_) => rtnetlink::filter_programs(*index, direction.clsact_parent())
                .is_ok_and(|programs| programs.contains(&self.id)),
        }
    }

    /// Gives up the link of a program that somebody took off.
    fn abandon(self) {
        // To detach a filter is to delete whatever has its number by now. The link of a filter holds nothing.
        if let AnyLink::Clsact(link) = self.link {
            std::mem::forget(link);
        }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        // The claim is released last, with the fields.
        for program in [self.incoming.take(), self.outgoing.take()].into_iter().flatten() {
            let result = match program.link {
                AnyLink::Xdp(link) => link.detach(),
                AnyLink::Tcx(link) | AnyLink::Clsact(link) => link.detach(),
            };
            if let Err(error) = result {
                // The interface may be gone, and the link with it.
                tracing::debug!("detaching from {}: {error}", self.interface.name);
            }
        }
    }
}

impl Attached {
    /// Attaches to one interface.
    ///
    /// # Errors
    /// [`AttachError`]; links made before the failure are detached again.
    pub fn new(
        kernel: &mut KernelProgram,
        interface: Interface,
        ingress: IngressChoice,
        tc: TcChoice,
    ) -> Result<Self, AttachError> {
        let mut claim = None;
        let Incoming { ingress, program, instead } =
            attach_ingress(kernel, &interface, ingress, tc, &mut claim)?;
        let incoming = Some(program);
        let egress = TcMode::Tcx;
        let mut attached = Self { interface, ingress, instead, egress, incoming, outgoing: None, claim };
        attached.attach_egress(kernel, tc)?;
        Ok(attached)
    }

    /// Directions in which the program is missing: somebody took it off.
    #[must_use]
    pub fn missing(&self) -> Vec<Direction> {
        [(Direction::Incoming, &self.incoming), (Direction::Outgoing, &self.outgoing)]
            .into_iter()
            .filter(|(direction, program)| {
                program.as_ref().is_none_or(|program| !program.is_there(&self.interface, *direction))
            })
            .map(|(direction, _)| direction)
            .collect()
    }

    /// Attaches again in a direction in which the program is missing.
    ///
    /// # Errors
    /// [`AttachError`]; the program is still missing.
    pub fn restore(
        &mut self,
        kernel: &mut KernelProgram,
        direction: Direction,
        ingress: IngressChoice,
        tc: TcChoice,
    ) -> Result<(), AttachError> {
        match direction {
            Direction::Incoming => {
                if let Some(gone) = self.incoming.take() {
                    gone.abandon();
                }
                let incoming = attach_ingress(kernel, &self.interface, ingress, tc, &mut self.claim)?;
                (self.ingress, self.instead) = (incoming.ingress, incoming.instead);
                self.incoming = Some(incoming.program);
                Ok(())
            }
            Direction::Outgoing => {
                if let Some(gone) = self.outgoing.take() {
                    gone.abandon();
                }
                self.attach_egress(kernel, tc)
            }
        }
    }

    fn attach_egress(&mut self, kernel: &mut KernelProgram, tc: TcChoice) -> Result<(), AttachError> {
        let direction = Direction::Outgoing;
        let (egress, program) =
            attach_tc(kernel, &self.interface, direction, tc, &mut self.claim).map_err(|reasons| {
                AttachError::Refused { interface: self.interface.name.clone(), direction, reasons }
            })?;
        (self.egress, self.outgoing) = (egress, Some(program));
        Ok(())
    }
}

impl fmt::Display for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "incoming by {}, outgoing by {}", self.ingress, self.egress)?;
        self.instead.as_ref().map_or(Ok(()), |reasons| write!(f, " ({reasons})"))
    }
}

/// How incoming frames are reached, and why not in a better way.
struct Incoming {
    ingress: Ingress,
    program: Program,
    instead: Option<String>,
}

impl IngressChoice {
    /// The ways by XDP to be tried.
    const fn xdp_modes(self) -> &'static [(Ingress, XdpMode)] {
        match self {
            Self::Auto => &[(Ingress::XdpNative, XdpMode::Driver), (Ingress::XdpGeneric, XdpMode::Skb)],
            Self::XdpNative => &[(Ingress::XdpNative, XdpMode::Driver)],
            Self::XdpGeneric => &[(Ingress::XdpGeneric, XdpMode::Skb)],
            Self::Tc => &[],
        }
    }
}

fn attach_ingress(
    kernel: &mut KernelProgram,
    interface: &Interface,
    choice: IngressChoice,
    tc: TcChoice,
    claim: &mut Option<Claim>,
) -> Result<Incoming, AttachError> {
    let mut reasons = Vec::new();
    let mut modes = choice.xdp_modes();
    if interface.link == Link::Ip && !modes.is_empty() {
        reasons.push("XDP: it takes Ethernet frames, and this interface has none".to_owned());
        modes = &[];
    }
    for (ingress, mode) in modes {
        let xdp = match kernel.xdp() {
            Ok(xdp) => xdp,
            Err(LoadError::Verifier { source, .. }) if choice == IngressChoice::Auto => {
                reasons.push(format!("{ingress}: the kernel refused the program ({})", describe(&source)));
                break;
            }
            Err(error) => return Err(error.into()),
        };
        let link = xdp.attach_to_if_index(interface.index, *mode).and_then(|id| xdp.take_link(id));
        let program = link.and_then(|link| Ok(Program { id: xdp.info()?.id(), link: AnyLink::Xdp(link) }));
        match program {
            Ok(program) => {
                return Ok(Incoming { ingress: *ingress, program, instead: said(&reasons) });
            }
            Err(error) if os_error(&error).is_some_and(|e| e == Errno::EBUSY || e == Errno::EEXIST) => {
                let program = XdpProgram::on(interface.index);
                if choice != IngressChoice::Auto || program.is_of_a_sensor() {
                    return Err(AttachError::Busy { interface: interface.name.clone(), program });
                }
                reasons.push(format!("XDP: {program} is there"));
                break;
            }
            Err(error) => reasons.push(format!("{ingress}: {}", describe(&error))),
        }
    }
    if matches!(choice, IngressChoice::Auto | IngressChoice::Tc) {
        match attach_tc(kernel, interface, Direction::Incoming, tc, claim) {
            Ok((mode, program)) => {
                return Ok(Incoming { ingress: Ingress::Tc(mode), program, instead: said(&reasons) });
            }
            Err(reason) => reasons.push(reason),
        }
    }
    Err(AttachError::Refused {
        interface: interface.name.clone(),
        direction: Direction::Incoming,
        reasons: reasons.join("; "),
    })
}

fn said(reasons: &[String]) -> Option<String> {
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

/// Attaches a TC program; the error tells what was tried.
fn attach_tc(
    kernel: &mut KernelProgram,
    interface: &Interface,
    direction: Direction,
    choice: TcChoice,
    claim: &mut Option<Claim>,
) -> Result<(TcMode, Program), String> {
    let name = program::tc(direction.hook(), interface.link);
    let direction = direction.attach_type();
    let classifier = kernel.classifier(name).map_err(|error| error.to_string())?;
    let mut reasons = Vec::new();
    if choice != TcChoice::Clsact {
        match tc_link(classifier, interface, direction, TcAttachOptions::TcxOrder(LinkOrder::default())) {
            Ok((id, link)) => return Ok((TcMode::Tcx, Program { id, link: AnyLink::Tcx(link) })),
            Err(error) => reasons.push(format!("TCX: {}", describe(&error))),
        }
    }
    if choice != TcChoice::Tcx {
        if claim.is_none() {
            match Claim::on(interface.index) {
                Ok(claimed) => *claim = Some(claimed),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    reasons.push("TC clsact: another smb-sensor watches this interface".to_owned());
                    return Err(reasons.join("; "));
                }
                Err(error) => reasons.push(format!("TC clsact: {error}")),
            }
        }
        // A clsact qdisc may exist already, from other software or an earlier run: it is shared.
        let _ = qdisc_add_clsact(&interface.name);
        // A killed run leaves its filter behind, which is known by its name.
        let _ = qdisc_detach_program(&interface.name, direction, name);
        match tc_link(classifier, interface, direction, TcAttachOptions::Netlink(NlOptions::default())) {
            Ok((id, link)) => return Ok((TcMode::Clsact, Program { id, link: AnyLink::Clsact(link) })),
            Err(error) => reasons.push(format!("TC clsact: {}", describe(&error))),
        }
    }
    Err(reasons.join("; "))
}

fn tc_link(
    classifier: &mut SchedClassifier,
    interface: &Interface,
    direction: TcAttachType,
    options: TcAttachOptions,
) -> Result<(u32, SchedClassifierLink), ProgramError> {
    let program = classifier.info()?.id();
    let id = classifier.attach_with_options(&interface.name, direction, options)?;
    Ok((program, classifier.take_link(id)?))
}

fn os_error(error: &ProgramError) -> Option<Errno> {
    let io: &io::Error = match error {
        ProgramError::SyscallError(SyscallError { io_error, .. }) => io_error,
        ProgramError::IOError(io_error) | ProgramError::TcError(TcError::IoError(io_error)) => io_error,
        _ => return None,
    };
    io.raw_os_error().map(Errno::from_raw)
}

/// The kernel's error as text.
fn describe(error: &ProgramError) -> String {
    match os_error(error) {
        Some(Errno::EOPNOTSUPP) => "the driver does not support it".to_owned(),
        Some(Errno::ERANGE) => "the interface's MTU is too large for it".to_owned(),
        Some(Errno::EPERM) => format!("not permitted ({})", super::privileges::FIX),
        Some(errno) => errno.desc().to_owned(),
        None => error.to_string(),
    }
}
