//! Who works on which thread: one at a time, in the order in which they came.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chatwire_protocols::event::{CancelledBy, Text};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::feed::Feed;
use crate::store::Owner;

/// Most that work on one thread or wait for it.
const MOST_WAITING: usize = 32;

/// A thread.
pub(super) type Key = (Owner, Text);

/// All threads that somebody works on or waits for.
#[derive(Debug)]
pub(super) struct Claims {
    threads: Mutex<HashMap<Key, Thread>>,
    /// Those of all turns.
    permits: Arc<Semaphore>,
    most: u32,
}

#[derive(Debug)]
struct Thread {
    /// One permit, given to those who wait in their order.
    lock: Arc<Semaphore>,
    /// Those who have it or wait.
    users: usize,
    running: Option<Arc<Feed>>,
    /// Who has stopped the turn that is about to begin.
    stopped: Option<CancelledBy>,
}

/// What there was to stop.
#[derive(Debug)]
pub(super) enum Stopped {
    /// Nobody works on the thread.
    Nothing,
    /// A turn that is about to begin: it ends when it does.
    ToCome,
    /// A turn, which winds up now.
    Running(Arc<Feed>),
}

/// Why there is no claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unclaimed {
    /// Others work on the thread.
    Busy,
    /// As many turns run as may.
    Full,
}

/// A thread on which nobody else works until this is dropped.
pub struct Claim {
    // Dropped in this order: whoever waits still finds the thread.
    lock: OwnedSemaphorePermit,
    ticket: Ticket,
    permit: OwnedSemaphorePermit,
}

/// Keeps a thread's entry.
struct Ticket {
    claims: Arc<Claims>,
    key: Key,
}

impl Claims {
    /// None yet, and never more than `most` held at a time.
    pub fn new(most: u32) -> Self {
        let most = most.clamp(1, u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX));
        Self { threads: Mutex::default(), permits: Arc::new(Semaphore::new(most as usize)), most }
    }

    /// Claims a thread, as soon as it is free and there is a permit.
    pub async fn claim(self: &Arc<Self>, owner: &Owner, thread: &str, patience: Duration) -> Result<Claim, Unclaimed> {
        let (ticket, lock) = self.enter((owner.clone(), thread.into())).ok_or(Unclaimed::Busy)?;
        let mut why = Unclaimed::Busy;
        let claimed = async {
            let lock = lock.acquire_owned().await.ok()?;
            why = Unclaimed::Full;
            // What was stopped until now was the work of another.
            ticket.change(|thread| thread.stopped = None);
            let permit = Arc::clone(&self.permits).acquire_owned().await.ok()?;
            Some((lock, permit))
        };
        let claimed = timeout(patience, claimed).await.ok().flatten();
        let (lock, permit) = claimed.ok_or(why)?;
        Ok(Claim { lock, ticket, permit })
    }

    /// A permit without a thread, if one is free: nobody who waits is overtaken.
    pub fn permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.permits).try_acquire_owned().ok()
    }

    /// The turn that runs in a thread.
    pub fn running(&self, owner: &Owner, thread: &str) -> Option<Arc<Feed>> {
        self.threads().get(&(owner.clone(), thread.into()))?.running.clone()
    }

    /// Stops the turn that runs in a thread, or is about to.
    pub fn stop(&self, owner: &Owner, thread: &str, by: CancelledBy) -> Stopped {
        let mut threads = self.threads();
        let Some(thread) = threads.get_mut(&(owner.clone(), thread.into())) else { return Stopped::Nothing };
        if let Some(feed) = &thread.running {
            let feed = Arc::clone(feed);
            drop(threads);
            feed.cancel(by);
            return Stopped::Running(feed);
        }
        if thread.lock.available_permits() > 0 {
            return Stopped::Nothing;
        }
        thread.stopped.get_or_insert(by);
        Stopped::ToCome
    }

    /// Waits until nobody holds a claim or winds one up.
    pub async fn idle(&self) {
        // Never closed.
        drop(self.permits.acquire_many(self.most).await);
    }

    /// True if nobody works on anything or waits.
    pub fn is_empty(&self) -> bool {
        self.threads().is_empty()
    }

    fn enter(self: &Arc<Self>, key: Key) -> Option<(Ticket, Arc<Semaphore>)> {
        let mut threads = self.threads();
        let thread = threads.entry(key.clone()).or_insert_with(|| Thread {
            lock: Arc::new(Semaphore::new(1)),
            users: 0,
            running: None,
            stopped: None,
        });
        if thread.users >= MOST_WAITING {
            return None;
        }
        thread.users += 1;
        let lock = Arc::clone(&thread.lock);
        drop(threads);
        Some((Ticket { claims: Arc::clone(self), key }, lock))
    }

    fn threads(&self) -> MutexGuard<'_, HashMap<Key, Thread>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    /// The thread.
    pub fn thread(&self) -> &str {
        &self.ticket.key.1
    }

    /// Lets others find the turn that runs here, and ends it if one of them has stopped it before it began.
    pub(super) fn publish(&self, feed: &Arc<Feed>) {
        let stopped = self.ticket.change(|thread| {
            thread.running = Some(Arc::clone(feed));
            thread.stopped.take()
        });
        if let Some(by) = stopped.flatten() {
            feed.cancel(by);
        }
    }

    /// Lets go of the thread. What is left counts as work until it is dropped.
    pub(super) fn release(self) -> OwnedSemaphorePermit {
        self.ticket.change(|thread| thread.running = None);
        let Self { lock, ticket, permit } = self;
        drop(lock);
        drop(ticket);
        permit
    }
}

impl Ticket {
    fn change<T>(&self, change: impl FnOnce(&mut Thread) -> T) -> Option<T> {
        self.claims.threads().get_mut(&self.key).map(change)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut threads = self.claims.threads();
        let Entry::Occupied(mut thread) = threads.entry(self.key.clone()) else { return };
        thread.get_mut().users -= 1;
        if thread.get().users == 0 {
            thread.remove();
        }
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Claim").field(&self.ticket.key).finish()
    }
}
