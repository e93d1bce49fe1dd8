//! Reads values out of the JSON that tshark writes for a packet.

use serde_json::Value;

/// A value, or each of a list of them.
pub(crate) fn each(value: &Value) -> impl Iterator<Item = &Value> {
    let (list, one) = match value {
        Value::Array(list) => (Some(list), None),
        Value::Null => (None, None),
        one => (None, Some(one)),
    };
    list.into_iter().flatten().chain(one)
}

pub(crate) fn text(value: &Value) -> Option<String> {
    each(value).next()?.as_str().map(str::to_owned)
}

/// Calls `visit` with every object below a value.
pub(crate) fn walk(value: &Value, visit: &mut impl FnMut(&Value)) {
    match value {
        Value::Object(fields) => {
            visit(value);
            fields.values().for_each(|field| walk(field, visit));
        }
        Value::Array(list) => list.iter().for_each(|item| walk(item, visit)),
        _ => {}
    }
}

/// Every text under a key, anywhere below a value.
pub(crate) fn all(value: &Value, key: &str) -> Vec<String> {
    let mut found = Vec::new();
    walk(value, &mut |object| {
        found.extend(each(&object[key]).filter_map(|text| text.as_str().map(str::to_owned)));
    });
    found
}
