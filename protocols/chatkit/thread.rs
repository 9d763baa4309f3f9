//! Threads, pages of them and of their items, and uploaded files (ChatKit notes 4 and 5).

use serde_json::{Map, Value};

use super::item::item;
use super::object::{Object, address};
use crate::items::{Attachment, Item, Thread, ThreadStatus};
use crate::operation::{Page, Upload};
use crate::wire::time::utc;

/// A thread with a page of its items.
pub(super) fn thread(thread: &Thread, page: &Page<Item>) -> Value {
    Object::default()
        .maybe("title", thread.title.as_deref())
        .set("id", thread.id.as_str())
        .set("created_at", utc(thread.created))
        .set("status", status(&thread.status))
        // What the gateway keeps beside a thread is nobody's business.
        .set("metadata", Map::new())
        .set("items", items(page, &thread.id))
        .into()
}

/// A thread as events and lists have it: its page of items is empty, which says nothing of the thread.
pub(super) fn bare_thread(bare: &Thread) -> Value {
    thread(bare, &Page { rows: Vec::new(), more: false })
}

fn status(status: &ThreadStatus) -> Value {
    let (kind, reason) = match status {
        ThreadStatus::Active => ("active", None),
        ThreadStatus::Locked(reason) => ("locked", reason.as_deref()),
        ThreadStatus::Closed(reason) => ("closed", reason.as_deref()),
    };
    Object::default().set("type", kind).maybe("reason", reason).into()
}

/// A page of items. The next page begins behind the last row, whether that has a form or not.
pub(super) fn items(rows: &Page<Item>, thread: &str) -> Value {
    let shown = rows.rows.iter().filter_map(|row| item(row, thread)).collect();
    page(shown, rows.more, rows.rows.last().map(|row| row.id.as_str()))
}

/// A page of threads.
pub(super) fn threads(rows: &Page<Thread>) -> Value {
    page(rows.rows.iter().map(bare_thread).collect(), rows.more, rows.rows.last().map(|row| row.id.as_str()))
}

fn page(data: Vec<Value>, more: bool, last: Option<&str>) -> Value {
    Object::default().set("data", data).set("has_more", more).maybe("after", last.filter(|_| more)).into()
}

/// An uploaded file, or one that is to be sent to `upload`. A picture without a place to be seen at is a file.
pub fn attachment(attachment: &Attachment, upload: Option<&Upload>) -> Value {
    let preview = attachment.preview.as_deref().and_then(address).filter(|_| attachment.is_image());
    Object::default()
        .set("id", attachment.id.as_str())
        .set("name", attachment.name.as_str())
        .set("mime_type", attachment.media_type.as_str())
        .maybe("upload_descriptor", upload.map(descriptor))
        .maybe("thread_id", attachment.thread.as_deref())
        .set("type", if preview.is_some() { "image" } else { "file" })
        .maybe("preview_url", preview)
        .into()
}

fn descriptor(upload: &Upload) -> Value {
    let headers: Map<String, Value> =
        upload.headers.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    Object::default()
        .set("url", address(&upload.url).unwrap_or_else(|| upload.url.clone()))
        .set("method", upload.method)
        .set("headers", headers)
        .into()
}
