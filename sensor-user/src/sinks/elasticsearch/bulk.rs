//! The bulk API of Elasticsearch and OpenSearch: one request for many documents, one result for each.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    ecs,
    sinks::{Delivery, Failure},
    storage::{DocumentKind, DocumentRow},
};

/// Most bytes of a request, unless one document has more.
const MAX_BYTES: usize = 5 << 20;

/// The body of a request for the first of these documents, and how many those are. Each is created in the data stream of its
/// kind, under its identifier, so that it is there once however often it is sent. Two sensors on one path may give a connection the
/// same identifier, so that of a summary begins with the name of the host.
pub(super) fn body(documents: &[DocumentRow], host: &str, most: usize) -> (String, usize) {
    let (mut body, mut count) = (String::new(), 0);
    for document in documents.iter().take(most) {
        if count > 0 && body.len() + document.body.len() > MAX_BYTES {
            break;
        }
        let id = match document.kind {
            DocumentKind::Incident => document.id.clone(),
            DocumentKind::Flow => format!("{host}/{}", document.id),
        };
        let action = json!({ "create": { "_index": ecs::data_stream(document.kind), "_id": id } });
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
    use sensor_core::level::Severity;

    use super::*;
    use crate::storage::DocumentKind;

    fn document(sequence: u64, kind: DocumentKind, padding: usize) -> DocumentRow {
        let body = format!("{{\"x\":\"{}\"}}", "x".repeat(padding));
        DocumentRow {
            sequence,
            id: format!("a-{sequence}"),
            kind,
            severity: Some(Severity::High),
            at: 0,
            body,
            brief: Vec::new(),
        }
    }

    #[test]
    fn documents_go_to_their_data_streams_under_their_identifiers() {
        let documents = [document(1, DocumentKind::Incident, 1), document(2, DocumentKind::Flow, 1)];
        let (body, count) = body(&documents, "gate", 10);
        let lines: Vec<_> = body.lines().collect();
        assert_eq!((count, lines.len()), (2, 4));
        assert_eq!(
            lines[0],
            "{\"create\":{\"_index\":\"logs-smb_sensor.incident-default\",\"_id\":\"a-1\"}}"
        );
        assert_eq!(lines[1], documents[0].body);
        assert_eq!(
            lines[2],
            "{\"create\":{\"_index\":\"logs-network_traffic.flow-default\",\"_id\":\"gate/a-2\"}}"
        );
        assert!(body.ends_with('\n'));
    }

    #[test]
    fn request_is_bounded_by_bytes() {
        let documents: Vec<_> = (0..8).map(|number| document(number, DocumentKind::Flow, 2 << 20)).collect();
        assert_eq!(body(&documents, "gate", 100).1, 2);
        assert_eq!(
            body(&[document(1, DocumentKind::Flow, 6 << 20)], "gate", 100).1,
            1,
            "a large one goes alone"
        );
    }

    #[test]
    fn each_document_has_its_own_result() {
        for (status, kind) in [
            (401, "security_exception"),
            (403, "cluster_block_exception"),
            (429, "es_rejected_execution_exception"),
            (500, "exception"),
            (503, "unavailable_shards_exception"),
        ] {
            let answer = json!({ "errors": true, "items": [
                { "create": { "status": 201 } },
                { "create": { "status": 409, "error": { "type": "version_conflict_engine_exception" } } },
                { "create": { "status": 400, "error": { "type": "document_parsing_exception", "reason": "field" } } },
                { "create": { "status": status, "error": { "type": kind, "reason": "not now" } } },
                { "create": { "status": 201 } },
            ]});
            let delivery = delivery(answer.to_string().as_bytes(), 5);
            assert_eq!(delivery.settled, 3, "{status}: it is sent again with those behind it");
            assert_eq!(delivery.refused, [(2, "status 400: document_parsing_exception: field".to_owned())]);
            assert_eq!(delivery.failure.unwrap().reason, format!("status {status}: {kind}: not now"));
        }
    }

    #[test]
    fn results_of_opensearch_are_read_likewise() {
        // In the form of OpenSearch 2, which has its own names for errors.
        let index = ".ds-logs-smb_sensor.incident-default-000001";
        let answer = json!({ "took": 31, "errors": true, "items": [
            { "create": {
                "_index": index, "_id": "a-1", "_version": 1, "result": "created",
                "_shards": { "total": 2, "successful": 1, "failed": 0 },
                "_seq_no": 0, "_primary_term": 1, "status": 201,
            } },
            { "create": { "_index": index, "_id": "a-2", "status": 409, "error": {
                "type": "version_conflict_engine_exception",
                "reason": "[a-2]: version conflict, document already exists (current version [1])",
                "index": index, "shard": "0", "index_uuid": "yhizhusbSWmP0G7OJnmcLg",
            } } },
            { "create": { "_index": index, "_id": "a-3", "status": 400, "error": {
                "type": "mapper_parsing_exception",
                "reason": "failed to parse field [source.ip] of type [ip] in document with id 'a-3'",
                "caused_by": { "type": "illegal_argument_exception", "reason": "'x' is not an IP string literal." },
            } } },
            { "create": { "_index": index, "_id": "a-4", "status": 429, "error": {
                "type": "rejected_execution_exception", "reason": "rejected execution of coordinating operation",
            } } },
        ]});
        let delivery = delivery(answer.to_string().as_bytes(), 4);
        assert_eq!(delivery.settled, 3);
        let [(2, reason)] = &delivery.refused[..] else { panic!("{delivery:?}") };
        assert!(
            reason.starts_with("status 400: mapper_parsing_exception: failed to parse field [source.ip]"),
            "{reason}"
        );
        let failure = delivery.failure.unwrap().reason;
        assert!(
            failure.starts_with("status 429: rejected_execution_exception: rejected execution"),
            "{failure}"
        );
    }

    #[test]
    fn answer_of_another_form_settles_nothing() {
        for answer in ["<html>", "{\"items\":[]}", "{}"] {
            let delivery = delivery(answer.as_bytes(), 1);
            assert!(delivery.settled == 0 && delivery.failure.is_some(), "{answer}");
        }
    }
}
