//! What every decoder needs to write blocks: ids, open and closed, joined surrogate halves, bounds.

use compact_str::format_compact;

use crate::error::{Failure, FailureKind};
use crate::event::{BlockId, BlockKind, Event, Mark, Text};
use crate::protocol::DecodeContext;
use crate::wire::json::{Carry, Escaped};

/// Writes the blocks of one step.
#[derive(Debug)]
pub struct Blocks {
    next: u32,
    first: u32,
    open: Vec<Open>,
    seed: Text,
    made_ids: u32,
    argument_bytes: usize,
    max_blocks: u32,
    max_argument_bytes: usize,
}

#[derive(Debug)]
struct Open {
    block: BlockId,
    carry: Carry,
    tool: bool,
}

impl Blocks {
    /// The blocks of a step whose ids, limits and seed come from outside.
    pub fn new(context: &DecodeContext) -> Self {
        Self {
            next: context.first_block,
            first: context.first_block,
            open: Vec::new(),
            seed: context.seed.clone(),
            made_ids: 0,
            argument_bytes: 0,
            max_blocks: context.limits.blocks,
            max_argument_bytes: context.limits.arguments,
        }
    }

    /// Begins a block.
    ///
    /// # Errors
    /// [`FailureKind::Malformed`] when the answer has more blocks than the limit.
    pub fn start(&mut self, kind: BlockKind, out: &mut Vec<Event>) -> Result<BlockId, Box<Failure>> {
        if self.next - self.first >= self.max_blocks {
            let message = format!("the answer has more than {} blocks", self.max_blocks);
            return Err(Failure::boxed(FailureKind::Malformed, message));
        }
        let block = BlockId(self.next);
        self.next += 1;
        self.open.push(Open { block, carry: Carry::default(), tool: matches!(kind, BlockKind::ToolInput(_)) });
        out.push(Event::BlockStart { block, kind });
        Ok(block)
    }

    /// Appends a piece as it stands in the provider's JSON. An empty piece is no event.
    ///
    /// # Errors
    /// [`FailureKind::Malformed`] when tool arguments grow beyond the limit.
    pub fn push(&mut self, block: BlockId, piece: Escaped<'_>, out: &mut Vec<Event>) -> Result<(), Box<Failure>> {
        let mut text = Text::default();
        let Some(open) = self.open.iter_mut().find(|open| open.block == block) else { return Ok(()) };
        piece.unescape_into(&mut open.carry, &mut text);
        self.append(block, text, out)
    }

    /// Appends a piece of plain text. An empty piece is no event.
    ///
    /// # Errors
    /// As [`Blocks::push`].
    pub fn push_str(&mut self, block: BlockId, piece: &str, out: &mut Vec<Event>) -> Result<(), Box<Failure>> {
        let mut text = Text::default();
        if !piece.is_empty() {
            let Some(open) = self.open.iter_mut().find(|open| open.block == block) else { return Ok(()) };
            open.carry.flush(&mut text);
            text.push_str(piece);
        }
        self.append(block, text, out)
    }

    fn append(&mut self, block: BlockId, text: Text, out: &mut Vec<Event>) -> Result<(), Box<Failure>> {
        if text.is_empty() {
            return Ok(());
        }
        if self.open.iter().any(|open| open.block == block && open.tool) {
            self.argument_bytes += text.len();
            if self.argument_bytes > self.max_argument_bytes {
                let message = format!("tool arguments of more than {} bytes", self.max_argument_bytes);
                return Err(Failure::boxed(FailureKind::Malformed, message));
            }
        }
        out.push(Event::BlockDelta { block, text });
        Ok(())
    }

    /// Says something of an open block.
    pub fn mark(&self, block: BlockId, mark: Mark, out: &mut Vec<Event>) {
        if self.is_open(block) {
            out.push(Event::BlockMark { block, mark: Box::new(mark) });
        }
    }

    /// Ends a block; nothing happens if it is not open. `whole` is false for one that was cut.
    pub fn end(&mut self, block: BlockId, whole: bool, out: &mut Vec<Event>) {
        if let Some(at) = self.open.iter().position(|open| open.block == block) {
            let mut open = self.open.remove(at);
            let mut rest = Text::default();
            // The other half of a cut text may have been on its way: what was not said is not told.
            if whole {
                open.carry.flush(&mut rest);
            }
            if !rest.is_empty() {
                out.push(Event::BlockDelta { block, text: rest });
            }
            out.push(Event::BlockEnd { block, whole });
        }
    }

    /// Ends every open block in the order of their starts.
    pub fn end_all(&mut self, whole: bool, out: &mut Vec<Event>) {
        while let Some(open) = self.open.first() {
            self.end(open.block, whole, out);
        }
    }

    /// True while the block is open.
    pub fn is_open(&self, block: BlockId) -> bool {
        self.open.iter().any(|open| open.block == block)
    }

    /// A call id for a provider that sent none; unique as long as seeds are.
    pub fn make_call_id(&mut self) -> Text {
        let id = format_compact!("call_{}_{}", self.seed, self.made_ids);
        self.made_ids += 1;
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::json::Raw;

    #[test]
    fn half_a_character_is_told_of_a_whole_text_and_not_of_a_cut_one() {
        for (whole, told) in [(true, "a\u{fffd}"), (false, "a")] {
            let mut out = Vec::new();
            let mut blocks = Blocks::new(&DecodeContext::default());
            let block = blocks.start(BlockKind::Text, &mut out).unwrap();
            let piece = Raw::new(r#""a\ud83d""#).string().unwrap();
            blocks.push(block, piece, &mut out).unwrap();
            blocks.end(block, whole, &mut out);
            let text: String = out
                .iter()
                .filter_map(|event| match event {
                    Event::BlockDelta { text, .. } => Some(text.as_str()),
                    _ => None,
                })
                .collect();
            assert_eq!(text, told);
        }
    }
}
