//! What a tool takes: its JSON Schema, compiled once, and the check of every call's arguments against it.

use std::fmt;
use std::sync::Arc;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::{Value, json};

use super::output::floor;

/// Most mistakes of one call that the model is told.
const MISTAKES: usize = 5;

/// Longest words on one mistake, in bytes: they repeat the value that is wrong.
const LONGEST: usize = 300;

/// The arguments that a tool takes.
#[derive(Clone)]
pub struct Arguments {
    schema: Value,
    validator: Arc<Validator>,
}

/// A schema that is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaError {
    /// The JSON pointer of the part that is wrong; empty for the whole.
    pub place: String,
    /// What is wrong with it.
    pub what: String,
}

impl Arguments {
    /// Compiles a schema. Its references stay inside it: nothing is fetched, from nowhere.
    ///
    /// # Errors
    /// It is no JSON Schema, or refers to what is not in it.
    pub fn new(schema: Value) -> Result<Self, SchemaError> {
        check_references(&schema, &schema, &mut String::new())?;
        // Patterns run on what a model writes, so they run in linear time.
        let options = jsonschema::options().offline().with_pattern_options(PatternOptions::regex());
        match options.build(&schema) {
            Ok(validator) => Ok(Self { schema, validator: Arc::new(validator) }),
            Err(error) => Err(no_schema(&error)),
        }
    }

    /// The schema, for the model.
    pub const fn schema(&self) -> &Value {
        &self.schema
    }

    /// Checks the arguments of a call.
    ///
    /// # Errors
    /// They do not fit; the text tells the model where and why.
    pub fn check(&self, arguments: &Value) -> Result<(), String> {
        let mut mistakes = self.validator.iter_errors(arguments).peekable();
        if mistakes.peek().is_none() {
            return Ok(());
        }
        let mut text = "The arguments of this call are wrong. Nothing was run.".to_owned();
        for mistake in mistakes.take(MISTAKES) {
            let place = mistake.instance_path().as_str();
            let place = if place.is_empty() { "the arguments" } else { place };
            text.push_str(&format!("\n- {place}: {}", words(&mistake, &self.schema)));
        }
        Err(text)
    }
}

impl Default for Arguments {
    /// None at all.
    fn default() -> Self {
        let schema = json!({ "type": "object", "properties": {} });
        let validator = Validator::new(&Value::Bool(true));
        // A schema without a keyword that could be wrong.
        #[allow(clippy::expect_used)]
        Self { schema, validator: Arc::new(validator.expect("`true` is a schema")) }
    }
}

impl fmt::Debug for Arguments {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.schema.fmt(formatter)
    }
}

/// References into the schema itself are all that there are; the library's own words for a dangling one name no place.
fn check_references(part: &Value, root: &Value, place: &mut String) -> Result<(), SchemaError> {
    let within = place.len();
    match part {
        Value::Object(members) => {
            for (key, member) in members {
                place.push('/');
                place.push_str(&key.replace('~', "~0").replace('/', "~1"));
                if let ("$ref" | "$dynamicRef", Value::String(reference)) = (key.as_str(), member) {
                    check_reference(reference, root, place)?;
                }
                check_references(member, root, place)?;
                place.truncate(within);
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                place.push_str(&format!("/{at}"));
                check_references(item, root, place)?;
                place.truncate(within);
            }
        }
        _ => {}
    }
    Ok(())
}

fn check_reference(reference: &str, root: &Value, place: &str) -> Result<(), SchemaError> {
    let wrong = |what: &str| Err(SchemaError { place: place.to_owned(), what: what.to_owned() });
    match reference.strip_prefix('#') {
        None => wrong("a reference to somewhere else, which is never followed"),
        Some(pointer) if pointer.starts_with('/') && root.pointer(pointer).is_none() => {
            wrong("a reference to a part that the schema does not have")
        }
        Some(_) => Ok(()),
    }
}

fn no_schema(error: &ValidationError<'_>) -> SchemaError {
    let place = error.instance_path().as_str().to_owned();
    let what = if place.ends_with("/type") {
        "not a type: string, number, integer, boolean, object, array or null".to_owned()
    } else {
        words(error, &Value::Null)
    };
    SchemaError { place, what }
}

/// The library's words, with what would be right where they leave that out, cut to a bound.
fn words(error: &ValidationError<'_>, schema: &Value) -> String {
    let mut text = error.to_string();
    let vague = matches!(
        error.kind(),
        ValidationErrorKind::AnyOf { .. } | ValidationErrorKind::OneOfNotValid { .. } | ValidationErrorKind::Contains
    );
    cut(&mut text, LONGEST);
    if let Some(right) = schema.pointer(error.schema_path().as_str()).filter(|_| vague) {
        let mut right = right.to_string();
        cut(&mut right, LONGEST);
        text.push_str(": ");
        text.push_str(&right);
    }
    text
}

