//! The last word on an alert whose sensor was killed.

use serde_json::{Value, json};

use super::{Status, timestamp::rfc3339};

/// Why it is closed.
const REASON: &str = "the sensor ended before the conversation did";

/// The document that closes an alert, or the alert on a sweep, after the last that a killed sensor told of it: the same totals,
/// told at `now`, with the reason.
#[must_use]
pub(crate) fn closed_for_the_sensor(mut document: Value, now: i128) -> Value {
    let sequence = document.pointer("/event/sequence").and_then(Value::as_u64).unwrap_or_default();
    document["@timestamp"] = json!(rfc3339(now));
    document["event"]["sequence"] = json!(sequence + 1);
    if document.pointer("/event/type/0").is_none_or(|kind| kind != "denied") {
        document["event"]["type"] = json!(["end"]);
    }
    document["smb_sensor"]["alert"]["status"] = json!(Status::Closed.name());
    document["smb_sensor"]["alert"]["reason"] = json!(REASON);
    document
}
