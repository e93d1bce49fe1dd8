//! Attaches the loaded program to interfaces, and detaches it.
//!
//! Incoming frames: native XDP, else generic XDP, else TC. Outgoing frames: TC. Packets without an Ethernet header: TC in both
//! directions, or generic XDP for incoming ones if it is asked for. TC means TCX where the kernel has it (6.6 and newer), else a clsact filter. Dropping [`Attached`] detaches
//! everything that is not pinned. TCX and XDP links end even when the process is killed.

mod hook;
mod pinned;
mod program;

pub use self::{
    hook::{Direction, Ingress, IngressChoice, TcChoice, TcMode},
    pinned::detach_leftover,
};

use std::fmt;

use thiserror::Error;

use self::program::{Incoming, Program, attach_ingress, attach_tc};
use super::{
    claim::Claim,
    interface::Interface,
    object::{KernelProgram, LoadError},
    pins::{PinError, Place},
    xdp_program::XdpProgram,
};

/// Why a program could not be attached.
#[derive(Debug, Error)]
pub enum AttachError {
    /// Another XDP program is attached.
    #[error(
        "interface {interface} has an XDP program already: {program}. Stop the program that attached it, or use TC with \
         `ingress = \"tc\"`"
    )]
    Busy {
        /// Interface.
        interface: String,
        /// The program.
        program: XdpProgram,
    },
    /// An agent that ended left its program.
    #[error(
        "interface {interface} has the program of another smb-sensor, which does not run here and left it for its next run; start \
         that one, or remove it: smb-sensor detach --iface {interface}"
    )]
    Left {
        /// Interface.
        interface: String,
    },
    /// Another agent watches the interface.
    #[error(
        "interface {interface} is watched by another smb-sensor{}; stop that one, or name other interfaces",
        process.map_or_else(String::new, |process| format!(" (process {process})"))
    )]
    Watched {
        /// Interface.
        interface: String,
        /// The process of that agent, if it is known.
        process: Option<u32>,
    },
    /// No way worked.
    #[error(
        "cannot attach to {direction} frames of {interface}: {reasons}. `smb-sensor check --iface {interface}` shows which ways the interface allows"
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
    /// It cannot be pinned.
    #[error(transparent)]
    Pins(#[from] PinError),
}

/// A program on an interface, in both directions. Detaches on drop, unless it [stays](Self::stays).
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
    claim: Option<Claim>,
    /// Whether the pinned programs stay when this is dropped.
    pub stays: bool,
}

impl Drop for Attached {
    fn drop(&mut self) {
        // The claim is released last, with the fields.
        for program in [self.incoming.take(), self.outgoing.take()].into_iter().flatten() {
            if self.stays {
                program.leave();
            } else if let Err(error) = program.detach() {
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
        let stays = kernel.is_pinned();
        let mut attached =
            Self { interface, ingress, instead, egress, incoming, outgoing: None, claim, stays };
        attached.attach_egress(kernel, tc)?;
        Ok(attached)
    }

    /// Directions in which the program is missing: somebody took it off.
    #[must_use]
    pub fn missing(&self) -> Vec<Direction> {
        absent([(Direction::Incoming, &self.incoming), (Direction::Outgoing, &self.outgoing)], |program| {
            program.is_there(&self.interface)
        })
    }

    /// Where its programs are.
    pub fn places(&self) -> impl Iterator<Item = Place> {
        [&self.incoming, &self.outgoing].into_iter().flatten().map(|program| program.place)
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
        let (egress, program) = attach_tc(kernel, &self.interface, direction, tc, &mut self.claim)?;
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

/// The directions without a program, or with one that is not there any more.
fn absent<P>(programs: [(Direction, &Option<P>); 2], is_there: impl Fn(&P) -> bool) -> Vec<Direction> {
    let absent = |program: &Option<P>| !program.as_ref().is_some_and(&is_there);
    programs.into_iter().filter(|(_, program)| absent(program)).map(|(direction, _)| direction).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_direction_is_looked_at() {
        let missing = |incoming, outgoing| {
            absent([(Direction::Incoming, &incoming), (Direction::Outgoing, &outgoing)], |there| *there)
        };
        assert_eq!(missing(Some(true), Some(true)), []);
        assert_eq!(missing(Some(false), Some(true)), [Direction::Incoming]);
        assert_eq!(missing(Some(true), None), [Direction::Outgoing]);
        assert_eq!(missing(None, Some(false)), [Direction::Incoming, Direction::Outgoing]);
    }
}
