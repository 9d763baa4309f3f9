//! The answers that are kept, within a bound of bytes.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::key::Key;
use super::recording::Recorded;

/// What an answer takes beside its events.
const EACH: usize = 512;

/// Answers, by what was asked. The longest unused go first.
pub struct Cache {
    most: usize,
    shelf: Mutex<Shelf>,
}

#[derive(Default)]
struct Shelf {
    answers: HashMap<Key, Kept>,
    /// The keys in the order of their last use.
    order: BTreeMap<u64, Key>,
    next: u64,
    bytes: usize,
}

struct Kept {
    recorded: Arc<Recorded>,
    since: Instant,
    used: u64,
}

impl Cache {
    /// An empty one that may take so many bytes.
    pub fn new(most: usize) -> Self {
        Self { most, shelf: Mutex::default() }
    }

    /// The answer that is kept under a key, unless it is older than this.
    pub fn find(&self, key: &Key, ttl: Duration) -> Option<Arc<Recorded>> {
        let mut shelf = self.shelf();
        let kept = shelf.answers.get(key)?;
        if kept.since.elapsed() > ttl {
            // Another route may take older ones, but seldom; it would ask again.
            shelf.remove(key);
            return None;
        }
        let recorded = Arc::clone(&kept.recorded);
        shelf.touch(key);
        Some(recorded)
    }

    /// Keeps an answer, in the place of an older one.
    pub fn put(&self, key: Key, recorded: Recorded) {
        let size = recorded.bytes + EACH;
        if size > self.most {
            return;
        }
        let mut shelf = self.shelf();
        shelf.remove(&key);
        while shelf.bytes + size > self.most {
            let Some(oldest) = shelf.order.first_key_value().map(|(_, key)| *key) else { break };
            shelf.remove(&oldest);
        }
        shelf.bytes += size;
        shelf.answers.insert(key, Kept { recorded: Arc::new(recorded), since: Instant::now(), used: 0 });
        shelf.touch(&key);
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    fn touch(&mut self, key: &Key) {
        if let Some(kept) = self.answers.get_mut(key) {
            self.order.remove(&kept.used);
            self.next += 1;
            kept.used = self.next;
            self.order.insert(self.next, *key);
        }
    }

    fn remove(&mut self, key: &Key) {
        if let Some(kept) = self.answers.remove(key) {
            self.order.remove(&kept.used);
            self.bytes -= kept.recorded.bytes + EACH;
        }
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Cache").field("most", &self.most).finish_non_exhaustive()
    }
}
