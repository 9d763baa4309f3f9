//! The blocks of one message: what opens, grows and closes under which index.

use serde_json::{Map, Value};

use super::names::{ANSWER_TOOL, BLOCK, CALLER, CITATION, PROTOCOL, SIGNED, original};
use super::wire::{Block, Delta, Source};
use crate::blocks::Blocks;
use crate::error::Failure;
use crate::event::{
    BlockId, BlockKind, Citation, Event, Mark, Runs, Text, ToolCall, ToolKind, ToolOutcome, ToolResult,
};
use crate::protocol::DecodeContext;
use crate::wire::json::Raw;

/// The blocks of one message. They come one after the other, but each has its own state, so that they could overlap.
#[derive(Debug)]
pub(super) struct Content {
    blocks: Blocks,
    open: Vec<Open>,
    /// Calls whose block is over. They stay open until it is known that the limit did not cut them: that comes later.
    stopped: Vec<BlockId>,
    /// Calls that the provider runs and has not answered yet.
    unanswered: Vec<Text>,
    answered: Vec<Text>,
    next: u64,
    has_calls: bool,
}

/// Which text a delta continues.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    kind: PieceKind,
    /// The block's index; without one it is the latest block.
    index: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
enum PieceKind {
    Text,
    Thinking,
    Input,
}

#[derive(Debug)]
struct Open {
    index: u64,
    block: BlockId,
    state: State,
}

#[derive(Debug)]
enum State {
    Text,
    Thinking {
        signed: bool,
    },
    /// The answer in the form of a tool's input.
    Answer(Input),
    Call(Input),
    ProviderCall(Input),
    /// A block that is kept for the next request and shown to nobody.
    Kept(Map<String, Value>),
}

/// The input that a block had at its start: it counts only if no delta has any (corner cases 147 and 148).
#[derive(Debug)]
struct Input(Option<String>);

impl Content {
    pub(super) fn new(context: &DecodeContext) -> Self {
        Self {
            blocks: Blocks::new(context),
            open: Vec::new(),
            stopped: Vec::new(),
            unanswered: Vec::new(),
            answered: Vec::new(),
            next: 0,
            has_calls: false,
        }
    }

    /// True once a block has begun.
    pub(super) const fn has_begun(&self) -> bool {
        self.next > 0
    }

    /// True if there is a call that the provider does not run.
    pub(super) const fn has_calls(&self) -> bool {
        self.has_calls
    }

    /// A block begins.
    pub(super) fn start(&mut self, index: Option<u64>, raw: Raw<'_>, out: &mut Vec<Event>) -> Result<(), Box<Failure>> {
        self.settle(true, out);
        let index = index.unwrap_or(self.next);
        self.next = self.next.max(index.saturating_add(1));
        if let Some(at) = self.at(Some(index)) {
            let lost = self.open.remove(at);
            // Nobody has said that a call in here was whole.
            self.blocks.end(lost.block, !matches!(lost.state, State::Call(_)), out);
        }
        let block: Block<'_> = raw.parse().unwrap_or_default();
        let kind = block.kind.str().unwrap_or_default();
        match &*kind {
            "text" => self.start_text(index, &block, out),
            "thinking" => self.start_thinking(index, &block, out),
            "redacted_thinking" => self.start_redacted(index, &block, out),
            "tool_use" => self.start_call(index, &block, out),
            kind if kind.ends_with("_tool_use") => self.start_provider_call(index, kind, &block, raw, out),
            kind if kind.ends_with("_tool_result") => {
                self.result(&block, raw, out);
                Ok(())
            }
            _ => self.start_kept(index, raw, out),
        }
    }

