//! DCE-RPC of a connection, in pipes and directly over TCP.

use super::{Dissector, Problem, Sender};
use crate::{
    dcerpc::{self, Body},
    facts::New,
    smb2::{RELATED_FILE, ShareKind},
};

/// Most PDUs that are read from one message.
const MAX_UNITS: usize = 16;

impl Dissector {
    /// Reads the PDUs at the beginning of `bytes`. `handle` is the pipe's, or 0 without a pipe.
    pub(super) fn rpc(&mut self, from: Sender, handle: u128, bytes: &[u8]) -> Result<(), Problem> {
        let mut rest = bytes;
        for _ in 0..MAX_UNITS {
            let pdu = dcerpc::read(rest)?;
            if from == Sender::Client {
                self.called(handle, &pdu.body);
            }
            if let Some(blob) = pdu.auth {
                // Blobs of other security providers are ignored, so an unreadable blob is no problem.
                let _ = self.blob(from, blob, None);
            }
            rest = rest.get(pdu.length..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
        }
        Ok(())
    }

    fn called(&mut self, handle: u128, body: &Body) {
        match body {
            Body::Bind(contexts) => {
                for context in contexts {
                    let Some((place, new)) = self.facts.add_interface(context.interface, context.version)
                    else {
                        continue;
                    };
                    self.contexts.insert((handle, context.id), place);
                    if new {
                        self.report(New::Interface(place));
                    }
                }
            }
            Body::Request { context, opnum } => {
                let bound = |handle| self.contexts.get(&(handle, *context));
                let Some(place) = bound(handle).or_else(|| bound(RELATED_FILE)) else { return };
                if self.facts.add_operation(place, *opnum) {
                    self.report(New::Operation(place, *opnum));
                }
            }
            Body::Other(_) => {}
        }
    }

    /// Reads data of a tree's handle that may be DCE-RPC. Data of a known file is not read.
    pub(super) fn piped(&mut self, from: Sender, tree: u32, handle: u128, surely_pipe: bool, bytes: &[u8]) {
        let kind = self.trees.get(&tree);
        if surely_pipe || matches!(kind, None | Some(ShareKind::Pipe)) {
            // Pipes carry other protocols too, so unreadable data is no problem.
            let _ = self.rpc(from, handle, bytes);
        }
    }
}

#[cfg(test)]
mod tests;
