//! Pages that follow a thread through all of its turns.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::claims::Key;
use super::feed::Feed;
use super::follower::Follower;

/// Most turns that a page may not have asked for yet.
const MOST: usize = 8;

/// All watches.
#[derive(Debug, Default)]
pub(super) struct Watches(Mutex<HashMap<Key, Vec<Arc<Post>>>>);

/// Gives a follower for each turn that begins in a thread. Each reads from its turn's start.
pub struct Watch {
    watches: Arc<Watches>,
    key: Key,
    post: Arc<Post>,
}

/// Where the followers wait for their page.
#[derive(Debug, Default)]
struct Post(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    followers: VecDeque<Follower>,
    /// True if a turn could not be followed.
    lost: bool,
    waker: Option<Waker>,
}

/// What a watch has seen.
#[derive(Debug)]
pub enum Seen {
    /// A turn has begun.
    Turn(Follower),
    /// Too many turns have begun, or too many pages follow one: this watch gives nothing more.
    Lost,
}

impl Watches {
    /// Tells all who wait that a turn begins.
    pub fn tell(&self, key: &Key, feed: &Arc<Feed>) {
        let posts = self.posts().get(key).cloned().unwrap_or_default();
        for post in posts {
            post.put(feed);
        }
    }

    fn posts(&self) -> MutexGuard<'_, HashMap<Key, Vec<Arc<Post>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Post {
    fn put(&self, feed: &Arc<Feed>) {
        let mut waiting = self.waiting();
        let room = !waiting.lost && waiting.followers.len() < MOST;
        match room.then(|| Follower::of(feed)).flatten() {
            Some(follower) => waiting.followers.push_back(follower),
            None => waiting.lost = true,
        }
        let waker = waiting.waker.take();
        drop(waiting);
        waker.into_iter().for_each(Waker::wake);
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    pub(super) fn new(watches: &Arc<Watches>, key: Key) -> Self {
        let post = Arc::<Post>::default();
        watches.posts().entry(key.clone()).or_default().push(Arc::clone(&post));
        Self { watches: Arc::clone(watches), key, post }
    }

    /// The next turn that has begun.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Seen> {
        let mut waiting = self.post.waiting();
        if let Some(follower) = waiting.followers.pop_front() {
            return Poll::Ready(Seen::Turn(follower));
        }
        if waiting.lost {
            return Poll::Ready(Seen::Lost);
        }
        waiting.waker = Some(cx.waker().clone());
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
        let left = std::mem::take(&mut self.post.waiting().followers);
        drop(left);
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Watch").field(&self.key).finish()
    }
}
