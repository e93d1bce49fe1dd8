//! How a stream of bytes is divided into messages.

/// How the bytes of a connection are divided into messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framing {
    /// NetBIOS session packets: SMB on 139, 445 and elsewhere.
    NetBios,
    /// DCE-RPC PDUs: port 135 and the ports that it names.
    DceRpc,
    /// Heads of HTTP messages; the content between them is not read.
    Http,
}
