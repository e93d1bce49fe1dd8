//! The XDP program on an interface, and whether another smb-sensor attached it.

use std::fmt;

use aya::programs::loaded_programs;

use super::{object::program, rtnetlink::LinkInfo};

/// The XDP program of an interface, as far as the kernel says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XdpProgram {
    id: Option<u32>,
    name: Option<String>,
}

impl XdpProgram {
    /// The one on the interface with this index.
    pub(super) fn on(index: u32) -> Self {
        let id = LinkInfo::of(index).ok().and_then(|info| info.xdp_program);
        let name = id.and_then(|id| {
            let mut all = loaded_programs().filter_map(Result::ok);
            all.find(|program| program.id() == id)?.name_as_str().map(str::to_owned)
        });
        Self { id, name: name.filter(|name| !name.is_empty()) }
    }

    /// Whether another smb-sensor put it there.
    pub(super) fn is_of_a_sensor(&self) -> bool {
        let ours = [program::XDP_IN, program::XDP_FRAGS, program::XDP_IP];
        self.name.as_deref().is_some_and(|name| ours.contains(&name))
    }
}

impl fmt::Display for XdpProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.name, self.id) {
            (Some(name), Some(id)) => write!(f, "program {name} (id {id})"),
            (None, Some(id)) => write!(f, "a program without a name (id {id})"),
            _ => f.write_str("a program that the kernel does not name"),
        }
    }
}
