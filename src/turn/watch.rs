//! Pages that follow a thread through all of its turns.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::claims::Key;
use super::feed::Feed;
use super::follower::Follower;

/// Most that a page may not have asked for yet.
const MOST: usize = 8;

/// All watches.
#[derive(Debug, Default)]
pub(super) struct Watches(Mutex<HashMap<Key, Vec<Arc<Post>>>>);

/// Gives a follower for each turn that begins in a thread, which reads from its turn's start; and tells when the thread is
/// emptied.
pub struct Watch {
    watches: Arc<Watches>,
    key: Key,
    post: Arc<Post>,
}

/// Where what has happened waits for its page.
#[derive(Debug, Default)]
struct Post(Mutex<Unread>);

#[derive(Debug, Default)]
struct Unread {
    seen: VecDeque<Seen>,
    /// True if something could not be told.
    lost: bool,
    waker: Option<Waker>,
}

/// What a watch has seen.
#[derive(Debug)]
pub enum Seen {
    /// A turn has begun.
    Turn(Follower),
    /// The thread has been emptied.
    Cleared,
    /// Too much has happened, or too many pages follow a turn: this watch gives nothing more.
    Lost,
}

impl Watches {
    /// Tells all who wait that a turn begins.
    pub fn tell(&self, key: &Key, feed: &Arc<Feed>) {
        self.each(key, || Follower::of(feed).map(Seen::Turn));
    }

    /// Tells all who wait that the thread is empty now.
    pub fn tell_cleared(&self, key: &Key) {
        self.each(key, || Some(Seen::Cleared));
    }

    fn each(&self, key: &Key, seen: impl Fn() -> Option<Seen>) {
        let posts = self.posts().get(key).cloned().unwrap_or_default();
        for post in posts {
            post.put(&seen);
        }
    }

    fn posts(&self) -> MutexGuard<'_, HashMap<Key, Vec<Arc<Post>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Post {
    fn put(&self, seen: &impl Fn() -> Option<Seen>) {
        let mut unread = self.unread();
        let room = !unread.lost && unread.seen.len() < MOST;
        match room.then(seen).flatten() {
            Some(seen) => unread.seen.push_back(seen),
            None => unread.lost = true,
        }
        let waker = unread.waker.take();
        drop(unread);
        waker.into_iter().for_each(Waker::wake);
    }

    fn unread(&self) -> MutexGuard<'_, Unread> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    pub(super) fn new(watches: &Arc<Watches>, key: Key) -> Self {
        let post = Arc::<Post>::default();
        watches.posts().entry(key.clone()).or_default().push(Arc::clone(&post));
        Self { watches: Arc::clone(watches), key, post }
    }

    /// What happens next.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Seen> {
        let mut unread = self.post.unread();
        if let Some(seen) = unread.seen.pop_front() {
            return Poll::Ready(seen);
        }
        if unread.lost {
            return Poll::Ready(Seen::Lost);
        }
        unread.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut posts = self.watches.posts();
        if let Some(list) = posts.get_mut(&self.key) {
            list.retain(|post| !Arc::ptr_eq(post, &self.post));
            if list.is_empty() {
                posts.remove(&self.key);
            }
        }
        drop(posts);
        // Leaving a turn may wake others, so no lock is held while they are dropped.
        let left = std::mem::take(&mut self.post.unread().seen);
        drop(left);
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Watch").field(&self.key).finish()
    }
}
