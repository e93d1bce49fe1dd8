//! Frames on which the implementations once disagreed, kept as text: a description, the options of their round, and each frame
//! with its entry point, and with its CPU if that is not the first one.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use super::options::Options;
use crate::{kernel::Entry, twin::ENTRIES};
use anyhow::{Context as _, Result, bail};

/// A frame, the entry point that it comes to, and the CPU that handles it there: 0 or 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// CPU.
    pub cpu: u16,
    /// Entry point.
    pub entry: Entry,
    /// Bytes.
    pub frame: Vec<u8>,
}

/// Frames in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixture {
    /// Description, one line.
    pub about: String,
    /// How the engines are set up.
    pub options: Options,
    /// The frames, each at its entry point.
    pub frames: Vec<Given>,
}

/// Names of [`ENTRIES`].
const NAMES: [&str; ENTRIES.len()] = ["xdp", "tc-in", "tc-out", "tc-ip-in", "tc-ip-out", "xdp-ip"];

impl Fixture {
    /// Reads a fixture as it is written by [`Display`](fmt::Display).
    ///
    /// # Errors
    /// The first line that is not part of a fixture.
    pub fn read(text: &str) -> Result<Self> {
        let mut lines = text.lines();
        let about = lines.next().and_then(|line| line.strip_prefix("# ")).context("no first line `# …`")?;
        let options = lines.next().and_then(|line| line.strip_prefix("options ")).context("no options")?;
        let mut frames = Vec::new();
        for line in lines.filter(|line| !line.is_empty()) {
            let (name, hex) =
                line.split_once(' ').with_context(|| format!("no entry point before {line}"))?;
            let (name, cpu) = name.split_once('@').unwrap_or((name, "0"));
            let cpu = cpu.parse().with_context(|| format!("read the CPU {cpu}"))?;
            let Some(number) = NAMES.iter().position(|known| *known == name) else {
                bail!("{name} is no entry point")
            };
            let frame = bytes(hex).with_context(|| format!("read {hex}"))?;
            frames.push(Given { cpu, entry: ENTRIES[number], frame });
        }
        Ok(Self { about: about.to_owned(), options: options.parse()?, frames })
    }

    /// The fixtures of a folder, in order of their names.
    ///
    /// # Errors
    /// A file that cannot be read, by name.
    pub fn all(folder: &Path) -> Result<Vec<(PathBuf, Self)>> {
        let mut all = Vec::new();
        let listing = || format!("list {}", folder.display());
        for entry in fs::read_dir(folder).with_context(listing)? {
            let path = entry.with_context(listing)?.path();
            let reading = || format!("read {}", path.display());
            let fixture =
                Self::read(&fs::read_to_string(&path).with_context(reading)?).with_context(reading)?;
            all.push((path, fixture));
        }
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(all)
    }
}

/// Reads words of hexadecimal digits, and repeated bytes: `00*3600`.
fn bytes(hex: &str) -> Result<Vec<u8>> {
    let byte = |pair: &[u8]| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?);
    let mut bytes = Vec::new();
    for word in hex.split_whitespace() {
        match word.split_once('*') {
            Some((one, times)) => bytes.resize(bytes.len() + times.parse::<usize>()?, byte(one.as_bytes())?),
            None => bytes.extend(word.as_bytes().chunks(2).map(byte).collect::<Result<Vec<u8>>>()?),
        }
    }
    Ok(bytes)
}

/// Longer runs are written as repeats.
const MAX_RUN: usize = 16;

fn hex(bytes: &[u8]) -> String {
    let mut hex = String::new();
    for run in bytes.chunk_by(|a, b| a == b) {
        if run.len() > MAX_RUN {
            hex.push_str(&format!(" {:02x}*{} ", run[0], run.len()));
        } else {
            hex.extend(run.iter().map(|byte| format!("{byte:02x}")));
        }
    }
    hex.trim().to_owned()
}

impl fmt::Display for Fixture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# {}\noptions {}", self.about, self.options)?;
        for Given { cpu, entry, frame } in &self.frames {
            let name = ENTRIES.iter().position(|known| known == entry).map_or("", |number| NAMES[number]);
            let cpu = if *cpu == 0 { String::new() } else { format!("@{cpu}") };
            writeln!(f, "{name}{cpu} {}", hex(frame))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use sensor_common::slot::Hook;

    use super::*;

    #[test]
    fn fixture_is_read_as_written() {
        let fixture = Fixture {
            about: "a frame".into(),
            options: "tunnels slots=4".parse().unwrap(),
            frames: vec![
                Given { cpu: 0, entry: Hook::XdpIngress.into(), frame: vec![0, 0xFF, 0x10] },
                Given {
                    cpu: 1,
                    entry: Entry::ip(Hook::TcEgress),
                    frame: [vec![1, 2], vec![3; 40], vec![4]].concat(),
                },
            ],
        };
        assert_eq!(Fixture::read(&fixture.to_string()).unwrap(), fixture);
        assert!(fixture.to_string().ends_with("tc-ip-out@1 0102 03*40 04\n"), "{fixture}");
        assert!(Fixture::read("# a\noptions slots=1\nnowhere 00").is_err());
        assert!(Fixture::read("# a\noptions slots=1\nxdp 0x").is_err());
    }
}
