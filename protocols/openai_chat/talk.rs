//! Text, reasoning and refusal of an answer: which of them speaks, and where one block ends and the next begins.

use super::details::Details;
use super::sources::Sources;
use crate::blocks::Blocks;
use crate::error::Failure;
use crate::event::{BlockId, BlockKind, Event, Mark, Text};
use crate::wire::json::{Carry, Escaped, Raw};
use crate::wire::think::{self, ThinkSplit};

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Voice {
    Text,
    Reasoning,
    Refusal,
}

impl Voice {
    const fn kind(self) -> BlockKind {
        match self {
            Self::Text => BlockKind::Text,
            Self::Reasoning => BlockKind::Reasoning { summary: false },
            Self::Refusal => BlockKind::Refusal,
        }
    }
}

/// The spoken part of one answer. One block is open at a time; another voice, or a tool call, ends it.
#[derive(Debug)]
pub(super) struct Talk {
    open: Option<(Voice, BlockId)>,
    split: Option<Split>,
    /// What must go back with the reasoning.
    pub details: Details,
    /// The sources of the text.
    pub sources: Sources,
}

/// Content on its way through the tag splitter.
#[derive(Debug)]
struct Split {
    splitter: ThinkSplit,
    carry: Carry,
}

impl Talk {
    /// Nobody has spoken. With a splitter, content is looked through for tags.
    pub fn new(splitter: Option<ThinkSplit>, details: Details) -> Self {
        Self {
            open: None,
            split: splitter.map(|splitter| Split { splitter, carry: Carry::default() }),
            details,
            sources: Sources::default(),
        }
    }

    /// Says a piece of content: text, but for what stands in tags.
    ///
    /// # Errors
    /// When a bound is broken.
    pub fn content(&mut self, piece: Raw<'_>, blocks: &mut Blocks, out: &mut Vec<Event>) -> Result<(), Box<Failure>> {
        let Some(piece) = said(piece) else { return Ok(()) };
        let Some(mut split) = self.split.take() else { return self.push(Voice::Text, piece, blocks, out) };
        let mut text = Text::default();
        piece.unescape_into(&mut split.carry, &mut text);
        let outcome = split.splitter.push(&text, &mut |voice, piece| self.push_split(voice, piece, blocks, out));
        self.split = Some(split);
        outcome
    }

    /// Says a piece in one voice.
    ///
    /// # Errors
    /// When a bound is broken.
    pub fn say(
        &mut self,
        voice: Voice,
        piece: Raw<'_>,
        blocks: &mut Blocks,
        out: &mut Vec<Event>,
    ) -> Result<(), Box<Failure>> {
        said(piece).map_or(Ok(()), |piece| self.push(voice, piece, blocks, out))
    }

    /// The open block of a voice; the others end.
    ///
    /// # Errors
    /// When there are too many blocks.
    pub fn block(&mut self, voice: Voice, blocks: &mut Blocks, out: &mut Vec<Event>) -> Result<BlockId, Box<Failure>> {
        if let Some((open, block)) = self.open
            && open == voice
        {
            return Ok(block);
        }
        self.close(blocks, out);
        let block = blocks.start(voice.kind(), out)?;
        self.open = Some((voice, block));
        Ok(block)
    }

    /// The voice that speaks.
    pub fn voice(&self) -> Option<Voice> {
        self.open.map(|(voice, _)| voice)
    }

    /// Says something of the open reasoning, or of the reasoning that has not begun yet. While text is being said it
    /// is nobody's: the mark is for a signature that goes with the reasoning just ended.
    ///
    /// # Errors
    /// When there are too many blocks.
    pub fn mark(&mut self, mark: Mark, blocks: &mut Blocks, out: &mut Vec<Event>) -> Result<(), Box<Failure>> {
        if self.voice() != Some(Voice::Text) {
            let block = self.block(Voice::Reasoning, blocks, out)?;
            blocks.mark(block, mark, out);
        }
        Ok(())
    }

    /// Ends the block that is open, because something else begins.
    pub fn close(&mut self, blocks: &mut Blocks, out: &mut Vec<Event>) {
        if let Some((voice, block)) = self.open.take() {
            if voice == Voice::Reasoning
                && let Some(mark) = self.details.take()
            {
                blocks.mark(block, mark, out);
            }
            blocks.end(block, true, out);
        }
    }

    /// Hands new sources to the text, if it is being said.
    pub fn cite(&mut self, blocks: &Blocks, out: &mut Vec<Event>) {
        if let Some((Voice::Text, block)) = self.open {
            self.sources.hand_out(block, blocks, out);
        }
    }

    /// Ends the talk: what is held back comes out, and what has found no block gets one.
    ///
    /// # Errors
    /// When a bound is broken.
    pub fn end(&mut self, blocks: &mut Blocks, out: &mut Vec<Event>) -> Result<(), Box<Failure>> {
        self.release(blocks, out)?;
        if self.sources.any_waiting() {
            self.block(Voice::Text, blocks, out)?;
            self.cite(blocks, out);
        }
        self.close(blocks, out);
        if self.details.any() {
            self.block(Voice::Reasoning, blocks, out)?;
            self.close(blocks, out);
        }
        Ok(())
    }

    /// Says what the tag splitter holds back.
    ///
    /// # Errors
    /// When a bound is broken.
    pub fn release(&mut self, blocks: &mut Blocks, out: &mut Vec<Event>) -> Result<(), Box<Failure>> {
        let Some(mut split) = self.split.take() else { return Ok(()) };
        let mut rest = Text::default();
        split.carry.flush(&mut rest);
        let mut each = |voice: think::Voice, piece: &str| self.push_split(voice, piece, blocks, out);
        split.splitter.push(&rest, &mut each)?;
        split.splitter.finish(&mut each)
    }

    fn push(
        &mut self,
        voice: Voice,
        piece: Escaped<'_>,
        blocks: &mut Blocks,
        out: &mut Vec<Event>,
    ) -> Result<(), Box<Failure>> {
        let block = self.block(voice, blocks, out)?;
        blocks.push(block, piece, out)?;
        self.cite(blocks, out);
        Ok(())
    }

    fn push_split(
        &mut self,
        voice: think::Voice,
        piece: &str,
        blocks: &mut Blocks,
        out: &mut Vec<Event>,
    ) -> Result<(), Box<Failure>> {
        let voice = if voice == think::Voice::Reasoning { Voice::Reasoning } else { Voice::Text };
        let block = self.block(voice, blocks, out)?;
        blocks.push_str(block, piece, out)?;
        self.cite(blocks, out);
        Ok(())
    }
}

/// The inside of a string that is not empty.
fn said(piece: Raw<'_>) -> Option<Escaped<'_>> {
    piece.string().filter(|_| piece.get().len() > 2)
}

/// True for a string that is not empty.
pub(super) fn has_text(piece: Raw<'_>) -> bool {
    said(piece).is_some()
}
