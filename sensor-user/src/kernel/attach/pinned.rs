//! Programs that an earlier run left attached: keeps them, or replaces them by others at the same hooks.

use aya::programs::{
    ProgramError, SchedClassifier, TcAttachType,
    links::{FdLink, Link as _, LinkError},
    tc::{SchedClassifierLink, TcHandle},
    xdp::XdpLink,
};
use nix::net::if_::if_indextoname;
use thiserror::Error;
use tracing::{info, warn};

use super::{
    AttachError, Direction, Ingress, IngressChoice, TcChoice, TcMode,
    program::{AnyLink, Program, claim_interface, is_attached},
};
use crate::kernel::{
    claim::Claim,
    interface::Interface,
    object::{KernelProgram, LoadError, program},
    pins::{LinkPin, PinError, Place},
    rtnetlink,
};

/// Why a pin is of no use.
#[derive(Debug, Error)]
enum Useless {
    #[error("its program is not at the interface any more")]
    NotThere,
    #[error(transparent)]
    Pin(#[from] PinError),
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Program(#[from] ProgramError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Goes on with the program for incoming packets, where the choices allow the place that it is in. One in another place is removed.
pub(super) fn ingress(
    kernel: &mut KernelProgram,
    interface: &Interface,
    choice: IngressChoice,
    tc: TcChoice,
    claim: &mut Option<Claim>,
) -> Result<Option<(Ingress, Program)>, AttachError> {
    if kernel.pins().is_none() {
        return Ok(None);
    }
    let by_xdp = choice.xdp_modes(interface.link).iter().map(|(ingress, _)| *ingress);
    let with_tc = matches!(choice, IngressChoice::Auto | IngressChoice::Tc);
    let by_tc = tc.modes().iter().map(|mode| Ingress::Tc(*mode)).filter(|_| with_tc);
    let allowed: Vec<_> = by_xdp.chain(by_tc).collect();
    for ingress in &allowed {
        if let Some(program) = adopt(kernel, interface, ingress.place()) {
            if program.place.is_tc() {
                claim_interface(interface, Direction::Incoming, claim)?;
            }
            return Ok(Some((*ingress, program)));
        }
    }
    let others = [Place::XdpNative, Place::XdpGeneric, Place::TcxIngress, Place::ClsactIngress];
    remove(
        kernel,
        interface,
        others.into_iter().filter(|place| allowed.iter().all(|one| one.place() != *place)),
    );
    Ok(None)
}

/// The same for a TC program.
pub(super) fn tc(
    kernel: &mut KernelProgram,
    interface: &Interface,
    direction: Direction,
    choice: TcChoice,
) -> Option<(TcMode, Program)> {
    for mode in choice.modes() {
        if let Some(program) = adopt(kernel, interface, direction.place(*mode)) {
            return Some((*mode, program));
        }
    }
    let others = [TcMode::Tcx, TcMode::Clsact].into_iter().filter(|mode| !choice.modes().contains(mode));
    remove(kernel, interface, others.map(|mode| direction.place(mode)));
    None
}

fn remove(kernel: &KernelProgram, interface: &Interface, places: impl Iterator<Item = Place>) {
    let Some(folder) = kernel.pins() else { return };
    for pin in places.map(|place| folder.link(interface.index, place)).filter(|pin| pin.path().exists()) {
        match detach_leftover(&pin) {
            Ok(removed) => info!("{removed}: the configuration names another way"),
            Err(error) => warn!("{error}"),
        }
    }
}

/// Goes on with the program in a place. A program of another version gives way to the present one, which is never off.
fn adopt(kernel: &mut KernelProgram, interface: &Interface, place: Place) -> Option<Program> {
    let pin = kernel.pins()?.link(interface.index, place);
    if !pin.path().exists() {
        return None;
    }
    let adopted = if place.is_filter() {
        filter(kernel, interface, place, &pin)
    } else {
        link(kernel, interface, place, &pin)
    };
    match adopted {
        Ok((id, link)) => Some(Program { id, place, link, pin: Some(pin) }),
        Err(useless) => {
            warn!("the pin {} is removed: {useless}", pin.path().display());
            if let Err(error) = pin.remove() {
                warn!("{error}");
            }
            None
        }
    }
}

fn link(
    kernel: &mut KernelProgram,
    interface: &Interface,
    place: Place,
    pin: &LinkPin,
) -> Result<(u32, AnyLink), Useless> {
    let link: FdLink = pin.open()?.into();
    let id = link.info()?.program_id();
    if !is_attached(interface.index, place, id) {
        return Err(Useless::NotThere);
    }
    if !place.is_tc() {
        let xdp = kernel.xdp_for(interface.link)?;
        let wanted = xdp.info()?.id();
        if id == wanted {
            return Ok((id, AnyLink::Pinned(link)));
        }
        let number = xdp.attach_to_link(XdpLink::try_from(link)?)?;
        return Ok((wanted, AnyLink::Pinned(xdp.take_link(number)?.try_into()?)));
    }
    let classifier = classifier(kernel, interface, place)?;
    let wanted = classifier.info()?.id();
    if id == wanted {
        return Ok((id, AnyLink::Pinned(link)));
    }
    let number = classifier.attach_to_link(SchedClassifierLink::try_from(link)?)?;
    Ok((wanted, AnyLink::Pinned(classifier.take_link(number)?.try_into()?)))
}

fn filter(
    kernel: &mut KernelProgram,
    interface: &Interface,
    place: Place,
    pin: &LinkPin,
) -> Result<(u32, AnyLink), Useless> {
    let (id, link) = filter_link(&interface.name, pin)?;
    let classifier = classifier(kernel, interface, place)?;
    let wanted = classifier.info()?.id();
    if id == wanted {
        return Ok((id, AnyLink::Clsact(link)));
    }
    let number = classifier.attach_to_link(link)?;
    let link = classifier.take_link(number)?;
    mark_filter(kernel, interface, place, pin)?;
    Ok((wanted, AnyLink::Clsact(link)))
}

/// The program of a filter, and the filter.
fn filter_link(name: &str, pin: &LinkPin) -> Result<(u32, SchedClassifierLink), Useless> {
    let (direction, hook) = match pin.place {
        Place::ClsactIngress => (Direction::Incoming, TcAttachType::Ingress),
        _ => (Direction::Outgoing, TcAttachType::Egress),
    };
    let id = SchedClassifier::from_pin(pin.path())?.info()?.id();
    let filters = rtnetlink::filters(pin.interface, direction.clsact_parent())?;
    let filter = filters.iter().find(|filter| filter.program == id).ok_or(Useless::NotThere)?;
    let handle = TcHandle::from(filter.handle);
    Ok((id, SchedClassifierLink::attached(name, hook, filter.priority, handle, None)?))
}

/// A filter has no link that could be pinned: its program is, under the name of the place.
pub(super) fn mark_filter(
    kernel: &mut KernelProgram,
    interface: &Interface,
    place: Place,
    pin: &LinkPin,
) -> Result<(), LoadError> {
    pin.remove()?;
    let classifier = classifier(kernel, interface, place)?;
    classifier.pin(pin.path()).map_err(|error| PinError::object("pin", pin.path(), &error).into())
}

fn classifier<'a>(
    kernel: &'a mut KernelProgram,
    interface: &Interface,
    place: Place,
) -> Result<&'a mut SchedClassifier, LoadError> {
    let direction = match place {
        Place::TcxEgress | Place::ClsactEgress => Direction::Outgoing,
        _ => Direction::Incoming,
    };
    kernel.classifier(program::tc(direction.hook(), interface.link))
}

/// Takes off what an agent that ended left attached in one place, and removes its pin; returns what was removed.
///
/// # Errors
/// If it cannot be removed.
pub fn detach_leftover(pin: &LinkPin) -> Result<String, PinError> {
    let name = if_indextoname(pin.interface).ok().and_then(|name| name.into_string().ok());
    let name = name.filter(|name| !name.is_empty());
    if pin.place.is_filter()
        && let Some(name) = &name
        && let Ok((_, link)) = filter_link(name, pin)
    {
        link.detach().map_err(|error| PinError::object("take off the filter of", pin.path(), &error))?;
    }
    // Whoever closes the last descriptor of a link has it detached at once; a removed file alone takes a moment.
    let link = pin.open();
    pin.remove()?;
    drop(link);
    let of = name.unwrap_or_else(|| format!("interface {}, which is gone", pin.interface));
    Ok(format!("removed the {} program of {of}", pin.place))
}
