//! Messages of one SMB 2.1 session (MS-SMB2 2.2), each with its session header (RFC 1002 4.3.1).

use super::{kerberos, ntlm};

/// NT status of a response (MS-ERREF 2.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// `STATUS_SUCCESS`.
    Success,
    /// `STATUS_MORE_PROCESSING_REQUIRED`.
    MoreProcessing,
    /// `STATUS_LOGON_FAILURE`.
    LogonFailure,
}

impl Status {
    const fn number(self) -> u32 {
        match self {
            Self::Success => 0,
            Self::MoreProcessing => 0xC000_0016,
            Self::LogonFailure => 0xC000_006D,
        }
    }
}

/// A session keep-alive (RFC 1002 4.3.6).
pub(super) const KEEP_ALIVE: [u8; 4] = [0x85, 0, 0, 0];

const NEGOTIATE: u16 = 0;
const SESSION_SETUP: u16 = 1;
const TREE_CONNECT: u16 = 3;
const CREATE: u16 = 5;
const READ: u16 = 8;
const WRITE: u16 = 9;
const ECHO: u16 = 13;

/// The flag of a response.
const TO_CLIENT: u32 = 1;
const SESSION: u64 = 0x1122_3344;
const TREE: u32 = 5;
const FILE: [u8; 16] = [0x5A; 16];

/// A request and its response.
pub(super) type Exchange = (Vec<u8>, Vec<u8>);

/// The messages of a session, in order: each counts its message identifier up.
#[derive(Default)]
pub(super) struct Dialogue {
    message: u64,
    session: u64,
    tree: u32,
}

impl Dialogue {
    /// NEGOTIATE, which agrees on SMB 2.1.
    pub(super) fn negotiate(&mut self) -> Exchange {
        let mut request = words(&[36, 2, 1, 0, 0, 0]);
        request.extend([0x11; 16]);
        request.extend([0; 8]);
        request.extend(words(&[0x0202, 0x0210]));
        let mut reply = words(&[65, 1, 0x0210, 0]);
        reply.extend([0x22; 16]);
        for size in [7, 0x0010_0000, 0x0010_0000, 0x0010_0000_u32] {
            reply.extend(size.to_le_bytes());
        }
        reply.extend([0; 16]);
        reply.extend(words(&[0x80, 0, 0, 0]));
        self.exchange(NEGOTIATE, Status::Success, &request, &reply)
    }

    /// The first half of a log-on: NTLM NEGOTIATE and CHALLENGE.
    pub(super) fn challenge(&mut self) -> Exchange {
        self.session = SESSION;
        let request = session_setup_request(&ntlm::negotiate());
        self.exchange(
            SESSION_SETUP,
            Status::MoreProcessing,
            &request,
            &session_setup_reply(&ntlm::challenge()),
        )
    }

    /// The second half: the user's response, and the server's answer.
    pub(super) fn authenticate(&mut self, user: &str, status: Status) -> Exchange {
        let request = session_setup_request(&ntlm::authenticate(user));
        self.exchange(SESSION_SETUP, status, &request, &session_setup_reply(&[]))
    }

    /// A log-on by Kerberos, which the server accepts at once.
    pub(super) fn ticket(&mut self, server: &str) -> Exchange {
        self.session = SESSION;
        let request = session_setup_request(&kerberos::token(server));
        self.exchange(SESSION_SETUP, Status::Success, &request, &session_setup_reply(&[]))
    }

    /// Connects to a disk share.
    pub(super) fn tree_connect(&mut self, path: &str) -> Exchange {
        let path = utf16(path);
        let mut request = words(&[9, 0, 0x48, path.len() as u16]);
        request.extend(path);
        let mut reply = words(&[16]);
        reply.extend([1, 0]);
        reply.extend([0; 8]);
        reply.extend(0x001F_01FF_u32.to_le_bytes());
        let exchange = self.exchange(TREE_CONNECT, Status::Success, &request, &reply);
        self.tree = TREE;
        exchange
    }

    /// Opens a file.
    pub(super) fn create(&mut self, name: &str) -> Exchange {
        let name = utf16(name);
        let mut request = words(&[57, 0]);
        request.extend(2_u32.to_le_bytes());
        request.extend([0; 16]);
        // Access, attributes, sharing, disposition (open or create), options (no directory).
        for word in [0x0012_019F, 0x80, 7, 3, 0x40_u32] {
            request.extend(word.to_le_bytes());
        }
        request.extend(words(&[0x78, name.len() as u16]));
        request.extend([0; 8]);
        request.extend(name);
        let mut reply = words(&[89, 0]);
        reply.extend(1_u32.to_le_bytes());
        reply.extend([0; 56]);
        reply.extend(FILE);
        reply.extend([0; 8]);
        self.exchange(CREATE, Status::Success, &request, &reply)
    }

