//! Tool calls, put together from pieces in every shape that servers send them (upstream notes 2.3 and 7).
//!
//! A call is announced once its name is sure: with its first argument bytes, or when something else begins. It stays
//! open until the answer ends, for nothing else in the protocol closes it: neither the next call nor arguments that
//! parse already.

use serde_json::Value;

use super::wire::{CallPiece, Few, Function, read};
use crate::blocks::Blocks;
use crate::error::{Failure, FailureKind};
use crate::event::{BlockId, BlockKind, Event, Mark, Runs, Text, ToolCall, ToolKind};
use crate::protocol::Limits;
use crate::wire::json::Raw;

/// The calls of one answer.
#[derive(Debug)]
pub(super) struct Calls {
    calls: Vec<Call>,
    /// The call that the last piece was for.
    latest: usize,
    /// Counts lists of pieces, so that two elements of one list are told apart.
    lists: u32,
    /// Bytes held back for calls whose name has not come.
    held: usize,
    most_held: usize,
    most: usize,
    restore: fn(&str) -> Text,
}

#[derive(Debug)]
struct Call {
    /// The provider's key; a call without one has its position.
    index: u64,
    /// Its id; empty while the provider has sent none and none is needed.
    id: Text,
    /// The id is ours, not the provider's.
    made: bool,
    name: Text,
    kind: ToolKind,
    block: Option<BlockId>,
    /// Arguments that came before the name.
    early: String,
    /// Any argument byte has come.
    begun: bool,
    json: Balance,
    extra: Option<Value>,
    /// The list that this call was last mentioned in.
    list: u32,
}

impl Calls {
    /// No calls yet. `restore` gives a tool's own name for the one that the provider knows it by.
    pub const fn new(limits: &Limits, restore: fn(&str) -> Text) -> Self {
        Self {
            calls: Vec::new(),
            latest: 0,
            lists: 0,
            held: 0,
            most_held: limits.arguments,
            most: limits.blocks as usize,
            restore,
        }
    }

    /// True once any call has been announced.
    pub fn any_open(&self) -> bool {
        self.calls.iter().any(|call| call.block.is_some())
    }

    /// Takes the `tool_calls` of one delta.
    ///
    /// # Errors
    /// [`FailureKind::Malformed`] when a bound is broken.
    pub fn list(
        &mut self,
        pieces: &Few<CallPiece<'_>>,
        blocks: &mut Blocks,
        out: &mut Vec<Event>,
    ) -> Result<(), Box<Failure>> {
        self.lists = self.lists.wrapping_add(1);
        pieces.iter().filter(|piece| piece.given).try_for_each(|piece| self.piece(piece, blocks, out))
    }

    /// Takes the obsolete `function_call`: one call, without id and index.
    ///
    /// # Errors
    /// As [`Calls::list`].
    pub fn function_call(
        &mut self,
        function: &Function<'_>,
        blocks: &mut Blocks,
        out: &mut Vec<Event>,
    ) -> Result<(), Box<Failure>> {
        self.lists = self.lists.wrapping_add(1);
        let at = if self.calls.is_empty() { self.add(0, blocks, out)? } else { 0 };
        self.name(at, function.name, false);
        self.arguments(at, function.arguments, blocks, out)
    }

    /// Announces calls whose name is as sure as it will get, because something else begins.
    ///
    /// # Errors
    /// As [`Calls::list`].
    pub fn settle(&mut self, blocks: &mut Blocks, out: &mut Vec<Event>) -> Result<(), Box<Failure>> {
        for at in 0..self.calls.len() {
            self.open(at, blocks, out)?;
        }
        Ok(())
    }

    /// Ends every call, at the end of the answer. If a limit `cut` it, the last call is not whole, whatever its
    /// arguments look like (upstream notes 7, rule 5). Gives the number of calls that never got a name.
    ///
    /// # Errors
    /// As [`Calls::list`].
    pub fn end(&mut self, cut: bool, blocks: &mut Blocks, out: &mut Vec<Event>) -> Result<usize, Box<Failure>> {
        self.settle(blocks, out)?;
        let last = self.calls.iter().filter_map(|call| call.block).max();
        for block in self.calls.iter().filter_map(|call| call.block) {
            blocks.end(block, !(cut && Some(block) == last), out);
        }
        Ok(self.calls.iter().filter(|call| call.block.is_none()).count())
    }

