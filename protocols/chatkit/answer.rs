//! Answers that are no stream (ChatKit notes 4).

use serde_json::{Map, Value, json};

use super::item::item;
use super::object::Object;
use super::thread::{attachment, items, thread, threads};
use crate::error::Refusal;
use crate::operation::Answer;
use crate::protocol::Document;

/// The answer to an operation.
pub(super) fn answer(answer: &Answer) -> Document {
    document(
        200,
        &match answer {
            Answer::Thread(shown, page) => thread(shown, page),
            Answer::Threads(page) => threads(page),
            Answer::Items(thread, page) => items(page, thread),
            Answer::Updated(thread, updated) => {
                let updated = updated.as_ref().and_then(|updated| item(updated, thread));
                Object::default().maybe("updated_item", updated).into()
            }
            Answer::Attachment(made, upload) => attachment(made, upload.as_ref()),
            Answer::Transcript(text) => json!({ "text": text }),
            // What was not there is as gone as what was. No operation of ours asks for the others.
            Answer::Done(_)
            | Answer::Deleted { .. }
            | Answer::Stopped(_)
            | Answer::NothingRuns
            | Answer::Messages { .. }
            | Answer::Created(_)
            | Answer::Cleared(_)
            | Answer::Summary(_)
            | Answer::Summaries(_)
            | Answer::Usage(..)
            | Answer::Health { .. } => Value::Object(Map::new()),
        },
    )
}

/// A mistake, or a failure before the stream: the page's own server would answer a bare 500 (ChatKit notes 17).
pub(super) fn refuse(refusal: &Refusal<'_>) -> Document {
    let error =
        Object::default().set("code", refusal.code()).set("message", refusal.safe_text()).maybe("path", refusal.path());
    document(refusal.status(), &Object::default().set("error", error).into())
}

fn document(status: u16, value: &Value) -> Document {
    Document { status, content_type: "application/json", body: value.to_string() }
}
