//! The JSON Schema of the configuration, for editors.

use chatwire_protocols::options::{OptionKind, OptionSpec};
use chatwire_protocols::protocol::Protocol;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::file::Gateway;

/// The schema: the file's sections, with these protocols' names and their options.
pub fn json_schema(protocols: &[&Protocol]) -> Value {
    let mut schema = Value::from(SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Gateway>());
    drop_null(&mut schema);
    let pages = protocols.iter().filter_map(|protocol| Some((*protocol, protocol.frontend.as_ref()?.options)));
    let providers = protocols.iter().filter_map(|protocol| Some((*protocol, protocol.upstream.as_ref()?.options)));
    add_protocols(&mut schema, "Route", &pages.collect::<Vec<_>>());
    add_protocols(&mut schema, "Provider", &providers.collect::<Vec<_>>());
    schema
}

/// TOML has no null: a key that may be left out is no key that may be null.
fn drop_null(schema: &mut Value) {
    match schema {
        Value::Array(list) => list.iter_mut().for_each(drop_null),
        Value::Object(members) => {
            drop_null_here(members);
            members.values_mut().for_each(drop_null);
        }
        _ => {}
    }
}

fn drop_null_here(members: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = members.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            members.insert("type".to_owned(), only);
        }
    }
    let Some(Value::Array(choices)) = members.get_mut("anyOf") else { return };
    choices.retain(|choice| *choice != json!({ "type": "null" }));
    if let [Value::Object(only)] = choices.as_slice() {
        let only = only.clone();
        members.remove("anyOf");
        members.extend(only);
    }
}

/// Tells a section which protocols there are, and which options each has.
fn add_protocols(schema: &mut Value, section: &str, protocols: &[(&Protocol, &'static [OptionSpec])]) {
    if protocols.is_empty() {
        return;
    }
    let Some(Value::Object(section)) = schema.pointer_mut(&format!("/$defs/{section}")) else { return };
    if let Some(Value::Object(protocol)) = section.get_mut("properties").and_then(|all| all.get_mut("protocol")) {
        let choices =
            protocols.iter().map(|(protocol, _)| json!({ "enum": names(protocol), "description": protocol.about }));
        protocol.remove("type");
        protocol.insert("anyOf".to_owned(), choices.collect());
    }
    let choices = protocols.iter().map(|(protocol, options)| {
        json!({
            "if": { "properties": { "protocol": { "enum": names(protocol) } }, "required": ["protocol"] },
            "then": { "properties": { "options": options_schema(options) } },
        })
    });
    section.insert("allOf".to_owned(), choices.collect());
}

fn names(protocol: &Protocol) -> Vec<&'static str> {
    std::iter::once(protocol.name).chain(protocol.aliases.iter().copied()).collect()
}

fn options_schema(options: &[OptionSpec]) -> Value {
    let properties: Map<_, _> = options.iter().map(|option| (option.name.to_owned(), option_schema(option))).collect();
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

fn option_schema(option: &OptionSpec) -> Value {
    let mut schema = match option.kind {
        OptionKind::Flag => json!({ "type": "boolean" }),
        OptionKind::Choice(words) => json!({ "enum": words }),
        OptionKind::Text => json!({ "type": "string" }),
        OptionKind::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
    };
    if let Value::Object(members) = &mut schema {
        members.insert("description".to_owned(), option.about.into());
    }
    schema
}
