//! One attached program, and the ways to attach it.

use std::io;

use aya::{
    programs::{
        LinkOrder, ProgramError, SchedClassifier, TcAttachType,
        links::{FdLink, Link as _},
        tc::{
            NlOptions, SchedClassifierLink, TcAttachOptions, TcError, qdisc_add_clsact, qdisc_detach_program,
        },
        xdp::XdpLink,
    },
    sys::SyscallError,
};
use aya_obj::generated::bpf_attach_type;
use nix::errno::Errno;
use sensor_common::headers::Link;

use super::{AttachError, Direction, Ingress, IngressChoice, TcChoice, TcMode, pinned};
use crate::kernel::{
    claim::{self, Claim},
    interface::Interface,
    object::{KernelProgram, LoadError, program},
    pins::{LinkPin, PinError, Place},
    privileges,
    rtnetlink::{self, LinkInfo},
    tcx,
    watcher::watcher_of,
    xdp_program::XdpProgram,
};

/// An attached program: its identifier in the kernel, and the link.
pub(super) struct Program {
    pub(super) id: u32,
    pub(super) place: Place,
    pub(super) link: AnyLink,
    pub(super) pin: Option<LinkPin>,
}

pub(super) enum AnyLink {
    Xdp(XdpLink),
    Tcx(SchedClassifierLink),
    Clsact(SchedClassifierLink),
    /// A link that is pinned too.
    Pinned(FdLink),
}

/// Whether the kernel has the program with this identifier there.
pub(super) fn is_attached(interface: u32, place: Place, id: u32) -> bool {
    let tcx = |place| tcx::programs(interface, place).is_ok_and(|programs| programs.contains(&id));
    // Without the clsact discipline the question is an error.
    let filter = |direction: Direction| {
        rtnetlink::filters(interface, direction.clsact_parent())
            .is_ok_and(|filters| filters.iter().any(|filter| filter.program == id))
    };
    match place {
        Place::XdpNative | Place::XdpGeneric => {
            LinkInfo::of(interface).is_ok_and(|info| info.xdp_program == Some(id))
        }
        Place::TcxIngress => tcx(bpf_attach_type::BPF_TCX_INGRESS),
        Place::TcxEgress => tcx(bpf_attach_type::BPF_TCX_EGRESS),
        Place::ClsactIngress => filter(Direction::Incoming),
        Place::ClsactEgress => filter(Direction::Outgoing),
    }
}

impl Program {
    /// Whether the kernel still has it there.
    pub(super) fn is_there(&self, interface: &Interface) -> bool {
        is_attached(interface.index, self.place, self.id)
    }

    /// Takes it off.
    pub(super) fn detach(self) -> Result<(), ProgramError> {
        self.remove_pin();
        match self.link {
            AnyLink::Xdp(link) => link.detach(),
            AnyLink::Tcx(link) | AnyLink::Clsact(link) => link.detach(),
            AnyLink::Pinned(link) => link.detach(),
        }
    }

    /// Gives up the link of a program that somebody took off.
    pub(super) fn abandon(self) {
        self.remove_pin();
        self.leave();
    }

    /// Closes the link. A pinned one stays.
    pub(super) fn leave(self) {
        // To detach a filter is to delete whatever has its number by now. The link of a filter holds nothing.
        if let AnyLink::Clsact(link) = self.link {
            std::mem::forget(link);
        }
    }

    fn remove_pin(&self) {
        if let Some(pin) = &self.pin
            && let Err(error) = pin.remove()
        {
            tracing::warn!("{error}");
        }
    }

    /// Pins it, if the programs are to be pinned.
    fn pinned(self, kernel: &mut KernelProgram, interface: &Interface) -> Result<Self, AttachError> {
        let Some(folder) = kernel.pins() else { return Ok(self) };
        let pin = folder.link(interface.index, self.place);
        let no_link = |error| PinError::object("pin", pin.path(), &error);
        let link = match self.link {
            AnyLink::Xdp(link) => FdLink::try_from(link).map_err(no_link)?,
            AnyLink::Tcx(link) => FdLink::try_from(link).map_err(no_link)?,
            AnyLink::Clsact(link) => {
                pinned::mark_filter(kernel, interface, self.place, &pin)?;
                return Ok(Self { link: AnyLink::Clsact(link), pin: Some(pin), ..self });
            }
            AnyLink::Pinned(link) => link,
        };
        let link = AnyLink::Pinned(pin.pin(link)?.into());
        Ok(Self { link, pin: Some(pin), ..self })
    }
}

/// How incoming frames are reached, and why not in a better way.
pub(super) struct Incoming {
    pub(super) ingress: Ingress,
    pub(super) program: Program,
    pub(super) instead: Option<String>,
}

