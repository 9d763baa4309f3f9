//! Thoughts, and calls that the provider runs.

use serde_json::Value;

use super::{Begun, Change, Maker};
use crate::chat::{CallPart, add_mark};
use crate::event::{BlockId, Mark, Text, ToolCall, ToolOutcome, ToolResult};
use crate::items::{Body, Item, KeptCall, Task, Workflow};

/// The workflows of a turn.
#[derive(Debug, Default)]
pub(super) struct Workflows {
    open: Option<OpenWorkflow>,
    /// Thoughts whose blocks are open, and whether they are summaries.
    thoughts: Vec<(BlockId, bool)>,
    /// Calls whose blocks are open.
    calls: Vec<(BlockId, Text)>,
    /// Finished workflows with calls that have no result yet.
    unanswered: Vec<Item>,
    /// All calls of the turn so far.
    known: Vec<Text>,
}

#[derive(Debug)]
struct OpenWorkflow {
    begun: Begun,
    steps: Vec<Step>,
    /// How many steps are shown.
    shown: u32,
}

#[derive(Debug)]
struct Step {
    block: BlockId,
    /// Which of the shown steps it is.
    shown: Option<u32>,
    task: Task,
}

impl Workflows {
    /// A thought's block begins. It is in no workflow before it says something.
    pub(super) fn start_thought(&mut self, block: BlockId, summary: bool) {
        self.thoughts.push((block, summary));
    }

    /// A call's block begins.
    pub(super) fn start_call(&mut self, block: BlockId, call: &ToolCall, maker: &mut Maker, out: &mut Vec<Change>) {
        self.calls.push((block, call.id.clone()));
        self.known.push(call.id.clone());
        let task = Task::Call(Box::new(kept_call(call)));
        let workflow = self.open(maker);
        workflow.steps.push(Step { block, shown: None, task });
        workflow.show(workflow.steps.len() - 1, out);
    }

    /// More of a block; false if it is neither.
    pub(super) fn delta(&mut self, block: BlockId, piece: &Text, maker: &mut Maker, out: &mut Vec<Change>) -> bool {
        if let Some(call) = self.call_of(block) {
            self.change(&call, Announce::Nothing, out, |kept| kept.call.arguments.push_str(piece));
            return true;
        }
        let Some(at) = self.thought(block, maker) else { return false };
        let workflow = self.open(maker);
        let Some(Step { shown, task: Task::Thought { text, .. }, .. }) = workflow.steps.get_mut(at) else {
            return true;
        };
        text.push_str(piece);
        match *shown {
            Some(index) => {
                let item = workflow.begun.id.clone();
                out.push(Change::TaskGrew { item, index, text: piece.clone() });
            }
            None if !piece.trim().is_empty() => workflow.show(at, out),
            None => {}
        }
        true
    }

    /// Something is said of a block; false if it is neither.
    pub(super) fn mark(&mut self, block: BlockId, mark: &Mark, maker: &mut Maker) -> bool {
        if let Some(call) = self.call_of(block) {
            self.change(&call, Announce::Nothing, &mut Vec::new(), |kept| add_mark(&mut kept.call.marks, mark));
            return true;
        }
        let Some(at) = self.thought(block, maker) else { return false };
        if let Some(Step { task: Task::Thought { marks, .. }, .. }) = self.open(maker).steps.get_mut(at) {
            add_mark(marks, mark);
        }
        true
    }

    /// A block is over; false if it is neither.
    pub(super) fn end(&mut self, block: BlockId, whole: bool, out: &mut Vec<Change>) -> bool {
        if let Some(at) = self.thoughts.iter().position(|(thought, _)| *thought == block) {
            self.thoughts.remove(at);
            return true;
        }
        let Some(at) = self.calls.iter().position(|(call, _)| *call == block) else { return false };
        let (_, call) = self.calls.remove(at);
        self.change(&call, Announce::Change, out, |kept| {
            if !whole {
                kept.answer(&ToolResult {
                    outcome: ToolOutcome::Interrupted,
                    ..ToolResult::ok(call.clone(), Value::Null)
                });
            }
        });
        true
    }

    /// A call has a result, maybe not its last; false if it is no call of these.
    pub(super) fn result(&mut self, result: &ToolResult, out: &mut Vec<Change>) -> bool {
        if !self.known.contains(&result.call) {
            return false;
        }
        self.change(&result.call, Announce::Change, out, |kept| kept.answer(result));
        true
    }

