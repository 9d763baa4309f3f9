//! Conversations that the gateway keeps for pages of the AI SDK: what stands below a route's path, and kept items as the
//! messages that a page would hold itself.

mod address;
mod lines;
mod ui;
mod user;

use serde_json::{Value, json};

pub(super) use address::{Address, check_id};
pub(super) use lines::messages as line_messages;
pub(super) use ui::messages as ui_messages;

use crate::items::Thread;
use crate::operation::Page;
use crate::wire::time;

/// Chats as a page lists them.
pub(super) fn threads(page: &Page<Thread>) -> Value {
    let threads: Vec<_> = page.rows.iter().map(thread).collect();
    json!({ "threads": threads, "hasMore": page.more })
}

/// A chat without its messages.
pub(super) fn thread(thread: &Thread) -> Value {
    json!({
        "id": thread.id,
        "title": thread.title,
        "createdAt": time::utc(thread.created),
        "updatedAt": time::utc(thread.updated),
    })
}
