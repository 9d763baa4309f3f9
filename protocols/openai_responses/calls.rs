//! Calls that the provider does not run: functions, custom tools, and the provider's own client-run kinds.
//!
//! `call_id` links a call with its output and is the call's id everywhere in the gateway; the item's `id` is another
//! thing and rides along as a mark (corner case 138).

use serde_json::{Map, Value};

use super::text::{Done, Sent, mark};
use super::wire::{self, argument_text};
use crate::blocks::Blocks;
use crate::error::{Failure, FailureKind};
use crate::event::{BlockId, BlockKind, Event, Runs, Text, ToolCall, ToolKind, Warning};
use crate::wire::json::Raw;
use crate::wire::names::restored;

/// A client-run kind of the provider's own vocabulary (upstream notes 3.2).
#[derive(Debug)]
pub(super) struct ClientKind {
    /// The type of its call item.
    pub item: &'static str,
    /// The name of the tool.
    pub name: &'static str,
    /// The member that holds its input.
    pub input: &'static str,
    /// The type of its output item.
    pub output: &'static str,
}

const fn kind(item: &'static str, name: &'static str, input: &'static str, output: &'static str) -> ClientKind {
    ClientKind { item, name, input, output }
}

/// The client-run kinds. A `tool_search_call` is one only with `execution: client`.
pub(super) static CLIENT_KINDS: [ClientKind; 5] = [
    kind("local_shell_call", "local_shell", "action", "local_shell_call_output"),
    kind("shell_call", "shell", "action", "shell_call_output"),
    kind("apply_patch_call", "apply_patch", "operation", "apply_patch_call_output"),
    kind("computer_call", "computer", "action", "computer_call_output"),
    kind("tool_search_call", "tool_search", "arguments", "tool_search_output"),
];

/// The client-run kind of this item type.
pub(super) fn client_kind(item: &str) -> Option<&'static ClientKind> {
    CLIENT_KINDS.iter().find(|kind| kind.item == item)
}

/// A call in the stream.
#[derive(Debug)]
pub(super) struct Call {
    kind: ToolKind,
    item_id: Option<Text>,
    call_id: Option<Text>,
    name: Text,
    index: u32,
    block: Option<BlockId>,
    sent: Sent,
    /// Arguments that came before the call's name.
    pending: String,
}

impl Call {
    pub(super) fn new(kind: ToolKind, index: u32) -> Self {
        let name = match &kind {
            ToolKind::Other(item) => client_kind(item).map_or("", |kind| kind.name).into(),
            ToolKind::Function | ToolKind::Custom => Text::default(),
        };
        Self {
            kind,
            item_id: None,
            call_id: None,
            name,
            index,
            block: None,
            sent: Sent::default(),
            pending: String::new(),
        }
    }

    /// Takes over what the item says of the call, and begins its block as soon as name and id are known.
    pub(super) fn describe(&mut self, item: &wire::Item<'_>, blocks: &mut Blocks, out: &mut Vec<Event>) -> Done {
        if self.block.is_some() {
            return Ok(());
        }
        if !matches!(self.kind, ToolKind::Other(_)) {
            self.kind =
                if &*wire::word(item.kind) == "custom_tool_call" { ToolKind::Custom } else { ToolKind::Function };
        }
        self.item_id = item.id.text().or_else(|| self.item_id.take());
        self.call_id = item.call_id.text().or_else(|| self.call_id.take());
        if let Some(name) = item.name.text() {
            self.name = restored(&name);
        }
        if self.name.is_empty() || self.call_id.is_none() { Ok(()) } else { self.open(blocks, out).map(drop) }
    }

    /// A piece of arguments.
    pub(super) fn delta(&mut self, piece: Raw<'_>, limit: usize, blocks: &mut Blocks, out: &mut Vec<Event>) -> Done {
        let Some(block) = self.block else {
            self.pending.push_str(&argument_text(piece));
            if self.pending.len() > limit {
                return Err(Failure::boxed(
                    FailureKind::Malformed,
                    format!("tool arguments of more than {limit} bytes"),
                ));
            }
            return Ok(());
        };
        let from = out.len();
        match piece.string() {
            Some(piece) => blocks.push(block, piece, out)?,
            None => blocks.push_str(block, &argument_text(piece), out)?,
        }
        self.sent.add_events(&out[from..]);
        Ok(())
    }

