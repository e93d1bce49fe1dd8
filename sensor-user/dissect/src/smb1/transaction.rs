//! Data of named pipes and mailslots: TRANSACTION (MS-CIFS 2.2.4.33, 2.2.5.6), WRITE_ANDX (2.2.4.43), READ_ANDX (2.2.4.42),
//! the older READ (2.2.4.11), WRITE (2.2.4.12), LOCK_AND_READ, WRITE_AND_UNLOCK and WRITE_AND_CLOSE; and NT_TRANSACT (2.2.4.62)
//! and TRANSACTION2 (2.2.4.46) if they carry DCE-RPC.
//!
//! Reads and writes carry file contents too. The caller must know that the handle is a pipe.

use super::{Block, Sender, command, read as read_message};
use crate::{dcerpc, smb1::Body, wire::available};

/// Data of a pipe or for a mailslot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipeData<'a> {
    /// Handle; responses and mailslots have none.
    pub file: Option<u16>,
    /// Whether only a pipe can carry it.
    pub surely_pipe: bool,
    /// Name of the pipe or mailslot, of a TRANSACTION request.
    pub name: Option<String>,
    /// The bytes, as far as they are there.
    pub bytes: &'a [u8],
}

/// TRANS_TRANSACT_NMPIPE, MS-CIFS 2.2.5.6.
const TRANSACT: u16 = 0x0026;

/// TRANS_PEEK_NMPIPE, MS-CIFS 2.2.5.5.
const PEEK: u16 = 0x0023;

/// The handle of a TRANS_PEEK_NMPIPE request; `None` for other TRANSACTIONs.
pub(super) fn peeked(block: Block<'_>) -> Option<u16> {
    let peeks = !block.response && block.word_count() >= 16 && block.word(28) == PEEK;
    peeks.then(|| block.word(30))
}

/// NT_TRANSACT_IOCTL, MS-CIFS 2.2.7.2, and the FSCTL_PIPE_TRANSCEIVE of MS-FSCC 2.3 in it.
const IOCTL: u16 = 0x0002;
const PIPE_TRANSCEIVE: u32 = 0x0011_C017;