    fn piece(&mut self, piece: &CallPiece<'_>, blocks: &mut Blocks, out: &mut Vec<Event>) -> Result<(), Box<Failure>> {
        let free: Function<'_> = read(piece.custom);
        let custom = free.given || piece.kind.get() == "\"custom\"";
        let said = if free.given { &free } else { &piece.function };
        let id = piece.id.text();
        let at = match self.find(piece, id.as_ref(), said) {
            Some(at) => at,
            None => self.add(piece.index.count().unwrap_or(self.calls.len() as u64), blocks, out)?,
        };
        self.latest = at;
        let Some(call) = self.calls.get_mut(at) else { return Ok(()) };
        call.list = self.lists;
        if custom && call.block.is_none() {
            call.kind = ToolKind::Custom;
        }
        if piece.extra_content.is_object()
            && let Some(extra) = piece.extra_content.value()
        {
            call.extra(extra, blocks, out);
        }
        let named = id.is_some();
        if let Some(id) = id.filter(|_| call.id.is_empty()) {
            call.id = id;
        }
        self.name(at, said.name, named);
        let arguments = if said.arguments.is_null() { said.input } else { said.arguments };
        self.arguments(at, arguments, blocks, out)
    }

    /// The call that a piece belongs to; `None` for a new one.
    fn find(&self, piece: &CallPiece<'_>, id: Option<&Text>, said: &Function<'_>) -> Option<usize> {
        let name = said.name.text();
        let index = piece.index.count();
        match id {
            Some(id) => self.by_id(id, index, name.is_some()),
            None => self.without_id(index, name.as_ref(), said),
        }
    }

    /// The same id is the same call. An id that was not seen before opens one, also at a used index (corner case 78),
    /// unless the call there still waits for its id.
    fn by_id(&self, id: &Text, index: Option<u64>, named: bool) -> Option<usize> {
        let same = |call: &Call| call.id == *id && (!named || index.is_none_or(|index| index == call.index));
        let waits = |call: &Call| {
            index == Some(call.index) && (call.id.is_empty() && call.block.is_none() || call.made && !named)
        };
        self.calls.iter().rposition(same).or_else(|| self.calls.iter().rposition(waits))
    }

    /// Without an id the index decides, without either it is the latest call, unless that cannot be: one list does not
    /// hold two pieces of one call, and a name behind arguments begins a call of its own.
    fn without_id(&self, index: Option<u64>, name: Option<&Text>, said: &Function<'_>) -> Option<usize> {
        let at = match index {
            Some(index) => self.calls.iter().rposition(|call| call.index == index)?,
            None => self.latest,
        };
        let call = self.calls.get(at)?;
        let second = index.is_none() && call.list == self.lists;
        let again = || call.has_no_id() && call.json.whole() && opens(said.arguments);
        let settled = !call.name.is_empty() && (call.begun || index.is_none());
        let renamed = name.is_some_and(|name| settled && (call.name != *name || again()));
        (!second && !renamed).then_some(at)
    }

    fn add(&mut self, index: u64, blocks: &mut Blocks, out: &mut Vec<Event>) -> Result<usize, Box<Failure>> {
        if self.calls.len() >= self.most {
            return Err(Failure::boxed(FailureKind::Malformed, format!("more than {} tool calls", self.most)));
        }
        // Calls are announced in the order in which they came.
        self.settle(blocks, out)?;
        self.calls.push(Call {
            index,
            id: Text::default(),
            made: false,
            name: Text::default(),
            kind: ToolKind::Function,
            block: None,
            early: String::new(),
            begun: false,
            json: Balance::default(),
            extra: None,
            list: self.lists,
        });
        Ok(self.calls.len() - 1)
    }

    /// A name comes whole, again, empty, or (rarely) in pieces before any argument.
    fn name(&mut self, at: usize, name: Raw<'_>, has_id: bool) {
        let (Some(name), Some(call)) = (name.text(), self.calls.get_mut(at)) else { return };
        if call.name.is_empty() {
            call.name = name;
        } else if !has_id && !call.begun && call.block.is_none() && call.name != name {
            call.name.push_str(&name);
        }
    }

