//! The pinned links: which program is attached to which interface, and where.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use aya::programs::links::{FdLink, PinnedLink};

use super::{PinError, PinFolder, entries, remove};

/// A place at an interface where a program can be attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// XDP in the driver.
    XdpNative,
    /// XDP in the network stack.
    XdpGeneric,
    /// TCX, incoming packets.
    TcxIngress,
    /// TCX, outgoing packets.
    TcxEgress,
    /// A clsact filter of incoming packets. It has no link: the program is pinned in its place.
    ClsactIngress,
    /// A clsact filter of outgoing packets.
    ClsactEgress,
}

/// The places, each with its name.
const PLACES: [(Place, &str); 6] = [
    (Place::XdpNative, "xdp-native"),
    (Place::XdpGeneric, "xdp-generic"),
    (Place::TcxIngress, "tcx-ingress"),
    (Place::TcxEgress, "tcx-egress"),
    (Place::ClsactIngress, "clsact-ingress"),
    (Place::ClsactEgress, "clsact-egress"),
];

impl Place {
    /// Whether it takes a filter instead of a link.
    #[must_use]
    pub const fn is_filter(self) -> bool {
        matches!(self, Self::ClsactIngress | Self::ClsactEgress)
    }

    /// Whether TC runs it.
    #[must_use]
    pub const fn is_tc(self) -> bool {
        !matches!(self, Self::XdpNative | Self::XdpGeneric)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PLACES.iter().find(|(place, _)| place == self).map_or("", |(_, name)| name))
    }
}

/// A pinned link, or what stands for a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkPin {
    /// Index of the interface.
    pub interface: u32,
    /// Where at it.
    pub place: Place,
    path: PathBuf,
}

impl LinkPin {
    fn read(path: PathBuf) -> Option<Self> {
        let (index, name) = path.file_name()?.to_str()?.split_once('-')?;
        let (place, _) = PLACES.iter().find(|(_, known)| *known == name)?;
        Some(Self { interface: index.parse().ok()?, place: *place, path })
    }

    /// Its file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The link.
    ///
    /// # Errors
    /// If there is none, or it is not readable.
    pub fn open(&self) -> Result<PinnedLink, PinError> {
        PinnedLink::from_pin(&self.path).map_err(|error| PinError::object("open", &self.path, &error))
    }

    /// Pins a link here, in the place of what is there.
    ///
    /// # Errors
    /// As the kernel says; the link is gone then.
    pub fn pin(&self, link: FdLink) -> Result<PinnedLink, PinError> {
        remove(&self.path)?;
        link.pin(&self.path).map_err(|error| PinError::object("pin", &self.path, &error))
    }

    /// Removes it, which detaches the program if nobody has the link open.
    ///
    /// # Errors
    /// If the file cannot be removed.
    pub fn remove(&self) -> Result<(), PinError> {
        remove(&self.path)
    }
}

impl PinFolder {
    /// The pin of a place at an interface, whether or not it is there.
    #[must_use]
    pub fn link(&self, interface: u32, place: Place) -> LinkPin {
        LinkPin { interface, place, path: self.path.join("links").join(format!("{interface}-{place}")) }
    }

    /// All pins of links, by interface.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn links(&self) -> Result<Vec<LinkPin>, PinError> {
        let mut pins: Vec<_> =
            entries(&self.path.join("links"))?.into_iter().filter_map(LinkPin::read).collect();
        pins.sort_by(|one, other| (one.interface, &one.path).cmp(&(other.interface, &other.path)));
        Ok(pins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pin_is_found_again_by_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let folder = PinFolder { path: directory.path().to_owned() };
        std::fs::create_dir(directory.path().join("links")).unwrap();
        let pins = [
            folder.link(2, Place::TcxEgress),
            folder.link(2, Place::XdpNative),
            folder.link(11, Place::ClsactIngress),
        ];
        for pin in &pins {
            std::fs::write(pin.path(), "").unwrap();
        }
        std::fs::write(directory.path().join("links/other"), "").unwrap();
        assert_eq!(folder.links().unwrap(), pins);
        pins[0].remove().unwrap();
        pins[0].remove().unwrap();
        assert_eq!(folder.links().unwrap(), pins[1..]);
    }
}
