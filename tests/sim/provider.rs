//! Providers without a network: they answer from a script, with faults, and write down all that happens to them.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use chatwire::upstream::{AnswerBody, Opening, Pieces, StandIn};
use chatwire_protocols::error::{Failure, FailureKind};
use chatwire_protocols::protocol::{AnswerHead, UpstreamRequest};
use futures_core::Stream;
use futures_util::StreamExt as _;
use tokio::time::{Instant, Sleep, sleep};

use crate::fault::{Act, Body, Expect, Fault, How};
use crate::random::Random;
use crate::script::Script;
use crate::wire::{self, Frame, Style};

/// What a second turn of a conversation says: its requests are told apart by it.
pub const SECOND: &str = "the second question";

/// The providers of one thread of the simulator; which world they are in changes from turn to turn.
#[derive(Clone, Debug, Default)]
pub struct Hub(Arc<Mutex<Plays>>);

/// What is said.
#[derive(Debug, Default)]
enum Plays {
    #[default]
    Nothing,
    Scripts(Arc<Providers>),
    /// These bytes, and then this.
    Bytes(Bytes, How),
}

/// One target.
#[derive(Debug)]
pub struct Slot {
    pub hub: Hub,
    pub protocol: &'static str,
}

/// All providers of one turn.
#[derive(Debug)]
pub struct Providers {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    random: Random,
    scripts: [Script; 2],
    faults: VecDeque<Fault>,
    style: Style,
    asked: Vec<Asked>,
}

/// What became of one request.
#[derive(Clone, Debug)]
pub struct Asked {
    pub fault: Fault,
    pub expect: Expect,
    pub corrupt: bool,
    /// True if it belongs to the second turn.
    pub second: bool,
    /// The text of all that was handed out whole.
    pub text: String,
    /// The text of all that could be.
    pub full: String,
    /// True if something was said, so that nothing may be asked again.
    pub token: bool,
    /// True if all that the answer needs was handed out.
    pub complete: bool,
    pub handed: usize,
    /// Pieces of a text without an end.
    pub flood: usize,
    /// When something was last handed out.
    pub at: Instant,
    pub dropped: Option<Instant>,
}

impl Hub {
    pub fn put(&self, providers: &Arc<Providers>) {
        *lock(&self.0) = Plays::Scripts(Arc::clone(providers));
    }

    /// From now on every answer has these bytes, and ends like this.
    pub fn play(&self, bytes: Bytes, how: How) {
        *lock(&self.0) = Plays::Bytes(bytes, how);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Providers {
    pub fn new(random: Random, scripts: [Script; 2], faults: Vec<Fault>, style: Style) -> Arc<Self> {
        let state = State { random, scripts, faults: faults.into(), style, asked: Vec::new() };
        Arc::new(Self { state: Mutex::new(state) })
    }

    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.state).asked.clone()
    }

    fn answer(self: &Arc<Self>, protocol: &'static str, request: &UpstreamRequest) -> Opening {
        let second = request.body.windows(SECOND.len()).any(|window| window == SECOND.as_bytes());
        let mut state = lock(&self.state);
        let step = state.asked.iter().filter(|asked| asked.second == second && asked.complete).count();
        let script = &state.scripts[usize::from(second)];
        let step_said = script.steps[step.min(script.steps.len() - 1)].clone();
        let fault = state.faults.pop_front().unwrap_or(Fault::None);
        let frames = wire::frames(protocol, &step_said, state.style);
        let mut body = fault.apply(protocol, frames, &mut state.random);
        if matches!(fault, Fault::NoHead | Fault::NoConnection | Fault::Status(_)) {
            body.expect = Expect::Fail;
        }
        let pause = state.random.pick(&[0, 0, 1, 300, 8000]);
        state.asked.push(Asked {
            fault: fault.clone(),
            expect: body.expect,
            corrupt: body.corrupt,
            second,
            text: String::new(),
            full: step_said.text(),
            token: false,
            complete: false,
            handed: 0,
            flood: 0,
            at: Instant::now(),
            dropped: None,
        });
        let mut answer = Answer { providers: Arc::clone(self), at: state.asked.len() - 1, given: 0, body, sleep: None };
        drop(state);
        Box::pin(async move {
            // Held from the start: a request that is dropped before its answer counts as dropped too.
            answer.note();
            sleep(Duration::from_millis(pause)).await;
            match fault {
                Fault::NoHead => std::future::pending().await,
                Fault::NoConnection => Err(Failure::boxed(FailureKind::Connect, "no connection")),
                Fault::Status(status) => {
                    let head = AnswerHead { status, content_type: Some("application/json"), retry_after: None };
                    let body = br#"{"error":{"message":"no","type":"some_error"}}"#;
                    Err(Box::new(chatwire_protocols::failure::from_body(&head, body)))
                }
                _ => Ok(AnswerBody::Pieces(Box::pin(answer) as Pieces)),
            }
        })
    }
}

