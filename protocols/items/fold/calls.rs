//! Calls that the gateway or the page runs, and what pages are asked to do.

use compact_str::format_compact;
use serde_json::{Map, Value, json};

use super::workflows::kept_call;
use super::{Begun, Change, Maker, Style};
use crate::chat::{Approval, CallPart, add_mark};
use crate::event::{BlockId, Data, Mark, Runs, Text, ToolAwait, ToolCall, ToolKind, ToolResult, Wants};
use crate::items::{Body, Form, KeptCall, PageRun, PageRunState, REQUEST_APPROVAL};
use crate::wire::json::Arguments;

/// The calls of a turn that are not finished.
#[derive(Debug)]
pub(super) struct Calls {
    style: Style,
    /// Those whose input is not complete.
    open: Vec<(BlockId, OpenCall)>,
    /// Those without a result.
    waiting: Vec<OpenCall>,
    /// Those that were cut: nobody keeps them.
    cut: Vec<Text>,
    /// What the page is to be asked, in this order.
    asks: Vec<(Begun, PageRun)>,
    /// What the user is to be asked: in front of that.
    forms: Vec<(Begun, Form)>,
}

#[derive(Debug)]
struct OpenCall {
    begun: Begun,
    kept: KeptCall,
    asked: bool,
}

impl Calls {
    pub(super) const fn new(style: Style) -> Self {
        Self { style, open: Vec::new(), waiting: Vec::new(), cut: Vec::new(), asks: Vec::new(), forms: Vec::new() }
    }

    /// A call's block begins.
    pub(super) fn start(&mut self, block: BlockId, call: &ToolCall, maker: &mut Maker) {
        let call = OpenCall { begun: maker.begin("call"), kept: kept_call(call), asked: false };
        self.open.push((block, call));
    }

    /// More argument text.
    pub(super) fn delta(&mut self, block: BlockId, piece: &str) {
        if let Some(call) = self.at(block) {
            call.kept.call.arguments.push_str(piece);
        }
    }

    /// Something is said of a block.
    pub(super) fn mark(&mut self, block: BlockId, mark: &Mark) {
        if let Some(call) = self.at(block) {
            add_mark(&mut call.kept.call.marks, mark);
        }
    }

    /// A call's input is over.
    pub(super) fn end(&mut self, block: BlockId, whole: bool) {
        let Some(at) = self.open.iter().position(|(open, _)| *open == block) else { return };
        let (_, call) = self.open.remove(at);
        if whole {
            self.waiting.push(call);
        } else {
            self.cut.push(call.kept.call.id);
        }
    }

    /// True for a call of this turn that has no result.
    pub(super) fn knows(&self, id: &Text) -> bool {
        self.waiting.iter().any(|call| call.kept.call.id == *id)
    }

    /// Somebody outside is waited for.
    pub(super) fn wait(&mut self, wait: &ToolAwait, maker: &mut Maker) {
        let Some(call) = self.waiting.iter_mut().find(|call| call.kept.call.id == wait.call) else { return };
        let run = match &wait.wants {
            Wants::Answers
                if self.style.page_calls
                    && let Some(form) = Form::of_call(&call.kept.call) =>
            {
                call.asked = true;
                self.forms.push((maker.begin("form"), form));
                return;
            }
            Wants::Output | Wants::Answers => model_run(&call.kept.call),
            Wants::Approval(id) => {
                call.kept.call.approval = Some(Approval { id: id.clone(), approved: None, reason: None });
                approval_run(id, &call.kept.call)
            }
        };
        call.asked = true;
        if self.style.page_calls {
            self.asks.push((maker.begin("tc"), run));
        }
    }

    /// A call has its last result: a call of this turn, or of an earlier one.
    pub(super) fn result(&mut self, result: &ToolResult, out: &mut Vec<Change>) {
        if let Some(at) = self.waiting.iter().position(|call| call.kept.call.id == result.call) {
            let mut call = self.waiting.remove(at);
            call.kept.answer(result);
            // It waits for nobody any more.
            self.asks.retain(|(_, run)| !run.is_about(&call.kept.call));
            self.forms.retain(|(_, form)| form.call != call.kept.call.id);
            call.finish(out);
        } else if !self.cut.contains(&result.call) {
            out.push(Change::CallAnswered(Box::new(result.clone())));
        }
    }

    /// A tool asks something of the page.
    pub(super) fn ask(&mut self, data: &Data, maker: &mut Maker) {
        let (true, Some(ask)) = (self.style.page_calls, &data.ask) else { return };
        let begun = maker.begin("tc");
        let call = format_compact!("ask_{}", begun.id.strip_prefix("tc_").unwrap_or(&begun.id));
        let arguments = if ask.arguments.is_object() { ask.arguments.clone() } else { Value::Object(Map::new()) };
        self.asks.push((begun, page_run(call, ask.name.clone(), arguments, false)));
    }

    /// The turn is over. Only a whole one asks the page anything.
    pub(super) fn settle(&mut self, whole: bool, maker: &mut Maker, out: &mut Vec<Change>) {
        for call in std::mem::take(&mut self.waiting) {
            if self.style.page_calls && call.kept.call.runs == Runs::Page && !call.asked {
                self.asks.push((maker.begin("tc"), model_run(&call.kept.call)));
            }
            call.finish(out);
        }
        for (begun, form) in std::mem::take(&mut self.forms).into_iter().filter(|_| whole) {
            out.push(Change::Finished(Box::new(begun.item(false, Body::Form(form)))));
        }
        let asks = std::mem::take(&mut self.asks);
        for (at, (begun, mut run)) in asks.into_iter().enumerate().filter(|_| whole) {
            run.state = if at == 0 { PageRunState::Pending } else { PageRunState::Queued };
            out.push(Change::Finished(Box::new(begun.item(at > 0, Body::PageCall(run)))));
        }
    }

    fn at(&mut self, block: BlockId) -> Option<&mut OpenCall> {
        self.open.iter_mut().find(|(open, _)| *open == block).map(|(_, call)| call)
    }
}

impl OpenCall {
    fn finish(self, out: &mut Vec<Change>) {
        out.push(Change::Finished(Box::new(self.begun.item(true, Body::ToolCall(self.kept)))));
    }
}

impl PageRun {
    /// True if it runs this call, or asks whether that may run.
    fn is_about(&self, call: &CallPart) -> bool {
        let approval = call.approval.as_ref().map(|approval| &approval.id);
        (self.by_model && self.call == call.id) || approval == Some(&self.call)
    }
}

fn model_run(call: &CallPart) -> PageRun {
    page_run(call.id.clone(), call.name.clone(), arguments(call), true)
}

fn approval_run(id: &Text, call: &CallPart) -> PageRun {
    let arguments =
        json!({ "approval_id": id, "tool_call_id": call.id, "tool": call.name, "arguments": arguments(call) });
    page_run(id.clone(), REQUEST_APPROVAL.into(), arguments, false)
}

fn page_run(call: Text, name: Text, arguments: Value, by_model: bool) -> PageRun {
    PageRun { call, name, arguments, state: PageRunState::Queued, output: None, by_model }
}

/// The arguments as an object; the free text of a custom tool is its only member, `input`.
fn arguments(call: &CallPart) -> Value {
    match (&call.kind, Arguments::read(&call.arguments)) {
        (ToolKind::Custom, _) => json!({ "input": call.arguments }),
        (_, Arguments::Object(object)) => Value::Object(object),
        (_, Arguments::Invalid) => Value::Object(Map::new()),
    }
}
