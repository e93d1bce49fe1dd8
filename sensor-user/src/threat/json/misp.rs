//! Events of MISP (the MISP core format), alone or as the answer of a search.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

use super::Found;

/// An event, an object of one, or what is around them. Unknown fields are skipped and take no memory.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Node {
    info: Option<String>,
    response: Nodes,
    #[serde(rename = "Event")]
    event: Nodes,
    #[serde(rename = "Object")]
    objects: Nodes,
    #[serde(rename = "Attribute")]
    attributes: Vec<Attribute>,
}

#[derive(Deserialize)]
struct Attribute {
    #[serde(rename = "type")]
    kind: String,
    value: String,
    comment: Option<String>,
    /// Whether it is meant for detection.
    #[serde(default)]
    to_ids: bool,
    #[serde(default)]
    deleted: bool,
}

/// One, or a list of them.
#[derive(Default)]
struct Nodes(Vec<Node>);

impl<'de> Deserialize<'de> for Nodes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;
        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Nodes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an event or a list of events")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Nodes, A::Error> {
                let mut nodes = Vec::new();
                while let Some(node) = list.next_element()? {
                    nodes.push(node);
                }
                Ok(Nodes(nodes))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Nodes, A::Error> {
                Node::deserialize(MapAccessDeserializer::new(map)).map(|node| Nodes(vec![node]))
            }
        }
        deserializer.deserialize_any(OneOrMany)
    }
}

/// Addresses and networks, in their order.
pub(super) fn addresses(text: &str) -> Result<Vec<Found>, serde_json::Error> {
    let mut found = Vec::new();
    collect(serde_json::from_str(text)?, None, &mut found);
    Ok(found)
}

fn collect(node: Node, info: Option<&str>, found: &mut Vec<Found>) {
    let info = node.info.as_deref().or(info);
    for attribute in node.attributes.into_iter().filter(|one| one.to_ids && !one.deleted) {
        let value = match attribute.kind.as_str() {
            "ip-src" | "ip-dst" => Some(attribute.value.as_str()),
            "ip-src|port" | "ip-dst|port" => attribute.value.split('|').next(),
            "domain|ip" => attribute.value.split('|').nth(1),
            _ => None,
        };
        if let Some(value) = value {
            let comment = attribute.comment.as_deref().filter(|text| !text.is_empty());
            let description = comment.or(info).map(str::to_owned);
            found.push(Found { value: value.to_owned(), description });
        }
    }
    for one in node.response.0.into_iter().chain(node.event.0).chain(node.objects.0) {
        collect(one, info, found);
    }
}
