//! Evidence that a connection of HTTP carries WebDAV, or a log-on by NTLM or Kerberos.

use serde::{Deserialize, Serialize};

/// WebDAV that was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebDav {
    /// The first method of WebDAV alone.
    pub method: Option<String>,
    /// The program of the client, as it calls itself. Not proven.
    pub user_agent: Option<String>,
    /// What shows it.
    pub evidence: WebDavEvidence,
}

/// What shows it. Each of the first three is enough if the server answered; a request for options alone is nothing, as browsers send it too.
/// The last two are about the server: what its answers show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebDavEvidence {
    /// A method of WebDAV alone.
    pub method: bool,
    /// The client calls itself a WebDAV redirector of Windows.
    pub redirector: bool,
    /// A token of NTLM or Kerberos was sent, or a challenge.
    pub token: bool,
    /// The server answered in HTTP: text of another protocol may look like a request.
    #[serde(default)]
    pub answered: bool,
    /// An answer shows that the server serves WebDAV, or would after a log-on.
    #[serde(default)]
    pub served: bool,
    /// It listed something to a client that sent nothing by which it could be logged on.
    #[serde(default)]
    pub anonymous: bool,
}

impl WebDavEvidence {
    /// Whether there is any of the client's wish for WebDAV.
    #[must_use]
    pub const fn any(self) -> bool {
        self.method || self.redirector || self.token
    }
}
