//! The schemas in the repository are those of the documents.

use std::{fs, path::Path};

use super::*;

/// Set to rewrite the schema files instead of comparing them: `SMB_SENSOR_WRITE_SCHEMAS=1 cargo test -p sensor-user schemas`.
const WRITE: &str = "SMB_SENSOR_WRITE_SCHEMAS";

#[test]
fn the_schemas_in_the_repository_are_those_of_the_structs() {
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
