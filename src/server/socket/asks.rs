//! What a page has asked for and waits for. What concerns one thread is done in the order in which it was asked.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use chatwire_protocols::error::{CallerError, Failure, FailureKind, Refusal};
use chatwire_protocols::event::{CancelledBy, Event, Text};
use chatwire_protocols::operation::{Answer, Ask, Operation};
use chatwire_protocols::socket::{Heard, SocketAsk};
use tokio::time::timeout;

use crate::access::Caller;
use crate::config::plan::{Memory, Route};
use crate::limits::Admission;
use crate::server::allowance;
use crate::server::gateway::Gateway;
use crate::telemetry::Record;
use crate::threads::{Asker, Files, Reply, ThreadError, new_id};
use crate::turn::{Busy, Follower, Seen, Watch};

/// Most that a page may wait for; what it asks beyond that is not read yet.
const MOST: usize = 64;

/// How often a thread is read again because a turn has begun meanwhile.
const TRIES: usize = 3;

/// How long what was asked may take after its page has gone.
const AFTERWARDS: Duration = Duration::from_secs(10);

/// Who asks.
pub struct Page {
    pub gateway: Arc<Gateway>,
    pub route: Arc<Route>,
    pub caller: Caller,
    /// The uploaded files, as this page finds them.
    pub files: Box<dyn Files>,
}

/// What came of something.
pub enum Outcome {
    /// A turn to show.
    Turn(Reply),
    /// A thread to follow.
    Thread { watch: Watch, running: Option<Box<(Follower, Vec<Event>)>>, messages: Answer },
    /// An answer.
    Answer(Answer),
    /// It will not be done.
    Refused(ThreadError),
}

type Doing = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Something that was asked for.
pub struct Asked {
    pub key: Text,
    /// The thread, if it is known.
    pub thread: Option<Text>,
    pub record: Option<Record>,
    /// What its turn will be called.
    turn: Text,
    kind: Kind,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Turn,
    Subscribe,
    Stop,
    Other,
}

enum State {
    Waits(Box<SocketAsk>),
    Runs(Doing),
    Done(Box<Outcome>),
    /// Taken out.
    Given,
}

/// All that a page waits for, in the order in which it was asked.
pub struct Asks {
    page: Arc<Page>,
    asked: VecDeque<Asked>,
}

impl Asks {
    pub const fn new(page: Arc<Page>) -> Self {
        Self { page, asked: VecDeque::new() }
    }

    /// True if no more may be asked now.
    pub fn is_full(&self) -> bool {
        self.asked.len() >= MOST
    }

    pub fn is_empty(&self) -> bool {
        self.asked.is_empty()
    }

    /// How many turns are waited for.
    pub fn turns(&self) -> usize {
        self.asked.iter().filter(|asked| asked.kind == Kind::Turn).count()
    }

    /// How many threads will be followed.
    pub fn subscriptions(&self) -> usize {
        self.asked.iter().filter(|asked| asked.kind == Kind::Subscribe).count()
    }

    /// Asks for something.
    pub fn push(&mut self, heard: Heard, record: Option<Record>) {
        let Heard { key, ask } = heard;
        let (kind, thread) = match &ask {
            SocketAsk::Turn(turn) => (Kind::Turn, turn.thread.clone()),
            SocketAsk::Resume { thread } => (Kind::Turn, Some(thread.clone())),
            SocketAsk::Subscribe { thread } => (Kind::Subscribe, Some(thread.clone())),
            SocketAsk::Operation(Operation::Stop { thread }) => (Kind::Stop, Some(thread.clone())),
            SocketAsk::Operation(operation) => (Kind::Other, thread_of(operation)),
            SocketAsk::Abort { .. } => return,
        };
        let turn = new_id("turn");
        self.asked.push_back(Asked { key, thread, record, turn, kind, state: State::Waits(Box::new(ask)) });
    }

    /// Forgets the turns that are waited for under a key. One of which something is stored already ends as cancelled.
    pub fn abort(&mut self, key: &Text) {
        let page = &self.page;
        self.asked.retain_mut(|asked| {
            let aborted = asked.key == *key && asked.kind == Kind::Turn;
            if aborted {
                page.abort(asked);
            }
            !aborted
        });
    }