    /// Writes so many bytes to the file.
    pub(super) fn write(&mut self, length: u32) -> Exchange {
        let mut request = words(&[49, 0x70]);
        request.extend(length.to_le_bytes());
        request.extend([0; 8]);
        request.extend(FILE);
        request.extend([0; 16]);
        request.extend(std::iter::repeat_n(0xAA, length as usize));
        let mut reply = words(&[17, 0]);
        reply.extend(length.to_le_bytes());
        reply.extend([0; 8]);
        self.exchange(WRITE, Status::Success, &request, &reply)
    }

    /// Reads so many bytes of the file.
    pub(super) fn read(&mut self, length: u32) -> Exchange {
        let mut request = words(&[49, 0x50]);
        request.extend(length.to_le_bytes());
        request.extend([0; 8]);
        request.extend(FILE);
        request.extend([0; 17]);
        let mut reply = words(&[17, 0x50]);
        reply.extend(length.to_le_bytes());
        reply.extend([0; 8]);
        reply.extend(std::iter::repeat_n(0xBB, length as usize));
        self.exchange(READ, Status::Success, &request, &reply)
    }

    /// ECHO, which asks whether the other side is alive.
    pub(super) fn echo(&mut self) -> Exchange {
        self.exchange(ECHO, Status::Success, &words(&[4, 0]), &words(&[4, 0]))
    }

    fn exchange(&mut self, command: u16, status: Status, request: &[u8], reply: &[u8]) -> Exchange {
        let to_server = self.message(command, 0, 0, request);
        let to_client = self.message(command, TO_CLIENT, status.number(), reply);
        self.message += 1;
        (to_server, to_client)
    }

    fn message(&self, command: u16, flags: u32, status: u32, body: &[u8]) -> Vec<u8> {
        let mut header = vec![0xFE, b'S', b'M', b'B'];
        header.extend(words(&[64, 1]));
        header.extend(status.to_le_bytes());
        header.extend(words(&[command, 1]));
        header.extend(flags.to_le_bytes());
        header.extend([0; 4]);
        header.extend(self.message.to_le_bytes());
        header.extend([0xFF, 0xFE, 0, 0]);
        header.extend(self.tree.to_le_bytes());
        header.extend(self.session.to_le_bytes());
        header.extend([0; 16]);
        let length = (header.len() + body.len()) as u32;
        [&length.to_be_bytes()[..], &header, body].concat()
    }
}

fn session_setup_request(token: &[u8]) -> Vec<u8> {
    let mut body = words(&[25]);
    body.extend([0, 1]);
    body.extend([0; 8]);
    body.extend(words(&[88, token.len() as u16]));
    body.extend([0; 8]);
    body.extend(token);
    body
}

fn session_setup_reply(token: &[u8]) -> Vec<u8> {
    let mut body = words(&[9, 0, 72, token.len() as u16]);
    body.extend(token);
    body
}

pub(super) fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

pub(super) fn words(words: &[u16]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_the_lengths_of_their_fields() {
        let mut dialogue = Dialogue::default();
        let exchanges = [
            dialogue.negotiate(),
            dialogue.challenge(),
            dialogue.authenticate("alice", Status::Success),
            dialogue.tree_connect(r"\\8.8.4.4\files"),
            dialogue.create("a.txt"),
            dialogue.write(100),
            dialogue.read(100),
            dialogue.echo(),
        ];
        // The fixed part of each body (its StructureSize without the odd byte).
        for ((request, reply), fixed) in exchanges.iter().zip([
            (36 + 4, 64),
            (24 + 40, 8 + 56 + 6 + 14),
            (24, 8),
            (8 + 30, 16),
            (56 + 10, 88),
            (48 + 100, 16),
            (49, 16 + 100),
            (4, 4),
        ]) {
            let (of_request, of_reply) = fixed;
            let is_authenticate = request[16] == 1 && of_request == 24;
            assert!(request.len() == 68 + of_request || is_authenticate, "{}", request.len());
            assert_eq!(reply.len(), 68 + of_reply);
            for message in [request, reply] {
                let announced = u32::from_be_bytes(message[..4].try_into().unwrap());
                assert_eq!(announced as usize + 4, message.len());
            }
        }
        let (write, _) = &exchanges[5];
        assert_eq!(write[4 + 0x70..].len(), 100, "the data begins where DataOffset says");
    }
}
