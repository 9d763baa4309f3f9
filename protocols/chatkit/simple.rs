//! A turn as the three frames of an older family of pages (ChatKit notes 18).

use bytes::{BufMut, BytesMut};
use serde_json::Value;

use super::encode::{View, is_pending};
use super::frame::keep_alive;
use super::object::Object;
use crate::event::Event;
use crate::items::{Body, Change, Item, PageRun};
use crate::protocol::{Encoder, ReplyContext};
use crate::wire::json::{write_string, write_value};

/// Writes the frames of one turn.
pub(super) struct Simple {
    view: View,
    changes: Vec<Change>,
}

impl Simple {
    pub(super) fn new(context: &ReplyContext) -> Self {
        Self { view: View::new(context), changes: Vec::new() }
    }

    /// What was stored for the request. The first message of a thread tells the page which thread it is.
    fn open(&mut self, out: &mut BytesMut) {
        let Some(opening) = self.view.opening.take() else { return };
        for item in opening.added.iter().chain(&opening.replaced).chain(&opening.shown) {
            self.finished(item, out);
        }
        self.view.opened();
    }

    fn finished(&mut self, item: &Item, out: &mut BytesMut) {
        if matches!(item.body, Body::Workflow(_)) {
            return;
        }
        let Some(shown) = self.view.shown(item) else { return };
        match &item.body {
            Body::PageCall(run) if is_pending(item) => write(out, &call(item, run)),
            // The page knows what it has answered.
            Body::PageCall(_) => {}
            _ => write(out, &Object::default().set("type", "thread_item.done").set("item", shown)),
        }
    }
}

impl Encoder for Simple {
    fn event(&mut self, event: &Event, out: &mut BytesMut) {
        self.open(out);
        let mut changes = std::mem::take(&mut self.changes);
        self.view.fold(event, &mut changes);
        for change in changes.drain(..) {
            match change {
                Change::TextGrew { text, .. } => write_text_delta(out, &text),
                Change::Finished(item) | Change::Replaced(item) => self.finished(&item, out),
                _ => {}
            }
        }
        self.changes = changes;
        if let Some(error) = self.view.error(event) {
            let frame = Object::default().set("type", "error").set("message", error.text);
            write(out, &frame.set("allow_retry", error.allow_retry));
        }
    }

    fn keep_alive(&mut self, out: &mut BytesMut) {
        keep_alive(out);
    }
}

fn call(item: &Item, run: &PageRun) -> Object {
    let arguments = run.arguments.as_object().cloned().unwrap_or_default();
    Object::default()
        .set("type", "client_tool_call")
        .set("name", run.name.as_str())
        .set("arguments", Value::Object(arguments))
        .set("id", item.id.as_str())
        .set("call_id", run.call.as_str())
}

const NAME: &[u8] = b"event: thread.stream\ndata: ";

fn write(out: &mut BytesMut, frame: &Object) {
    out.put_slice(NAME);
    write_value(out, frame);
    out.put_slice(b"\n\n");
}

fn write_text_delta(out: &mut BytesMut, text: &str) {
    out.put_slice(NAME);
    out.put_slice(b"{\"type\":\"text.delta\",\"delta\":");
    write_string(out, text);
    out.put_slice(b"}\n\n");
}
