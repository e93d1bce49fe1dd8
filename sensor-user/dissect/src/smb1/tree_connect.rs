//! TREE_CONNECT_ANDX (MS-CIFS 2.2.4.55) and TREE_CONNECT (2.2.4.50).

use super::{Block, Smb1Error};
use crate::{smb2::ShareKind, text, wire::Truncated};

/// The server's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeConnectResponse {
    /// The kind of share; TREE_CONNECT does not say it, nor does every server.
    pub kind: Option<ShareKind>,
    /// Tree, if it is not in the header.
    pub tree: Option<u16>,
}

/// The path, only if it is complete: half a share's name is another share's.
pub(super) fn request(block: Block<'_>) -> Result<String, Smb1Error> {
    let words = block.word_count();
    if words < 4 {
        return Err(Smb1Error::WordCount { what: "TREE_CONNECT_ANDX request", words });
    }
    block.text(block.word(6).into()).0.ok_or_else(|| cut(block))
}

pub(super) fn response(block: Block<'_>) -> TreeConnectResponse {
    let (service, _) = text::oem_z(block.data);
    let kind = match service.as_str() {
        "IPC" => Some(ShareKind::Pipe),
        "A:" => Some(ShareKind::Disk),
        "LPT1:" => Some(ShareKind::Printer),
        _ => None,
    };
    TreeConnectResponse { kind, tree: None }
}

/// Path, password and service, each behind a byte 4.
pub(super) fn core_request(block: Block<'_>) -> Result<String, Smb1Error> {
    match block.data {
        [0x04, path @ ..] if path.contains(&0) => Ok(text::oem_z(path).0),
        _ => Err(cut(block)),
    }
}

pub(super) fn core_response(block: Block<'_>) -> TreeConnectResponse {
    TreeConnectResponse { kind: None, tree: Some(block.word(2)) }
}

fn cut(block: Block<'_>) -> Smb1Error {
    let have = block.message.len();
    Truncated { what: "share path", at: block.data_at, needed: block.data.len() + 1, have }.into()
}

#[cfg(test)]
mod tests {
    use super::super::tests::message;
    use super::super::{Body, Sender, read};

    #[test]
    fn path_may_end_with_the_bytes() {
        let share = |data: &[u8], flags_2, length: usize| {
            let mut block = vec![4, 0xFF, 0, 0, 0, 0, 0, 1, 0, data.len() as u8, 0];
            block.extend(&data[..length]);
            let message = message(0x75, false, flags_2, &block);
            match read(&message, Sender::Client).unwrap().commands.pop() {
                Some(Body::TreeConnectRequest(path)) => Some(path),
                _ => None,
            }
        };
        let path = || Some(r"\\h\s".to_owned());
        let terminated = b"\0\\\\h\\s\0";
        assert_eq!(share(terminated, 0, terminated.len()), path());
        assert_eq!(share(b"\0\\\\h\\s", 0, 6), path(), "all of it is there");
        assert_eq!(share(terminated, 0, 6), None, "it may go on");
        let with_service = b"\0\\\\h\\s\0?????\0";
        assert_eq!(share(with_service, 0, 9), path(), "only the service is cut");
        let unicode = b"\0\\\0\\\0h\0\\\0s\0\0\0";
        assert_eq!(share(unicode, 0x8000, unicode.len()), path());
        assert_eq!(share(unicode, 0x8000, unicode.len() - 1), None);
    }

    #[test]
    fn reads_a_share_path_whole_or_not_at_all() {
        let data = b"\0\\\\h\\s\0?????\0";
        let mut block = vec![4, 0xFF, 0, 0, 0, 0, 0, 1, 0, data.len() as u8, 0];
        block.extend(data);
        let bytes = message(0x75, false, 0, &block);
        assert_eq!(
            read(&bytes, Sender::Client).unwrap().commands,
            [Body::TreeConnectRequest(r"\\h\s".to_owned())]
        );
        for length in 0..bytes.len() - 6 {
            assert!(
                read(&bytes[..length], Sender::Client)
                    .is_ok_and(|read| read.commands.iter().all(|one| *one == Body::Other(0x75)))
                    || length < 32,
                "{length}"
            );
        }
    }
}
