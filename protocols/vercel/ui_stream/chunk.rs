//! One chunk of the stream, written straight into the buffer: `data: {"type":…}` and a blank line.

use bytes::{BufMut, BytesMut};
use serde::Serialize;

use crate::wire::json::{write_escaping_separators, write_inner, write_string, write_value};

/// A chunk that is being written. Optional members that are not there are left out: no client takes `null` for them
/// (AI SDK wire notes 3.2).
pub(super) struct Chunk<'a> {
    out: &'a mut BytesMut,
}

impl<'a> Chunk<'a> {
    /// Begins a chunk.
    pub(super) fn new(out: &'a mut BytesMut, kind: &str) -> Self {
        Self::named(out, kind, "")
    }

    /// Begins a chunk whose type is a fixed word and a free name.
    pub(super) fn named(out: &'a mut BytesMut, kind: &str, name: &str) -> Self {
        out.put_slice(b"data: {\"type\":\"");
        out.put_slice(kind.as_bytes());
        write_inner(out, name);
        out.put_u8(b'"');
        Self { out }
    }

    /// Adds a text.
    pub(super) fn text(mut self, key: &str, text: &str) -> Self {
        write_string(self.key(key), text);
        self
    }

    /// Adds a text, if there is one.
    pub(super) fn maybe(self, key: &str, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.text(key, text),
            None => self,
        }
    }

    /// Adds a value.
    pub(super) fn value(mut self, key: &str, value: &impl Serialize) -> Self {
        write_value(self.key(key), value);
        self
    }

    /// Adds what already is JSON, on one line: outside its strings a line break means nothing.
    pub(super) fn json(mut self, key: &str, json: &str) -> Self {
        let out = self.key(key);
        for line in json.split(['\n', '\r']) {
            write_escaping_separators(out, line);
        }
        self
    }

    /// Adds a flag, if it is set.
    pub(super) fn flag(mut self, key: &str, set: bool) -> Self {
        if set {
            self.key(key).put_slice(b"true");
        }
        self
    }

    /// Ends the chunk.
    pub(super) fn end(self) {
        self.out.put_slice(b"}\n\n");
    }

    fn key(&mut self, key: &str) -> &mut BytesMut {
        self.out.put_slice(b",\"");
        self.out.put_slice(key.as_bytes());
        self.out.put_slice(b"\":");
        self.out
    }
}

/// The head of a delta's chunk, made once for a block: all of it but the text.
pub(super) fn delta_head(kind: &str, id_key: &str, id: &str, text_key: &str) -> Box<[u8]> {
    let mut head = BytesMut::with_capacity(96);
    let mut chunk = Chunk::new(&mut head, kind).text(id_key, id);
    chunk.key(text_key);
    head.to_vec().into_boxed_slice()
}

/// Writes a delta behind its head. Allocates nothing but room in the buffer.
pub(super) fn write_delta(out: &mut BytesMut, head: &[u8], text: &str) {
    out.reserve(head.len() + text.len() + 5);
    out.put_slice(head);
    write_string(out, text);
    out.put_slice(b"}\n\n");
}
