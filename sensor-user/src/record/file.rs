//! The file of a recording: private to its owner, pcapng, and complete up to its end.
//!
//! A full disk or a killed agent leaves part of a block at the end. Blocks behind it would be unreadable, so that part is cut
//! off.

use std::{
    fs::{File, OpenOptions, Permissions},
    io::{self, BufReader, Read},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

/// A block (draft-ietf-opsawg-pcapng): type and length before its content, the length again behind it.
const HEAD: usize = 8;

/// Bytes of the shortest block, and of the shortest section header.
const SHORTEST: u32 = 12;
const SHORTEST_SECTION: u32 = 28;

/// Type of a section header, the same in either byte order.
const SECTION: [u8; 4] = [0x0A, 0x0D, 0x0D, 0x0A];

/// The magic number for the byte order of a section.
const ORDER: u32 = 0x1A2B_3C4D;

/// A recording has no block this long; a longer incomplete block is damage, not a torn end.
const MAX_BLOCK_LEN: u64 = 1 << 20;

/// A file to continue.
pub(super) struct Opened {
    /// Open for writing at its end.
    pub(super) file: File,
    /// Its length in bytes.
    pub(super) bytes: u64,
    /// Bytes of a torn block that were cut off.
    pub(super) cut: u64,
}

/// Opens a recording to continue at its end, or makes it. A file that is not pcapng stays unchanged.
pub(super) fn open(path: &Path) -> io::Result<Opened> {
    // Reading too: otherwise opening a pipe would wait for a reader.
    let mut options = OpenOptions::new();
    options.create(true).read(true).append(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
    let file = options.open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let bytes = whole(BufReader::with_capacity(256 << 10, &file), metadata.len())?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    let cut = metadata.len() - bytes;
    if cut > 0 {
        file.set_len(bytes)?;
    }
    Ok(Opened { file, bytes, cut })
}

/// How many of the `length` bytes are complete blocks, followed by at most a torn one.
fn whole(mut file: impl Read, length: u64) -> io::Result<u64> {
    let refused = |reason: String| Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    let mut at = 0;
    let mut big = cfg!(target_endian = "big");
    while at < length {
        let left = length - at;
        let mut head = [0; HEAD + 4];
        let known = left.min(head.len() as u64) as usize;
        file.read_exact(&mut head[..known])?;
        let section = head[..4] == SECTION;
        if at == 0 && head[..known.min(4)] != SECTION[..known.min(4)] {
            return refused("it is not a pcapng file and is left unchanged".to_owned());
        }
        if section && known == head.len() {
            big = match number(&head[HEAD..], true) {
                ORDER => true,
                order if order.swap_bytes() == ORDER => false,
                _ => return refused(format!("it is not a pcapng file (at byte {at}) and is left unchanged")),
            };
        }
        let claimed = number(&head[4..], big);
        let shortest = if section { SHORTEST_SECTION } else { SHORTEST };
        let fits = claimed >= shortest && claimed.is_multiple_of(4);
        if known < head.len() || fits && u64::from(claimed) > left && left < MAX_BLOCK_LEN {
            return Ok(at);
        }
        if !fits || u64::from(claimed) > left {
            // A power failure leaves zeros in place of unwritten bytes.
            let zeros = head == [0; HEAD + 4] && left < MAX_BLOCK_LEN && all_zero(&mut file)?;
            return if zeros { Ok(at) } else { refused(damage(at)) };
        }
        let body = u64::from(claimed) - head.len() as u64;
        let mut tail = [0; 4];
        if body < 4 {
            tail.copy_from_slice(&head[HEAD..]);
        } else {
            io::copy(&mut file.by_ref().take(body - 4), &mut io::sink())?;
            file.read_exact(&mut tail)?;
        }
        if number(&tail, big) != claimed {
            return refused(damage(at));
        }
        at += u64::from(claimed);
    }
    Ok(at)
}

fn damage(at: u64) -> String {
    format!("it is damaged at byte {at} and is left unchanged; move it away to keep its beginning")
}

fn number(bytes: &[u8], big: bool) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[..4]);
    if big { u32::from_be_bytes(number) } else { u32::from_le_bytes(number) }
}

fn all_zero(file: &mut impl Read) -> io::Result<bool> {
    let mut rest = Vec::new();
    file.take(MAX_BLOCK_LEN).read_to_end(&mut rest)?;
    Ok(rest.iter().all(|byte| *byte == 0))
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write as _};

    use super::*;
    use sensor_common::headers::Link;

    use crate::{
        kernel::interface::Interface,
        record::pcapng::{Packet, write_head, write_packet},
    };

    fn recording(packets: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        let interface =
            Interface { name: "lan0".to_owned(), index: 2, link: Link::Ethernet, networks: vec![] };
        write_head(&mut bytes, &[interface], 512).unwrap();
        for _ in 0..packets {
            let packet = Packet { interface: 0, at: 1, length: 61, bytes: [7; 61].into() };
            write_packet(&mut bytes, &packet, "a comment").unwrap();
        }
        bytes
    }

    #[test]
    fn cuts_a_torn_block_anywhere_and_continues_the_recording() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.pcapng");
        let (two, three) = (recording(2), recording(3));
        for length in two.len()..three.len() {
            fs::write(&path, &three[..length]).unwrap();
            let mut opened = open(&path).unwrap();
            assert_eq!((opened.bytes, opened.cut), (two.len() as u64, (length - two.len()) as u64));
            opened.file.write_all(&recording(1)).unwrap();
            assert_eq!(open(&path).unwrap().cut, 0, "torn after {length} bytes");
            assert_eq!(fs::read(&path).unwrap(), [&two[..], &recording(1)].concat());
        }
        // Not even the file header was written, or only the length.
        for torn in [&three[..1], &three[..10], &three[..20]] {
            fs::write(&path, torn).unwrap();
            assert_eq!((open(&path).unwrap().bytes, fs::read(&path).unwrap().len()), (0, 0));
        }
        fs::write(&path, [&two[..], &[0; 4_000]].concat()).unwrap();
        assert_eq!((open(&path).unwrap().bytes, open(&path).unwrap().cut), (two.len() as u64, 0));
    }

    #[test]
    fn refuses_another_file_and_leaves_it_unchanged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes");
        let mut damaged = recording(3);
        let middle = recording(1).len() + 4;
        damaged[middle] ^= 0x10;
        let strange = [&SECTION[..], &[28, 0, 0, 0, 1, 2, 3, 4], &[0; 16]].concat();
        let cases: [(&[u8], &str); 5] = [
            (b"my notes, a thousand words", "not a pcapng"),
            (b"x", "not a pcapng"),
            (&[0; 100], "not a pcapng"),
            (&strange, "not a pcapng"),
            (&damaged, "damaged at byte"),
        ];
        for (bytes, reason) in cases {
            fs::write(&path, bytes).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
            let error = open(&path).err().unwrap().to_string();
            assert!(error.contains(reason), "{error}");
            assert_eq!(fs::read(&path).unwrap(), bytes);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        }
        assert!(open(Path::new("/dev/null")).err().unwrap().to_string().contains("regular"));
    }

    #[test]
    fn recording_is_readable_by_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.pcapng");
        fs::write(&path, recording(1)).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o664)).unwrap();
        assert_eq!(open(&path).unwrap().bytes, recording(1).len() as u64);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
