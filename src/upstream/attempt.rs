//! One request to one target, and its answer as events. What comes before the first event that says something is held
//! back, so that another attempt may still take its place.

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
use super::health::Ticket;
use super::scrub::scrub;
use super::send::{self, Via};
use super::{Alarm, Upstreams};
use crate::config::plan::{Model, ModelTarget, Source};
use crate::slots::Taken;

/// How long a provider may take to close an answer that is complete.
const FINISHING: Duration = Duration::from_secs(2);

/// What an attempt is made with.
pub struct Means {
    /// The target, by its place in the model's list.
    pub at: usize,
    /// The key, by its place in the provider's list.
    pub key: Option<usize>,
    /// Whether the connection must be a new one.
    pub fresh: bool,
    /// The way through the target's circuit.
    pub ticket: Ticket,
    /// The slots among the calls of the target and its provider.
    #[expect(dead_code, reason = "it is held for as long as the attempt runs")]
    pub slots: Taken,
}

/// A running attempt. Dropping it closes the provider's stream.
pub struct Attempt {
    model: Arc<Model>,
    context: DecodeContext,
    means: Means,
    state: State,
    alarm: Alarm,
    due: Due,
    held: Vec<Event>,
    fresh: Vec<Event>,
    begun: bool,
}

enum State {
    Opening(Opening),
    Reading { body: AnswerBody, decoder: Box<dyn Decoder>, finishing: bool },
    Over,
}

/// The deadlines.
struct Due {
    /// Of the next byte.
    byte: Instant,
    /// Of the next event.
    event: Instant,
    /// Of the whole.
    end: Option<Instant>,
}

impl Due {
    fn next(&self) -> Instant {
        let next = self.byte.min(self.event);
        self.end.map_or(next, |end| next.min(end))
    }
}

/// What a read gave.
pub enum Heard {
    /// Something, or nothing yet: the answer goes on.
    More,
    /// The end of the answer.
    End,
    /// A failure, with which the attempt is over.
    Failure(Box<Failure>),
}

/// Why there is no attempt at all.
pub enum Unsaid {
    /// The conversation cannot be said in the provider's protocol.
    Mistake(CallerError),
    /// Something of ours is missing.
    Failure(Box<Failure>),
}

impl Attempt {
    /// Sends the request, with the first poll.
    ///
    /// # Errors
    /// There is no such request.
    pub fn new(
        upstreams: &Upstreams,
        model: &Arc<Model>,
        means: Means,
        context: DecodeContext,
        chat: &ChatRequest,
    ) -> Result<Self, Unsaid> {
        let missing = |what: &str| Unsaid::Failure(Failure::boxed(FailureKind::Internal, what));
        let target = model.targets.get(means.at).ok_or_else(|| missing("the model has no such target"))?;
        let provider = &target.provider;
        let request = build(chat, target).map_err(Unsaid::Mistake)?;
        let mut held = Vec::new();
        held.extend(warning_events(request.warnings.clone()));
        let over = |via: Via, request| send::send(via, Arc::clone(provider), means.key, request);
        let opening: Opening = match &provider.source {
            Source::Http(_) => {
                let clients = upstreams.clients(provider.timeouts.connect);
                let clients = clients.ok_or_else(|| missing("the provider has no client"))?.clone();
                Box::pin(over(if means.fresh { Via::Fresh(clients) } else { Via::Pooled(clients) }, request))
            }
            Source::Brought(_, fence) => Box::pin(over(Via::Fence(fence.clone()), request)),
            Source::Replay { folder, pace } => {
                let recordings = upstreams.recordings_of(folder.as_ref());
                let recordings = recordings.ok_or_else(|| missing("the provider has no recordings"))?;
                Box::pin(std::future::ready(recordings.play(provider, &target.model, chat, *pace)))
            }
            Source::StandIn(stand_in) => stand_in.answer(request),
        };
        let (now, timeouts) = (Instant::now(), provider.timeouts);
        let due = Due {
            byte: now + timeouts.first_byte,
            event: now + timeouts.progress,
            end: timeouts.total.map(|total| now + total),
        };
        Ok(Self {
            model: Arc::clone(model),
            context,
            means,
            state: State::Opening(opening),
            alarm: Alarm::new(due.next()),
            due,
            held,
            fresh: Vec::new(),
            begun: false,
        })
    }

    /// The target, by its place in the model's list.
    pub const fn at(&self) -> usize {
        self.means.at
    }

    /// The key, by its place in the provider's list.
    pub const fn key(&self) -> Option<usize> {
        self.means.key
    }

    /// True once something has been given out: no other attempt may take its place.
    pub const fn begun(&self) -> bool {
        self.begun
    }

    /// True if a connection that was there was lost before an answer began: providers often close one that they have
    /// kept just when it is taken.
    pub fn was_lost(&self, failure: &Failure) -> bool {
        matches!(self.state, State::Opening(_))
            && !self.means.fresh
            && failure.kind == FailureKind::Cut
            && matches!(self.target().provider.source, Source::Http(_))
    }

