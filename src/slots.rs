//! Slots for work of which only so much may be done at a time, and a queue of those who wait for theirs.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::config::plan::ConcurrencyPlan;

/// Slots that have been given, one of each kind that was asked for. Dropping them gives them back.
pub type Taken = Vec<OwnedSemaphorePermit>;

/// Slots that are being waited for; nothing if that takes too long. Dropping it leaves the queue.
pub type Queued = Pin<Box<dyn Future<Output = Option<Taken>> + Send>>;

/// So many slots.
#[derive(Debug)]
pub struct Slots {
    free: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    plan: ConcurrencyPlan,
}

/// What came of asking for slots.
pub enum Asked {
    /// They were free.
    Taken(Taken),
    /// Others are before us.
    Queued(Queued),
    /// So many wait that nobody else may.
    Full,
}

/// Somebody in a queue.
struct Waiter(Arc<AtomicUsize>);

impl Drop for Waiter {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A slot of each, or one in the queue of the first that has none free. Whoever waits for one keeps those before it, so
/// the narrower comes first.
pub fn ask(all: &[Arc<Slots>]) -> Asked {
    let mut taken = Taken::new();
    for (at, slots) in all.iter().enumerate() {
        match slots.take() {
            Some(slot) => taken.push(slot),
            None => {
                let Some(waiter) = slots.enter() else { return Asked::Full };
                let (slots, rest) = (Arc::clone(slots), all[at + 1..].to_vec());
                return Asked::Queued(Box::pin(async move {
                    taken.push(slots.wait(waiter).await?);
                    for slots in rest {
                        taken.push(match slots.take() {
                            Some(slot) => slot,
                            None => slots.wait(slots.enter()?).await?,
                        });
                    }
                    Some(taken)
                }));
            }
        }
    }
    Asked::Taken(taken)
}

/// A slot of each, if all have one free.
pub fn take(all: &[Arc<Slots>]) -> Option<Taken> {
    all.iter().map(|slots| slots.take()).collect()
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
    fn take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.free).try_acquire_owned().ok()
    }

    /// Goes into the queue, if there is room.
    fn enter(&self) -> Option<Waiter> {
        let enter = |waiting: usize| (waiting < self.plan.queue).then_some(waiting + 1);
        self.waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, enter).ok()?;
        Some(Waiter(Arc::clone(&self.waiting)))
    }

    async fn wait(&self, _waiter: Waiter) -> Option<OwnedSemaphorePermit> {
        timeout(self.plan.wait, Arc::clone(&self.free).acquire_owned()).await.ok()?.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn ready(waiting: &mut Queued) -> Option<Taken> {
        match waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(taken) => taken,
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
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            let _inside = runtime.enter();
            let slots = [Arc::new(Slots::new(ConcurrencyPlan { most, queue, wait: Duration::from_secs(1) }))];
            let (mut running, mut waiting): (Vec<Taken>, Vec<Queued>) = (Vec::new(), Vec::new());
            for (what, at) in steps {
                match what {
                    0 | 1 => match ask(&slots) {
                        Asked::Taken(taken) => running.push(taken),
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
                            let taken = ready(&mut waiting[0]);
                            prop_assert!(taken.is_some());
                            running.extend(taken);
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

    fn slots(most: usize, queue: usize, wait: u64) -> Arc<Slots> {
        Arc::new(Slots::new(ConcurrencyPlan { most, queue, wait: Duration::from_secs(wait) }))
    }

    async fn asked(all: &[Arc<Slots>]) -> Option<Taken> {
        match ask(all) {
            Asked::Taken(taken) => Some(taken),
            Asked::Queued(waiting) => waiting.await,
            Asked::Full => None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_than_the_plan_says_and_leaves_nothing_behind() {
        let (narrow, wide) = (slots(1, 1, 5), slots(2, 1, 7));
        let both = [Arc::clone(&narrow), Arc::clone(&wide)];
        let one = asked(&both).await.unwrap();
        let begin = tokio::time::Instant::now();
        let (late, refused) = tokio::join!(asked(&both), asked(&both));
        assert!(late.is_none() && refused.is_none() && take(&both).is_none());
        assert_eq!(begin.elapsed(), Duration::from_secs(5));
        let other = asked(std::slice::from_ref(&wide)).await.unwrap();
        drop(one);
        let third = asked(std::slice::from_ref(&wide)).await.unwrap();
        let begin = tokio::time::Instant::now();
        assert!(asked(&both).await.is_none(), "the second of them has none");
        assert_eq!(begin.elapsed(), Duration::from_secs(7));
        drop((other, third));
        assert!(take(&both).is_some());
    }
}
