//! Schemas of fields with the name of one of a few things.

use std::{borrow::Cow, marker::PhantomData};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use sensor_core::{
    address::Direction,
    level::{EvidenceLevel, Severity},
};

/// What has one of a few names in documents.
pub(super) trait Named {
    /// What the schema calls it.
    const NAME: &'static str;

    /// All names.
    fn names() -> Vec<&'static str>;
}

impl Named for Severity {
    const NAME: &'static str = "Severity";

    fn names() -> Vec<&'static str> {
        Self::ALL.map(Self::name).into()
    }
}

impl Named for EvidenceLevel {
    const NAME: &'static str = "EvidenceLevel";

    fn names() -> Vec<&'static str> {
        Self::ALL.map(Self::name).into()
    }
}

impl Named for Direction {
    const NAME: &'static str = "Direction";

    fn names() -> Vec<&'static str> {
        Self::ALL.map(Self::name).into()
    }
}

/// In a schema: one of the names of `T`.
pub(super) struct NameOf<T>(PhantomData<T>);

impl<T: Named> JsonSchema for NameOf<T> {
    fn schema_name() -> Cow<'static, str> {
        T::NAME.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": T::names() })
    }
}
