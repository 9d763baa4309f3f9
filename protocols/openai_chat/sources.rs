//! Citations: annotations of OpenAI and OpenRouter, source lists of Perplexity (upstream notes 8, corner case 76).

use serde::Deserialize;

use super::wire::{Source, read};
use crate::blocks::Blocks;
use crate::event::{BlockId, Citation, Event, Mark};
use crate::wire::json::Raw;

/// Most sources of one answer; what comes beyond is repetition or nonsense.
const MOST: usize = 1024;

/// The sources of one answer, each once.
#[derive(Debug, Default)]
pub(super) struct Sources {
    seen: Vec<Citation>,
    handed_out: usize,
    /// The last source list as it stood: it is repeated on every chunk.
    list: String,
}

impl Sources {
    /// Takes `annotations`.
    pub fn annotations(&mut self, raw: Raw<'_>) {
        if !raw.is_array() {
            return;
        }
        for annotation in read::<Vec<Raw<'_>>>(raw) {
            if let Some(citation) = annotation_of(annotation) {
                self.add(citation);
            }
        }
    }

    /// Takes Perplexity's `citations` (links, to which marks like `[1]` in the text refer) with the titles that
    /// `search_results` knows.
    pub fn list(&mut self, citations: Raw<'_>, results: Raw<'_>) {
        if !citations.is_array() || citations.get() == self.list {
            return;
        }
        self.list.clear();
        self.list.push_str(citations.get());
        let results: Vec<Source<'_>> = read(results);
        for link in read::<Vec<Raw<'_>>>(citations) {
            let known = read::<Source<'_>>(link);
            let Some(url) = link.owned().or_else(|| known.url.owned()) else { continue };
            let title = known.title.owned().or_else(|| {
                results.iter().find(|result| result.url.str().as_deref() == Some(&url)).and_then(|it| it.title.owned())
            });
            self.add(Citation { kind: "url".into(), url: Some(url), title, ..Citation::default() });
        }
    }

    /// True if there are sources that no text has got yet.
    pub fn any_waiting(&self) -> bool {
        self.handed_out < self.seen.len()
    }

    /// Marks an open text with the sources that it has not got yet.
    pub fn hand_out(&mut self, block: BlockId, blocks: &Blocks, out: &mut Vec<Event>) {
        for citation in self.seen.iter().skip(self.handed_out) {
            blocks.mark(block, Mark::Citation(citation.clone()), out);
        }
        self.handed_out = self.seen.len();
    }

    fn add(&mut self, citation: Citation) {
        let same = |known: &Citation| {
            known.url == citation.url
                && known.file == citation.file
                && known.start == citation.start
                && known.end == citation.end
        };
        if self.seen.len() < MOST && !self.seen.iter().any(same) {
            self.seen.push(citation);
        }
    }
}

/// `{"type":"url_citation","url_citation":{…}}`, or the members directly beside the type.
fn annotation_of(annotation: Raw<'_>) -> Option<Citation> {
    let outer: Source<'_> = annotation.parse()?;
    let kind = outer.kind.text()?;
    let nested = Nested::of(annotation, &kind).filter(|nested| nested.given);
    let source = nested.unwrap_or(outer);
    let citation = Citation {
        kind,
        url: source.url.str().map(Into::into),
        title: source.title.str().map(Into::into),
        file: source.file_id.text(),
        start: source.start_index.count(),
        end: source.end_index.count(),
        quote: None,
    };
    (citation.url.is_some() || citation.file.is_some()).then_some(citation)
}

/// The members of an object by name.
#[derive(Deserialize)]
struct Nested<'a>(#[serde(borrow)] std::collections::BTreeMap<String, Raw<'a>>);

impl<'a> Nested<'a> {
    fn of(annotation: Raw<'a>, kind: &str) -> Option<Source<'a>> {
        annotation.parse::<Self>()?.0.get(kind)?.parse()
    }
}