    /// Does what can be done.
    pub fn poll(&mut self, cx: &mut Context<'_>) {
        for at in 0..self.asked.len() {
            if !self.may_run(at) {
                continue;
            }
            let page = &self.page;
            let Some(asked) = self.asked.get_mut(at) else { return };
            asked.state = match std::mem::replace(&mut asked.state, State::Given) {
                State::Waits(ask) => State::Runs(page.begin(asked.turn.clone(), *ask)),
                other => other,
            };
            if let State::Runs(doing) = &mut asked.state
                && let Poll::Ready(outcome) = doing.as_mut().poll(cx)
            {
                asked.state = State::Done(Box::new(outcome));
            }
        }
    }

    /// True if nothing that was asked before keeps this one back.
    fn may_run(&self, at: usize) -> bool {
        let Some(asked) = self.asked.get(at) else { return false };
        let Some(thread) = &asked.thread else { return true };
        let first = !self.asked.iter().take(at).any(|earlier| earlier.thread.as_ref() == Some(thread));
        // A message may wait long for the end of a turn, and a stop is what it waits for then.
        first || (asked.kind == Kind::Stop && self.page.waits() && self.page.runs(thread))
    }

    /// The first that is done, and its thread.
    pub fn done(&self) -> Option<(usize, Option<Text>)> {
        let at = self.asked.iter().position(|asked| matches!(asked.state, State::Done(_)))?;
        Some((at, self.asked.get(at)?.thread.clone()))
    }

    /// Takes out what is done.
    pub fn take(&mut self, at: usize) -> Option<(Asked, Outcome)> {
        let mut asked = self.asked.remove(at)?;
        match std::mem::replace(&mut asked.state, State::Given) {
            State::Done(outcome) => Some((asked, *outcome)),
            _ => None,
        }
    }

    /// Does the rest for a page that has gone, where turns go on without their pages.
    pub async fn finish(mut self) {
        let rest = std::future::poll_fn(|cx| {
            self.poll(cx);
            while let Some((at, _)) = self.done() {
                drop(self.take(at));
                self.poll(cx);
            }
            if self.asked.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        });
        // What is left then is dropped like the request of any page that leaves.
        let _ = timeout(AFTERWARDS, rest).await;
    }
}

/// The thread whose order an operation keeps.
fn thread_of(operation: &Operation) -> Option<Text> {
    match operation {
        Operation::Thread { thread }
        | Operation::Items { thread, .. }
        | Operation::Messages { thread, .. }
        | Operation::Clear { thread }
        | Operation::Rename { thread, .. }
        | Operation::Delete { thread }
        | Operation::Feedback { thread, .. }
        | Operation::Act { thread, .. }
        | Operation::Stop { thread } => Some(thread.clone()),
        _ => None,
    }
}

impl Page {
    fn waits(&self) -> bool {
        self.route.memory.as_ref().is_some_and(|memory| memory.busy == Busy::Wait)
    }

    fn runs(&self, thread: &str) -> bool {
        self.gateway.threads.turns().runs(&self.caller.owner, thread)
    }

    /// Ends the turn that was asked for, however far it has come.
    fn abort(&self, asked: &mut Asked) {
        match std::mem::replace(&mut asked.state, State::Given) {
            State::Waits(_) | State::Given => {}
            State::Done(outcome) => {
                if let Outcome::Turn(Reply::Turn(follower, _)) = *outcome {
                    follower.cancel(CancelledBy::User);
                }
            }
            State::Runs(doing) => {
                // Nothing new is stored from here on, but the turn may run already.
                drop(doing);
                if let Some(thread) = &asked.thread {
                    self.gateway.threads.turns().cancel(&self.caller.owner, thread, &asked.turn, CancelledBy::User);
                }
            }
        }
    }

    fn asker<'a>(&'a self, memory: &'a Memory, admission: &'a Admission, turn: Option<&'a str>) -> Asker<'a> {
        let Caller { owner, key, .. } = &self.caller;
        Asker { owner, key: key.as_deref(), route: &self.route, memory, files: &*self.files, admission, turn }
    }

