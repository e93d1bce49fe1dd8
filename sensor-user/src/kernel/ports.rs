//! The watched TCP ports in the kernel program, and its marks on ports where it recognised SMB or WebDAV.

use aya::maps::{Array, Map, MapData};
use sensor_common::settings::{PortTable, port};

use super::object::LoadError;

/// Name of the table's section of globals.
pub(super) const SECTION: &str = ".bss";

/// The table of TCP ports.
pub struct TcpPorts {
    section: Array<MapData, PortTable>,
}

impl TcpPorts {
    /// Writes the watched ports into the section in which the program marks further ones. Marks in the table of an earlier run
    /// stay.
    pub(super) fn open(
        map: Map,
        watched: &PortTable,
        earlier: Option<&PortTable>,
    ) -> Result<Self, LoadError> {
        let mut section = Array::try_from(map).map_err(failed)?;
        section.set(0, *with_marks(watched, earlier), 0).map_err(failed)?;
        Ok(Self { section })
    }

    /// The ports on which SMB was recognised, in order.
    ///
    /// # Errors
    /// The kernel's error, which a loaded program does not cause.
    pub fn marked(&self) -> Result<Vec<u16>, LoadError> {
        let table = self.section.get(&0, 0).map_err(failed)?;
        Ok((0..=u16::MAX).filter(|port| table[place(*port)] & port::SUSPECT != 0).collect())
    }

    /// Removes the marks from these ports. A mark that the program sets at this very moment may go too: the next SMB message
    /// sets it again.
    ///
    /// # Errors
    /// The kernel's error, which a loaded program does not cause.
    pub fn unmark(&mut self, ports: &[u16]) -> Result<(), LoadError> {
        let mut table = self.section.get(&0, 0).map_err(failed)?;
        for port in ports {
            table[place(*port)] &= !port::SUSPECT;
        }
        self.section.set(0, table, 0).map_err(failed)
    }
}

/// The watched ports, with the marks of an earlier table.
pub(super) fn with_marks(watched: &PortTable, earlier: Option<&PortTable>) -> Box<PortTable> {
    let mut table = Box::new(*watched);
    for (kind, before) in table.iter_mut().zip(earlier.into_iter().flatten()) {
        *kind |= before & port::SUSPECT;
    }
    table
}

/// Index of a port in the table: its number in wire order.
fn place(port: u16) -> usize {
    usize::from(port.to_be())
}

fn failed(source: aya::maps::MapError) -> LoadError {
    LoadError::Write { what: "the watched TCP ports".into(), source }
}
