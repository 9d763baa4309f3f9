//! Tool calls: their arguments, who waits for what, and their results (AI SDK wire notes 3.7).

use bytes::BytesMut;
use serde_json::{Value, json};

use super::chunk::{Chunk, delta_head, write_delta};
use super::{Level, Settings};
use crate::event::{BlockId, Runs, Text, ToolAwait, ToolCall, ToolKind, ToolOutcome, ToolResult, Wants};
use crate::vercel::APPROVAL_TOOL;
use crate::wire::json::Arguments;

/// What an argument text that is no JSON object is told.
pub(in crate::vercel) const INVALID: &str = "The model's arguments for this tool are not valid JSON.";
/// What a call is told that ended in the middle.
pub(in crate::vercel) const CUT: &str = "The answer was cut off before this call was complete.";

/// The calls of a turn.
pub(super) struct Calls {
    settings: Settings,
    calls: Vec<Call>,
    /// Approvals that are asked for as a call of [`APPROVAL_TOOL`], when the step ends.
    asked: Vec<(Text, Text)>,
}

struct Call {
    id: Text,
    name: Text,
    custom: bool,
    by_provider: bool,
    arguments: String,
    /// The block its arguments come in, and the head of their deltas, while that is open.
    open: Option<(BlockId, Box<[u8]>)>,
    /// True once the page knows that the call cannot run.
    refused: bool,
}

impl Calls {
    pub(super) const fn new(settings: Settings) -> Self {
        Self { settings, calls: Vec::new(), asked: Vec::new() }
    }

    /// A call begins.
    pub(super) fn start(&mut self, block: BlockId, call: &ToolCall, out: &mut BytesMut) {
        let head = delta_head("tool-input-delta", "toolCallId", &call.id, "inputTextDelta");
        let call = Call {
            id: call.id.clone(),
            name: call.label().into(),
            custom: call.kind == ToolKind::Custom,
            by_provider: call.runs == Runs::Provider,
            arguments: String::new(),
            open: Some((block, head)),
            refused: false,
        };
        call.chunk("tool-input-start", self.settings, out).text("toolName", &call.name).end();
        self.calls.push(call);
    }

    /// More of a call's arguments.
    pub(super) fn delta(&mut self, block: BlockId, text: &str, out: &mut BytesMut) {
        let Some(call) = self.open(block) else { return };
        if let Some((_, head)) = &call.open {
            write_delta(out, head, text);
        }
        call.arguments.push_str(text);
    }

    /// The arguments are complete, or will never be.
    pub(super) fn end(&mut self, block: BlockId, whole: bool, out: &mut BytesMut) {
        let settings = self.settings;
        let Some(call) = self.open(block) else { return };
        call.open = None;
        if !whole {
            call.refuse(CUT, settings, out);
        } else if call.custom {
            call.available(settings, out).text("input", &call.arguments).end();
        } else if let Some(json) = Arguments::text(&call.arguments) {
            call.available(settings, out).json("input", &json).end();
        } else {
            call.refuse(INVALID, settings, out);
        }
    }

    fn open(&mut self, block: BlockId) -> Option<&mut Call> {
        self.calls.iter_mut().rev().find(|call| call.open.as_ref().is_some_and(|(open, _)| *open == block))
    }

    /// A call waits for the page or for a person.
    pub(super) fn wait(&mut self, wait: &ToolAwait, out: &mut BytesMut) {
        let Wants::Approval(approval) = &wait.wants else {
            // Arguments without a result are what a page takes as its own to run.
            return;
        };
        if self.settings.level >= Level::Six {
            Chunk::new(out, "tool-approval-request").text("approvalId", approval).text("toolCallId", &wait.call).end();
        } else {
            self.asked.push((approval.clone(), wait.call.clone()));
        }
    }

    /// A result, or a preview of one.
    pub(super) fn result(&mut self, result: &ToolResult, out: &mut BytesMut) {
        let known = self.calls.iter().rev().find(|call| call.id == result.call);
        if !result.last && (self.settings.level < Level::Five || result.outcome != ToolOutcome::Ok) {
            return;
        }
        if known.is_some_and(|call| call.refused) && result.outcome != ToolOutcome::Ok {
            return;
        }
        let by_provider = known.is_some_and(|call| call.by_provider);
        if result.last {
            self.asked.retain(|(_, call)| *call != result.call);
        }
        match result.outcome {
            ToolOutcome::Ok => about("tool-output-available", &result.call, by_provider, self.settings, out)
                .value("output", &result.output)
                .flag("preliminary", !result.last)
                .end(),
            ToolOutcome::Denied if self.settings.level >= Level::Six => {
                Chunk::new(out, "tool-output-denied").text("toolCallId", &result.call).end();
            }
            ToolOutcome::Error | ToolOutcome::Denied | ToolOutcome::Interrupted => {
                about("tool-output-error", &result.call, by_provider, self.settings, out)
                    .text("errorText", &result.text())
                    .end();
            }
        }
    }

    /// True if approvals must be asked for at the end of the step.
    pub(super) const fn asks(&self) -> bool {
        !self.asked.is_empty()
    }

    /// Asks for approvals below level 6: as calls of a tool that the page runs.
    pub(super) fn ask(&mut self, out: &mut BytesMut) {
        for (approval, id) in std::mem::take(&mut self.asked) {
            let call = self.calls.iter().find(|call| call.id == id);
            let input = json!({
                "toolCallId": id,
                "toolName": call.map(|call| call.name.as_str()),
                "input": call.map(Call::input),
            });
            about("tool-input-available", &approval, false, self.settings, out)
                .text("toolName", APPROVAL_TOOL)
                .value("input", &input)
                .end();
        }
    }
}

impl Call {
    fn available<'a>(&self, settings: Settings, out: &'a mut BytesMut) -> Chunk<'a> {
        self.chunk("tool-input-available", settings, out).text("toolName", &self.name)
    }

    /// A call that must not run is never made available: at that chunk a page runs it. The floor has no chunk for bad
    /// arguments, and takes an error without arguments before it.
    fn refuse(&mut self, why: &str, settings: Settings, out: &mut BytesMut) {
        self.refused = true;
        if settings.level >= Level::Five {
            self.chunk("tool-input-error", settings, out)
                .text("toolName", &self.name)
                .text("input", &self.arguments)
                .text("errorText", why)
                .end();
        } else {
            self.chunk("tool-output-error", settings, out).text("errorText", why).end();
        }
    }

    fn chunk<'a>(&self, kind: &str, settings: Settings, out: &'a mut BytesMut) -> Chunk<'a> {
        about(kind, &self.id, self.by_provider, settings, out)
    }

    fn input(&self) -> Value {
        match Arguments::read(&self.arguments) {
            Arguments::Object(object) if !self.custom => Value::Object(object),
            _ => Value::String(self.arguments.clone()),
        }
    }
}

/// A chunk about a call. Whether the call is dynamic, and whether the provider ran it, is said on all of its chunks:
/// AI SDK 5 needs it.
fn about<'a>(kind: &str, call: &str, by_provider: bool, settings: Settings, out: &'a mut BytesMut) -> Chunk<'a> {
    Chunk::new(out, kind)
        .text("toolCallId", call)
        .flag("providerExecuted", by_provider)
        .flag("dynamic", settings.dynamic)
}
