//! Texts and refusals.

use super::{Begun, Change, Maker};
use crate::chat::add_mark;
use crate::event::{BlockId, Citation, Mark, Text};
use crate::items::{AssistantMessage, Body};

/// The texts of a turn that are not finished.
#[derive(Debug, Default)]
pub(super) struct Texts {
    open: Vec<OpenText>,
    /// A text whose block is over: the next block may go on with it.
    resting: Option<OpenText>,
}

#[derive(Debug)]
struct OpenText {
    block: BlockId,
    begun: Begun,
    /// What has been said, with the blanks before the first word, which is what opens it.
    message: AssistantMessage,
    shown: bool,
    characters: u64,
    /// Characters before the current block.
    before: u64,
    /// True until the current block has said anything.
    fresh: bool,
    citations: u32,
    /// Citations of a passage that is not there yet, or whose end is not known before its block's.
    waiting: Vec<Citation>,
}

impl Texts {
    /// A block begins: a text of its own, or more of the one before it.
    pub(super) fn start(&mut self, block: BlockId, refusal: bool, maker: &mut Maker, out: &mut Vec<Change>) {
        let alone = self.open.is_empty();
        let resting = self.resting.take_if(|resting| alone && resting.message.refusal == refusal);
        self.settle(out);
        self.open.push(match resting {
            Some(text) => OpenText { block, before: text.characters, fresh: true, ..text },
            None => OpenText::new(block, refusal, maker),
        });
    }

    /// True if this piece is the first of a text that is not blank.
    pub(super) fn would_open(&self, block: BlockId, piece: &str) -> bool {
        self.open.iter().any(|text| text.block == block && !text.shown && !piece.trim().is_empty())
    }

    /// More of a block; false if it is no text.
    pub(super) fn delta(&mut self, block: BlockId, piece: &Text, now: u64, out: &mut Vec<Change>) -> bool {
        let opens = self.would_open(block, piece);
        let Some(text) = self.at(block) else { return false };
        text.fresh = false;
        text.message.text.push_str(piece);
        text.characters += count(piece);
        if opens {
            text.shown = true;
            text.begun.created = now;
            out.push(Change::TextOpened { item: text.begun.id.clone(), created: now });
            let said = Text::from(text.message.text.as_str());
            out.push(Change::TextGrew { item: text.begun.id.clone(), text: said });
        } else if text.shown {
            out.push(Change::TextGrew { item: text.begun.id.clone(), text: piece.clone() });
        }
        true
    }

    /// Something is said of a block; false if it is no text.
    pub(super) fn mark(&mut self, block: BlockId, mark: &Mark, maker: &mut Maker, out: &mut Vec<Change>) -> bool {
        let Some(at) = self.open.iter().position(|text| text.block == block) else { return false };
        match mark {
            Mark::Citation(citation) => self.open[at].cite(citation, out),
            mark => {
                if self.open[at].is_another_message() {
                    let refusal = self.open[at].message.refusal;
                    let own = OpenText::new(block, refusal, maker);
                    std::mem::replace(&mut self.open[at], own).finish(out);
                }
                add_mark(&mut self.open[at].message.marks, mark);
            }
        }
        true
    }

    /// A block is over; false if it is no text.
    pub(super) fn end(&mut self, block: BlockId, whole: bool, out: &mut Vec<Change>) -> bool {
        let Some(at) = self.open.iter().position(|text| text.block == block) else { return false };
        let mut text = self.open.remove(at);
        text.place_citations(out);
        self.settle(out);
        text.message.whole = whole;
        if whole {
            self.resting = Some(text);
        } else {
            text.finish(out);
        }
        true
    }

    /// No block goes on with what rests.
    pub(super) fn settle(&mut self, out: &mut Vec<Change>) {
        if let Some(text) = self.resting.take() {
            text.finish(out);
        }
    }

    fn at(&mut self, block: BlockId) -> Option<&mut OpenText> {
        self.open.iter_mut().find(|text| text.block == block)
    }
}

impl OpenText {
    fn new(block: BlockId, refusal: bool, maker: &mut Maker) -> Self {
        Self {
            block,
            begun: maker.begin("msg"),
            message: AssistantMessage { refusal, whole: true, ..AssistantMessage::default() },
            shown: false,
            characters: 0,
            before: 0,
            fresh: false,
            citations: 0,
            waiting: Vec::new(),
        }
    }

    /// True if the current block, of which the provider keeps something before its first word, is no part of the text
    /// that it went on with. What is kept of a citation stands behind that.
    const fn is_another_message(&self) -> bool {
        self.fresh && self.waiting.is_empty()
    }

    fn cite(&mut self, citation: &Citation, out: &mut Vec<Change>) {
        let place = |at: Option<u64>| at.map(|at| at.saturating_add(self.before));
        let (start, end) = (place(citation.start), place(citation.end));
        let citation = Citation { start, end, ..citation.clone() };
        match end {
            Some(at) if self.shown && at <= self.characters => self.announce(citation, at, out),
            _ => self.waiting.push(citation),
        }
    }

    fn place_citations(&mut self, out: &mut Vec<Change>) {
        if !self.shown {
            return;
        }
        for citation in std::mem::take(&mut self.waiting) {
            let at = citation.end.unwrap_or(self.characters).min(self.characters);
            self.announce(citation, at, out);
        }
    }

    fn announce(&mut self, citation: Citation, at: u64, out: &mut Vec<Change>) {
        let citation = Citation { end: Some(at), ..citation };
        out.push(Change::TextCited {
            item: self.begun.id.clone(),
            index: self.citations,
            at: u32::try_from(at).unwrap_or(u32::MAX),
            citation: citation.clone(),
        });
        self.citations += 1;
        self.message.marks.push(Mark::Citation(citation));
    }

    fn finish(self, out: &mut Vec<Change>) {
        if self.shown {
            out.push(Change::Finished(Box::new(self.begun.item(false, Body::Assistant(self.message)))));
        }
    }
}

/// Counts characters.
fn count(piece: &str) -> u64 {
    u64::try_from(piece.chars().count()).unwrap_or(u64::MAX)
}
