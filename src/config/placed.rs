//! A table of the file as JSON that remembers where each of its parts stands, for what is checked by others.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;
use toml::Spanned;
use toml::de::DeValue;

use super::read::{Read, wrong_type};
use super::report::{Problems, Span};
use super::values::to_json;

/// A table as JSON with the places of its parts.
pub struct Placed {
    /// The table.
    pub json: Value,
    /// The place of each part by its JSON pointer, the whole first.
    places: Vec<(String, Span)>,
}

impl Placed {
    /// The place of the part with this JSON pointer, or of the nearest part around it.
    pub fn place(&self, mut pointer: &str) -> Span {
        loop {
            if let Some((_, span)) = self.places.iter().find(|(place, _)| place == pointer) {
                return span.clone();
            }
            pointer = match pointer.rsplit_once('/') {
                Some((around, _)) => around,
                None => return 0..0,
            };
        }
    }
}

impl Read for Placed {
    fn read(value: &Spanned<DeValue<'_>>, problems: &mut Problems) -> Option<Self> {
        if !value.get_ref().is_table() {
            return wrong_type(value.span(), "a table", value.get_ref(), problems);
        }
        let mut places = Vec::new();
        collect(value, &mut String::new(), &mut places);
        Some(Self { json: to_json(value, problems)?, places })
    }
}

fn collect(value: &Spanned<DeValue<'_>>, pointer: &mut String, places: &mut Vec<(String, Span)>) {
    places.push((pointer.clone(), value.span()));
    let within = pointer.len();
    let mut part = |key: &str, value: &Spanned<DeValue<'_>>| {
        pointer.push('/');
        pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
        collect(value, pointer, places);
        pointer.truncate(within);
    };
    match value.get_ref() {
        DeValue::Table(table) => table.iter().for_each(|(key, value)| part(key.get_ref(), value)),
        DeValue::Array(list) => list.iter().enumerate().for_each(|(at, item)| part(&at.to_string(), item)),
        _ => {}
    }
}

impl JsonSchema for Placed {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Placed".into()
    }
    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object" })
    }
}