    /// What it was made with, for another one, and the events that were held back.
    pub fn into_parts(self) -> (Means, Vec<Event>) {
        (self.means, self.held)
    }

    /// Reads once. Ready when something has happened; not every read gives events.
    pub fn poll(&mut self, cx: &mut Context<'_>, out: &mut Vec<Event>) -> Poll<Heard> {
        match &mut self.state {
            State::Opening(opening) => {
                let Poll::Ready(opened) = opening.as_mut().poll(cx) else {
                    ready!(self.alarm.poll(cx));
                    return Poll::Ready(self.timed_out());
                };
                Poll::Ready(match opened {
                    Ok(body) => {
                        let decoder = self.target().provider.upstream.decoder(self.context.clone());
                        self.state = State::Reading { body, decoder, finishing: false };
                        Heard::More
                    }
                    Err(failure) => self.failed(failure),
                })
            }
            State::Reading { body, decoder, .. } => {
                let (fresh, mut came) = (&mut self.fresh, false);
                let decode = |bytes: &[u8]| {
                    came |= !bytes.is_empty();
                    decoder.feed(bytes, fresh);
                };
                let Poll::Ready(read) = body.poll_read(cx, decode) else {
                    ready!(self.alarm.poll(cx));
                    return Poll::Ready(self.silent(out));
                };
                Poll::Ready(match read {
                    Some(Ok(())) => self.read(came, out),
                    Some(Err(error)) => self.over(Some(&error), out),
                    None => self.over(None, out),
                })
            }
            State::Over => Poll::Ready(Heard::End),
        }
    }

    fn target(&self) -> &ModelTarget {
        &self.model.targets[self.means.at]
    }

    /// Takes what a read gave; `came` if there was something.
    fn read(&mut self, came: bool, out: &mut Vec<Event>) -> Heard {
        let timeouts = self.target().provider.timeouts;
        let State::Reading { decoder, finishing, .. } = &mut self.state else { return Heard::End };
        let progress = decoder.progress();
        match progress {
            Progress::Finishing if !*finishing => {
                *finishing = true;
                self.alarm.set(Instant::now() + FINISHING);
            }
            Progress::Open if came => {
                let now = Instant::now();
                self.due.byte = now + timeouts.idle;
                if !self.fresh.is_empty() {
                    self.due.event = now + timeouts.progress;
                }
                self.alarm.set(self.due.next());
            }
            _ => {}
        }
        let heard = self.pass(out);
        if progress == Progress::Ended && matches!(heard, Heard::More) {
            if let State::Reading { body, .. } = &mut self.state {
                body.let_go();
            }
            self.state = State::Over;
            return Heard::End;
        }
        heard
    }

    /// The body is over: by its own end, or by a cut of the connection.
    fn over(&mut self, error: Option<&str>, out: &mut Vec<Event>) -> Heard {
        if let State::Reading { decoder, .. } = &mut self.state {
            decoder.finish(&mut self.fresh);
        }
        if let (Some(error), Some(Event::Failed(failure))) = (error, self.fresh.last_mut()) {
            failure.message.push_str(": ");
            failure.message.push_str(error);
        }
        self.state = State::Over;
        match self.pass(out) {
            Heard::More => Heard::End,
            heard => heard,
        }
    }

    /// Nothing came for longer than it may take.
    fn silent(&mut self, out: &mut Vec<Event>) -> Heard {
        if matches!(self.state, State::Reading { finishing: true, .. }) {
            self.over(None, out)
        } else {
            self.timed_out()
        }
    }

    fn timed_out(&mut self) -> Heard {
        let now = Instant::now();
        let why = if self.due.end.is_some_and(|end| end <= now) {
            "the answer took longer than it may"
        } else if matches!(self.state, State::Opening(_)) {
            "no answer came in time"
        } else if self.due.byte <= now {
            "the answer stalled"
        } else {
            "the answer says nothing any more"
        };
        self.failed(Failure::boxed(FailureKind::Timeout, why))
    }

    /// Passes what the decoder gave.
    fn pass(&mut self, out: &mut Vec<Event>) -> Heard {
        let mut heard = Heard::More;
        let mut fresh = std::mem::take(&mut self.fresh);
        for mut event in fresh.drain(..) {
            self.price(&mut event);
            match event {
                Event::Failed(failure) => {
                    heard = self.failed(failure);
                    self.state = State::Over;
                    break;
                }
                Event::StepStart(_) | Event::Warning(_) if !self.begun => self.held.push(event),
                event => {
                    if !self.begun {
                        self.begun = true;
                        self.means.ticket.answered(Instant::now());
                        out.append(&mut self.held);
                    }
                    out.push(event);
                }
            }
        }
        self.fresh = fresh;
        heard
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
        let target = self.target();
        usage.cost = target.provider.prices.of(&target.model).and_then(|price| price.of(usage));
    }

    fn failed(&mut self, mut failure: Box<Failure>) -> Heard {
        scrub(&mut failure, &self.target().provider);
        Heard::Failure(failure)
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
