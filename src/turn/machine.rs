//! The turn as a state machine: inputs in, events and one action out. No IO, no clock.
//!
//! ```text
//! start ─▶ [approved calls] ─▶ model call ─▶ calls of the gateway? ── yes ─▶ run them ─▶ model call ─▶ …
//!                                   │                 no, or somebody outside is asked, or the step limit
//!                                   ▼                 ▼
//!                                failure             end
//! ```

use chatwire_protocols::chat::{ChatRequest, Message, Part, ToolChoice};
use chatwire_protocols::cost::Cost;
use chatwire_protocols::error::{Failure, FailureKind};
use chatwire_protocols::event::{
    BlockKind, CancelledBy, Event, Finish, FinishReason, Runs, StepEnd, Text, ToolCall, ToolKind, ToolSays, TurnEnd,
    Usage, Warning,
};
use chatwire_protocols::fold::Answer;
use chatwire_protocols::order::Order;

use super::round::{Round, ToolRun};
use super::weight::weight;
use crate::tools::{Runner, Said, ToolOutput, Toolbox};

/// Something that has happened.
#[derive(Debug)]
pub enum Input {
    /// The turn begins. Given once, before all others.
    Start,
    /// A decoder gave an event.
    Upstream(Event),
    /// The provider's answer is over, and its decoder has given all it had.
    UpstreamEnded,
    /// A running tool said something.
    ToolSaid {
        /// The call.
        call: Text,
        /// What it said.
        said: Said,
    },
    /// A tool has finished.
    ToolFinished {
        /// The call.
        call: Text,
        /// What came out.
        output: ToolOutput,
    },
    /// Somebody stops the turn.
    Cancel(CancelledBy),
    /// The turn cannot go on: a deadline, a shutdown, a fault of ours.
    Fail(Box<Failure>),
}

/// What must happen next.
#[derive(Debug, Default)]
pub enum Action {
    /// Wait for the next input.
    #[default]
    Wait,
    /// Call a model with [`Machine::chat`].
    Call,
    /// Run these tools side by side.
    Run(Vec<ToolRun>),
    /// Nothing: the turn is over.
    End,
}

/// Most that models may say in one turn, as [`weight`] counts it. The longest answers there are have a few megabytes.
const MOST_SAID: usize = 32 << 20;

/// One turn.
#[derive(Debug)]
pub struct Machine {
    pub(super) turn: Text,
    pub(super) chat: ChatRequest,
    pub(super) toolbox: Toolbox,
    pub(super) order: Order,
    pub(super) round: Round,
    max_steps: u32,
    /// True if the page is asked to run what tools ask of it, and is waited for.
    page_calls: bool,
    steps: u32,
    /// The current step.
    answer: Answer,
    finish: Finish,
    usage: Usage,
    /// What models have said so far.
    said: usize,
}

impl Machine {
    /// A turn that answers `chat`.
    pub fn new(turn: Text, chat: ChatRequest, toolbox: Toolbox, max_steps: u32) -> Self {
        Self {
            turn,
            chat,
            toolbox,
            max_steps: max_steps.max(1),
            page_calls: false,
            order: Order::default(),
            round: Round::default(),
            steps: 0,
            answer: Answer::default(),
            finish: Finish::default(),
            usage: Usage { cost: Some(Cost::default()), ..Usage::default() },
            said: 0,
        }
    }

    /// The same, for a page that runs what tools ask of it: the turn pauses behind the step of such a tool.
    #[must_use]
    pub fn with_page_calls(self, page_calls: bool) -> Self {
        Self { page_calls, ..self }
    }

    /// Takes an input, appends the events it causes to `out`, and says what must happen next.
    pub fn input(&mut self, input: Input, out: &mut Vec<Event>) -> Action {
        if self.ended() {
            return Action::End;
        }
        match input {
            Input::Start => self.start(out),
            Input::Upstream(event) => self.upstream(event, out),
            Input::UpstreamEnded => self.fail(Failure::boxed(FailureKind::Cut, "the answer has no end"), out),
            Input::ToolSaid { call, said } => {
                self.tool_said(call, said, out);
                Action::Wait
            }
            // Behind a call's end nobody waits for it: its result would begin the next step a second time.
            Input::ToolFinished { call, .. } if !self.round.is_running(&call) => Action::Wait,
            Input::ToolFinished { call, output } => {
                self.round.finished(&call, output);
                self.after_tools(out)
            }
            Input::Cancel(by) => self.end(Event::Cancelled { by }, out),
            Input::Fail(failure) => self.fail(failure, out),
        }
    }

