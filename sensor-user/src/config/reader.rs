//! Reads a TOML document: gives typed values, and reports every mistake with its place.

use toml_span::{Deserialize, ErrorKind, Span, Value, de_helpers::TableHelper, value::ValueInner};

/// Reads the document and collects all mistakes.
pub(super) struct Reader {
    pub(super) errors: Vec<(Span, String)>,
    /// Mistakes of threat list files. A caller with older lists can continue with those.
    pub(super) unread_lists: Vec<(Span, String)>,
    /// Mistakes of the file of the inventory, likewise.
    pub(super) unread_assets: Vec<(Span, String)>,
}

impl Reader {
    /// Reads a table's keys with `read` and reports unknown ones.
    pub(super) fn table<'de>(
        &mut self,
        value: &mut Value<'de>,
        read: impl FnOnce(&mut Self, &mut TableHelper<'de>),
    ) {
        let mut table = match TableHelper::new(value) {
            Ok(table) => table,
            Err(error) => return self.toml_errors(error.errors),
        };
        read(self, &mut table);
        if let Err(error) = table.finalize(None) {
            self.toml_errors(error.errors);
        }
    }

    /// A sub-table, if present.
    pub(super) fn section<'de>(
        &mut self,
        table: &mut TableHelper<'de>,
        name: &'static str,
        read: impl FnOnce(&mut Self, &mut TableHelper<'de>),
    ) {
        if let Some((_, mut value)) = table.take(name) {
            self.table(&mut value, read);
        }
    }

    /// A single value, if present: typed by TOML, then checked.
    pub(super) fn value<'de, T: Deserialize<'de>, R>(
        &mut self,
        table: &mut TableHelper<'de>,
        name: &'static str,
        into: &mut R,
        check: impl FnOnce(T) -> Result<R, String>,
    ) {
        if let Some((_, mut value)) = table.take(name)
            && let Some(checked) = self.checked(name, &mut value, check)
        {
            *into = checked;
        }
    }

    /// A list, if present; every element is checked.
    pub(super) fn list<'de, T: Deserialize<'de>, R>(
        &mut self,
        table: &mut TableHelper<'de>,
        name: &'static str,
        into: &mut Vec<R>,
        check: impl Fn(T) -> Result<R, String>,
    ) {
        let Some((_, mut value)) = table.take(name) else {
            return;
        };
        let span = value.span;
        match value.take() {
            ValueInner::Array(items) => {
                into.clear();
                for mut item in items {
                    into.extend(self.checked(name, &mut item, &check));
                }
            }
            other => {
                self.errors.push((span, format!("`{name}` is {}; write a list: [ … ]", other.type_str())));
            }
        }
    }

    pub(super) fn checked<'de, T: Deserialize<'de>, R>(
        &mut self,
        name: &str,
        value: &mut Value<'de>,
        check: impl FnOnce(T) -> Result<R, String>,
    ) -> Option<R> {
        let span = value.span;
        match T::deserialize(value) {
            Ok(typed) => match check(typed) {
                Ok(checked) => return Some(checked),
                Err(message) => self.errors.push((span, format!("`{name}`: {message}"))),
            },
            Err(error) => {
                for error in error.errors {
                    self.errors.push((span, format!("`{name}`: {}", describe(&error))));
                }
            }
        }
        None
    }

    /// A list of tables, `[[name]]`, if present; `read` reads each and returns its value if it has no mistake.
    pub(super) fn tables<T>(
        &mut self,
        table: &mut TableHelper<'_>,
        name: &'static str,
        mut read: impl FnMut(&mut Self, &mut TableHelper<'_>, Span) -> T,
    ) -> Vec<T> {
        let Some((_, mut value)) = table.take(name) else { return vec![] };
        let span = value.span;
        let ValueInner::Array(items) = value.take() else {
            self.mistake(span, format!("`{name}` is not a list; write [[{name}]] above each entry"));
            return vec![];
        };
        let mut all = Vec::new();
        for mut item in items {
            let (span, before) = (item.span, self.errors.len());
            let mut one = None;
            self.table(&mut item, |reader, table| one = Some(read(reader, table, span)));
            if self.errors.len() == before {
                all.extend(one);
            }
        }
        all
    }

    /// One value or a list of them, if present: each with its place.
    pub(super) fn some<'de>(
        &mut self,
        table: &mut TableHelper<'de>,
        name: &'static str,
    ) -> Option<(Span, Vec<Value<'de>>)> {
        let (_, mut value) = table.take(name)?;
        let span = value.span;
        match value.take() {
            ValueInner::Array(items) if items.is_empty() => {
                self.mistake(span, format!("`{name}` is an empty list: name something, or leave it out"));
                None
            }
            ValueInner::Array(items) => Some((span, items)),
            one => Some((span, vec![Value::with_span(one, span)])),
        }
    }

    /// Takes keys that have no effect here, and notes what each needs.
    pub(super) fn without_effect(
        &mut self,
        table: &mut TableHelper<'_>,
        names: &[&'static str],
        needs: &str,
    ) {
        for name in names {
            if let Some((key, _)) = table.take(name) {
                self.mistake(key.span, format!("`{name}` needs {needs}"));
            }
        }
    }

    /// Notes a mistake.
    pub(super) fn mistake(&mut self, span: Span, message: impl Into<String>) {
        self.errors.push((span, message.into()));
    }

    fn toml_errors(&mut self, errors: Vec<toml_span::Error>) {
        for error in errors {
            if let ErrorKind::UnexpectedKeys { keys, expected } = &error.kind {
                for (key, span) in keys {
                    self.errors
                        .push((*span, format!("unknown key `{key}`; known here: {}", expected.join(", "))));
                }
            } else {
                self.errors.push((error.span, describe(&error)));
            }
        }
    }
}

/// An error of the TOML reader without its place, which the caller adds.
pub(super) fn describe(error: &toml_span::Error) -> String {
    match &error.kind {
        ErrorKind::Wanted { expected, found } => {
            let expected = match *expected {
                "i64" => "a whole number",
                "a bool" => "true or false",
                other => other,
            };
            format!("{expected} expected, {found} found")
        }
        ErrorKind::DuplicateKey { key, .. } if key == "output" => {
            "`output` is there already: write either `output = …` or [[output]] tables".to_owned()
        }
        ErrorKind::DuplicateKey { key, .. } => format!("the key `{key}` is there already; keep one of them"),
        ErrorKind::DuplicateTable { name, .. } => {
            format!("the table [{name}] is there already; keep all its keys together")
        }
        ErrorKind::RedefineAsArray => {
            "this is there already as another kind of value; keep one of them".to_owned()
        }
        // The kinds of the library are no sentences.
        ErrorKind::UnexpectedEof => "the file ends in the middle of a value".to_owned(),
        ErrorKind::UnterminatedString => "a text without its closing quotation mark".to_owned(),
        ErrorKind::UnquotedString => "a text needs quotation marks".to_owned(),
        ErrorKind::Unexpected(character) => format!("{character:?} is not expected here"),
        ErrorKind::InvalidNumber => "this is no number".to_owned(),
        _ => error.to_string(),
    }
}
