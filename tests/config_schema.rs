//! The JSON Schema of the configuration, against what the configuration takes.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod protocols;

use chatwire::config::schema::json_schema;
use serde_json::{Value, json};

/// Follows a reference.
fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let Some(pointer) = schema["$ref"].as_str() else { return schema };
    root.pointer(pointer.trim_start_matches('#')).unwrap_or_else(|| panic!("{pointer} leads nowhere"))
}

/// The places at which the value has keys or types that the schema does not.
fn misfits(root: &Value, schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    let schema = resolved(root, schema);
    if let Some(choices) = schema["anyOf"].as_array() {
        let fits = |choice: &Value| {
            let mut found = Vec::new();
            misfits(root, choice, value, place, &mut found);
            found.is_empty()
        };
        if !choices.iter().any(fits) {
            found.push(format!("{place}: none of the choices"));
        }
        return;
    }
    if schema.get("const").is_some_and(|only| only != value)
        || schema["enum"].as_array().is_some_and(|words| !words.contains(value))
        || !has_type(&schema["type"], value)
    {
        found.push(format!("{place}: {value} is not {schema}"));
    }
    for item in value.as_array().into_iter().flatten() {
        misfits(root, &schema["items"], item, &format!("{place}[]"), found);
    }
    for (key, member) in value.as_object().into_iter().flatten() {
        let place = format!("{place}.{key}");
        match (schema["properties"].get(key), &schema["additionalProperties"]) {
            (Some(property), _) => misfits(root, property, member, &place, found),
            (None, Value::Bool(false)) => found.push(format!("{place}: unknown")),
            (None, others) => misfits(root, others, member, &place, found),
        }
    }
    for key in schema["required"].as_array().into_iter().flatten() {
        if value.get(key.as_str().unwrap()).is_none() {
            found.push(format!("{place}: {key} is missing"));
        }
    }
}

fn has_type(types: &Value, value: &Value) -> bool {
    let fits = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        other => panic!("the schema has a type {other}"),
    };
    match types {
        Value::String(name) => fits(name),
        Value::Array(names) => names.iter().any(|name| fits(name.as_str().unwrap())),
        _ => true,
    }
}

fn check(text: &str) -> Vec<String> {
    let schema = json_schema(chatwire_protocols::PROTOCOLS);
    let value = serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap();
    let mut found = Vec::new();
    misfits(&schema, &schema, &value, "", &mut found);
    found
}

#[test]
fn the_default_configuration_fits_the_schema() {
    let found = check(&std::fs::read_to_string("gateway.toml").unwrap());
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_tools_of_the_documentation_fit_the_schema() {
    let page = std::fs::read_to_string("docs/tools.md").unwrap();
    let blocks: Vec<_> = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() >= 3);
    for block in blocks {
        let found = check(block);
        assert!(found.is_empty(), "{found:#?}");
    }
}

#[test]
fn wrong_configurations_do_not_fit_the_schema() {
    for text in [
        "[servr]",
        "[server]\nlisten = 8000",
        "[providers.a]\nprotocol = \"gemini\"",
        "[models.m]",
        "[models.m]\ntargets = [{ weight = 3 }]",
        "[providers.a]\nprotocol = \"ollama\"\ncircuit_breaker = 5",
        "[tools.t.http]\nmethod = \"GET\"",
        "[tools.t.http]\nurl = \"https://a\"\nmethod = \"get\"",
        "[tools.t.http]\nurl = \"https://a\"\nbearer = \"secret\"",
        "[tools.t.weather]\ndefault_unit = \"kelvin\"",
        "[tools.t]\ntimeout = 5\npage = {}",
        "[[routes]]\npath = \"/x\"\nprotocol = \"vercel-auto\"\nkeep_alive = true",
    ] {
        assert!(!check(text).is_empty(), "{text}");
    }
}

#[test]
fn the_schema_knows_the_protocols_of_each_side_and_their_options() {
    let schema = json_schema(protocols::STAND_INS);
    let provider = &schema["$defs"]["Provider"];
    assert_eq!(provider["properties"]["protocol"]["anyOf"][0]["enum"], json!(["openai-chat", "openai-compatible"]));
    let options = &provider["allOf"][0]["then"]["properties"]["options"];
    assert_eq!(options["properties"]["preset"]["enum"], json!(["openai", "deepseek"]));
    assert_eq!(options["additionalProperties"], json!(false));
    let route = &schema["$defs"]["Route"];
    assert_eq!(route["properties"]["protocol"]["anyOf"][0]["enum"], json!(["vercel-auto", "vercel"]));
    assert_eq!(route["required"], json!(["path", "protocol"]));
}

#[test]
fn the_schema_has_a_description_for_every_key_and_no_null() {
    let schema = json_schema(protocols::STAND_INS);
    for (name, section) in schema["$defs"].as_object().unwrap() {
        for (key, property) in section["properties"].as_object().into_iter().flatten() {
            assert!(property["description"].is_string(), "{name}.{key}");
        }
    }
    assert!(!schema.to_string().contains("\"null\""));
}
