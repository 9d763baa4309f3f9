//! Does what the machine says: calls models, runs tools, keeps the deadline. No task of its own: whoever wants the
//! next events polls it, and dropping it drops the provider's request and the running tools at once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use chatwire_protocols::chat::ChatRequest;
use chatwire_protocols::error::{CallerError, Failure, FailureKind};
use chatwire_protocols::event::{CancelledBy, Event, Text};
use chatwire_protocols::protocol::DecodeContext;
use compact_str::format_compact;
use tokio::time::Instant;

use super::asking::Asking;
use super::counter::Counter;
use super::machine::{Action, Input, Machine};
use crate::cache::{Answers, Found, Playing, Position};
use crate::config::plan::Model;
use crate::limits::{Admission, Meter, Permit};
use crate::seldom::Seldom;
use crate::server::Stop;
use crate::tools::{Heard, Running, Scope, Summaries, Toolbox};
use crate::upstream::{Alarm, Call, Tried, Upstreams};

/// Most reads of one poll: a provider that floods us with nothing must not keep the thread.
const READS: usize = 64;

/// What a turn is made of.
pub struct Parts {
    /// The turn's id, unique over all turns.
    pub turn: Text,
    /// The request, with the route's tools and settings in it.
    pub chat: ChatRequest,
    /// The tools.
    pub toolbox: Toolbox,
    /// Whose conversation it is of.
    pub scope: Scope,
    /// The model.
    pub model: Arc<Model>,
    /// Most model calls.
    pub max_steps: u32,
    /// True if the dialect's pages run what tools ask of them, so that the turn waits for them.
    pub page_calls: bool,
    /// How long all of it may take.
    pub timeout: Duration,
    /// How long results of tools are summarised, if they are.
    pub summaries: Option<Arc<Summaries>>,
    /// Its place among the turns that may run, and what counts what it uses.
    pub admission: Admission,
    /// The answers that it may find instead of asking a provider.
    pub answers: Option<Answers>,
    /// Where the providers are called from.
    pub upstreams: Arc<Upstreams>,
    /// Says when the gateway stops.
    pub stop: Stop,
}

type Stopping = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A running turn.
pub struct Driver {
    machine: Machine,
    model: Arc<Model>,
    upstreams: Arc<Upstreams>,
    seed: Text,
    call: Option<Asking>,
    answers: Option<Answers>,
    /// Whether all answers so far were known, if any could be.
    cached: Option<bool>,
    /// The target that was asked last; the next step begins with it.
    target: Option<usize>,
    /// What the calls before this one tried.
    tried: Tried,
    tools: Running,
    counter: Counter,
    /// Given back before the turn's end is told: the page may ask again at once.
    permit: Option<Permit>,
    scope: Arc<Scope>,
    scratch: Vec<Event>,
    deadline: Alarm,
    /// When the deadline is.
    until: Instant,
    stop: Stop,
    stopped: Seldom<Stopping>,
    started: bool,
    mistake: Option<CallerError>,
}

impl Driver {
    /// A turn that begins with its first poll.
    pub fn new(parts: Parts) -> Self {
        let stop = parts.stop;
        let stopped = stop.clone();
        let until = Instant::now() + parts.timeout;
        Self {
            seed: parts.turn.chars().rev().take(12).collect::<String>().chars().rev().collect(),
            machine: Machine::new(parts.turn, parts.chat, parts.toolbox, parts.max_steps)
                .with_page_calls(parts.page_calls),
            tools: Running::new(Arc::clone(&parts.upstreams))
                .summing(parts.summaries)
                .counted_by(parts.admission.meter.clone()),
            counter: Counter::new(parts.admission.meter, Arc::clone(&parts.model)),
            permit: Some(parts.admission.permit),
            model: parts.model,
            upstreams: parts.upstreams,
            call: None,
            answers: parts.answers,
            cached: None,
            target: None,
            tried: Tried::default(),
            scope: Arc::new(parts.scope),
            scratch: Vec::new(),
            deadline: Alarm::new(until),
            until,
            stopped: Seldom::new(Box::pin(stopped.turns_must_end())),
            stop,
            started: false,
            mistake: None,
        }
    }

    /// What its model calls use is counted here.
    pub(super) fn count_by(&mut self, meter: Meter) {
        self.counter.count_by(meter);
    }

    /// Appends the next events to `out`: ready when there are some, or when the turn has ended.
    pub fn poll(&mut self, cx: &mut Context<'_>, out: &mut Vec<Event>) -> Poll<()> {
        let polled = catch_unwind(AssertUnwindSafe(|| self.poll_inner(cx, out)));
        polled.unwrap_or_else(|_| {
            self.fail(FailureKind::Internal, "the turn panicked", out);
            Poll::Ready(())
        })
    }

    /// Ends the turn: the provider's stream and the tools are dropped at once.
    pub fn cancel(&mut self, by: CancelledBy, out: &mut Vec<Event>) {
        self.begin(out);
        if self.stop.turns_ended() {
            // The pages have left because the gateway stops, not because they wanted to.
            return self.fail(FailureKind::Shutdown, "the gateway stops", out);
        }
        let action = self.machine.input(Input::Cancel(by), out);
        self.perform(action);
    }

    /// True once the last event has been given.
    pub const fn ended(&self) -> bool {
        self.machine.ended()
    }

    /// What the caller did wrong, if that is why the turn failed: the conversation could not be said in the provider's
    /// protocol.
    pub const fn mistake(&self) -> Option<&CallerError> {
        self.mistake.as_ref()
    }

