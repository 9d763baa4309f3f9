//! The text an item streams: parts of a message, summaries and thoughts of a reasoning item.
//!
//! A part's deltas are repeated whole up to four times (text done, part done, item done, response). [`Sent`] tells how
//! much of a whole is new without keeping the text (upstream notes 3.2, corner case 34).

use super::wire;
use crate::blocks::Blocks;
use crate::error::Failure;
use crate::event::{BlockId, BlockKind, Citation, Event, Mark, Text};
use crate::wire::json::Raw;

pub(super) type Done = Result<(), Box<Failure>>;

/// How much of a text has been passed on: its length and a hash, so that nothing is stored per delta.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    bytes: usize,
    hash: u64,
}

impl Default for Sent {
    fn default() -> Self {
        Self { bytes: 0, hash: FNV_OFFSET }
    }
}

const FNV_OFFSET: u64 = 0xCBF2_9CE4_8422_2325;

fn fnv(hash: u64, text: &str) -> u64 {
    text.bytes().fold(hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

impl Sent {
    pub(super) fn add(&mut self, text: &str) {
        self.bytes += text.len();
        self.hash = fnv(self.hash, text);
    }

    /// Counts the deltas that a call has just written.
    pub(super) fn add_events(&mut self, events: &[Event]) {
        for event in events {
            if let Event::BlockDelta { text, .. } = event {
                self.add(text);
            }
        }
    }

    /// What of the whole has not been sent; `None` where the whole does not begin with what was sent.
    pub(super) fn rest<'a>(&self, whole: &'a str) -> Option<&'a str> {
        let (head, rest) = whole.split_at_checked(self.bytes)?;
        (fnv(FNV_OFFSET, head) == self.hash).then_some(rest)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.bytes == 0
    }
}

/// What sort of text it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Channel {
    Text,
    Refusal,
    Summary,
    Thought,
}

/// A part of an item.
#[derive(Debug)]
struct Part {
    channel: Channel,
    /// `content_index` or `summary_index`.
    index: u32,
    block: BlockId,
    sent: Sent,
    cited: Vec<Citation>,
}

/// The parts of one item.
#[derive(Debug, Default)]
pub(super) struct Parts {
    list: Vec<Part>,
    /// What every text block of the item is marked with: item id, phase.
    marks: Vec<Mark>,
    /// True once a whole did not begin with what was streamed.
    pub differs: bool,
}