pub(super) fn attach_ingress(
    kernel: &mut KernelProgram,
    interface: &Interface,
    choice: IngressChoice,
    tc: TcChoice,
    claim: &mut Option<Claim>,
) -> Result<Incoming, AttachError> {
    if let Some((ingress, program)) = pinned::ingress(kernel, interface, choice, tc, claim)? {
        return Ok(Incoming { ingress, program, instead: None });
    }
    let mut reasons = Vec::new();
    if choice == IngressChoice::XdpNative && interface.link == Link::Ip {
        reasons.push("native XDP: it takes Ethernet frames, and this interface has none".to_owned());
    }
    for (ingress, mode) in choice.xdp_modes(interface.link) {
        let xdp = match kernel.xdp_for(interface.link) {
            Ok(xdp) => xdp,
            Err(LoadError::Verifier { source, .. }) if choice == IngressChoice::Auto => {
                reasons.push(format!("{ingress}: the kernel refused the program ({})", describe(&source)));
                break;
            }
            Err(error) => return Err(error.into()),
        };
        let link = xdp.attach_to_if_index(interface.index, *mode).and_then(|id| xdp.take_link(id));
        let program = link.and_then(|link| {
            Ok(Program { id: xdp.info()?.id(), place: ingress.place(), link: AnyLink::Xdp(link), pin: None })
        });
        match program {
            Ok(program) => {
                let program = program.pinned(kernel, interface)?;
                return Ok(Incoming { ingress: *ingress, program, instead: said(&reasons) });
            }
            Err(error) if os_error(&error).is_some_and(|e| e == Errno::EBUSY || e == Errno::EEXIST) => {
                let program = XdpProgram::on(interface.index);
                if program.is_of_a_sensor()
                    && let Some(process) = watcher_of(interface.index)
                {
                    return Err(watched(interface, Some(process)));
                }
                // A running agent has a claim.
                if program.is_of_a_sensor() && Claim::on(interface.index).is_ok() {
                    return Err(AttachError::Left { interface: interface.name.clone() });
                }
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
            Err(AttachError::Refused { reasons: tried, .. }) => reasons.push(tried),
            Err(error) => return Err(error),
        }
    }
    Err(refused(interface, Direction::Incoming, &reasons))
}

fn refused(interface: &Interface, direction: Direction, reasons: &[String]) -> AttachError {
    AttachError::Refused { interface: interface.name.clone(), direction, reasons: reasons.join("; ") }
}

fn watched(interface: &Interface, process: Option<u32>) -> AttachError {
    AttachError::Watched { interface: interface.name.clone(), process }
}

fn said(reasons: &[String]) -> Option<String> {
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

/// Attaches a TC program, unless another agent watches the interface.
pub(super) fn attach_tc(
    kernel: &mut KernelProgram,
    interface: &Interface,
    direction: Direction,
    choice: TcChoice,
    claim: &mut Option<Claim>,
) -> Result<(TcMode, Program), AttachError> {
    let name = program::tc(direction.hook(), interface.link);
    let place = direction.attach_type();
    claim_interface(interface, direction, claim)?;
    if let Some(taken) = pinned::tc(kernel, interface, direction, choice) {
        return Ok(taken);
    }
    let classifier =
        kernel.classifier(name).map_err(|error| refused(interface, direction, &[error.to_string()]))?;
    let mut reasons = Vec::new();
    if choice != TcChoice::Clsact {
        match tc_link(classifier, interface, place, TcAttachOptions::TcxOrder(LinkOrder::default())) {
            Ok((id, link)) => {
                let program =
                    Program { id, place: direction.place(TcMode::Tcx), link: AnyLink::Tcx(link), pin: None };
                return Ok((TcMode::Tcx, program.pinned(kernel, interface)?));
            }
            Err(error) => reasons.push(format!("TCX: {}", describe(&error))),
        }
    }
    if choice != TcChoice::Tcx {
        // A clsact qdisc may exist already, from other software or an earlier run: it is shared.
        let _ = qdisc_add_clsact(&interface.name);
        // A killed run leaves its filter behind, which is known by its name.
        let _ = qdisc_detach_program(&interface.name, place, name);
        match tc_link(classifier, interface, place, TcAttachOptions::Netlink(NlOptions::default())) {
            Ok((id, link)) => {
                let program = Program {
                    id,
                    place: direction.place(TcMode::Clsact),
                    link: AnyLink::Clsact(link),
                    pin: None,
                };
                return Ok((TcMode::Clsact, program.pinned(kernel, interface)?));
            }
            Err(error) => reasons.push(format!("TC clsact: {}", describe(&error))),
        }
    }
    Err(refused(interface, direction, &reasons))
}

/// Claims the interface, unless that was done.
pub(super) fn claim_interface(
    interface: &Interface,
    direction: Direction,
    claim: &mut Option<Claim>,
) -> Result<(), AttachError> {
    if claim.is_none() {
        match Claim::on(interface.index) {
            Ok(claimed) => *claim = Some(claimed),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                return Err(watched(interface, claim::holder(interface.index)));
            }
            Err(error) => {
                return Err(refused(interface, direction, &[format!("cannot be claimed: {error}")]));
            }
        }
    }
    Ok(())
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
        Some(Errno::EPERM) => format!("not permitted ({})", privileges::FIX),
        Some(errno) => errno.desc().to_owned(),
        None => error.to_string(),
    }
}
