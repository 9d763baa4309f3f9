//! The task of a kept turn.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use chatwire_protocols::error::{Failure, FailureKind};
use chatwire_protocols::event::{CancelledBy, Data, Event};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};

use super::claims::Claim;
use super::driver::Driver;
use super::feed::{Facts, Feed};
use super::keeper::Keeper;
use crate::server::Stop;
use crate::upstream::Alarm;

/// How long a turn waits for pages that are too far behind, if others are not.
const SLOW: Duration = Duration::from_secs(2);

/// How long what is made beside a turn may take when the turn has ended.
const BESIDE: Duration = Duration::from_secs(30);

/// Something that is made beside a turn.
pub type Beside = Pin<Box<dyn Future<Output = Option<Data>> + Send>>;

/// A kept turn.
pub(super) struct Running {
    pub driver: Driver,
    pub keeper: Keeper,
    pub post: Post,
    pub beside: Option<Beside>,
    pub stop: Stop,
}

/// What must be done at a turn's end, however it ends.
pub(super) struct Post {
    feed: Arc<Feed>,
    claim: Option<Claim>,
    place: Option<OwnedSemaphorePermit>,
}

/// What a turn waits for.
struct Waits {
    cancelled: Pin<Box<dyn Future<Output = CancelledBy> + Send>>,
    /// When pages that are too far behind are cut.
    slow: Option<Alarm>,
}

impl Running {
    /// Runs it to its end.
    pub async fn run(mut self) {
        let feed = Arc::clone(&self.post.feed);
        let mut waits = Waits { cancelled: Box::pin(feed.cancelled()), slow: None };
        let mut events = Vec::new();
        loop {
            std::future::poll_fn(|cx| self.poll(&mut waits, &feed, cx, &mut events)).await;
            if events.iter().any(|event| matches!(event, Event::StepStart(_))) {
                feed.set_target(self.driver.target(), self.driver.tried(), self.driver.cached());
            }
            if let Err(error) = self.keeper.keep(&mut events, &feed).await {
                tracing::error!(%error, turn = %self.keeper.turn, "a turn cannot be stored");
                let ended = self.driver.ended();
                events.clear();
                let message = format!("the turn could not be stored: {error}");
                events.push(Event::Failed(Failure::boxed(FailureKind::Internal, message)));
                self.keeper.give_up(events.first().filter(|_| !ended)).await;
                break;
            }
            if self.driver.ended() {
                break;
            }
            feed.append(events.drain(..));
        }
        let Self { driver, mut post, beside, stop, .. } = self;
        let (target, tried) = (driver.target(), driver.tried());
        let facts = Facts { target, tried, mistake: driver.mistake().cloned(), cached: driver.cached() };
        // The provider's stream and the tools end here, where the turn was not the one who ended.
        drop(driver);
        post.release();
        feed.end(events.into_iter(), facts);
        feed.set_wound_up();
        if let Some(beside) = beside {
            tokio::select! {
                _ = timeout(BESIDE, beside) => {}
                () = stop.turns_must_end() => {}
            }
        }
    }

    /// Appends the next events: ready when there are some, or when the turn has ended.
    fn poll(&mut self, waits: &mut Waits, feed: &Feed, cx: &mut Context<'_>, events: &mut Vec<Event>) -> Poll<()> {
        if let Poll::Ready(by) = waits.cancelled.as_mut().poll(cx) {
            self.driver.cancel(by, events);
            return Poll::Ready(());
        }
        std::task::ready!(waits.poll_room(feed, cx));
        if let Some(beside) = &mut self.beside
            && let Poll::Ready(made) = beside.as_mut().poll(cx)
        {
            self.beside = None;
            events.extend(made.map(|data| Event::Data(Box::new(data))));
        }
        let polled = self.driver.poll(cx, events);
        if events.is_empty() { polled } else { Poll::Ready(()) }
    }
}

impl Waits {
    /// Ready when no page is too far behind, or has been cut.
    fn poll_room(&mut self, feed: &Feed, cx: &mut Context<'_>) -> Poll<()> {
        if feed.poll_room(cx).is_ready() {
            self.slow = None;
            return Poll::Ready(());
        }
        // Where nobody is kept from reading, a slow page slows its provider down: its connection says how long.
        if !feed.somebody_keeps_up() {
            self.slow = None;
            return Poll::Pending;
        }
        let alarm = self.slow.get_or_insert_with(|| Alarm::new(Instant::now() + SLOW));
        std::task::ready!(alarm.poll(cx));
        self.slow = None;
        feed.cut_slow();
        Poll::Ready(())
    }
}

impl Post {
    /// A turn that others find from now on.
    pub fn new(feed: Arc<Feed>, claim: Claim) -> Self {
        claim.publish(&feed);
        Self { feed, claim: Some(claim), place: None }
    }

    /// Lets go of the thread: before the last event is said, for the page may answer it at once.
    fn release(&mut self) {
        if let Some(claim) = self.claim.take() {
            self.place = Some(claim.release());
        }
    }
}

impl Drop for Post {
    /// For a task that is thrown away: its followers must not wait for ever.
    fn drop(&mut self) {
        self.release();
        if !self.feed.ended() {
            let failure = Failure::boxed(FailureKind::Internal, "the turn's task has ended before the turn");
            self.feed.end(std::iter::once(Event::Failed(failure)), Facts::default());
        }
        self.feed.set_wound_up();
    }
}

/// The same, with a panic for nothing.
pub(super) fn unbreakable(mut beside: Beside) -> Beside {
    Box::pin(std::future::poll_fn(move |cx| {
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| beside.as_mut().poll(cx)));
        polled.unwrap_or_else(|_| {
            tracing::error!("what is made beside a turn panicked");
            Poll::Ready(None)
        })
    }))
}
