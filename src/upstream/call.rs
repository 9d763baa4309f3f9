//! One model call: the targets in their order until one answers, and its answer as events.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use chatwire_protocols::chat::ChatRequest;
use chatwire_protocols::error::{CallerError, Failure, FailureKind};
use chatwire_protocols::event::Event;
use chatwire_protocols::history::warning_events;
use chatwire_protocols::protocol::{DecodeContext, Decoder, Progress, Target, UpstreamRequest};
use tokio::time::Instant;

use super::answer::{AnswerBody, Opening};
use super::send::{self, Via};
use super::{Alarm, Upstreams, failure};
use crate::config::plan::{Model, ModelTarget, Source};

/// How long a provider may take to close an answer that is complete.
const FINISHING: Duration = Duration::from_secs(2);

/// A running model call. Dropping it closes the provider's stream.
pub struct Call {
    upstreams: Arc<Upstreams>,
    model: Arc<Model>,
    at: usize,
    context: DecodeContext,
    state: State,
    alarm: Alarm,
    /// Events before the first one that says something: still free to be dropped for another target.
    held: Vec<Event>,
    fresh: Vec<Event>,
    begun: bool,
    mistake: Option<CallerError>,
}

enum State {
    Begin,
    Opening(Opening),
    Reading { body: AnswerBody, decoder: Box<dyn Decoder>, finishing: bool },
    Done,
}

impl Call {
    /// A call that begins with the target at `first`.
    pub fn new(upstreams: Arc<Upstreams>, model: Arc<Model>, first: usize, context: DecodeContext) -> Self {
        Self {
            upstreams,
            model,
            at: first,
            context,
            state: State::Begin,
            alarm: Alarm::new(Instant::now()),
            held: Vec::new(),
            fresh: Vec::new(),
            begun: false,
            mistake: None,
        }
    }

    /// Which target is being asked, by its place in the model's list.
    pub const fn target(&self) -> usize {
        self.at
    }

    /// True when nothing more will come.
    pub const fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// What the caller did wrong, where the conversation could not be said in the provider's protocol.
    pub const fn take_mistake(&mut self) -> Option<CallerError> {
        self.mistake.take()
    }

    /// Reads once. Ready when something has happened; not every read gives events.
    pub fn poll(&mut self, cx: &mut Context<'_>, chat: &ChatRequest, out: &mut Vec<Event>) -> Poll<()> {
        match &mut self.state {
            State::Begin => {
                if let Err(failure) = self.begin(chat) {
                    self.failed(failure, out);
                }
                Poll::Ready(())
            }
            State::Opening(opening) => {
                if let Poll::Ready(opened) = opening.as_mut().poll(cx) {
                    match opened {
                        Ok(body) => self.opened(body),
                        Err(failure) => self.failed(failure, out),
                    }
                    return Poll::Ready(());
                }
                ready!(self.alarm.poll(cx));
                self.timed_out("no answer came in time", out);
                Poll::Ready(())
            }
            State::Reading { body, decoder, finishing } => {
                let Poll::Ready(read) = body.poll_read(cx) else {
                    ready!(self.alarm.poll(cx));
                    self.silent(out);
                    return Poll::Ready(());
                };
                match read {
                    Some(Ok(bytes)) => {
                        decoder.feed(&bytes, &mut self.fresh);
                        let progress = decoder.progress();
                        if progress == Progress::Finishing && !*finishing {
                            *finishing = true;
                            self.alarm.set(Instant::now() + FINISHING);
                        } else if progress == Progress::Open && !bytes.is_empty() {
                            let idle = self.model.targets[self.at].provider.timeouts.idle;
                            self.alarm.set(Instant::now() + idle);
                        }
                        if progress == Progress::Ended {
                            self.state = State::Done;
                        }
                        self.pass(out);
                    }
                    Some(Err(error)) => self.over(Some(&error), out),
                    None => self.over(None, out),
                }
                Poll::Ready(())
            }
            State::Done => Poll::Pending,
        }
    }

