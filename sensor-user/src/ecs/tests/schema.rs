//! The stored schemas match the structs, and documents follow them.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::{Value, json};

use super::{documents, schemas};

/// Set to rewrite the schema files instead of comparing them: `SMB_SENSOR_WRITE_SCHEMAS=1 cargo test -p sensor-user schemas`.
const WRITE: &str = "SMB_SENSOR_WRITE_SCHEMAS";

#[test]
fn stored_schemas_match_the_structs() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema");
    for (name, schema) in schemas() {
        let generated = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        let path = folder.join(name);
        if std::env::var_os(WRITE).is_some() {
            fs::write(&path, &generated).unwrap();
        }
        let kept = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(kept, generated, "{name} is not what the structs give: set {WRITE} to rewrite it");
    }
}

fn validators() -> BTreeMap<&'static str, jsonschema::Validator> {
    let compile = |schema| jsonschema::validator_for(&serde_json::to_value(schema).unwrap()).unwrap();
    schemas().into_iter().map(|(name, schema)| (name, compile(schema))).collect()
}

#[test]
fn every_document_follows_its_schema() {
    let validators = validators();
    for (name, schema, document) in documents() {
        let errors: Vec<_> = validators[schema]
            .iter_errors(&document)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{name}: {errors:#?}");
    }
}

#[test]
fn schema_refuses_unknown_fields_and_values() {
    let validators = validators();
    for (name, schema, document) in documents() {
        let validator = &validators[schema];
        for (parent, field, wrong) in [
            ("/smb_sensor", "password", json!("x")),
            ("/event", "kind", json!("warning")),
            ("", "password", json!("x")),
        ] {
            let mut broken = document.clone();
            broken.pointer_mut(parent).and_then(Value::as_object_mut).unwrap().insert(field.into(), wrong);
            assert!(!validator.is_valid(&broken), "{name}: {parent}/{field}");
        }
    }
}