impl StandIn for Slot {
    fn answer(&self, request: UpstreamRequest) -> Opening {
        match &*lock(&self.hub.0) {
            Plays::Nothing => panic!("no turn runs"),
            Plays::Scripts(providers) => providers.answer(self.protocol, &request),
            Plays::Bytes(bytes, how) => {
                let bytes = futures_util::stream::iter([Ok(bytes.clone())]);
                let end: Pieces = match how {
                    How::Clean => Box::pin(bytes),
                    How::Broken => Box::pin(bytes.chain(futures_util::stream::iter([Err("reset".to_owned())]))),
                    How::Never => Box::pin(bytes.chain(futures_util::stream::pending())),
                };
                Box::pin(std::future::ready(Ok(AnswerBody::Pieces(end))))
            }
        }
    }
}

/// A body on its way.
struct Answer {
    providers: Arc<Providers>,
    at: usize,
    given: usize,
    body: Body,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Answer {
    /// Writes down what has been handed out.
    fn note(&mut self) {
        let mut state = lock(&self.providers.state);
        let asked = &mut state.asked[self.at];
        asked.handed = self.given;
        asked.at = Instant::now();
        let given = self.given;
        let whole: Vec<Frame> =
            self.body.ends.extract_if(.., |(end, _)| *end <= given).map(|(_, frame)| frame).collect();
        for frame in whole {
            asked.text.push_str(&frame.text);
            asked.token |= frame.token;
            asked.complete |= frame.finish;
        }
        // The line ends behind the finish say nothing.
        if let Some((end, frame)) = self.body.ends.first() {
            let blank = frame.bytes.iter().rev().take_while(|byte| b"\r\n".contains(byte)).count();
            asked.complete |= frame.finish && end - blank <= given;
        }
    }
}

impl Stream for Answer {
    type Item = Result<Bytes, String>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(sleep) = &mut self.sleep {
                std::task::ready!(sleep.as_mut().poll(cx));
                self.sleep = None;
            }
            match self.body.acts.pop_front() {
                None => return Poll::Ready(None),
                Some(Act::Bytes(bytes)) => {
                    self.given += bytes.len();
                    self.note();
                    return Poll::Ready(Some(Ok(bytes.into())));
                }
                Some(Act::Sleep(time)) => self.sleep = Some(Box::pin(sleep(time))),
                Some(Act::Broken) => return Poll::Ready(Some(Err("connection reset".to_owned()))),
                Some(Act::Panic) => panic!("on purpose"),
                Some(Act::Never) => {
                    self.body.acts.push_front(Act::Never);
                    return Poll::Pending;
                }
                Some(Act::Endless(bytes)) => {
                    self.body.acts.push_front(Act::Endless(bytes.clone()));
                    self.sleep = Some(Box::pin(sleep(Duration::from_millis(200))));
                    let mut state = lock(&self.providers.state);
                    state.asked[self.at].flood += 1;
                    state.asked[self.at].at = Instant::now();
                    drop(state);
                    return Poll::Ready(Some(Ok(bytes.into())));
                }
            }
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        lock(&self.providers.state).asked[self.at].dropped = Some(Instant::now());
    }
}
