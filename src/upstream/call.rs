//! One model call: which targets are asked, in which order and how often, until one answers. What it decides by is in
//! [`policy`](super::policy); nothing is asked twice once something has been said.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use chatwire_protocols::chat::ChatRequest;
use chatwire_protocols::error::{CallerError, Failure, FailureKind};
use chatwire_protocols::event::Event;
use chatwire_protocols::protocol::DecodeContext;
use tokio::time::Instant;

use super::attempt::{Attempt, Heard, Means, Unsaid};
use super::health::{OpenCircuit, ProviderHealth, TargetHealth, Ticket};
use super::policy::{Dice, Rule, Says, order, pause};
use super::tried::{Tried, outcome};
use super::{Alarm, Upstreams};
use crate::config::plan::{Model, Source};
use crate::slots::{self, Asked, Queued, Slots, Taken};

/// How long a key rests if the provider does not say: when it asks for too much, and when it is refused.
const RATE_LIMIT_REST: Duration = Duration::from_secs(5);
const REFUSED_REST: Duration = Duration::from_secs(60);

/// When a page may come back that found no slot.
const BUSY: Duration = Duration::from_secs(1);

/// A running model call. Dropping it closes the providers' streams.
pub struct Call {
    upstreams: Arc<Upstreams>,
    model: Arc<Model>,
    context: DecodeContext,
    /// When the turn is over: no pause may last longer.
    until: Instant,
    dice: Dice,
    targets: Vec<Asking>,
    /// The targets that this round has not asked.
    left: VecDeque<usize>,
    retries: u32,
    state: State,
    /// A second attempt beside the first.
    hedge: Option<Box<Attempt>>,
    /// Rings at the end of a pause, or when the hedge is due.
    alarm: Alarm,
    hedge_due: bool,
    /// The target that is asked, or was asked last.
    at: usize,
    /// What ends the call if nothing helps, and what was held back before it.
    worst: Option<(Box<Failure>, Vec<Event>)>,
    tried: Tried,
    mistake: Option<CallerError>,
}

/// What this call knows of a target.
struct Asking {
    provider: Arc<ProviderHealth>,
    health: Arc<TargetHealth>,
    slots: Vec<Arc<Slots>>,
    times: u32,
    /// From when on it may be asked again, if that makes sense.
    again: Option<Again>,
    /// Whether a lost connection has been made anew.
    renewed: bool,
    /// Keys that may yet be tried in the place of a refused one.
    keys: usize,
}

#[derive(Clone, Copy)]
struct Again {
    /// Not before this, if the provider says so.
    from: Option<Instant>,
}

enum State {
    Choosing,
    Pausing,
    Queued { at: usize, waiting: Queued },
    Asking(Box<Attempt>),
    Over,
}

impl Call {
    /// A call. It begins with the target at `first` if one has answered the step before, and ends with the turn at
    /// `until`.
    pub fn new(
        upstreams: Arc<Upstreams>,
        model: Arc<Model>,
        first: Option<usize>,
        context: DecodeContext,
        until: Instant,
    ) -> Self {
        let mut dice = Dice::of(&context.seed);
        let weights: Vec<_> = model.targets.iter().map(|target| target.weight).collect();
        let asking = |target| {
            let (provider, health) = upstreams.health.of(target);
            let keys = target.provider.keys.len().saturating_sub(1);
            let slots = provider.slots(target);
            Asking { provider, health, slots, times: 0, again: None, renewed: false, keys }
        };
        let left = VecDeque::from(order(&weights, first, &mut dice));
        Self {
            targets: model.targets.iter().map(asking).collect(),
            at: left.front().copied().unwrap_or_default(),
            left,
            retries: model.retry.more,
            dice,
            upstreams,
            model,
            context,
            until,
            state: State::Choosing,
            hedge: None,
            alarm: Alarm::new(until),
            hedge_due: false,
            worst: None,
            tried: Tried::default(),
            mistake: None,
        }
    }

    /// Which target is being asked, by its place in the model's list.
    pub const fn target(&self) -> usize {
        self.at
    }

    /// What was tried.
    pub const fn tried(&self) -> &Tried {
        &self.tried
    }