    /// The conversation for the next model call.
    pub const fn chat(&self) -> &ChatRequest {
        &self.chat
    }

    /// How many model calls have begun.
    pub const fn steps(&self) -> u32 {
        self.steps
    }

    /// The id of the next block.
    pub const fn next_block(&self) -> u32 {
        self.order.next_block()
    }

    /// True once the turn's last event has been given.
    pub const fn ended(&self) -> bool {
        self.order.ended()
    }

    fn start(&mut self, out: &mut Vec<Event>) -> Action {
        let turn = self.turn.clone();
        self.order.know_calls(call_ids(&self.chat.messages));
        self.emit(Event::TurnStart { turn }, out);
        let runs = self.take_approvals(out);
        if runs.is_empty() { self.after_tools(out) } else { Action::Run(runs) }
    }

    fn upstream(&mut self, mut event: Event, out: &mut Vec<Event>) -> Action {
        self.said += weight(&event);
        if self.said > MOST_SAID {
            return self.fail(Failure::boxed(FailureKind::Malformed, "the answer is longer than any may be"), out);
        }
        match &mut event {
            Event::StepStart(start) => start.step = self.steps.saturating_sub(1),
            Event::BlockStart { kind: BlockKind::ToolInput(call), .. } => call.runs = self.runs(call),
            Event::StepEnd(_) => {
                let Event::StepEnd(end) = event else { return Action::Wait };
                return self.step_ended(end, out);
            }
            Event::Failed(_) => return self.end(event, out),
            _ => {}
        }
        self.emit(event, out);
        Action::Wait
    }

    /// Decoders know only what the provider runs itself.
    fn runs(&self, call: &ToolCall) -> Runs {
        if call.runs == Runs::Provider {
            return Runs::Provider;
        }
        match self.toolbox.runner(call.label()) {
            Runner::Gateway(_) | Runner::Denied(_) => Runs::Gateway,
            Runner::Page(_) => Runs::Page,
            // Calls of a provider's own vocabulary (a local shell) are no tools that anybody offered.
            Runner::Nobody if matches!(call.kind, ToolKind::Other(_)) => Runs::Page,
            Runner::Nobody => Runs::Gateway,
        }
    }

    /// The step's end is held back until its calls have their results, so that they stand inside the step.
    fn step_ended(&mut self, end: Box<StepEnd>, out: &mut Vec<Event>) -> Action {
        self.finish = end.finish.clone();
        let raw = end.usage.raw.clone().filter(|_| self.steps == 1);
        self.usage.add(&end.usage);
        self.usage.raw = raw;
        let reason = end.finish.reason;
        self.round = Round::of_step(end);
        match reason {
            FinishReason::Length | FinishReason::ContentFilter => {
                self.close_step(out);
                return self.complete(out);
            }
            // A broken answer never looks finished, also where the provider has no more than a word for what broke.
            FinishReason::Error => {
                self.close_step(out);
                return self.fail(Failure::boxed(FailureKind::Server, "the provider ended its answer as failed"), out);
            }
            FinishReason::Stop | FinishReason::ToolCalls | FinishReason::Pause | FinishReason::Other => {}
        }
        let runs = self.begin_calls(out);
        if runs.is_empty() { self.after_tools(out) } else { Action::Run(runs) }
    }

    fn begin_calls(&mut self, out: &mut Vec<Event>) -> Vec<ToolRun> {
        let answer = std::mem::take(&mut self.answer);
        let mut said = Vec::new();
        let mut runs = Vec::new();
        for tool in answer.tools().filter(|tool| tool.call.runs != Runs::Provider && tool.result.is_none()) {
            let runner = match (tool.call.runs, self.toolbox.runner(tool.call.label())) {
                (Runs::Page, Runner::Gateway(_) | Runner::Nobody) => Runner::Page(None),
                (_, runner) => runner,
            };
            let run = self.round.begin(&tool.call.id, tool.call.label(), tool.arguments(), runner, &mut said);
            runs.extend(run);
        }
        self.answer = answer;
        self.emit_all(said, out);
        runs
    }

