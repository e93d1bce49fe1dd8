//! Severities and evidence levels of a newer version, or of a damaged page.

use sensor_core::level::EvidenceLevel;

use super::*;
use crate::storage::Contact;

/// The documents that a sink of this severity gets, by number, with the severity that each has.
fn read(directory: &Path, min_severity: Option<Severity>) -> Vec<(u64, Option<Severity>)> {
    let mut found = Vec::new();
    let each = |document: crate::storage::DocumentRow| {
        found.push((document.sequence, document.severity));
        true
    };
    let query = DocumentQuery { min_severity, ..DocumentQuery::default() };
    Reader::open(directory).unwrap().documents(&query, each).unwrap();
    found
}

#[test]
fn rows_with_unknown_numbers_are_read_and_flows_are_in_every_selection() {
    let directory = tempfile::tempdir().unwrap();
    let store = Running::begin(directory.path(), Bounds::default());
    let contact = Contact {
        external: "8.8.4.4".into(),
        internal: "10.0.0.2".into(),
        at: 0,
        level: EvidenceLevel::Share,
    };
    let incident = |id: &str| IncidentRow {
        id: id.into(),
        severity: Severity::High,
        last: wall_clock::now().unix_nanos(),
        open: true,
        state: vec![],
    };
    store.submit(RowBatch {
        incidents: vec![incident("aa01"), incident("aa02")],
        contacts: vec![contact.clone(), Contact { internal: "10.0.0.3".into(), ..contact }],
        ..documents(1..=6)
    });
    store.end();
    let changes = "UPDATE documents SET severity = CASE sequence WHEN 1 THEN 150 WHEN 3 THEN 98 WHEN 5 THEN -1 ELSE 0 END;
                   UPDATE incidents SET severity = CASE id WHEN 'aa01' THEN 1000 ELSE 3 END;
                   UPDATE contacts SET level = 9 WHERE internal = '10.0.0.3';";
    Connection::open(crate::storage::file(directory.path())).unwrap().execute_batch(changes).unwrap();
    let flows = [(2, None), (4, None), (6, None)];
    let [critical, high, none] = [(1, Some(Severity::Critical)), (3, Some(Severity::High)), (5, None)];
    let expected = [
        (None, vec![critical, flows[0], high, flows[1], none, flows[2]]),
        (Some(Severity::Low), vec![critical, flows[0], high, flows[1], flows[2]]),
        (Some(Severity::Critical), vec![critical, flows[0], flows[1], flows[2]]),
    ];
    for (least, documents) in expected {
        assert_eq!(read(directory.path(), least), documents, "{least:?}");
    }
    let reader = Reader::open(directory.path()).unwrap();
    let severities: Vec<_> =
        reader.incidents(&IncidentQuery::default()).unwrap().into_iter().map(|row| row.severity).collect();
    assert_eq!(severities, [Severity::Critical, Severity::Low]);
    let levels: Vec<_> = reader.contacts("8.8.4.4", 10).unwrap().into_iter().map(|row| row.level).collect();
    assert!(levels.contains(&Some(EvidenceLevel::Share)) && levels.contains(&None), "{levels:?}");
}
