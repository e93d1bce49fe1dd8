//! The index template for Elasticsearch gives each field its type, regardless of its content.

use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    documents,
    field_list::{fields, leaves},
};

const TEMPLATE: &str = include_str!("../../../../packaging/elasticsearch/index-template.json");

fn template() -> Value {
    serde_json::from_str(TEMPLATE).unwrap()
}

/// The type that the template gives a field with a text.
fn mapped<'a>(mappings: &'a Value, path: &str) -> &'a str {
    let property = path.replace('.', "/properties/");
    if let Some(kind) = mappings.pointer(&format!("/properties/{property}/type")) {
        return kind.as_str().unwrap();
    }
    let leaf = path.rsplit('.').next().unwrap();
    let templates = mappings["dynamic_templates"].as_array().unwrap();
    let fits = |one: &&Value| one["match"].as_str().is_none_or(|name| name == leaf);
    let one = templates.iter().flat_map(|one| one.as_object().unwrap().values()).find(fits).unwrap();
    assert_eq!(one["match_mapping_type"], "string");
    one["mapping"]["type"].as_str().unwrap()
}

/// Every text below a value with its field; those of lists have the field of the list, as in an index.
fn texts(value: &Value, path: String, found: &mut Vec<(String, String)>) {
    let mut below = Vec::new();
    leaves(value, path, &mut below);
    for (path, value) in below {
        match value {
            Value::Array(values) => {
                values.iter().for_each(|value| texts(value, path.clone(), found));
            }
            Value::String(text) => found.push((path, text.clone())),
            _ => {}
        }
    }
}

#[test]
fn each_text_has_the_type_of_its_field() {
    let (template, fields) = (template(), fields());
    let mappings = &template["template"]["mappings"];
    for (name, _, document) in documents() {
        let mut found = Vec::new();
        texts(&document, String::new(), &mut found);
        for (path, text) in found {
            let expected = match fields.get(&*path).map(|field| field.kind) {
                Some("constant_keyword") => "keyword",
                Some("match_only_text") => "text",
                Some(kind) => kind,
                None if OffsetDateTime::parse(&text, &Rfc3339).is_ok() => "date",
                None if path.ends_with(".ip") => "ip",
                None => "keyword",
            };
            assert_eq!(mapped(mappings, &path), expected, "{name}: {path} is {text}");
        }
    }
}

#[test]
fn name_that_looks_like_a_time_makes_no_field_a_time() {
    // Elasticsearch makes a date of a new field whose first text looks like one, and then refuses every other text: a file called
    // 2026-11-30 would keep out all documents with names of files.
    assert_eq!(template()["template"]["mappings"]["date_detection"], false);
}

#[test]
fn every_data_stream_is_one_of_the_template() {
    let template = template();
    let patterns = template["index_patterns"].as_array().unwrap();
    for (name, _, document) in documents() {
        let part = |key: &str| document["data_stream"][key].as_str().unwrap().to_owned();
        let stream = format!("{}-{}-{}", part("type"), part("dataset"), part("namespace"));
        let takes = |pattern: &Value| stream.starts_with(pattern.as_str().unwrap().trim_end_matches('*'));
        assert!(patterns.iter().any(takes), "{name}: {stream}");
    }
}
