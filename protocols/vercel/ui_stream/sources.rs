//! Citations as sources: each is shown once, at the text that first names it.

use bytes::BytesMut;
use compact_str::format_compact;

use super::chunk::Chunk;
use crate::event::{Citation, Text};

/// The sources of a turn.
pub(super) struct Sources {
    turn: Text,
    seen: Vec<Text>,
}

impl Sources {
    /// `turn` keeps the ids of a continued message's sources apart.
    pub(super) const fn new(turn: Text) -> Self {
        Self { turn, seen: Vec::new() }
    }

    /// Writes a source, unless the page has it already.
    pub(super) fn cite(&mut self, citation: &Citation, out: &mut BytesMut) {
        let title = citation.title.as_deref().filter(|title| !title.is_empty());
        let key: Text = match (&citation.url, &citation.file, title) {
            (Some(url), ..) => url.as_str().into(),
            (None, Some(file), _) => format_compact!("file:{file}"),
            (None, None, Some(title)) => format_compact!("title:{title}"),
            (None, None, None) => return,
        };
        if self.seen.contains(&key) {
            return;
        }
        self.seen.push(key);
        let id = match self.turn.as_str() {
            "" => format_compact!("s{}", self.seen.len()),
            turn => format_compact!("{turn}-s{}", self.seen.len()),
        };
        match &citation.url {
            Some(url) => {
                Chunk::new(out, "source-url").text("sourceId", &id).text("url", url).maybe("title", title).end();
            }
            None => Chunk::new(out, "source-document")
                .text("sourceId", &id)
                .text("mediaType", media_type(&citation.kind))
                .text("title", title.or(citation.file.as_deref()).unwrap_or("Document"))
                .end(),
        }
    }
}

/// A citation does not say what its document is, but the way it counts does.
fn media_type(kind: &str) -> &'static str {
    match kind {
        "page_location" => "application/pdf",
        "char_location" | "content_block_location" => "text/plain",
        _ => "application/octet-stream",
    }
}