    fn begin(&mut self, chat: &ChatRequest) -> Result<(), Box<Failure>> {
        let model = Arc::clone(&self.model);
        let Some(target) = model.targets.get(self.at) else {
            return Err(Failure::boxed(FailureKind::Internal, "the model has no target"));
        };
        let provider = &target.provider;
        let request = build(chat, target).map_err(|error| {
            let failure = Failure::boxed(FailureKind::BadRequest, format!("the request cannot be built: {error}"));
            self.mistake = Some(error);
            failure
        })?;
        self.held.clear();
        self.held.extend(warning_events(request.warnings.clone()));
        self.alarm.set(Instant::now() + provider.timeouts.first_byte);
        self.state = State::Opening(match &provider.source {
            Source::Http(_) => {
                let Some(clients) = self.upstreams.clients(provider.timeouts.connect) else {
                    return Err(Failure::boxed(FailureKind::Internal, "the provider has no client"));
                };
                Box::pin(send::send(Via::Clients(clients.clone()), Arc::clone(provider), request))
            }
            Source::Brought(_, fence) => Box::pin(send::send(Via::Fence(fence.clone()), Arc::clone(provider), request)),
            Source::Replay { folder, pace } => {
                let Some(recordings) = self.upstreams.recordings_of(folder.as_ref()) else {
                    return Err(Failure::boxed(FailureKind::Internal, "the provider has no recordings"));
                };
                let played = recordings.play(provider, &target.model, chat, *pace);
                Box::pin(std::future::ready(played))
            }
            Source::StandIn(stand_in) => stand_in.answer(request),
        });
        Ok(())
    }

    fn opened(&mut self, body: AnswerBody) {
        let decoder = self.model.targets[self.at].provider.upstream.decoder(self.context.clone());
        self.state = State::Reading { body, decoder, finishing: false };
    }

    /// The body is over: by its own end, or by a cut of the connection.
    fn over(&mut self, error: Option<&str>, out: &mut Vec<Event>) {
        if let State::Reading { decoder, .. } = &mut self.state {
            decoder.finish(&mut self.fresh);
        }
        if let (Some(error), Some(Event::Failed(failure))) = (error, self.fresh.last_mut()) {
            failure.message.push_str(": ");
            failure.message.push_str(error);
        }
        self.state = State::Done;
        self.pass(out);
    }

    /// Nothing came for longer than it may take.
    fn silent(&mut self, out: &mut Vec<Event>) {
        if matches!(self.state, State::Reading { finishing: true, .. }) {
            self.over(None, out);
        } else {
            self.timed_out("the answer stalled", out);
        }
    }

    fn timed_out(&mut self, message: &str, out: &mut Vec<Event>) {
        self.failed(Failure::boxed(FailureKind::Timeout, message), out);
    }

    /// Passes what the decoder gave. What comes before the first real event is held back, so that another target may
    /// still take over.
    fn pass(&mut self, out: &mut Vec<Event>) {
        let mut fresh = std::mem::take(&mut self.fresh);
        for mut event in fresh.drain(..) {
            self.price(&mut event);
            match event {
                Event::Failed(failure) => {
                    self.failed(failure, out);
                    break;
                }
                Event::StepStart(_) | Event::Warning(_) if !self.begun => self.held.push(event),
                event => {
                    if !self.begun {
                        self.begun = true;
                        out.append(&mut self.held);
                    }
                    out.push(event);
                }
            }
        }
        self.fresh = fresh;
    }

    /// Puts the cost to a step's end.
    fn price(&self, event: &mut Event) {
        let usage = match event {
            Event::StepEnd(end) => &mut end.usage,
            Event::Failed(failure) => match &mut failure.step {
                Some(end) => &mut end.usage,
                None => return,
            },
            _ => return,
        };
        let price = self.model.targets.get(self.at).and_then(|target| target.provider.prices.of(&target.model));
        usage.cost = price.and_then(|price| price.of(usage));
    }

    fn failed(&mut self, mut failure: Box<Failure>, out: &mut Vec<Event>) {
        let target = self.model.targets.get(self.at);
        if let Some(target) = target {
            failure::scrub(&mut failure, &target.provider);
        }
        let more = self.at + 1 < self.model.targets.len();
        if !self.begun && more && failure.kind.is_retryable() {
            let (provider, model) = target.map_or(("", ""), |target| (target.provider.name.as_str(), &target.model));
            tracing::warn!(provider, model, failure = failure.kind.label(), text = ?failure.message, "target failed, trying the next");
            self.at += 1;
            self.held.clear();
            self.state = State::Begin;
            return;
        }
        self.state = State::Done;
        out.append(&mut self.held);
        out.push(Event::Failed(failure));
    }
}

fn build(chat: &ChatRequest, target: &ModelTarget) -> Result<UpstreamRequest, CallerError> {
    let base_url = match &target.provider.source {
        Source::Http(base_url) | Source::Brought(base_url, _) => base_url,
        Source::Replay { .. } | Source::StandIn(_) => "http://replay.invalid",
    };
    let extra = Some(&target.extra).filter(|extra| !extra.is_empty());
    target.provider.upstream.request(chat, &Target { base_url, model: &target.model, extra })
}
