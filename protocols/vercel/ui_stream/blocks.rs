//! Text and reasoning: a part of the page's message for each block, which appears with its first words.

use bytes::BytesMut;
use compact_str::format_compact;
use serde_json::{Map, Value, json};

use super::chunk::{Chunk, delta_head, write_delta};
use crate::event::{BlockId, Mark, Text};

/// An open block of text or reasoning.
pub(super) struct Prose {
    pub(super) block: BlockId,
    /// `text` or `reasoning`.
    kind: &'static str,
    id: Text,
    head: Box<[u8]>,
    shown: bool,
    signature: String,
    redacted: Option<String>,
}

impl Prose {
    /// A block of the answer's text.
    pub(super) fn text(block: BlockId) -> Self {
        Self::new(block, "text", format_compact!("t{}", block.0))
    }

    /// A block of thoughts.
    pub(super) fn reasoning(block: BlockId) -> Self {
        Self::new(block, "reasoning", format_compact!("r{}", block.0))
    }

    fn new(block: BlockId, kind: &'static str, id: Text) -> Self {
        let head = delta_head(&format_compact!("{kind}-delta"), "id", &id, "delta");
        Self { block, kind, id, head, shown: false, signature: String::new(), redacted: None }
    }

    /// Writes a piece.
    pub(super) fn delta(&mut self, text: &str, out: &mut BytesMut) {
        if !self.shown {
            self.show(out);
        }
        write_delta(out, &self.head, text);
    }

    /// Takes what the provider wants to see again with the thoughts.
    pub(super) fn mark(&mut self, mark: &Mark) {
        match mark {
            Mark::Signature { signature } => self.signature.push_str(signature),
            Mark::Redacted { data } => self.redacted = Some(data.clone()),
            Mark::Citation(_) | Mark::Opaque { .. } => {}
        }
    }

    /// Ends the part. One that has neither words nor anything to bring back was never begun.
    pub(super) fn end(mut self, out: &mut BytesMut) {
        let metadata = metadata(&self.signature, self.redacted.as_deref()).filter(|_| self.kind == "reasoning");
        if metadata.is_some() && !self.shown {
            self.show(out);
        }
        if self.shown {
            let chunk = Chunk::named(out, self.kind, "-end").text("id", &self.id);
            match metadata {
                Some(metadata) => chunk.value("providerMetadata", &metadata).end(),
                None => chunk.end(),
            }
        }
    }

    fn show(&mut self, out: &mut BytesMut) {
        Chunk::named(out, self.kind, "-start").text("id", &self.id).end();
        self.shown = true;
    }
}

/// What goes to the page and comes back with its next request: an object of objects, as every release takes it (AI SDK
/// wire notes 3.2).
pub(in crate::vercel) fn metadata(signature: &str, redacted: Option<&str>) -> Option<Value> {
    let mut metadata = Map::new();
    if !signature.is_empty() {
        metadata.insert("signature".to_owned(), signature.into());
    }
    if let Some(data) = redacted {
        metadata.insert("redactedData".to_owned(), data.into());
    }
    (!metadata.is_empty()).then(|| json!({ "chatwire": metadata }))
}
