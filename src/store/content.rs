//! What of an item has no column of its own, as the JSON text that every engine keeps.

use chatwire_protocols::items::{Body, Origin};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Item, StoreError};

#[derive(Serialize)]
struct Content<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<&'a Origin>,
    #[serde(flatten)]
    body: &'a Body,
}

#[derive(Deserialize)]
struct Stored {
    #[serde(default)]
    origin: Option<Origin>,
    #[serde(flatten)]
    body: Body,
}

/// The text that is kept of an item.
///
/// # Errors
/// The item cannot be written as JSON.
pub fn write(item: &Item) -> Result<String, StoreError> {
    let content = Content { origin: item.origin.as_ref(), body: &item.body };
    serde_json::to_string(&content).map_err(|error| StoreError::Other(error.to_string()))
}

/// Reads it again. Marks of a protocol that this version does not know are left out: nobody could use them, and the
/// rest of the conversation is worth more.
///
/// # Errors
/// What is wrong with the text.
pub fn read(text: &str) -> Result<(Option<Origin>, Body), serde_json::Error> {
    let stored = serde_json::from_str::<Stored>(text).or_else(|error| {
        let mut value: Value = serde_json::from_str(text)?;
        match drop_unknown_marks(&mut value) {
            0 => Err(error),
            dropped => {
                tracing::warn!(dropped, "a stored item has marks of a protocol that is not known here");
                serde_json::from_value(value)
            }
        }
    })?;
    Ok((stored.origin, stored.body))
}

/// Takes out what goes back to a protocol that is not there, and says how many it were. Only the lists of marks are
/// looked at: what a page or a tool said is left alone whatever it looks like.
fn drop_unknown_marks(value: &mut Value) -> usize {
    match value {
        Value::Object(members) => members
            .iter_mut()
            .map(|(name, value)| match value {
                Value::Array(marks) if name == "marks" => {
                    let before = marks.len();
                    marks.retain(|mark| !is_unknown(mark));
                    before - marks.len()
                }
                Value::Object(_) | Value::Array(_) => drop_unknown_marks(value),
                _ => 0,
            })
            .sum(),
        Value::Array(items) => items.iter_mut().map(drop_unknown_marks).sum(),
        _ => 0,
    }
}

fn is_unknown(mark: &Value) -> bool {
    let protocol = mark.get("protocol").and_then(Value::as_str);
    mark.get("mark").is_some_and(|mark| mark == "opaque")
        && protocol.is_some_and(|name| chatwire_protocols::find(name).is_none())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text_with(protocol: &str) -> String {
        let marks = json!([
            {"mark": "opaque", "protocol": protocol, "key": "k", "value": 1},
            {"mark": "signature", "signature": "s"},
        ]);
        json!({"kind": "assistant", "text": "hi", "marks": marks, "refusal": false, "whole": true}).to_string()
    }

    fn marks(text: &str) -> usize {
        match read(text).unwrap().1 {
            Body::Assistant(message) => message.marks.len(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn marks_of_an_unknown_protocol_are_left_out_and_the_others_stay() {
        assert_eq!(marks(&text_with("anthropic")), 2);
        assert_eq!(marks(&text_with("protocol-of-tomorrow")), 1);
    }

    #[test]
    fn what_is_wrong_otherwise_is_an_error() {
        for text in ["", "{}", r#"{"kind":"of tomorrow"}"#, r#"{"kind":"assistant","marks":[{"mark":"new"}]}"#] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