    /// True when nothing more will come.
    pub const fn is_done(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// What the caller did wrong, where the conversation could not be said in the provider's protocol.
    pub const fn take_mistake(&mut self) -> Option<CallerError> {
        self.mistake.take()
    }

    /// Reads once. Ready when something has happened; not every read gives events.
    pub fn poll(&mut self, cx: &mut Context<'_>, chat: &ChatRequest, out: &mut Vec<Event>) -> Poll<()> {
        match &mut self.state {
            State::Choosing => self.choose(chat, out),
            State::Pausing => {
                ready!(self.alarm.poll(cx));
                self.state = State::Choosing;
            }
            State::Queued { at, waiting } => {
                let at = *at;
                let taken = ready!(waiting.as_mut().poll(cx));
                self.seated(at, taken, chat, out);
            }
            State::Asking(attempt) => {
                let begun = attempt.begun();
                if let Poll::Ready(heard) = attempt.poll(cx, out) {
                    let begins = attempt.begun() && !begun;
                    self.heard(begins, heard, chat, out);
                } else if !begun {
                    ready!(self.poll_hedge(cx, chat, out));
                } else {
                    return Poll::Pending;
                }
            }
            State::Over => return Poll::Pending,
        }
        Poll::Ready(())
    }

    /// Goes to the next target of this round, or begins another round, or gives up.
    fn choose(&mut self, chat: &ChatRequest, out: &mut Vec<Event>) {
        let now = Instant::now();
        while let Some(at) = self.next_target(now) {
            self.at = at;
            let target = &self.targets[at];
            if target.health.is_open(now) {
                self.skip(at, outcome::OPEN, "its circuit is open", None);
                continue;
            }
            match slots::ask(&target.slots) {
                Asked::Taken(taken) => return self.seated(at, Some(taken), chat, out),
                Asked::Queued(waiting) => {
                    self.state = State::Queued { at, waiting };
                    return;
                }
                Asked::Full => self.skip(at, outcome::BUSY, "too many calls wait for it", Some(BUSY)),
            }
        }
        self.ask_again(now, out);
    }

    /// The next target of this round: one that has asked to be left alone comes last.
    fn next_target(&mut self, now: Instant) -> Option<usize> {
        let place = self.left.iter().position(|at| !self.targets[*at].health.rests(now)).unwrap_or(0);
        self.left.remove(place)
    }

    /// Begins a round with one target that has been asked, after a pause; or gives up.
    fn ask_again(&mut self, now: Instant, out: &mut Vec<Event>) {
        let open = |target: &Asking| target.health.is_open(now);
        let again = self.targets.iter().enumerate().filter(|(_, target)| !open(target));
        let again = again.filter_map(|(at, target)| Some((at, target.again?, target.times)));
        let next = again.min_by_key(|(_, again, times)| (again.from, *times));
        let Some((at, again, _)) = next.filter(|_| self.retries > 0) else { return self.give_up(out) };
        let retry = self.model.retry;
        let asked = again.from.map(|from| from.saturating_duration_since(now));
        let pause = pause(retry.more - self.retries, asked, &mut self.dice);
        let pause = if asked.is_some() { pause } else { pause.min(retry.max_wait) };
        let fits = asked.is_none_or(|asked| asked <= retry.max_wait) && now + pause < self.until;
        if !fits || !self.targets[at].provider.budget().take(now) {
            return self.give_up(out);
        }
        self.retries -= 1;
        self.targets[at].again = None;
        self.left.push_back(at);
        self.alarm.set(now + pause);
        self.state = State::Pausing;
    }

    /// A target's slot has come, or has not.
    fn seated(&mut self, at: usize, taken: Option<Taken>, chat: &ChatRequest, out: &mut Vec<Event>) {
        self.state = State::Choosing;
        let Some(slots) = taken else {
            return self.skip(at, outcome::BUSY, "no place has come free in time", Some(BUSY));
        };
        let now = Instant::now();
        match self.enter(at, now) {
            Err(OpenCircuit(wait)) => self.skip(at, outcome::OPEN, "its circuit is open", Some(wait)),
            Ok(ticket) => {
                let target = &mut self.targets[at];
                target.times += 1;
                if target.times == 1 {
                    target.provider.budget().called();
                }
                let key = target.provider.keys().pick(now);
                self.ask(Means { at, key, fresh: false, ticket, slots }, chat, out);
            }
        }
    }

    fn enter(&self, at: usize, now: Instant) -> Result<Ticket, OpenCircuit> {
        self.targets[at].health.enter(self.model.targets[at].provider.breaker, now)
    }

    fn ask(&mut self, means: Means, chat: &ChatRequest, out: &mut Vec<Event>) {
        self.at = means.at;
        match Attempt::new(&self.upstreams, &self.model, means, self.context.clone(), chat) {
            Ok(attempt) => {
                self.state = State::Asking(Box::new(attempt));
                let hedge = self.model.hedge.filter(|_| self.hedge.is_none() && !self.left.is_empty());
                self.hedge_due = hedge.is_some();
                if let Some(hedge) = hedge {
                    self.alarm.set(Instant::now() + hedge);
                }
            }
            Err(unsaid) => {
                let failure = match unsaid {
                    Unsaid::Failure(failure) => failure,
                    Unsaid::Mistake(error) => {
                        let message = format!("the request cannot be built: {error}");
                        self.mistake = Some(error);
                        Failure::boxed(FailureKind::BadRequest, message)
                    }
                };
                self.note(self.at, failure.kind.label());
                self.worst = Some((failure, Vec::new()));
                self.give_up(out);
            }
        }
    }

    /// Takes what the attempt that counts gave.
    fn heard(&mut self, begins: bool, heard: Heard, chat: &ChatRequest, out: &mut Vec<Event>) {
        if begins {
            self.begins();
        }
        match heard {
            Heard::More => {}
            Heard::End => {
                self.state = State::Over;
                self.hedge = None;
            }
            Heard::Failure(failure) => {
                let State::Asking(attempt) = std::mem::replace(&mut self.state, State::Over) else { return };
                if attempt.begun() {
                    self.broke_off(*attempt, failure, out);
                } else {
                    self.failed(*attempt, failure, chat, out);
                }
            }
        }
    }

    /// The attempt that counts has said something: from now on there is no other.
    fn begins(&mut self) {
        self.note(self.at, outcome::OK);
        if let State::Asking(attempt) = &self.state
            && let Some(key) = attempt.key()
        {
            self.targets[self.at].provider.keys().works(key);
        }
        if let Some(loser) = self.hedge.take() {
            let at = loser.at();
            drop(loser);
            self.note(at, outcome::SLOWER);
            let target = &self.model.targets[at];
            tracing::info!(
                provider = target.provider.name,
                model = target.model,
                "another target spoke first; what this one costs all the same is not known"
            );
        }
    }

    /// An answer that the page has seen a part of breaks off: that cannot be mended.
    fn broke_off(&mut self, attempt: Attempt, failure: Box<Failure>, out: &mut Vec<Event>) {
        let (mut means, _) = attempt.into_parts();
        if Rule::of(failure.kind).target == Says::Ill {
            means.ticket.failed(Instant::now());
        }
        let target = &self.model.targets[means.at];
        self.tried.broke_off(&target.provider.name, &target.model, failure.kind.label());
        out.push(Event::Failed(failure));
    }

    /// An attempt failed before it said anything.
    fn failed(&mut self, attempt: Attempt, failure: Box<Failure>, chat: &ChatRequest, out: &mut Vec<Event>) {
        let lost = attempt.was_lost(&failure);
        let (means, held) = attempt.into_parts();
        let at = means.at;
        if lost && !std::mem::replace(&mut self.targets[at].renewed, true) {
            // It counts as a try, but not as one of the budget: the provider has not been asked in vain.
            self.retries = self.retries.saturating_sub(1);
            self.note(at, outcome::LOST);
            self.log(at, &failure, "another connection");
            return self.ask(Means { fresh: true, ..means }, chat, out);
        }
        self.note(at, failure.kind.label());
        let rule = Rule::of(failure.kind);
        let (mut means, key) = self.learn(means, &failure, rule);
        if let Some(key) = key {
            self.log(at, &failure, "another key");
            means.key = Some(key);
            return self.ask(means, chat, out);
        }
        drop(means);
        self.settle(at, failure, held, rule, out);
    }

    /// Takes over what a failure says of the target and the key. Gives another key, if that may help.
    fn learn(&mut self, mut means: Means, failure: &Failure, rule: Rule) -> (Means, Option<usize>) {
        let now = Instant::now();
        let target = &mut self.targets[means.at];
        match rule.target {
            Says::Ill => means.ticket.failed(now),
            Says::Well => means.ticket.answered(now),
            Says::Nothing => return (means, None),
        }
        let mut other = None;
        if let Some(key) = means.key.filter(|_| rule.other_key) {
            let usual = if failure.kind == FailureKind::RateLimit { RATE_LIMIT_REST } else { REFUSED_REST };
            let mut keys = target.provider.keys();
            keys.rest(key, now, failure.retry_after.unwrap_or(usual));
            if target.keys > 0 {
                target.keys -= 1;
                other = keys.pick_ready(now);
            }
        }
        if let Some(wait) = failure.retry_after.filter(|_| other.is_none()) {
            target.health.rest(now + wait.min(REFUSED_REST));
        }
        (means, other)
    }

    /// Decides what follows the failure of a target.
    fn settle(&mut self, at: usize, failure: Box<Failure>, held: Vec<Event>, rule: Rule, out: &mut Vec<Event>) {
        let replayed = matches!(self.model.targets[at].provider.source, Source::Replay { .. });
        let again = rule.again && !replayed;
        // Longer than any turn is as good as never, and no overflow.
        let longest = Duration::from_secs(24 * 60 * 60);
        let from = failure.retry_after.map(|wait| Instant::now() + wait.min(longest));
        self.targets[at].again = again.then_some(Again { from });
        if !rule.other_target {
            self.worst = Some((failure, held));
            return self.give_up(out);
        }
        if self.hedge.is_some() || !self.left.is_empty() {
            self.log(at, &failure, "another target");
        } else if again && self.retries > 0 {
            self.log(at, &failure, "the same again");
        }
        self.remember(failure, held);
        match self.hedge.take() {
            Some(hedge) => {
                self.at = hedge.at();
                self.state = State::Asking(hedge);
            }
            None => self.state = State::Choosing,
        }
    }

    /// Keeps what ends the call if nothing helps: the last failure, unless an earlier one says what the user can do.
    fn remember(&mut self, failure: Box<Failure>, held: Vec<Event>) {
        let telling = |failure: &Failure| failure.kind == FailureKind::ContextLength;
        if !self.worst.as_ref().is_some_and(|(worst, _)| telling(worst)) {
            self.worst = Some((failure, held));
        }
    }

    /// Leaves a target out that cannot be asked now.
    fn skip(&mut self, at: usize, outcome: &'static str, why: &str, wait: Option<Duration>) {
        self.note(at, outcome);
        if self.worst.is_none() {
            let target = &self.model.targets[at];
            let message = format!("{}/{} was not asked: {why}", target.provider.name, target.model);
            let mut failure = Failure::boxed(FailureKind::Overloaded, message);
            failure.retry_after = Some(wait.unwrap_or(BUSY));
            self.worst = Some((failure, Vec::new()));
        }
    }

    fn give_up(&mut self, out: &mut Vec<Event>) {
        self.state = State::Over;
        self.hedge = None;
        let nothing = || (Failure::boxed(FailureKind::Internal, "the model has no target"), Vec::new());
        let (failure, mut held) = self.worst.take().unwrap_or_else(nothing);
        out.append(&mut held);
        out.push(Event::Failed(failure));
    }

    /// Asks another target as well when the first has been silent for too long, and reads what it says. Ready when
    /// something has happened.
    fn poll_hedge(&mut self, cx: &mut Context<'_>, chat: &ChatRequest, out: &mut Vec<Event>) -> Poll<()> {
        let Some(hedge) = &mut self.hedge else {
            if !self.hedge_due {
                return Poll::Pending;
            }
            ready!(self.alarm.poll(cx));
            self.hedge_due = false;
            self.begin_hedge(chat);
            return Poll::Ready(());
        };
        let heard = ready!(hedge.poll(cx, out));
        let (begun, at) = (hedge.begun(), hedge.at());
        let Some(hedge) = self.hedge.take() else { return Poll::Ready(()) };
        if begun {
            // It takes the first one's place, which loses.
            if let State::Asking(first) = std::mem::replace(&mut self.state, State::Asking(hedge)) {
                self.hedge = Some(first);
            }
            self.at = at;
            self.heard(true, heard, chat, out);
            return Poll::Ready(());
        }
        match heard {
            Heard::More => self.hedge = Some(hedge),
            Heard::End => {}
            Heard::Failure(failure) => {
                self.note(at, failure.kind.label());
                self.log(at, &failure, "the first is still being asked");
                let rule = Rule::of(failure.kind);
                let (means, _) = self.learn(hedge.into_parts().0, &failure, rule);
                drop(means);
            }
        }
        Poll::Ready(())
    }

    /// Asks another target as well, if one can be asked at once and the retries allow it.
    fn begin_hedge(&mut self, chat: &ChatRequest) {
        let now = Instant::now();
        let ready = |at: &usize| {
            let health = &self.targets[*at].health;
            !health.rests(now) && !health.is_open(now)
        };
        let Some(place) = self.left.iter().position(ready) else { return };
        let at = self.left[place];
        let provider = Arc::clone(&self.targets[at].provider);
        let Some(slots) = slots::take(&self.targets[at].slots) else { return };
        if !self.targets[self.at].provider.budget().take(now) {
            return;
        }
        let Ok(ticket) = self.enter(at, now) else { return };
        self.left.remove(place);
        self.targets[at].times += 1;
        let key = provider.keys().pick(now);
        let means = Means { at, key, fresh: false, ticket, slots };
        // A conversation that cannot be said there is no mistake: it has been said elsewhere.
        let attempt = Attempt::new(&self.upstreams, &self.model, means, self.context.clone(), chat);
        self.hedge = attempt.ok().map(Box::new);
    }

    fn note(&mut self, at: usize, outcome: &'static str) {
        let target = &self.model.targets[at];
        self.tried.note(&target.provider.name, &target.model, outcome);
    }

    fn log(&self, at: usize, failure: &Failure, next: &'static str) {
        let target = &self.model.targets[at];
        tracing::warn!(
            call = %self.context.seed,
            provider = target.provider.name,
            model = target.model,
            failure = failure.kind.label(),
            status = failure.status,
            text = ?failure.message,
            next,
            "an attempt failed"
        );
    }
}