    fn begin(self: &Arc<Self>, turn: Text, ask: SocketAsk) -> Doing {
        let page = Arc::clone(self);
        Box::pin(async move {
            let done = match ask {
                SocketAsk::Turn(ask) => page.ask(Some(turn), Ask::Turn(ask)).await,
                SocketAsk::Operation(operation) => page.ask(None, Ask::Operation(operation)).await,
                SocketAsk::Subscribe { thread } => page.follow(&thread).await,
                SocketAsk::Resume { thread } => {
                    Ok(match page.gateway.threads.turns().follow(&page.caller.owner, &thread) {
                        Some(follower) => Outcome::Turn(Reply::Turn(follower, "")),
                        None => Outcome::Answer(Answer::NothingRuns),
                    })
                }
                SocketAsk::Abort { .. } => Ok(Outcome::Answer(Answer::Done(true))),
            };
            done.unwrap_or_else(Outcome::Refused)
        })
    }

    async fn ask(&self, turn: Option<Text>, ask: Ask) -> Result<Outcome, ThreadError> {
        let Some(memory) = &self.route.memory else { return Ok(Outcome::Answer(Answer::NothingRuns)) };
        let admission = allowance::admit_ask(&self.gateway, &self.route, &self.caller, &ask).await?;
        Ok(match self.gateway.threads.ask(self.asker(memory, &admission, turn.as_deref()), ask).await? {
            Reply::Answer(answer) => Outcome::Answer(*answer),
            reply => Outcome::Turn(reply),
        })
    }

    /// A thread as it is, and all that follows: each turn is either in the messages, or in what the running turn has
    /// said, or still to come.
    async fn follow(&self, thread: &Text) -> Result<Outcome, ThreadError> {
        let turns = self.gateway.threads.turns();
        let mut watch = turns.watch(&self.caller.owner, thread);
        let mut running = turns.follow(&self.caller.owner, thread);
        let mut tries = 0;
        loop {
            // What has been said by now is stored by the time that the messages are read.
            let mut past = Vec::new();
            if let Some(follower) = &mut running {
                drain(follower, &mut past);
            }
            let operation = Operation::Messages { thread: thread.clone(), wire: "" };
            let messages = match self.ask(None, Ask::Operation(operation)).await? {
                Outcome::Answer(messages) => messages,
                other => return Ok(other),
            };
            let ended = running.as_ref().is_some_and(Follower::ended);
            tries += 1;
            if tries < TRIES
                && let Poll::Ready(seen) = watch.poll(&mut Context::from_waker(Waker::noop()))
            {
                match seen {
                    // It may stand in the messages and would be shown a second time.
                    Seen::Turn(newer) if ended || running.as_ref().is_none_or(|known| known.turn() != newer.turn()) => {
                        running = Some(newer);
                        continue;
                    }
                    // So may what has been emptied since.
                    Seen::Cleared => {
                        running = None;
                        continue;
                    }
                    Seen::Turn(_) | Seen::Lost => {}
                }
            }
            let running = running.filter(|_| !ended).map(|follower| Box::new((follower, past)));
            return Ok(Outcome::Thread { watch, running, messages });
        }
    }
}

/// Takes what a turn has said so far.
fn drain(follower: &mut Follower, events: &mut Vec<Event>) {
    let mut cx = Context::from_waker(Waker::noop());
    while !follower.ended() && follower.poll(&mut cx, events).is_ready() {}
}

/// Why something will not be done, as a dialect says it.
pub fn refusal(error: &ThreadError) -> Refusal<'_> {
    match error {
        ThreadError::Caller(error) => Refusal::Caller(error),
        ThreadError::Failed(failure) => Refusal::Failure(failure),
    }
}

/// Too much of something.
pub fn too_many(what: &str) -> ThreadError {
    CallerError::new(429, "too_many", format!("this connection has as many {what} as it may have")).into()
}

/// The gateway stops.
pub fn stopping() -> ThreadError {
    ThreadError::Failed(Failure::boxed(FailureKind::Shutdown, "the gateway is stopping"))
}