    fn arguments(
        &mut self,
        at: usize,
        arguments: Raw<'_>,
        blocks: &mut Blocks,
        out: &mut Vec<Event>,
    ) -> Result<(), Box<Failure>> {
        let Some(call) = self.calls.get_mut(at) else { return Ok(()) };
        if arguments.is_null() || arguments.get() == "\"\"" {
            return Ok(());
        }
        let text = arguments.string();
        if text.is_none() && call.begun {
            return Ok(()); // A whole object again: the call has it already.
        }
        call.begun = true;
        if call.has_no_id() {
            match text {
                Some(_) => call.json.escaped(arguments.get()),
                None => call.json.plain(arguments.get()),
            }
        }
        if call.name.is_empty() {
            let piece = arguments.str().unwrap_or_else(|| arguments.get().into());
            self.held += piece.len();
            if self.held > self.most_held {
                let message = format!("tool arguments of more than {} bytes", self.most_held);
                return Err(Failure::boxed(FailureKind::Malformed, message));
            }
            call.early.push_str(&piece);
            return Ok(());
        }
        let Some(block) = self.open(at, blocks, out)? else { return Ok(()) };
        match text {
            Some(text) => blocks.push(block, text, out),
            None => blocks.push_str(block, arguments.get(), out),
        }
    }

    /// Announces a call, if it has a name and has not been announced.
    fn open(&mut self, at: usize, blocks: &mut Blocks, out: &mut Vec<Event>) -> Result<Option<BlockId>, Box<Failure>> {
        let Some(call) = self.calls.get_mut(at) else { return Ok(None) };
        if call.block.is_some() || call.name.is_empty() {
            return Ok(call.block);
        }
        if call.id.is_empty() {
            call.id = blocks.make_call_id();
            call.made = true;
        }
        let kind = BlockKind::ToolInput(Box::new(ToolCall {
            id: call.id.clone(),
            name: (self.restore)(&call.name),
            kind: call.kind.clone(),
            runs: Runs::Page,
            index: u32::try_from(call.index).unwrap_or(u32::MAX),
        }));
        let block = blocks.start(kind, out)?;
        call.block = Some(block);
        if let Some(extra) = call.extra.take() {
            call.extra(extra, blocks, out);
        }
        let early = std::mem::take(&mut call.early);
        blocks.push_str(block, &early, out)?;
        Ok(Some(block))
    }
}

impl Call {
    fn has_no_id(&self) -> bool {
        self.made || self.id.is_empty()
    }

    /// Keeps what must go back with the call.
    fn extra(&mut self, extra: Value, blocks: &Blocks, out: &mut Vec<Event>) {
        match self.block {
            Some(block) => {
                let mark = Mark::Opaque { protocol: super::NAME, key: super::EXTRA_CONTENT.into(), value: extra };
                blocks.mark(block, mark, out);
            }
            None => self.extra = Some(extra),
        }
    }
}

/// True for arguments that begin an object, as text or as themselves.
fn opens(arguments: Raw<'_>) -> bool {
    arguments.get().trim_start_matches(['"', ' ', '\n']).starts_with('{')
}

/// Follows brackets and strings, to tell whether an object has been closed. Only ever a hint: no call ends by it.
#[derive(Debug, Default)]
struct Balance {
    depth: u32,
    in_string: bool,
    after_backslash: bool,
    closed: bool,
}

impl Balance {
    const fn whole(&self) -> bool {
        self.closed && self.depth == 0
    }

    fn plain(&mut self, json: &str) {
        json.bytes().for_each(|byte| self.byte(byte));
    }

    /// A JSON string literal whose content is JSON text: one level of escapes is undone on the way.
    fn escaped(&mut self, literal: &str) {
        let mut escape = false;
        for byte in literal.bytes().skip(1).take(literal.len().saturating_sub(2)) {
            match (escape, byte) {
                (false, b'\\') => escape = true,
                (true, b'"' | b'\\') => {
                    escape = false;
                    self.byte(byte);
                }
                (true, _) => {
                    escape = false;
                    self.byte(b' ');
                }
                (false, byte) => self.byte(byte),
            }
        }
    }

    fn byte(&mut self, byte: u8) {
        if self.in_string {
            match byte {
                _ if self.after_backslash => self.after_backslash = false,
                b'\\' => self.after_backslash = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                self.closed = true;
            }
            _ => {}
        }
    }
}
