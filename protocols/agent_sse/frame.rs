//! One frame, written straight into the buffer.

use bytes::{BufMut, BytesMut};
use serde_json::Value;

use crate::wire::json::{write_escaping_separators, write_string, write_value};

pub(super) struct Frame<'a>(&'a mut BytesMut);

impl<'a> Frame<'a> {
    /// A frame of this type.
    pub(super) fn new(out: &'a mut BytesMut, kind: &str) -> Self {
        out.put_slice(b"data: {\"type\":");
        write_string(out, kind);
        Self(out)
    }

    pub(super) fn text(self, key: &str, text: &str) -> Self {
        let frame = self.key(key);
        write_string(frame.0, text);
        frame
    }

    pub(super) fn number(self, key: &str, number: u64) -> Self {
        self.raw(key, itoa::Buffer::new().format(number))
    }

    pub(super) fn flag(self, key: &str, flag: bool) -> Self {
        self.raw(key, if flag { "true" } else { "false" })
    }

    /// A member that is JSON already, on one line.
    pub(super) fn raw(self, key: &str, json: &str) -> Self {
        let frame = self.key(key);
        write_escaping_separators(frame.0, json);
        frame
    }

    pub(super) fn value(self, key: &str, value: &Value) -> Self {
        let frame = self.key(key);
        write_value(frame.0, value);
        frame
    }

    /// The frame's end, with the time.
    pub(super) fn stamped(self, stamp: &str) {
        self.text("timestamp", stamp).end();
    }

    pub(super) fn end(self) {
        self.0.put_slice(b"}\n\n");
    }

    fn key(self, key: &str) -> Self {
        self.0.put_u8(b',');
        write_string(self.0, key);
        self.0.put_u8(b':');
        self
    }
}
