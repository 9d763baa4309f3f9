//! The slots of a provider: how many calls it gets at a time, and how many wait for theirs.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::plan::ConcurrencyPlan;

/// A slot, which dropping gives back.
pub type Slot = OwnedSemaphorePermit;

/// A slot that is being waited for. Dropping it leaves the queue.
pub type Queued = Pin<Box<dyn Future<Output = Option<Slot>> + Send>>;

/// The slots of a provider.
#[derive(Debug)]
pub struct Slots {
    free: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    plan: ConcurrencyPlan,
}

/// What came of asking for a slot.
pub enum Asked {
    /// There was one.
    Slot(Slot),
    /// Others are before us.
    Queued(Queued),
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

impl Slots {
    /// As many as the plan says.
    pub fn new(plan: ConcurrencyPlan) -> Self {
        Self { free: Arc::new(Semaphore::new(plan.most)), waiting: Arc::default(), plan }
    }

    /// True if this is what the plan says.
    pub fn fit(&self, plan: ConcurrencyPlan) -> bool {
        self.plan == plan
    }

    /// A slot, if one is free: nobody is overtaken.
    pub fn take(&self) -> Option<Slot> {
        Arc::clone(&self.free).try_acquire_owned().ok()
    }

    /// A slot, or one in the queue.
    pub fn ask(&self) -> Asked {
        if let Some(slot) = self.take() {
            return Asked::Slot(slot);
        }
        let enter = |waiting: usize| (waiting < self.plan.queue).then_some(waiting + 1);
        if self.waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, enter).is_err() {
            return Asked::Full;
        }
        let waiter = Waiter(Arc::clone(&self.waiting));
        let free = Arc::clone(&self.free);
        Asked::Queued(Box::pin(async move {
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

    fn ready(waiting: &mut Queued) -> Option<Slot> {
        match waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(slot) => slot,
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
            let slots = Slots::new(ConcurrencyPlan { most, queue, wait: Duration::ZERO });
            let (mut running, mut waiting): (Vec<Slot>, Vec<Queued>) = (Vec::new(), Vec::new());
            for (what, at) in steps {
                match what {
                    0 | 1 => match slots.ask() {
                        Asked::Slot(slot) => running.push(slot),
                        Asked::Queued(mut one) => {
                            prop_assert_eq!(running.len(), most);
                            prop_assert!(ready(&mut one).is_none());
                            waiting.push(one);
                        }
                        Asked::Full => prop_assert_eq!((running.len(), waiting.len()), (most, queue)),
                    },
                    2 if at < running.len() => {
                        drop(running.remove(at));
                        if !waiting.is_empty() {
                            let slot = ready(&mut waiting[0]);
                            prop_assert!(slot.is_some());
                            running.extend(slot);
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
