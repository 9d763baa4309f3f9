//! `reasoning_details`: reasoning with its signatures and encrypted parts, as OpenRouter and its followers stream
//! it. The pieces of one index are merged, so that they can go back unchanged (upstream notes 9.1 and 9.3, corner
//! case 102).

use serde_json::{Map, Value};

use super::wire::{Detail, read};
use crate::error::{Failure, FailureKind};
use crate::event::Mark;
use crate::wire::json::Raw;

/// The members of a detail that come in pieces.
const JOINED: [&str; 4] = ["text", "summary", "data", "signature"];

/// The details since the last reasoning block ended.
#[derive(Debug)]
pub(super) struct Details {
    merged: Vec<Value>,
    size: usize,
    limit: usize,
}

impl Details {
    /// None yet; fails when there are more than `limit` bytes of them.
    pub const fn new(limit: usize) -> Self {
        Self { merged: Vec::new(), size: 0, limit }
    }

    /// Takes the details of a delta.
    ///
    /// # Errors
    /// [`FailureKind::Malformed`] when they are larger than the limit.
    pub fn add(&mut self, raw: Raw<'_>) -> Result<(), Box<Failure>> {
        self.size = self.size.saturating_add(raw.get().len());
        if self.size > self.limit {
            let message = format!("reasoning details of more than {} bytes", self.limit);
            return Err(Failure::boxed(FailureKind::Malformed, message));
        }
        if let Some(Value::Array(details)) = raw.value() {
            merge(&mut self.merged, details);
        }
        Ok(())
    }

    /// True if there are any.
    pub fn any(&self) -> bool {
        !self.merged.is_empty()
    }

    /// Takes them out, as the mark that carries them through the conversation.
    pub fn take(&mut self) -> Option<Mark> {
        let details = std::mem::take(&mut self.merged);
        let mark = |value| Mark::Opaque { protocol: super::NAME, key: super::REASONING_DETAILS.into(), value };
        (!details.is_empty()).then(|| mark(Value::Array(details)))
    }
}

/// Appends details to a list; a piece of one that is there already is joined with it.
pub(super) fn merge(merged: &mut Vec<Value>, details: Vec<Value>) {
    for detail in details {
        match (merged.iter_mut().rfind(|known| same(known, &detail)), detail) {
            (Some(Value::Object(known)), Value::Object(piece)) => join(known, piece),
            (_, detail) => merged.push(detail),
        }
    }
}

/// Pieces of one detail have one type, one index (or, of texts, none), and no two ids.
fn same(known: &Value, piece: &Value) -> bool {
    let both = |key: &str| (known.get(key), piece.get(key));
    let (id, other) = both("id");
    let other_id = matches!((id, other), (Some(Value::String(id)), Some(Value::String(other))) if id != other);
    let indexed = piece.get("index").is_some_and(Value::is_number) || piece.get("data").is_none();
    indexed && known.get("index") == piece.get("index") && known.get("type") == piece.get("type") && !other_id
}

fn join(known: &mut Map<String, Value>, piece: Map<String, Value>) {
    for (key, value) in piece {
        match (known.get_mut(&key), value) {
            (_, Value::Null) => {}
            (Some(Value::String(text)), Value::String(more)) if JOINED.contains(&key.as_str()) => text.push_str(&more),
            (_, value) => {
                known.insert(key, value);
            }
        }
    }
}

/// The details of a delta one by one: their texts are the reasoning where no other member says it.
pub(super) fn each(raw: Raw<'_>) -> Vec<Detail<'_>> {
    if raw.is_array() && raw.get().len() > 2 { read(raw) } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pieces_of_one_index_are_merged_and_others_are_not() {
        let mut details = Details::new(10_000);
        for piece in [
            r#"[{"type":"reasoning.text","text":"a","index":0,"format":"f","signature":null}]"#,
            r#"[{"type":"reasoning.text","text":"b","index":0}]"#,
            r#"[{"type":"reasoning.text","signature":"s","index":0},{"type":"reasoning.encrypted","data":"x","index":0,"id":"1"}]"#,
            r#"[{"type":"reasoning.encrypted","data":"y","index":0,"id":"2"},{"type":"reasoning.text","text":"c"}]"#,
            r#"[{"type":"reasoning.text","text":"d"},{"type":"e","data":"1"},{"type":"e","data":"2"}]"#,
            "null",
        ] {
            details.add(Raw::new(piece)).unwrap();
        }
        let Some(Mark::Opaque { value, .. }) = details.take() else { panic!() };
        assert_eq!(
            value,
            json!([
                {"type":"reasoning.text","text":"ab","index":0,"format":"f","signature":"s"},
                {"type":"reasoning.encrypted","data":"x","index":0,"id":"1"},
                {"type":"reasoning.encrypted","data":"y","index":0,"id":"2"},
                {"type":"reasoning.text","text":"cd"},
                {"type":"e","data":"1"},
                {"type":"e","data":"2"},
            ])
        );
        assert_eq!(details.take(), None);
    }

    #[test]
    fn details_are_bounded() {
        assert!(Details::new(10).add(Raw::new(r#"[{"type":"x","index":0}]"#)).is_err());
    }
}
