//! The last word on what a sensor that was killed left open.

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

/// Why a summary ends before its window does.
const CUT_SHORT: &str =
    "the sensor ended before the window did; what it held back after event.end is not counted";

/// The summary of a window that was open when its sensor was killed, as it stood then, told at `now`, with the reason.
#[must_use]
pub(crate) fn ended_with_the_sensor(mut document: Value, now: i128) -> Value {
    document["@timestamp"] = json!(rfc3339(now));
    document["smb_sensor"]["suppression"]["reason"] = json!(CUT_SHORT);
    document
}