    /// The target that is being asked, or was asked last, as `provider/model`.
    pub fn target(&self) -> String {
        let at = self.call.as_ref().map(Asking::target).or(self.target).unwrap_or_default();
        self.model
            .targets
            .get(at)
            .map(|target| format!("{}/{}", target.provider.name, target.model))
            .unwrap_or_default()
    }

    /// Whether its answers so far were known without asking a provider; nothing if none could be.
    pub const fn cached(&self) -> Option<bool> {
        self.cached
    }

    /// What was tried so far.
    pub fn tried(&self) -> Tried {
        let mut tried = self.tried.clone();
        self.call.iter().filter_map(Asking::tried).for_each(|of_call| tried.append(of_call));
        tried
    }

    fn poll_inner(&mut self, cx: &mut Context<'_>, out: &mut Vec<Event>) -> Poll<()> {
        let before = out.len();
        self.begin(out);
        let mut reads = 0;
        // What one read gave goes out together. Whoever wants more asks again.
        while !self.ended() && out.len() == before && self.advance(cx, out).is_ready() {
            reads += 1;
            if reads == READS {
                cx.waker().wake_by_ref();
                break;
            }
        }
        if !self.ended() && (out.len() == before || self.deadline.is_over()) {
            self.check_time(cx, out);
        }
        if out.len() == before && !self.ended() { Poll::Pending } else { Poll::Ready(()) }
    }

    fn begin(&mut self, out: &mut Vec<Event>) {
        if !self.started {
            self.started = true;
            let action = self.machine.input(Input::Start, out);
            self.perform(action);
        }
    }

    /// One read of the provider, or one thing that a tool says.
    fn advance(&mut self, cx: &mut Context<'_>, out: &mut Vec<Event>) -> Poll<()> {
        if self.stop.turns_ended() {
            return Poll::Pending;
        }
        if let Some(call) = &mut self.call {
            std::task::ready!(call.poll(cx, self.machine.chat(), &mut self.scratch));
            let done = call.is_done();
            self.target = Some(call.target());
            self.mistake = call.take_mistake();
            self.take_upstream(done, out);
            return Poll::Ready(());
        }
        let input = match std::task::ready!(self.tools.poll_next(cx)) {
            (call, Heard::Said(said)) => Input::ToolSaid { call, said },
            (call, Heard::Finished(output)) => Input::ToolFinished { call, output },
        };
        let action = self.machine.input(input, out);
        self.perform(action);
        Poll::Ready(())
    }

    fn take_upstream(&mut self, done: bool, out: &mut Vec<Event>) {
        let mut fresh = std::mem::take(&mut self.scratch);
        let mut next = Action::Wait;
        for event in fresh.drain(..) {
            self.counter.hear(self.target.unwrap_or_default(), &event);
            match self.machine.input(Input::Upstream(event), out) {
                Action::Wait => {}
                action => {
                    next = action;
                    break;
                }
            }
        }
        fresh.clear();
        self.scratch = fresh;
        if done && matches!(next, Action::Wait) {
            next = self.machine.input(Input::UpstreamEnded, out);
        }
        self.perform(next);
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Wait => {}
            Action::Call => {
                let context = DecodeContext {
                    seed: format_compact!("{}_{}", self.seed, self.machine.steps()),
                    first_block: self.machine.next_block(),
                    ..DecodeContext::default()
                };
                self.drop_call();
                self.call = Some(self.ask(context));
            }
            Action::Run(runs) => {
                self.drop_call();
                for mut run in runs {
                    run.input.scope = Arc::clone(&self.scope);
                    self.tools.start(run.tool, run.input);
                }
            }
            Action::End => {
                self.drop_call();
                self.tools.clear();
                self.counter.cut();
                self.permit = None;
            }
        }
    }

    /// Asks a provider, or gives the answer that is known.
    fn ask(&mut self, context: DecodeContext) -> Asking {
        let chat = self.machine.chat();
        let position = Position { first_block: context.first_block, seed: context.seed.clone() };
        let recorder = match self.answers.as_ref().and_then(|answers| answers.find(chat, &self.model)) {
            Some(Found::Hit(recorded, pace)) => {
                self.cached = Some(self.cached.unwrap_or(true));
                return Asking::Cached(Playing::new(recorded, position, pace));
            }
            Some(Found::Miss(recorder)) => {
                self.cached = Some(false);
                Some(recorder.at(position))
            }
            None => None,
        };
        self.counter.begin(chat);
        let (upstreams, model) = (Arc::clone(&self.upstreams), Arc::clone(&self.model));
        Asking::Call(Box::new(Call::new(upstreams, model, self.target, context, self.until)), recorder)
    }

    /// Lets go of the call, but not of what it tried.
    fn drop_call(&mut self) {
        if let Some(tried) = self.call.take().as_ref().and_then(Asking::tried) {
            self.tried.append(tried);
        }
    }

    fn check_time(&mut self, cx: &mut Context<'_>, out: &mut Vec<Event>) {
        if Pin::new(&mut self.stopped).poll(cx).is_ready() {
            self.fail(FailureKind::Shutdown, "the gateway stops", out);
        } else if self.deadline.poll(cx).is_ready() {
            self.fail(FailureKind::Timeout, "the turn took longer than its limit", out);
        }
    }

    fn fail(&mut self, kind: FailureKind, message: &str, out: &mut Vec<Event>) {
        let action = self.machine.input(Input::Fail(Failure::boxed(kind, message)), out);
        self.perform(action);
    }
}
