//! Connections that wait for a request: how long each may, and which has waited longest when there is no room.
//!
//! The HTTP library times neither the first byte of a connection nor, apart from heads, the time between requests.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use pin_project::pin_project;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How long a connection may wait before it must make room: long enough to say what it came for.
const GRACE: Duration = Duration::from_millis(500);

/// How many of those that have waited longest are looked at: some may still be given the rest of their answers.
const LOOKED_AT: usize = 32;

/// All connections that wait.
#[derive(Default)]
pub struct Waiting {
    queue: Mutex<Queue>,
    /// Told when a connection begins to wait.
    joined: Notify,
}

#[derive(Default)]
struct Queue {
    /// By the order in which they began.
    connections: BTreeMap<u64, Arc<Activity>>,
    last: u64,
}

/// What a connection is doing.
pub struct Activity {
    stage: Mutex<Stage>,
    changed: Notify,
    waiting: Arc<Waiting>,
}

struct Stage {
    /// Requests that are being answered.
    running: usize,
    /// Since when it waits.
    since: Instant,
    /// Whether it waits for the rest of a head, and not only for its next request.
    in_head: bool,
    /// Whether bytes may come that are no head.
    multiplexed: bool,
    /// Whether it must make room.
    unwanted: bool,
    /// Its number in the queue.
    number: u64,
}

/// A connection's own end of its [`Activity`].
pub struct Watch(Arc<Activity>);

/// Why a connection must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overdue {
    /// The head of a request takes too long.
    Head,
    /// There was no further request.
    Idle,
    /// Others need its place.
    Room,
}

/// A request that is being answered, until this is dropped.
pub struct Running(Arc<Activity>);

/// A body, and what is held for as long as it is there.
#[pin_project]
pub struct HoldingBody<B, T> {
    #[pin]
    body: B,
    _held: T,
}

impl Waiting {
    /// A new connection, which must say its first head now.
    pub fn join(self: &Arc<Self>) -> Watch {
        let stage =
            Stage { running: 0, since: Instant::now(), in_head: true, multiplexed: false, unwanted: false, number: 0 };
        let activity = Activity { stage: Mutex::new(stage), changed: Notify::new(), waiting: Arc::clone(self) };
        let activity = Arc::new(activity);
        self.enter(&activity, &mut activity.stage());
        Watch(activity)
    }

    /// Whoever changes the queue holds the connection's stage, so that both always say the same.
    fn enter(&self, activity: &Arc<Activity>, stage: &mut Stage) {
        let mut queue = self.queue();
        queue.last += 1;
        stage.number = queue.last;
        queue.connections.insert(stage.number, Arc::clone(activity));
        drop(queue);
        self.joined.notify_one();
    }

    fn leave(&self, stage: &Stage) {
        self.queue().connections.remove(&stage.number);
    }

    /// Ends the connection that has waited longest, if there is one that has waited long enough.
    fn make_room(&self) {
        let longest: Vec<_> = self.queue().connections.values().take(LOOKED_AT).cloned().collect();
        for activity in longest {
            let mut stage = activity.stage();
            if stage.running == 0 && stage.since.elapsed() >= GRACE {
                stage.unwanted = true;
                self.leave(&stage);
                drop(stage);
                activity.changed.notify_one();
                return;
            }
        }
    }

    /// Makes room time and again, for as long as it is needed.
    pub async fn make_room_always(&self) -> std::convert::Infallible {
        loop {
            self.make_room();
            // Who has just come gets its grace.
            let _ = tokio::time::timeout(GRACE / 4, self.joined.notified()).await;
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Activity {
    /// Bytes have come.
    pub fn read(&self) {
        let mut stage = self.stage();
        if stage.running == 0 && !stage.in_head && !stage.multiplexed {
            (stage.in_head, stage.since) = (true, Instant::now());
            drop(stage);
            self.changed.notify_one();
        }
    }

    /// Bytes have gone: the end of an answer may go when nothing runs any more.
    pub fn wrote(&self) {
        let mut stage = self.stage();
        if stage.running == 0 && !stage.in_head {
            stage.since = Instant::now();
        }
    }

    /// A request has come whole. On a multiplexed connection others may come beside it.
    pub fn begin(self: &Arc<Self>, multiplexed: bool) -> Running {
        let mut stage = self.stage();
        stage.running += 1;
        stage.multiplexed |= multiplexed;
        if stage.running == 1 {
            self.waiting.leave(&stage);
            drop(stage);
            self.changed.notify_one();
        }
        Running(Arc::clone(self))
    }

    /// True while a request is being answered.
    pub fn is_running(&self) -> bool {
        self.stage().running > 0
    }

    fn end(self: &Arc<Self>) {
        let mut stage = self.stage();
        stage.running -= 1;
        if stage.running > 0 {
            return;
        }
        (stage.in_head, stage.since) = (false, Instant::now());
        self.waiting.enter(self, &mut stage);
        drop(stage);
        self.changed.notify_one();
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is overdue, or when something will be; nothing while a request runs.
    fn due(&self, head: Duration, idle: Duration) -> Result<Overdue, Option<Instant>> {
        let stage = self.stage();
        if stage.running > 0 {
            return Err(None);
        }
        if stage.unwanted {
            return Ok(Overdue::Room);
        }
        let (most, overdue) = if stage.in_head { (head, Overdue::Head) } else { (idle, Overdue::Idle) };
        let due = stage.since + most;
        if due <= Instant::now() { Ok(overdue) } else { Err(Some(due)) }
    }
}

impl Watch {
    /// What the connection's parts tell what they do.
    pub fn activity(&self) -> &Arc<Activity> {
        &self.0
    }

    /// Waits until the connection must end.
    pub async fn overdue(&self, head: Duration, idle: Duration) -> Overdue {
        loop {
            match self.0.due(head, idle) {
                Ok(overdue) => return overdue,
                Err(Some(due)) => {
                    // If something changes first, what is due is another thing.
                    let _ = tokio::time::timeout_at(due, self.0.changed.notified()).await;
                }
                Err(None) => self.0.changed.notified().await,
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.waiting.leave(&self.0.stage());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl<B, T> HoldingBody<B, T> {
    /// This body with these.
    pub const fn new(body: B, held: T) -> Self {
        Self { body, _held: held }
    }
}

impl<B: Body<Data = Bytes>, T> Body for HoldingBody<B, T> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
