//! The tool calls of one step (or the approved ones of the turn before): which run, which wait, and their results in
//! the order of the calls, whichever finishes first.

use std::collections::VecDeque;
use std::sync::Arc;

use chatwire_protocols::event::{Event, StepEnd, Text, ToolAwait, ToolOutcome, ToolResult, Wants};
use compact_str::format_compact;
use serde_json::Value;

use crate::config::plan::{ToolKind, ToolPlan};
use crate::tools::{Permission, Runner, ToolInput, ToolOutput};

/// A tool that must be run.
#[derive(Clone, Debug)]
pub struct ToolRun {
    /// The tool.
    pub tool: Arc<ToolPlan>,
    /// What it is given.
    pub input: ToolInput,
}

/// The calls of one step.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// The step's end, held back until all results are there; `None` for the calls of an earlier turn.
    end: Option<Box<StepEnd>>,
    of_step: bool,
    waiting: bool,
    called: bool,
    entries: VecDeque<Entry>,
}

#[derive(Debug)]
struct Entry {
    call: Text,
    result: Option<ToolOutput>,
}

impl Round {
    pub(super) const fn of_step(end: Box<StepEnd>) -> Self {
        Self { end: Some(end), of_step: true, waiting: false, called: false, entries: VecDeque::new() }
    }

    /// Decides what becomes of a call: it runs, or has a result at once, or somebody outside is asked.
    pub(super) fn begin(
        &mut self,
        call: &Text,
        name: &str,
        arguments: Option<Value>,
        runner: Runner,
        said: &mut Vec<Event>,
    ) -> Option<ToolRun> {
        self.called = true;
        let tool = match runner {
            Runner::Nobody => return self.refuse(call, &format!("There is no tool named `{name}`.")),
            Runner::Denied(why) => {
                self.settle(call, ToolOutput::refused(ToolOutcome::Denied, why));
                return None;
            }
            Runner::Gateway(tool) => Some(tool),
            Runner::Page(tool) => tool,
        };
        let Some(arguments) = arguments else {
            return self.refuse(call, "The arguments of this call are cut or not a JSON object. Nothing was run.");
        };
        if let Some(Err(why)) = tool.as_ref().map(|tool| tool.arguments.check(&arguments)) {
            return self.refuse(call, &why);
        }
        match tool {
            None => self.ask(call, Wants::Output, said),
            Some(tool) if matches!(tool.kind, ToolKind::Form) => self.ask(call, Wants::Answers, said),
            Some(tool) if tool.kind.is_page() => self.ask(call, Wants::Output, said),
            Some(tool) if tool.permission == Permission::Ask => {
                self.ask(call, Wants::Approval(format_compact!("approval_{call}")), said);
            }
            Some(tool) => return Some(self.run(call, tool, arguments, said)),
        }
        None
    }

    pub(super) fn run(&mut self, call: &Text, tool: Arc<ToolPlan>, arguments: Value, said: &mut Vec<Event>) -> ToolRun {
        self.entries.push_back(Entry { call: call.clone(), result: None });
        said.push(Event::ToolStart { call: call.clone() });
        ToolRun { tool, input: ToolInput { call: call.clone(), arguments, scope: Arc::default() } }
    }

    /// A result without a run.
    pub(super) fn settle(&mut self, call: &Text, output: ToolOutput) {
        self.entries.push_back(Entry { call: call.clone(), result: Some(output) });
    }

    /// Somebody outside has been asked, now or in an earlier turn.
    pub(super) const fn wait(&mut self) {
        self.waiting = true;
    }

    pub(super) fn finished(&mut self, call: &Text, output: ToolOutput) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.call == *call && entry.result.is_none()) {
            entry.result = Some(output);
        }
    }

    /// True while a call runs.
    pub(super) fn is_running(&self, call: &Text) -> bool {
        self.entries.iter().any(|entry| entry.call == *call && entry.result.is_none())
    }

    /// The results that are due: each when all before it are there.
    pub(super) fn take_results(&mut self, out: &mut Vec<Event>) {
        while self.entries.front().is_some_and(|entry| entry.result.is_some()) {
            let Some(Entry { call, result: Some(result) }) = self.entries.pop_front() else { return };
            let ToolOutput { outcome, output, files, full } = result;
            let result = ToolResult { outcome, files, full, ..ToolResult::ok(call, output) };
            out.push(Event::ToolResult(Box::new(result)));
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) const fn is_opening(&self) -> bool {
        !self.of_step
    }

    pub(super) const fn somebody_waits(&self) -> bool {
        self.waiting
    }

    pub(super) const fn has_calls(&self) -> bool {
        self.called
    }

    pub(super) const fn take_end(&mut self) -> Option<Box<StepEnd>> {
        self.end.take()
    }

    fn refuse(&mut self, call: &Text, why: &str) -> Option<ToolRun> {
        self.settle(call, ToolOutput::error(why));
        None
    }

    fn ask(&mut self, call: &Text, wants: Wants, said: &mut Vec<Event>) {
        self.wait();
        said.push(Event::ToolAwait(Box::new(ToolAwait { call: call.clone(), wants })));
    }
}