impl Parts {
    /// Sets what the item's text blocks are marked with; the first call counts.
    pub(super) fn mark_with(&mut self, marks: Vec<Mark>) {
        if self.marks.is_empty() {
            self.marks = marks;
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) const fn len(&self) -> usize {
        self.list.len()
    }

    /// The first block of the item, if it is still open.
    pub(super) fn first_open(&self, blocks: &Blocks) -> Option<BlockId> {
        self.list.first().map(|part| part.block).filter(|block| blocks.is_open(*block))
    }

    /// A piece of text.
    pub(super) fn delta(
        &mut self,
        channel: Channel,
        index: u32,
        piece: Raw<'_>,
        blocks: &mut Blocks,
        out: &mut Vec<Event>,
    ) -> Done {
        let Some(piece) = piece.string().filter(|_| piece.get() != "\"\"") else { return Ok(()) };
        let at = self.open(channel, index, blocks, out)?;
        let from = out.len();
        if let Some(part) = self.list.get_mut(at) {
            blocks.push(part.block, piece, out)?;
            part.sent.add_events(&out[from..]);
        }
        Ok(())
    }

    /// The whole text of a part that is named by its index.
    pub(super) fn whole(
        &mut self,
        channel: Channel,
        index: u32,
        whole: Raw<'_>,
        blocks: &mut Blocks,
        out: &mut Vec<Event>,
    ) -> Done {
        let known = self.list.iter().position(|part| part.channel == channel && part.index == index);
        self.complete(known, channel, index, whole, blocks, out)
    }

    /// The whole text of the part that is the `nth` of its channel: in an item's lists, positions are not the indexes
    /// of the stream (Bedrock counts the parts of all items; `bedrock-reasoning-part-no-event`).
    fn whole_nth(
        &mut self,
        channel: Channel,
        nth: usize,
        whole: Raw<'_>,
        blocks: &mut Blocks,
        out: &mut Vec<Event>,
    ) -> Result<Option<usize>, Box<Failure>> {
        let known = self.nth(channel, nth);
        let index = self.list.iter().filter(|part| part.channel == channel).map(|part| part.index + 1).max();
        self.complete(known, channel, index.unwrap_or(0), whole, blocks, out)?;
        Ok(self.nth(channel, nth))
    }

    fn nth(&self, channel: Channel, nth: usize) -> Option<usize> {
        self.list.iter().enumerate().filter(|(_, part)| part.channel == channel).nth(nth).map(|(at, _)| at)
    }

    fn complete(
        &mut self,
        known: Option<usize>,
        channel: Channel,
        index: u32,
        whole: Raw<'_>,
        blocks: &mut Blocks,
        out: &mut Vec<Event>,
    ) -> Done {
        let Some(whole) = whole.str().filter(|whole| !whole.is_empty()) else { return Ok(()) };
        let at = match known {
            Some(at) => at,
            None => self.open(channel, index, blocks, out)?,
        };
        let Some(part) = self.list.get_mut(at) else { return Ok(()) };
        let Some(rest) = part.sent.rest(&whole) else {
            self.differs = true;
            return Ok(());
        };
        if rest.is_empty() {
            return Ok(());
        }
        if !blocks.is_open(part.block) {
            part.block = start(channel, &self.marks, blocks, out)?;
        }
        part.sent.add(rest);
        blocks.push_str(part.block, rest, out)
    }

    /// A citation of the part with this index; each counts once.
    pub(super) fn cite(&mut self, index: u32, citation: Citation, blocks: &mut Blocks, out: &mut Vec<Event>) -> Done {
        let at = self.open(Channel::Text, index, blocks, out)?;
        self.cite_part(at, citation, blocks, out);
        Ok(())
    }

    fn cite_part(&mut self, at: usize, citation: Citation, blocks: &Blocks, out: &mut Vec<Event>) {
        if let Some(part) = self.list.get_mut(at)
            && !part.cited.contains(&citation)
        {
            blocks.mark(part.block, Mark::Citation(citation.clone()), out);
            part.cited.push(citation);
        }
    }

    /// The citations of a whole part that is named by its index.
    pub(super) fn citations(&mut self, index: u32, annotations: Raw<'_>, blocks: &Blocks, out: &mut Vec<Event>) {
        let known = self.list.iter().position(|part| part.channel == Channel::Text && part.index == index);
        if let Some(at) = known {
            for citation in wire::list(annotations).into_iter().filter_map(wire::citation) {
                self.cite_part(at, citation, blocks, out);
            }
        }
    }

    /// An item's whole list of parts: gives what of it is new.
    pub(super) fn all(&mut self, list: Raw<'_>, blocks: &mut Blocks, out: &mut Vec<Event>) -> Done {
        let mut counts = [0; 4];
        for raw in wire::list(list) {
            let part: wire::Part<'_> = raw.parse().unwrap_or_default();
            let (channel, whole) = match &*wire::word(part.kind) {
                "output_text" | "text" => (Channel::Text, part.text),
                "refusal" => (Channel::Refusal, part.refusal),
                "summary_text" => (Channel::Summary, part.text),
                "reasoning_text" => (Channel::Thought, part.text),
                _ => continue,
            };
            if whole.str().is_none_or(|text| text.is_empty()) {
                continue;
            }
            let nth = counts[channel as usize];
            counts[channel as usize] += 1;
            if let Some(at) = self.whole_nth(channel, nth, whole, blocks, out)? {
                for citation in wire::list(part.annotations).into_iter().filter_map(wire::citation) {
                    self.cite_part(at, citation, blocks, out);
                }
            }
        }
        Ok(())
    }

    /// Ends the item's blocks.
    pub(super) fn end(&self, whole: bool, blocks: &mut Blocks, out: &mut Vec<Event>) {
        for part in &self.list {
            blocks.end(part.block, whole, out);
        }
    }

    /// The part, begun if it is new. Summaries of one item share a block, and so do thoughts: a blank line stands
    /// between two of them (corner case 112).
    fn open(
        &mut self,
        channel: Channel,
        index: u32,
        blocks: &mut Blocks,
        out: &mut Vec<Event>,
    ) -> Result<usize, Box<Failure>> {
        if let Some(at) = self.list.iter().rposition(|part| part.channel == channel && part.index == index) {
            return Ok(at);
        }
        let shared = match channel {
            Channel::Text | Channel::Refusal => None,
            Channel::Summary | Channel::Thought => self.list.iter().rev().find(|part| part.channel == channel),
        };
        let block = match shared.map(|part| part.block).filter(|block| blocks.is_open(*block)) {
            Some(block) => {
                blocks.push_str(block, "\n\n", out)?;
                block
            }
            None => start(channel, &self.marks, blocks, out)?,
        };
        self.list.push(Part { channel, index, block, sent: Sent::default(), cited: Vec::new() });
        Ok(self.list.len() - 1)
    }
}

fn start(channel: Channel, marks: &[Mark], blocks: &mut Blocks, out: &mut Vec<Event>) -> Result<BlockId, Box<Failure>> {
    let kind = match channel {
        Channel::Text => BlockKind::Text,
        Channel::Refusal => BlockKind::Refusal,
        Channel::Summary => BlockKind::Reasoning { summary: true },
        Channel::Thought => BlockKind::Reasoning { summary: false },
    };
    let block = blocks.start(kind, out)?;
    for mark in marks {
        blocks.mark(block, mark.clone(), out);
    }
    Ok(block)
}

/// A mark of this protocol.
pub(super) fn mark(key: &str, value: impl Into<serde_json::Value>) -> Mark {
    Mark::Opaque { protocol: super::NAME, key: Text::from(key), value: value.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_missing_rest_of_a_whole_is_new() {
        let mut sent = Sent::default();
        sent.add("Hé");
        sent.add("llo");
        assert_eq!(sent.rest("Héllo!"), Some("!"));
        assert_eq!(sent.rest("Héllo"), Some(""));
        assert_eq!((sent.rest("Hello!"), sent.rest("Hé"), sent.rest("")), (None, None, None));
    }
}
