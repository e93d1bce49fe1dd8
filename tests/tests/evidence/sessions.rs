//! Sessions of many tests: each succeeds, or the test fails with the client's message.

use sensor_lab::{Outcome, PythonClient};

use crate::stage::Pair;

/// smbclient fetches a file.
pub(crate) fn smbclient_fetches(pair: Pair<'_>) {
    succeeded(&pair.smbclient().get("hello.txt").unwrap());
}

/// The same over SMB 1.
pub(crate) fn smbclient_fetches_over_smb_1(pair: Pair<'_>) {
    succeeded(&pair.smbclient().protocol("NT1").get("hello.txt").unwrap());
}

/// A Python client fetches a file.
pub(crate) fn fetches(client: &PythonClient<'_>) {
    takes(client, &["get:hello.txt"]);
}

/// A Python client takes steps.
pub(crate) fn takes(client: &PythonClient<'_>, steps: &[&str]) {
    succeeded(&client.run(steps).unwrap());
}

/// A client that was refused for the reason that it reports.
pub(crate) fn refused(outcome: &Outcome, reason: &str) {
    assert!(!outcome.success() && outcome.output.contains(reason), "{outcome:?}");
}

fn succeeded(outcome: &Outcome) {
    assert!(outcome.success(), "{}", outcome.output);
}