    /// The whole arguments.
    pub(super) fn whole(&mut self, whole: Raw<'_>, blocks: &mut Blocks, out: &mut Vec<Event>) -> Done {
        let whole = argument_text(whole);
        match self.block {
            Some(block) => match self.sent.rest(&whole) {
                Some(rest) => {
                    self.sent.add(rest);
                    blocks.push_str(block, rest, out)
                }
                None => Ok(()),
            },
            None => {
                if whole.len() > self.pending.len() {
                    self.pending = whole.into_owned();
                }
                Ok(())
            }
        }
    }

    /// The item is over: the rest of its input, its marks, its end.
    pub(super) fn end(
        &mut self,
        item: &wire::Item<'_>,
        raw: Raw<'_>,
        whole: bool,
        blocks: &mut Blocks,
        out: &mut Vec<Event>,
    ) -> Done {
        self.describe(item, blocks, out)?;
        let whole = whole && !self.name.is_empty();
        let Some(block) = self.open(blocks, out)? else { return Ok(()) };
        if !blocks.is_open(block) {
            return Ok(());
        }
        self.whole(self.input(item), blocks, out)?;
        if self.sent.is_empty() && !item.actions.is_null() {
            let actions = format!("{{\"actions\":{}}}", item.actions.get());
            blocks.push_str(block, &actions, out)?;
        }
        match &self.kind {
            ToolKind::Other(_) => {
                if let Some(item) = raw.value::<Value>() {
                    blocks.mark(block, mark("item", item), out);
                }
            }
            ToolKind::Function | ToolKind::Custom => {
                if let Some(extra) =
                    raw.value::<Map<String, Value>>().map(beyond_the_call).filter(|map| !map.is_empty())
                {
                    blocks.mark(block, mark("extra", extra), out);
                }
            }
        }
        blocks.end(block, whole, out);
        Ok(())
    }

    /// Ends the call where its item has no end of its own.
    pub(super) fn cut(&mut self, whole: bool, blocks: &mut Blocks, out: &mut Vec<Event>) -> Done {
        if self.block.is_none() && self.name.is_empty() {
            out.push(Warning::event("call-dropped", "a tool call without a name was left out"));
            return Ok(());
        }
        if let Some(block) = self.open(blocks, out)? {
            blocks.end(block, whole, out);
        }
        Ok(())
    }

    /// True once the call has been given to the page.
    pub(super) const fn is_open(&self) -> bool {
        self.block.is_some()
    }

    fn input<'a>(&self, item: &wire::Item<'a>) -> Raw<'a> {
        let member = match &self.kind {
            ToolKind::Function => "arguments",
            ToolKind::Custom => "input",
            ToolKind::Other(name) => client_kind(name).map_or("", |kind| kind.input),
        };
        match member {
            "arguments" => item.arguments,
            "input" => item.input,
            "action" => item.action,
            "operation" => item.operation,
            _ => Raw::default(),
        }
    }

    /// Begins the block, with whatever name and id are known by now.
    fn open(&mut self, blocks: &mut Blocks, out: &mut Vec<Event>) -> Result<Option<BlockId>, Box<Failure>> {
        if self.block.is_some() {
            return Ok(self.block);
        }
        let id = match self.call_id.take().or_else(|| self.item_id.clone()) {
            Some(id) => id,
            None => blocks.make_call_id(),
        };
        let call =
            ToolCall { id, name: self.name.clone(), kind: self.kind.clone(), runs: Runs::Page, index: self.index };
        let block = blocks.start(BlockKind::ToolInput(Box::new(call)), out)?;
        self.block = Some(block);
        if let Some(id) = self.item_id.as_ref().filter(|_| !matches!(self.kind, ToolKind::Other(_))) {
            blocks.mark(block, mark("id", id.as_str()), out);
        }
        let pending = std::mem::take(&mut self.pending);
        self.sent.add(&pending);
        blocks.push_str(block, &pending, out)?;
        Ok(self.block)
    }
}

/// Members that a call item has beside the usual ones (`caller`, `namespace`): they must come back with it.
fn beyond_the_call(mut item: Map<String, Value>) -> Map<String, Value> {
    item.retain(|key, value| {
        let usual = ["type", "id", "call_id", "name", "arguments", "input", "status"].contains(&key.as_str());
        !usual && !value.is_null()
    });
    item
}
