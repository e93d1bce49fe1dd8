//! A document as an event in the Common Event Format, version 0.
//!
//! Fields that a document has several times (a sweep's addresses) appear once or not at all; the JSON form has everything.

use serde_json::Value;

use crate::storage::DocumentRow;

/// Extension keys of CEF and the fields of a document that they hold.
const EXTENSIONS: [(&str, &str); 13] = [
    ("externalId", "/event/id"),
    ("src", "/source/ip"),
    ("spt", "/source/port"),
    ("dst", "/destination/ip"),
    ("dpt", "/destination/port"),
    ("proto", "/network/transport"),
    ("app", "/network/protocol"),
    ("act", "/event/action"),
    ("outcome", "/event/outcome"),
    ("suser", "/source/user/name"),
    ("dvchost", "/observer/hostname"),
    ("cs1", "/smb_sensor/incident/id"),
    ("msg", "/message"),
];

/// The event of a document, on one line.
pub(super) fn event(document: &DocumentRow) -> String {
    let fields: Value = serde_json::from_str(&document.body).unwrap_or_default();
    let text = |pointer: &str| match fields.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => value.to_string(),
        _ => String::new(),
    };
    let or = |text: String, other: &str| if text.is_empty() { other.to_owned() } else { text };
    let header = [
        "smb-sensor".to_owned(),
        "smb-sensor".to_owned(),
        text("/observer/version"),
        or(text("/rule/id"), "flow"),
        or(text("/rule/name"), "Flow"),
        severity(document.severity).to_string(),
    ];
    let mut event = "CEF:0".to_owned();
    for field in header {
        event.push('|');
        event.push_str(&escaped(&field, &['|']));
    }
    event.push('|');
    let mut extensions = vec![format!("rt={}", document.at / 1_000_000)];
    for (key, pointer) in EXTENSIONS {
        let value = text(pointer);
        if !value.is_empty() {
            extensions.push(format!("{key}={}", escaped(&value, &['='])));
            if key == "cs1" {
                extensions.push("cs1Label=incident".to_owned());
            }
        }
    }
    event.push_str(&extensions.join(" "));
    event
}

/// The severity of CEF, 0 to 10.
const fn severity(number: u8) -> u8 {
    match number {
        99.. => 10,
        73.. => 8,
        47.. => 5,
        21.. => 3,
        _ => 0,
    }
}

/// Text with a backslash before special characters. A line break becomes `\n`, so that an event stays on one line.
fn escaped(text: &str, special: &[char]) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            _ => {
                if character == '\\' || special.contains(&character) {
                    escaped.push('\\');
                }
                escaped.push(character);
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::DocumentKind;

    #[test]
    fn event_has_header_and_extensions_with_escapes() {
        let body = "{\"event\":{\"id\":\"x-1\",\"action\":\"incident-opened\"},\"observer\":{\"version\":\"1|0\"},\
                    \"rule\":{\"id\":\"r\",\"name\":\"A | B \\\\ C = D\"},\"source\":{\"ip\":\"10.0.0.2\",\"port\":5},\
                    \"message\":\"a = b | c\\nd \\\\ e\"}";
        let document = DocumentRow {
            sequence: 1,
            id: "x-1".to_owned(),
            kind: DocumentKind::Incident,
            severity: 73,
            at: 1_700_000_000_500_000_000,
            body: body.to_owned(),
        };
        assert_eq!(
            event(&document),
            "CEF:0|smb-sensor|smb-sensor|1\\|0|r|A \\| B \\\\ C = D|8|rt=1700000000500 externalId=x-1 src=10.0.0.2 spt=5 \
             act=incident-opened msg=a \\= b | c\\nd \\\\ e"
        );
    }

    #[test]
    fn names_in_a_flow_are_those_of_a_flow() {
        let document = DocumentRow {
            sequence: 1,
            id: String::new(),
            kind: DocumentKind::Flow,
            severity: 0,
            at: 0,
            body: "{\"destination\":{\"ip\":\"2001:db8::1\"}}".to_owned(),
        };
        assert_eq!(event(&document), "CEF:0|smb-sensor|smb-sensor||flow|Flow|0|rt=0 dst=2001:db8::1");
    }
}
