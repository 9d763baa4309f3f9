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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(number: u8) -> Key {
        Key::of_number(number)
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_given_until_it_is_too_old() {
        let (cache, ttl) = (Cache::new(10_000), Duration::from_secs(10));
        cache.put(key(1), Recorded::of_size(100));
        tokio::time::advance(ttl).await;
        assert!(cache.find(&key(1), ttl).is_some());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(cache.find(&key(1), ttl).is_none());
        let shelf = cache.shelf();
        assert_eq!((shelf.bytes, shelf.answers.len(), shelf.order.len()), (0, 0, 0));
    }

    proptest! {
        /// Against a plain list in the order of use.
        #[test]
        fn the_longest_unused_make_room(
            steps in proptest::collection::vec((0_u8..12, prop::option::of(0_usize..3_000)), 1..300),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            let _inside = runtime.enter();
            const MOST: usize = 8_000;
            let cache = Cache::new(MOST);
            let mut model: Vec<(u8, usize)> = Vec::new();
            for (number, size) in steps {
                let at = model.iter().position(|(known, _)| *known == number);
                match size {
                    None => {
                        let found = cache.find(&key(number), Duration::MAX);
                        prop_assert_eq!(found.map(|found| found.bytes), at.map(|at| model[at].1));
                        if let Some(at) = at {
                            let used = model.remove(at);
                            model.push(used);
                        }
                    }
                    Some(size) => {
                        cache.put(key(number), Recorded::of_size(size));
                        model.retain(|(known, _)| *known != number);
                        while model.iter().map(|(_, size)| size + EACH).sum::<usize>() + size + EACH > MOST {
                            model.remove(0);
                        }
                        model.push((number, size));
                    }
                }
                let shelf = cache.shelf();
                prop_assert_eq!(shelf.bytes, model.iter().map(|(_, size)| size + EACH).sum::<usize>());
                prop_assert_eq!((shelf.answers.len(), shelf.order.len()), (model.len(), model.len()));
            }
        }
    }

    #[test]
    fn what_is_larger_than_all_is_not_kept() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _inside = runtime.enter();
        let cache = Cache::new(1_000);
        cache.put(key(1), Recorded::of_size(100));
        cache.put(key(2), Recorded::of_size(1_000));
        assert!(cache.find(&key(1), Duration::MAX).is_some() && cache.find(&key(2), Duration::MAX).is_none());
    }
}