/// Reads the data of a command; `None` if it has no data of a pipe.
pub(super) fn read(command: u8, block: Block<'_>) -> Option<PipeData<'_>> {
    let carried = |offset: u16, length: u16| available(block.message, offset.into(), length.into());
    let carried_far = |offset: u32, length: u32| available(block.message, offset as usize, length as usize);
    let pdu = |bytes| dcerpc::begins(bytes).then_some(bytes);
    let (file, surely_pipe, name, bytes) = match (command, block.response) {
        (command::TRANSACTION, false) if block.word_count() >= 14 => {
            let pipe = block.word_count() >= 16 && block.word(28) == TRANSACT;
            let file = pipe.then(|| block.word(30));
            (file, pipe, block.text(0).0, carried(block.word(24), block.word(22)))
        }
        (command::TRANSACTION, true) if block.word_count() >= 10 => {
            (None, true, None, carried(block.word(14), block.word(12)))
        }
        (command::WRITE_ANDX, false) if block.word_count() >= 12 => {
            (Some(block.word(4)), false, None, carried(block.word(22), block.word(20)))
        }
        (command::READ_ANDX, true) if block.word_count() >= 12 => {
            (None, false, None, carried(block.word(12), block.word(10)))
        }
        // The data is behind a format byte and its length.
        (command::WRITE | command::WRITE_AND_UNLOCK, false) if block.word_count() >= 5 => {
            (Some(block.word(0)), false, None, available(block.data, 3, block.word(2).into()))
        }
        (command::READ | command::LOCK_AND_READ, true) if block.word_count() >= 5 => {
            (None, false, None, available(block.data, 3, block.word(0).into()))
        }
        (command::WRITE_AND_CLOSE, false) if block.word_count() >= 6 => {
            (Some(block.word(0)), false, None, available(block.data, 1, block.word(2).into()))
        }
        (command::TRANSACTION2, false) if block.word_count() >= 14 => {
            (None, false, None, pdu(carried(block.word(24), block.word(22)))?)
        }
        (command::TRANSACTION2, true) if block.word_count() >= 10 => {
            (None, false, None, pdu(carried(block.word(14), block.word(12)))?)
        }
        (command::NT_TRANSACT, false) if block.word_count() >= 19 => {
            let pipe = block.word(36) == IOCTL && block.double_word(38) == PIPE_TRANSCEIVE;
            let file = (pipe && block.word_count() >= 23).then(|| block.word(42));
            (file, pipe, None, pdu(carried_far(block.double_word(31), block.double_word(27)))?)
        }
        (command::NT_TRANSACT, true) if block.word_count() >= 18 => {
            (None, false, None, pdu(carried_far(block.double_word(27), block.double_word(23)))?)
        }
        _ => return None,
    };
    Some(PipeData { file, surely_pipe, name, bytes })
}

/// The mailslot of a message in a datagram.
#[must_use]
pub fn mailslot(bytes: &[u8]) -> Option<String> {
    let message = read_message(bytes, Sender::Client).ok()?;
    message.commands.into_iter().find_map(|command| match command {
        Body::PipeData(data) => data.name,
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{flagged, message};
    use super::*;

    /// A DCE-RPC PDU of the shortest kind.
    const PDU: &[u8] = &[5, 0, 11, 3, 0x10, 0, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0];

    /// A message of a command with these parameter words, and these bytes behind as much padding.
    fn carrying(command: u8, response: bool, words: &[u8], padding: &[u8], bytes: &[u8]) -> Vec<u8> {
        let mut block = vec![u8::try_from(words.len() / 2).unwrap()];
        block.extend(words);
        block.extend(u16::try_from(padding.len() + bytes.len()).unwrap().to_le_bytes());
        block.extend([padding, bytes].concat());
        message(command, response, 0, &block)
    }

    /// Parameter words of which these are set, by their offset.
    fn words<const N: usize>(set: &[(usize, u8)]) -> [u8; N] {
        let mut words = [0; N];
        set.iter().for_each(|(at, value)| words[*at] = *value);
        words
    }

    /// Handle and bytes of what a message carries.
    fn carried(message: &[u8]) -> Option<(Option<u16>, Vec<u8>)> {
        match read_message(message, flagged(message)).unwrap().commands.pop() {
            Some(Body::PipeData(data)) => Some((data.file, data.bytes.to_vec())),
            _ => None,
        }
    }

    #[test]
    fn older_reads_and_writes_carry_pipes() {
        for (command, response) in [(0x0B, false), (0x14, false), (0x0A, true), (0x13, true)] {
            let (file, length) = if response { (None, 0) } else { (Some(7), 2) };
            let words: [u8; 10] = words(&[(length, 16), (2 - length, if response { 0 } else { 7 })]);
            let message = carrying(command, response, &words, &[1, 16, 0], PDU);
            assert_eq!(carried(&message), Some((file, PDU.to_vec())), "{command:#x}");
            let other_way = carrying(command, !response, &words, &[1, 16, 0], PDU);
            assert_eq!(carried(&other_way), None, "{command:#x} the other way");
        }
        for size in [12, 24] {
            let all: [u8; 24] = words(&[(0, 7), (2, 16)]);
            let message = carrying(0x2C, false, &all[..size], &[0], PDU);
            assert_eq!(carried(&message), Some((Some(7), PDU.to_vec())));
        }
    }

    #[test]
    fn file_transactions_carry_a_pdu_or_nothing() {
        let nothing = [0; 16];
        // The data is behind the header, the words with their count, and the count of bytes.
        let request: [u8; 30] = words(&[(22, 16), (24, 32 + 1 + 30 + 2)]);
        let response: [u8; 20] = words(&[(12, 16), (14, 32 + 1 + 20 + 2)]);
        let nt_response: [u8; 36] = words(&[(23, 16), (27, 32 + 1 + 36 + 2)]);
        for (command, is_response, words) in
            [(0x32, false, &request[..]), (0x32, true, &response), (0xA0, true, &nt_response)]
        {
            let message = carrying(command, is_response, words, &[], PDU);
            assert_eq!(carried(&message), Some((None, PDU.to_vec())), "{command:#x}");
            assert_eq!(carried(&carrying(command, is_response, words, &[], &nothing)), None);
        }
        let transceive: [u8; 46] =
            words(&[(27, 16), (31, 32 + 1 + 46 + 2), (36, 2), (38, 0x17), (39, 0xC0), (40, 0x11), (42, 7)]);
        let message = carrying(0xA0, false, &transceive, &[], PDU);
        assert_eq!(carried(&message), Some((Some(7), PDU.to_vec())));
        assert_eq!(carried(&carrying(0xA0, false, &transceive, &[], &nothing)), None);
    }

    #[test]
    fn cut_message_carries_what_is_there() {
        let words: [u8; 10] = words(&[(0, 7), (2, 16)]);
        let whole = carrying(0x0B, false, &words, &[1, 16, 0], PDU);
        for length in 32..whole.len() {
            let Ok(read) = read_message(&whole[..length], Sender::Client) else { continue };
            for command in read.commands {
                assert!(matches!(command, Body::PipeData(data) if PDU.starts_with(data.bytes)), "{length}");
            }
        }
    }
}
