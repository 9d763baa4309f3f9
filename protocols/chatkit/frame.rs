//! Frames of the stream, written straight into the buffer.

use bytes::{BufMut, BytesMut};
use serde_json::Value;

use super::object::Object;
use crate::items::ItemId;
use crate::wire::json::{write_string, write_value};

/// Writes an event of the ChatKit component.
pub(super) fn write(out: &mut BytesMut, kind: &str, members: Object) {
    out.put_slice(b"data: {\"type\":\"");
    out.put_slice(kind.as_bytes());
    out.put_u8(b'"');
    write_members(out, &members.into());
    out.put_slice(b"}\n\n");
}

/// Writes what is new of an open item.
pub(super) fn write_update(out: &mut BytesMut, item: &ItemId, kind: &str, members: Object) {
    update_head(out, item, kind);
    write_members(out, &members.into());
    out.put_slice(b"}}\n\n");
}

/// Writes a piece of an open text, without a value in between.
pub(super) fn write_text_delta(out: &mut BytesMut, item: &ItemId, text: &str) {
    out.reserve(item.len() + text.len() + 160);
    update_head(out, item, "assistant_message.content_part.text_delta");
    out.put_slice(b",\"content_index\":0,\"delta\":");
    write_string(out, text);
    out.put_slice(b"}}\n\n");
}

/// What keeps an idle connection open: a comment, which readers of event streams skip.
pub(super) fn keep_alive(out: &mut BytesMut) {
    out.put_slice(b": keep-alive\n\n");
}

fn update_head(out: &mut BytesMut, item: &ItemId, kind: &str) {
    out.put_slice(b"data: {\"type\":\"thread.item.updated\",\"item_id\":");
    write_string(out, item);
    out.put_slice(b",\"update\":{\"type\":\"");
    out.put_slice(kind.as_bytes());
    out.put_u8(b'"');
}

fn write_members(out: &mut BytesMut, members: &Value) {
    for (key, value) in members.as_object().into_iter().flatten() {
        out.put_u8(b',');
        write_string(out, key);
        out.put_u8(b':');
        write_value(out, value);
    }
}
