//! The places of a provider: how many calls it gets at a time, and how many wait for theirs.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::plan::ConcurrencyPlan;

/// A place, which dropping gives back.
pub type Place = OwnedSemaphorePermit;

/// A place that is being waited for. Dropping it leaves the queue.
pub type Waiting = Pin<Box<dyn Future<Output = Option<Place>> + Send>>;

/// The places of a provider.
#[derive(Debug)]
pub struct Places {
    free: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    plan: ConcurrencyPlan,
}

/// What came of asking for a place.
pub enum Asked {
    /// There was one.
    Place(Place),
    /// Others are before us.
    Waiting(Waiting),
    /// So many wait that nobody else may.
    Full,
}

/// A call in the queue.
struct Waiter(Arc<AtomicUsize>);

impl Drop for Waiter {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Places {
    /// As many as the plan says.
    pub fn new(plan: ConcurrencyPlan) -> Self {
        Self { free: Arc::new(Semaphore::new(plan.most)), waiting: Arc::default(), plan }
    }

    /// True if this is what the plan says.
    pub fn fit(&self, plan: ConcurrencyPlan) -> bool {
        self.plan == plan
    }

    /// A place, if one is free: nobody is overtaken.
    pub fn take(&self) -> Option<Place> {
        Arc::clone(&self.free).try_acquire_owned().ok()
    }

    /// A place, or one in the queue.
    pub fn ask(&self) -> Asked {
        if let Some(place) = self.take() {
            return Asked::Place(place);
        }
        let enter = |waiting: usize| (waiting < self.plan.queue).then_some(waiting + 1);
        if self.waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, enter).is_err() {
            return Asked::Full;
        }
        let waiter = Waiter(Arc::clone(&self.waiting));
        let free = Arc::clone(&self.free);
        Asked::Waiting(Box::pin(async move {
            let _waiter = waiter;
            free.acquire_owned().await.ok()
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn ready(waiting: &mut Waiting) -> Option<Place> {
        match waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(place) => place,
            Poll::Pending => None,
        }
    }

    proptest! {
        #[test]
        fn no_bound_is_passed_and_who_came_first_is_served_first(
            most in 1_usize..4,
            queue in 0_usize..4,
            steps in proptest::collection::vec((0_u8..4, 0_usize..8), 0..200),
        ) {
            let places = Places::new(ConcurrencyPlan { most, queue, wait: Duration::ZERO });
            let (mut running, mut waiting): (Vec<Place>, Vec<Waiting>) = (Vec::new(), Vec::new());
            for (what, at) in steps {
                match what {
                    0 | 1 => match places.ask() {
                        Asked::Place(place) => running.push(place),
                        Asked::Waiting(mut one) => {
                            prop_assert_eq!(running.len(), most);
                            prop_assert!(ready(&mut one).is_none());
                            waiting.push(one);
                        }
                        Asked::Full => prop_assert_eq!((running.len(), waiting.len()), (most, queue)),
                    },
                    2 if at < running.len() => {
                        drop(running.remove(at));
                        if !waiting.is_empty() {
                            let place = ready(&mut waiting[0]);
                            prop_assert!(place.is_some());
                            running.extend(place);
                            drop(waiting.remove(0));
                        }
                    }
                    3 if at < waiting.len() => drop(waiting.remove(at)),
                    _ => {}
                }
                prop_assert!(running.len() <= most && waiting.len() <= queue);
            }
        }
    }
}