    /// A block grows. Gives the text that it grows by, if it is text.
    pub(super) fn delta<'a>(
        &mut self,
        index: Option<u64>,
        raw: Raw<'a>,
        out: &mut Vec<Event>,
    ) -> Result<Option<(Piece, Raw<'a>)>, Box<Failure>> {
        let delta: Delta<'_> = raw.parse().unwrap_or_default();
        let kind = delta.kind.str().unwrap_or_default();
        let (kind, text) = match &*kind {
            "text_delta" => (PieceKind::Text, delta.text),
            "thinking_delta" => (PieceKind::Thinking, delta.thinking),
            "input_json_delta" => (PieceKind::Input, delta.partial_json),
            kind => {
                self.settle(true, out);
                self.remark(index, kind, &delta, raw, out);
                return Ok(None);
            }
        };
        let piece = Piece { kind, index };
        self.grow(piece, text, out)?;
        Ok(Some((piece, text)))
    }

    /// A block grows by text.
    pub(super) fn grow(&mut self, piece: Piece, text: Raw<'_>, out: &mut Vec<Event>) -> Result<(), Box<Failure>> {
        self.settle(true, out);
        match piece.kind {
            PieceKind::Text => self.text(piece.index, text, out),
            PieceKind::Thinking => self.thinking(piece.index, text, out),
            PieceKind::Input => self.input(piece.index, text, out),
        }
    }

    /// Something is said of a block that is not its text.
    fn remark(&mut self, index: Option<u64>, kind: &str, delta: &Delta<'_>, raw: Raw<'_>, out: &mut Vec<Event>) {
        match kind {
            "signature_delta" => self.signature(index, delta.signature, out),
            "citations_delta" => self.citation(index, delta.citation, out),
            kind => self.keep(index, kind, raw),
        }
    }

    /// A block is over.
    pub(super) fn stop(&mut self, index: Option<u64>, out: &mut Vec<Event>) -> Result<(), Box<Failure>> {
        let Some(at) = self.at(index) else { return Ok(()) };
        let Open { block, state, .. } = self.open.remove(at);
        self.end(block, state, out)?;
        Ok(())
    }

    /// What the message says of its end: the calls that are over were cut by it, or were not.
    pub(super) fn settle(&mut self, whole: bool, out: &mut Vec<Event>) {
        for block in self.stopped.drain(..) {
            self.blocks.end(block, whole, out);
        }
    }

    /// The message is over. `whole` is false when it was cut: then its last calls are.
    pub(super) fn close(&mut self, whole: bool, out: &mut Vec<Event>) -> Result<(), Box<Failure>> {
        for Open { block, state, .. } in std::mem::take(&mut self.open) {
            self.end(block, state, out)?;
        }
        self.settle(whole, out);
        Ok(())
    }

    /// The provider's words for why it refused, as a block of their own.
    pub(super) fn refuse(&mut self, words: &str, out: &mut Vec<Event>) -> Result<(), Box<Failure>> {
        let block = self.blocks.start(BlockKind::Refusal, out)?;
        self.blocks.push_str(block, words, out)?;
        self.blocks.end(block, true, out);
        Ok(())
    }

    /// The message broke: nothing that is open is whole.
    pub(super) fn abandon(&mut self, out: &mut Vec<Event>) {
        self.open.clear();
        self.stopped.clear();
        self.blocks.end_all(false, out);
    }

    /// Where the block of this index is; the latest one, if an event names none.
    fn at(&self, index: Option<u64>) -> Option<usize> {
        match index {
            Some(index) => self.open.iter().position(|open| open.index == index),
            None => self.open.len().checked_sub(1),
        }
    }

    fn opened(
        &mut self,
        index: u64,
        kind: BlockKind,
        state: State,
        out: &mut Vec<Event>,
    ) -> Result<BlockId, Box<Failure>> {
        let block = self.blocks.start(kind, out)?;
        self.open.push(Open { index, block, state });
        Ok(block)
    }

    fn start_text(&mut self, index: u64, block: &Block<'_>, out: &mut Vec<Event>) -> Result<(), Box<Failure>> {
        self.opened(index, BlockKind::Text, State::Text, out)?;
        self.text(Some(index), block.text, out)?;
        for citation in block.citations.parse::<Vec<Raw<'_>>>().unwrap_or_default() {
            self.citation(Some(index), citation, out);
        }
        Ok(())
    }

    fn start_thinking(&mut self, index: u64, block: &Block<'_>, out: &mut Vec<Event>) -> Result<(), Box<Failure>> {
        self.opened(index, REASONING, State::Thinking { signed: false }, out)?;
        self.thinking(Some(index), block.thinking, out)?;
        self.signature(Some(index), block.signature, out);
        Ok(())
    }

    fn start_redacted(&mut self, index: u64, block: &Block<'_>, out: &mut Vec<Event>) -> Result<(), Box<Failure>> {
        let id = self.opened(index, REASONING, State::Thinking { signed: true }, out)?;
        self.blocks.mark(id, Mark::Redacted { data: block.data.owned().unwrap_or_default() }, out);
        self.blocks.mark(id, opaque(SIGNED, true.into()), out);
        Ok(())
    }

    fn start_call(&mut self, index: u64, block: &Block<'_>, out: &mut Vec<Event>) -> Result<(), Box<Failure>> {
        let name = block.name.str().unwrap_or_default();
        if name == ANSWER_TOOL {
            self.opened(index, BlockKind::Text, State::Answer(Input::of(block)), out)?;
            return Ok(());
        }
        self.has_calls = true;
        let call = self.call(index, block, Text::from(original(&name)), ToolKind::Function, Runs::Page);
        let id = self.opened(index, call, State::Call(Input::of(block)), out)?;
        if let Some(caller) = block.caller.value::<Value>().filter(|caller| caller["type"] != "direct") {
            self.blocks.mark(id, opaque(CALLER, caller), out);
        }
        Ok(())
    }

    fn start_provider_call(
        &mut self,
        index: u64,
        kind: &str,
        block: &Block<'_>,
        raw: Raw<'_>,
        out: &mut Vec<Event>,
    ) -> Result<(), Box<Failure>> {
        let name = block.name.text().unwrap_or_default();
        let call = self.call(index, block, name, ToolKind::Other(kind.into()), Runs::Provider);
        if let BlockKind::ToolInput(call) = &call {
            self.unanswered.push(call.id.clone());
        }
        let id = self.opened(index, call, State::ProviderCall(Input::of(block)), out)?;
        let mut kept: Map<String, Value> = raw.value().unwrap_or_default();
        kept.shift_remove("input");
        self.blocks.mark(id, opaque(BLOCK, Value::Object(kept)), out);
        Ok(())
    }

    fn call(&mut self, index: u64, block: &Block<'_>, name: Text, kind: ToolKind, runs: Runs) -> BlockKind {
        let id = block.id.text().unwrap_or_else(|| self.blocks.make_call_id());
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        BlockKind::ToolInput(Box::new(ToolCall { id, name, kind, runs, index }))
    }

    fn start_kept(&mut self, index: u64, raw: Raw<'_>, out: &mut Vec<Event>) -> Result<(), Box<Failure>> {
        let kept = raw.value().unwrap_or_default();
        self.opened(index, REASONING, State::Kept(kept), out)?;
        Ok(())
    }

    /// The result of a provider-run call comes whole. All of its block is the output, so that it can go back as it is.
    fn result(&mut self, block: &Block<'_>, raw: Raw<'_>, out: &mut Vec<Event>) {
        while let Some(at) = self.open.iter().position(|open| matches!(open.state, State::ProviderCall(_))) {
            let late = self.open.remove(at).block;
            self.blocks.end(late, true, out);
        }
        let Some(call) = self.answer(block.tool_use_id) else { return };
        let content: Source<'_> = block.content.parse().unwrap_or_default();
        let failed = block.is_error.get() == "true" || content.kind.str().is_some_and(|kind| kind.ends_with("_error"));
        out.push(Event::ToolResult(Box::new(ToolResult {
            call,
            outcome: if failed { ToolOutcome::Error } else { ToolOutcome::Ok },
            output: raw.value().unwrap_or_else(|| Value::String(raw.get().to_owned())),
            last: true,
            status: content.error_code.text(),
            files: Vec::new(),
            full: None,
        })));
    }

    /// The call that a result answers: the one it names; the oldest one that waits, if it names none of this message;
    /// and if none waits, one of the message that this one continues. A call that has its result gets no other.
    fn answer(&mut self, id: Raw<'_>) -> Option<Text> {
        let id = id.text().unwrap_or_default();
        let named = self.unanswered.iter().position(|call| *call == id);
        if named.is_none() && self.answered.contains(&id) {
            return None;
        }
        if self.unanswered.is_empty() {
            return Some(id);
        }
        let call = self.unanswered.remove(named.unwrap_or(0));
        self.answered.push(call.clone());
        Some(call)
    }

    fn text(&mut self, index: Option<u64>, text: Raw<'_>, out: &mut Vec<Event>) -> Result<(), Box<Failure>> {
        let Some(piece) = text.string().filter(|_| text.get() != "\"\"") else { return Ok(()) };
        let block = self.voice(index, false, out)?;
        self.blocks.push(block, piece, out)
    }

    fn thinking(&mut self, index: Option<u64>, text: Raw<'_>, out: &mut Vec<Event>) -> Result<(), Box<Failure>> {
        let Some(piece) = text.string().filter(|_| text.get() != "\"\"") else { return Ok(()) };
        let block = self.voice(index, true, out)?;
        self.blocks.push(block, piece, out)
    }

    /// The block that text or thoughts of this index go to; a new one where none was announced.
    fn voice(&mut self, index: Option<u64>, thinks: bool, out: &mut Vec<Event>) -> Result<BlockId, Box<Failure>> {
        if let Some(at) = self.at(index) {
            let open = &self.open[at];
            if matches!((&open.state, thinks), (State::Text, false) | (State::Thinking { .. }, true)) {
                return Ok(open.block);
            }
            let Open { block, state, .. } = self.open.remove(at);
            self.end(block, state, out)?;
        }
        let index = index.unwrap_or(self.next);
        self.next = self.next.max(index.saturating_add(1));
        if thinks {
            self.opened(index, REASONING, State::Thinking { signed: false }, out)
        } else {
            self.opened(index, BlockKind::Text, State::Text, out)
        }
    }

    fn input(&mut self, index: Option<u64>, piece: Raw<'_>, out: &mut Vec<Event>) -> Result<(), Box<Failure>> {
        let Some(piece) = piece.string().filter(|_| piece.get() != "\"\"") else { return Ok(()) };
        let Some(at) = self.at(index) else { return Ok(()) };
        let open = &mut self.open[at];
        if let State::Call(input) | State::ProviderCall(input) | State::Answer(input) = &mut open.state {
            input.0 = None;
            return self.blocks.push(open.block, piece, out);
        }
        Ok(())
    }

    fn signature(&mut self, index: Option<u64>, signature: Raw<'_>, out: &mut Vec<Event>) {
        let (Some(at), Some(signature)) = (self.at(index), signature.text()) else { return };
        let open = &mut self.open[at];
        if let State::Thinking { signed } = &mut open.state {
            let first = !std::mem::replace(signed, true);
            self.blocks.mark(open.block, Mark::Signature { signature }, out);
            if first {
                self.blocks.mark(open.block, opaque(SIGNED, true.into()), out);
            }
        }
    }

    fn citation(&mut self, index: Option<u64>, raw: Raw<'_>, out: &mut Vec<Event>) {
        let (Some(at), Some(source)) = (self.at(index), raw.parse::<Source<'_>>()) else { return };
        let block = self.open[at].block;
        self.blocks.mark(block, Mark::Citation(citation(&source)), out);
        if let Some(value) = raw.value() {
            self.blocks.mark(block, opaque(CITATION, value), out);
        }
    }

    /// A delta of a block that is only kept: texts are joined, anything else replaces.
    fn keep(&mut self, index: Option<u64>, kind: &str, raw: Raw<'_>) {
        let Some(at) = self.at(index) else { return };
        let State::Kept(kept) = &mut self.open[at].state else { return };
        if kind.strip_suffix("_delta") != kept.get("type").and_then(Value::as_str) {
            return;
        }
        for (key, new) in raw.value::<Map<String, Value>>().unwrap_or_default() {
            match (kept.get_mut(&key), new) {
                _ if key == "type" => {}
                (Some(Value::String(held)), Value::String(new)) => held.push_str(&new),
                (_, new) => {
                    kept.insert(key, new);
                }
            }
        }
    }

    fn end(&mut self, block: BlockId, state: State, out: &mut Vec<Event>) -> Result<(), Box<Failure>> {
        match state {
            State::Text | State::Thinking { .. } => {}
            State::Kept(kept) => self.blocks.mark(block, opaque(BLOCK, Value::Object(kept)), out),
            State::Answer(input) | State::ProviderCall(input) => self.late_input(block, input, out)?,
            State::Call(input) => {
                self.late_input(block, input, out)?;
                self.stopped.push(block);
                return Ok(());
            }
        }
        self.blocks.end(block, true, out);
        Ok(())
    }

    fn late_input(&mut self, block: BlockId, input: Input, out: &mut Vec<Event>) -> Result<(), Box<Failure>> {
        match input.0 {
            Some(input) => self.blocks.push_str(block, &input, out),
            None => Ok(()),
        }
    }
}

const REASONING: BlockKind = BlockKind::Reasoning { summary: false };

impl Input {
    fn of(block: &Block<'_>) -> Self {
        let text = block.input.get();
        let empty = block.input.is_null() || text.bytes().all(|byte| b"{} \t\r\n".contains(&byte));
        Self((!empty).then(|| text.to_owned()))
    }
}

fn opaque(key: &str, value: Value) -> Mark {
    Mark::Opaque { protocol: PROTOCOL, key: key.into(), value }
}

/// The citing text has no offsets: the whole block is the passage (upstream notes 4.2).
fn citation(source: &Source<'_>) -> Citation {
    Citation {
        kind: source.kind.text().unwrap_or_default(),
        url: source.url.owned().or_else(|| source.source.owned()),
        title: source.title.owned().or_else(|| source.document_title.owned()),
        file: source.file_id.text(),
        start: None,
        end: None,
        quote: source.cited_text.owned(),
    }
}