    fn tool_said(&mut self, call: Text, said: Said, out: &mut Vec<Event>) {
        if !self.round.is_running(&call) {
            return;
        }
        let event = match said {
            Said::Output(text) | Said::Summary(text) => Event::ToolDelta(Box::new(ToolSays { call, text })),
            Said::Progress(text) => Event::ToolProgress(Box::new(ToolSays { call, text })),
            Said::Data(data) => {
                if self.page_calls && data.ask.is_some() {
                    self.round.wait();
                }
                Event::Data(data)
            }
            Said::Spent(spent) => {
                self.usage.add(&spent.usage);
                Event::Spent(spent)
            }
        };
        self.emit(event, out);
    }

    /// Gives the results that are due, and goes on when all are there.
    fn after_tools(&mut self, out: &mut Vec<Event>) -> Action {
        let mut results = Vec::new();
        self.round.take_results(&mut results);
        if self.round.is_opening() {
            results.iter().for_each(|result| self.store_approval(result));
        }
        self.emit_all(results, out);
        if !self.round.is_done() {
            return Action::Wait;
        }
        if self.round.is_opening() { self.after_approvals(out) } else { self.after_step(out) }
    }

    fn after_approvals(&mut self, out: &mut Vec<Event>) -> Action {
        if self.round.somebody_waits() {
            self.finish = Finish { reason: FinishReason::ToolCalls, raw: None };
            return self.complete(out);
        }
        self.call()
    }

    fn after_step(&mut self, out: &mut Vec<Event>) -> Action {
        let called = self.round.has_calls();
        let waits = self.round.somebody_waits();
        self.close_step(out);
        let goes_on = !waits && (called || self.finish.reason == FinishReason::Pause);
        if !goes_on {
            return self.complete(out);
        }
        if self.steps >= self.max_steps {
            let message = format!("the turn ended at its limit of {} model calls", self.max_steps);
            self.emit(Event::Warning(Box::new(Warning { code: "step-limit", message })), out);
            return self.complete(out);
        }
        self.chat.messages.extend(self.answer.messages());
        if called {
            // A forced call would be forced again after each result, without end.
            self.chat.tool_choice = match std::mem::take(&mut self.chat.tool_choice) {
                ToolChoice::None => ToolChoice::None,
                ToolChoice::Auto | ToolChoice::Required | ToolChoice::Named(_) => ToolChoice::Auto,
            };
        }
        self.call()
    }

    fn call(&mut self) -> Action {
        self.steps += 1;
        self.answer = Answer::default();
        Action::Call
    }

    fn close_step(&mut self, out: &mut Vec<Event>) {
        if let Some(end) = self.round.take_end() {
            self.emit(Event::StepEnd(end), out);
        }
    }

    fn complete(&mut self, out: &mut Vec<Event>) -> Action {
        let end = TurnEnd { finish: self.finish.clone(), usage: std::mem::take(&mut self.usage) };
        self.end(Event::TurnEnd(Box::new(end)), out)
    }

    fn fail(&mut self, failure: Box<Failure>, out: &mut Vec<Event>) -> Action {
        self.end(Event::Failed(failure), out)
    }

    fn end(&mut self, event: Event, out: &mut Vec<Event>) -> Action {
        self.emit(event, out);
        Action::End
    }

    pub(super) fn emit_all(&mut self, events: Vec<Event>, out: &mut Vec<Event>) {
        for event in events {
            self.emit(event, out);
        }
    }

    fn emit(&mut self, event: Event, out: &mut Vec<Event>) {
        let from = out.len();
        self.order.admit(event, out);
        for event in out.iter().skip(from) {
            self.answer.event(event);
        }
    }
}

/// The ids of all calls that a conversation holds.
fn call_ids(messages: &[Message]) -> impl Iterator<Item = Text> {
    messages.iter().flat_map(|message| &message.parts).filter_map(|part| match part {
        Part::ToolCall(call) => Some(call.id.clone()),
        _ => None,
    })
}
