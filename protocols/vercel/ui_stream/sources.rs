//! Citations as sources: each is shown once, at the text that first names it.

use bytes::BytesMut;
use compact_str::format_compact;

use super::chunk::Chunk;
use crate::event::{Citation, Text};

/// The sources of a turn.
pub(in crate::vercel) struct Sources {
    turn: Text,
    seen: Vec<Text>,
}

impl Sources {
    /// `turn` keeps the ids of a continued message's sources apart.
    pub(in crate::vercel) const fn new(turn: Text) -> Self {
        Self { turn, seen: Vec::new() }
    }

    /// Writes a source, unless the page has it already.
    pub(super) fn cite(&mut self, citation: &Citation, out: &mut BytesMut) {
        let Some(source) = self.next(citation) else { return };
        let chunk = Chunk::new(out, source.kind).text("sourceId", &source.id);
        match source.place {
            Where::Url(url) => chunk.text("url", url).maybe("title", source.title).end(),
            Where::Document(media_type) => {
                chunk.text("mediaType", media_type).text("title", source.title.unwrap_or("Document")).end();
            }
        }
    }

    /// The source of a citation, unless it was given before.
    pub(in crate::vercel) fn next<'a>(&mut self, citation: &'a Citation) -> Option<Source<'a>> {
        let title = citation.title.as_deref().filter(|title| !title.is_empty());
        let key: Text = match (&citation.url, &citation.file, title) {
            (Some(url), ..) => url.as_str().into(),
            (None, Some(file), _) => format_compact!("file:{file}"),
            (None, None, Some(title)) => format_compact!("title:{title}"),
            (None, None, None) => return None,
        };
        if self.seen.contains(&key) {
            return None;
        }
        self.seen.push(key);
        let id = match self.turn.as_str() {
            "" => format_compact!("s{}", self.seen.len()),
            turn => format_compact!("{turn}-s{}", self.seen.len()),
        };
        Some(match &citation.url {
            Some(url) => Source { kind: "source-url", id, title, place: Where::Url(url) },
            None => {
                let title = title.or(citation.file.as_deref());
                Source { kind: "source-document", id, title, place: Where::Document(media_type(&citation.kind)) }
            }
        })
    }
}

/// A source as a page gets it.
pub(in crate::vercel) struct Source<'a> {
    /// The type of its chunk, and of its part in a message.
    pub(in crate::vercel) kind: &'static str,
    pub(in crate::vercel) id: Text,
    pub(in crate::vercel) title: Option<&'a str>,
    pub(in crate::vercel) place: Where<'a>,
}

/// Where a source is.
pub(in crate::vercel) enum Where<'a> {
    Url(&'a str),
    /// Nowhere that the page could reach; the media type is known.
    Document(&'static str),
}

/// A citation does not say what its document is, but the way it counts does.
fn media_type(kind: &str) -> &'static str {
    match kind {
        "page_location" => "application/pdf",
        "char_location" | "content_block_location" => "text/plain",
        _ => "application/octet-stream",
    }
}
