//! Objects that a source distribution brings along, for machines without the toolchain.

use std::path::{Path, PathBuf};

use crate::toolchain::Endian;

/// The variable that has the agent's build use prebuilt objects (`1`) although it might compile.
pub const PREBUILT_VARIABLE: &str = "SMB_SENSOR_PREBUILT";

/// Prebuilt objects for one kind of machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prebuilt {
    /// The kernel program.
    pub sensor: PathBuf,
    /// The owner programs.
    pub owner: PathBuf,
}

impl Prebuilt {
    /// Where the objects for such machines are, in a workspace; they need not be there.
    pub fn place(workspace_root: &Path, endian: Endian, architecture: &str) -> Self {
        let order = match endian {
            Endian::Little => "bpfel",
            Endian::Big => "bpfeb",
        };
        let folder = workspace_root.join("sensor-ebpf/prebuilt").join(format!("{order}-{architecture}"));
        Self { sensor: folder.join("smb-sensor-bpf.o"), owner: folder.join("smb-owner-bpf.o") }
    }

    /// Whether both are there.
    pub fn is_there(&self) -> bool {
        self.sensor.is_file() && self.owner.is_file()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn objects_are_those_of_the_architecture_and_count_together() {
        let folder = std::env::temp_dir().join(format!("smb-sensor-prebuilt-{}", std::process::id()));
        let here = Prebuilt::place(&folder, Endian::Little, "x86_64");
        fs::create_dir_all(here.sensor.parent().unwrap()).unwrap();
        fs::write(&here.sensor, "object").unwrap();
        assert!(!here.is_there(), "the owner programs are missing");
        fs::write(&here.owner, "object").unwrap();
        assert!(here.is_there());
        assert!(!Prebuilt::place(&folder, Endian::Little, "aarch64").is_there());
        assert!(!Prebuilt::place(&folder, Endian::Big, "x86_64").is_there());
        fs::remove_dir_all(&folder).unwrap();
    }
}