    /// Something else begins.
    pub(super) fn settle(&mut self, maker: &Maker, out: &mut Vec<Change>) {
        let Some(workflow) = self.open.take() else { return };
        let hidden = workflow.shown == 0;
        let duration = maker.now.saturating_sub(workflow.begun.created);
        let tasks: Vec<Task> = workflow
            .steps
            .into_iter()
            .map(|step| step.task)
            .filter(
                |task| !matches!(task, Task::Thought { text, marks, .. } if text.trim().is_empty() && marks.is_empty()),
            )
            .collect();
        if tasks.is_empty() {
            return;
        }
        let unanswered = tasks.iter().any(|task| matches!(task, Task::Call(call) if call.result.is_none()));
        let item = workflow.begun.item(hidden, Body::Workflow(Workflow { tasks, duration }));
        if unanswered {
            self.unanswered.push(item.clone());
        }
        out.push(Change::Finished(Box::new(item)));
    }

    fn open(&mut self, maker: &mut Maker) -> &mut OpenWorkflow {
        self.open.get_or_insert_with(|| OpenWorkflow { begun: maker.begin("wf"), steps: Vec::new(), shown: 0 })
    }

    fn call_of(&self, block: BlockId) -> Option<Text> {
        self.calls.iter().find(|(open, _)| *open == block).map(|(_, call)| call.clone())
    }

    /// Where the thought of this block stands in the open workflow. What it says behind the workflow's end is another
    /// thought of another workflow.
    fn thought(&mut self, block: BlockId, maker: &mut Maker) -> Option<usize> {
        let summary = self.thoughts.iter().find(|(open, _)| *open == block)?.1;
        let steps = &mut self.open(maker).steps;
        Some(steps.iter().position(|step| step.block == block).unwrap_or_else(|| {
            steps.push(Step {
                block,
                shown: None,
                task: Task::Thought { text: String::new(), summary, marks: Vec::new() },
            });
            steps.len() - 1
        }))
    }

    /// Changes a call, wherever it is. A cut one stays as it is.
    fn change(&mut self, id: &Text, announce: Announce, out: &mut Vec<Change>, change: impl FnOnce(&mut KeptCall)) {
        if let Some(workflow) = &mut self.open {
            for step in workflow.steps.iter_mut().rev() {
                let Task::Call(call) = &mut step.task else { continue };
                if call.call.id != *id {
                    continue;
                }
                if call.is_cut() {
                    return;
                }
                change(call);
                if let (Announce::Change, Some(index)) = (announce, step.shown) {
                    let item = workflow.begun.id.clone();
                    out.push(Change::TaskChanged { item, index, task: step.task.clone() });
                }
                return;
            }
        }
        for item in self.unanswered.iter_mut().rev() {
            let Body::Workflow(workflow) = &mut item.body else { continue };
            let calls = workflow.tasks.iter_mut().filter_map(|task| match task {
                Task::Call(call) => Some(call),
                Task::Thought { .. } => None,
            });
            if let Some(call) = calls.rev().find(|call| call.call.id == *id) {
                if call.is_cut() {
                    return;
                }
                change(call);
                if matches!(announce, Announce::Change) {
                    out.push(Change::Replaced(Box::new(item.clone())));
                }
                return;
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Announce {
    Nothing,
    Change,
}

impl OpenWorkflow {
    /// Shows a step that has something to show now: behind those that are shown already.
    fn show(&mut self, at: usize, out: &mut Vec<Change>) {
        let mut step = self.steps.remove(at);
        let index = self.shown;
        if index == 0 {
            out.push(Change::WorkflowOpened { item: self.begun.id.clone(), created: self.begun.created });
        }
        out.push(Change::TaskAdded { item: self.begun.id.clone(), index, task: step.task.clone() });
        self.shown += 1;
        step.shown = Some(index);
        self.steps.push(step);
    }
}

/// A call as it is kept, before it has said anything.
pub(super) fn kept_call(call: &ToolCall) -> KeptCall {
    let call = CallPart {
        id: call.id.clone(),
        name: call.label().into(),
        arguments: String::new(),
        kind: call.kind.clone(),
        runs: call.runs,
        approval: None,
        marks: Vec::new(),
    };
    KeptCall { call, result: None, full: None }
}
