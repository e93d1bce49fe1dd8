//! The bulk API of Elasticsearch and OpenSearch: one request for many documents, one result for each.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    ecs,
    sinks::{Delivery, Failure},
    storage::DocumentRow,
};

/// Most bytes of a request, unless one document has more.
const MAX_BYTES: usize = 5 << 20;

/// The body of a request for the first of these documents, and how many those are. Each is created in the data stream of its
/// kind, under its identifier, so that it is there once however often it is sent.
pub(super) fn body(documents: &[DocumentRow], most: usize) -> (String, usize) {
    let (mut body, mut count) = (String::new(), 0);
    for document in documents.iter().take(most) {
        if count > 0 && body.len() + document.body.len() > MAX_BYTES {
            break;
        }
        let action = json!({ "create": { "_index": ecs::data_stream(document.kind), "_id": document.id } });
        body.push_str(&format!("{action}\n{}\n", document.body));
        count += 1;
    }
    (body, count)
}

#[derive(Deserialize)]
struct Answer {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    create: Outcome,
}

#[derive(Deserialize)]
struct Outcome {
    status: u16,
    error: Option<Value>,
}

/// What became of `count` documents, by the answer to their request.
pub(super) fn delivery(answer: &[u8], count: usize) -> Delivery {
    let items = match serde_json::from_slice::<Answer>(answer) {
        Ok(answer) if answer.items.len() == count => answer.items,
        Ok(answer) => {
            let reason = format!("the answer has {} results for {count} documents", answer.items.len());
            return Delivery { failure: Some(Failure::of(reason)), ..Delivery::default() };
        }
        Err(error) => {
            let reason = format!("the answer is not that of a bulk request: {error}");
            return Delivery { failure: Some(Failure::of(reason)), ..Delivery::default() };
        }
    };
    let mut delivery = Delivery::default();
    for Item { create } in items {
        match create.status {
            // 409: it is there already.
            200..300 | 409 => {}
            // 401, 403: the credentials, or an index that is read-only now, and not the document.
            401 | 403 | 429 | 500.. => {
                delivery.failure = Some(Failure::of(described(&create)));
                break;
            }
            _ => delivery.refused.push((delivery.settled, described(&create))),
        }
        delivery.settled += 1;
    }
    delivery
}

fn described(outcome: &Outcome) -> String {
    let text = |name: &str| outcome.error.as_ref().and_then(|error| error[name].as_str()).unwrap_or_default();
    format!("status {}: {}: {}", outcome.status, text("type"), text("reason"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::DocumentKind;

    fn document(sequence: u64, kind: DocumentKind, padding: usize) -> DocumentRow {
        let body = format!("{{\"x\":\"{}\"}}", "x".repeat(padding));
        DocumentRow {
            sequence,
            id: format!("a-{sequence}"),
            kind,
            severity: 73,
            at: 0,
            body,
            brief: Vec::new(),
        }
    }

    #[test]
    fn documents_go_to_their_data_streams_under_their_identifiers() {
        let documents = [document(1, DocumentKind::Incident, 1), document(2, DocumentKind::Flow, 1)];
        let (body, count) = body(&documents, 10);
        let lines: Vec<_> = body.lines().collect();
        assert_eq!((count, lines.len()), (2, 4));
        assert_eq!(
            lines[0],
            "{\"create\":{\"_index\":\"logs-smb_sensor.incident-default\",\"_id\":\"a-1\"}}"
        );
        assert_eq!(lines[1], documents[0].body);
        assert_eq!(
            lines[2],
            "{\"create\":{\"_index\":\"logs-network_traffic.flow-default\",\"_id\":\"a-2\"}}"
        );
        assert!(body.ends_with('\n'));
    }

    #[test]
    fn request_is_bounded_by_bytes() {
        let documents: Vec<_> = (0..8).map(|number| document(number, DocumentKind::Flow, 2 << 20)).collect();
        assert_eq!(body(&documents, 100).1, 2);
        assert_eq!(body(&[document(1, DocumentKind::Flow, 6 << 20)], 100).1, 1, "a large one goes alone");
    }

    #[test]
    fn each_document_has_its_own_result() {
        let answer = json!({ "errors": true, "items": [
            { "create": { "status": 201 } },
            { "create": { "status": 409, "error": { "type": "version_conflict_engine_exception" } } },
            { "create": { "status": 400, "error": { "type": "document_parsing_exception", "reason": "field" } } },
            { "create": { "status": 429, "error": { "type": "es_rejected_execution_exception", "reason": "busy" } } },
            { "create": { "status": 201 } },
        ]});
        let delivery = delivery(answer.to_string().as_bytes(), 5);
        assert_eq!(delivery.settled, 3, "those behind a busy one are sent again");
        assert_eq!(delivery.refused, [(2, "status 400: document_parsing_exception: field".to_owned())]);
        assert!(delivery.failure.unwrap().reason.contains("busy"));
    }

    #[test]
    fn answer_of_another_form_settles_nothing() {
        for answer in ["<html>", "{\"items\":[]}", "{}"] {
            let delivery = delivery(answer.as_bytes(), 1);
            assert!(delivery.settled == 0 && delivery.failure.is_some(), "{answer}");
        }
    }
}