/// Cuts a text in front of a character, with a mark of the cut.
fn cut(text: &mut String, limit: usize) {
    if text.len() > limit {
        text.truncate(floor(text, limit));
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weather() -> Arguments {
        let schema = json!({
            "type": "object",
            "properties": {
                "place": {"type": "string", "minLength": 1},
                "unit": {"enum": ["celsius", "fahrenheit"]},
                "days": {"anyOf": [{"type": "integer"}, {"const": "all"}]},
                "around": {"$ref": "#/$defs/point"},
            },
            "required": ["place"],
            "additionalProperties": false,
            "$defs": {"point": {"type": "object", "required": ["lat"]}},
        });
        Arguments::new(schema).unwrap()
    }

    #[test]
    fn arguments_that_fit_pass() {
        let all = json!({"place": "Paris", "unit": "celsius", "days": "all", "around": {"lat": 1}});
        for arguments in [json!({"place": "Paris"}), all] {
            assert_eq!(weather().check(&arguments), Ok(()));
        }
        assert_eq!(Arguments::default().check(&json!({"whatever": 1})), Ok(()));
    }

    #[test]
    fn a_mistake_says_where_it_is_and_what_would_be_right() {
        for (arguments, parts) in [
            (json!({}), vec!["the arguments: ", "\"place\" is a required property"]),
            (json!({"place": 7}), vec!["/place: ", "not of type \"string\""]),
            (json!({"place": "P", "unit": "kelvin"}), vec!["/unit: ", "\"celsius\"", "\"fahrenheit\""]),
            (json!({"place": "P", "days": "some"}), vec!["/days: ", "\"integer\"", "\"all\""]),
            (json!({"place": "P", "around": {}}), vec!["/around: ", "\"lat\" is a required"]),
            (json!({"place": "P", "plaice": 1}), vec!["the arguments: ", "'plaice'"]),
            (json!("Paris"), vec!["the arguments: ", "not of type \"object\""]),
        ] {
            let text = weather().check(&arguments).unwrap_err();
            assert!(text.starts_with("The arguments of this call are wrong. Nothing was run.\n- "), "{text}");
            for part in parts {
                assert!(text.contains(part), "{part:?} in {text}");
            }
        }
    }

    #[test]
    fn the_words_on_mistakes_have_a_bound() {
        let long = "é".repeat(100_000);
        let many: serde_json::Map<String, Value> = (0..50).map(|at| (format!("a{at}"), json!(long))).collect();
        let properties: serde_json::Map<String, Value> =
            many.keys().map(|key| (key.clone(), json!({"type": "null"}))).collect();
        let arguments = Arguments::new(json!({"type": "object", "properties": properties})).unwrap();
        let text = arguments.check(&Value::Object(many)).unwrap_err();
        assert_eq!(text.lines().count(), 1 + MISTAKES);
        assert!(text.len() < 2000, "{}", text.len());
    }

    #[test]
    fn a_schema_that_is_none_says_where() {
        for (schema, place) in [
            (json!({"properties": {"a": {"type": "sting"}}}), "/properties/a/type"),
            (json!({"properties": {"a": {"minLength": -1}}}), "/properties/a/minLength"),
            (json!({"required": "a"}), "/required"),
            (json!({"properties": {"a": {"$ref": "https://example.com/a.json"}}}), "/properties/a/$ref"),
            (json!({"properties": {"a": {"$ref": "file:///etc/passwd"}}}), "/properties/a/$ref"),
            (json!({"properties": {"a": {"$ref": "other.json#/a"}}}), "/properties/a/$ref"),
            (json!({"allOf": [{"$ref": "#/$defs/none"}]}), "/allOf/0/$ref"),
        ] {
            let error = Arguments::new(schema.clone()).unwrap_err();
            assert_eq!(error.place, place, "{schema}: {}", error.what);
        }
    }

    #[test]
    fn a_pattern_takes_linear_time_or_is_no_schema() {
        let slow = json!({"type": "object", "properties": {"a": {"pattern": "^(a+)+$"}}});
        let text = format!("{}!", "a".repeat(50_000));
        assert!(Arguments::new(slow).unwrap().check(&json!({"a": text})).is_err());
        let backwards = json!({"properties": {"a": {"pattern": "(a)\\1"}}});
        assert!(Arguments::new(backwards).is_err());
    }
}
