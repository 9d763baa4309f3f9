//! Answers to REST requests.

use serde_json::{Value, json};

use super::view;
use crate::error::Refusal;
use crate::items::Thread;
use crate::operation::Answer;
use crate::protocol::Document;
use crate::wire::time::utc;

/// What a chat is called that nobody has named and nobody has said anything in.
const UNTITLED: &str = "New chat";

/// What pages call a thread.
pub(super) const CHAT: &str = "chat";

/// The answer to an operation.
pub(super) fn answer(answer: &Answer) -> Document {
    match answer {
        Answer::Created(thread) => document(201, &chat(thread)),
        Answer::Thread(thread, _) => document(200, &chat(thread)),
        Answer::Threads(page) => document(200, &page.rows.iter().map(chat).collect()),
        Answer::Messages { thread, items, .. } => document(200, &json!(view::messages(items.iter(), thread))),
        Answer::Deleted { found: true, .. } => document(200, &json!({ "success": true })),
        Answer::Deleted { found: false, .. } => document(404, &json!({ "error": "there is no such chat" })),
        // No request of ours asks for these.
        Answer::Items(..)
        | Answer::Updated(..)
        | Answer::Attachment(..)
        | Answer::Transcript(_)
        | Answer::Done(_)
        | Answer::Stopped(_)
        | Answer::NothingRuns
        | Answer::Cleared(_)
        | Answer::Summary(_)
        | Answer::Summaries(_)
        | Answer::Usage(..)
        | Answer::Health { .. } => document(200, &json!({})),
    }
}

/// A mistake or a failure.
pub(super) fn refuse(refusal: &Refusal<'_>) -> Document {
    document(refusal.status(), &json!({ "error": refusal.safe_text_of(CHAT) }))
}

fn chat(thread: &Thread) -> Value {
    json!({
        "id": thread.id,
        "title": thread.title.as_deref().unwrap_or(UNTITLED),
        "created_at": utc(thread.created),
        "updated_at": utc(thread.updated),
    })
}

fn document(status: u16, value: &Value) -> Document {
    Document { status, content_type: "application/json", body: value.to_string() }
}
