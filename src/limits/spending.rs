//! What has been spent, on its way into the store. Nobody waits for it: what could not be stored goes with the next.

use std::collections::HashMap;
use std::task::{Context, Poll, Waker};

use chatwire_protocols::cost::Cost;

use super::subject::Subject;
use crate::store::{Pending, Spending};

/// What is not stored yet.
#[derive(Default)]
pub(super) struct Purse {
    /// Not given to the store, or not taken by it.
    loose: HashMap<(Subject, String), Cost>,
    /// Given to the store.
    saving: Vec<Saving>,
}

struct Saving {
    costs: Vec<(Subject, String, Cost)>,
    pending: Pending<()>,
}

impl Purse {
    /// Adds an amount. True if there was none of this subject and period that goes with it.
    pub fn add(&mut self, subject: Subject, period: String, cost: Cost) -> bool {
        let before = self.loose.len();
        let sum = self.loose.entry((subject, period)).or_default();
        *sum = sum.plus(cost);
        self.loose.len() > before
    }

    /// Gives the store what it has not got.
    pub fn save(&mut self, store: impl FnOnce(Vec<Spending>) -> Pending<()>) {
        if self.loose.is_empty() {
            return;
        }
        let costs: Vec<_> = self.loose.drain().map(|((subject, period), cost)| (subject, period, cost)).collect();
        let rows = costs.iter().map(|(subject, period, cost)| Spending {
            subject: subject.name(),
            period: period.clone(),
            cost: *cost,
        });
        let pending = store(rows.collect());
        self.saving.push(Saving { costs, pending });
    }

    /// Takes out what the store has stored, and gives whose it was: once for each amount that is not here any more. What
    /// could not be stored is loose again.
    pub fn settle(&mut self, cx: &mut Context<'_>) -> Vec<Subject> {
        let mut settled = Vec::new();
        let mut saving = std::mem::take(&mut self.saving);
        saving.retain_mut(|saving| match saving.pending.as_mut().poll(cx) {
            Poll::Pending => true,
            Poll::Ready(stored) => {
                if let Err(error) = &stored {
                    tracing::error!(%error, "what was spent is not stored; it will be tried again");
                }
                for (subject, period, cost) in saving.costs.drain(..) {
                    if stored.is_ok() || !self.add(subject.clone(), period, cost) {
                        settled.push(subject);
                    }
                }
                false
            }
        });
        self.saving = saving;
        settled
    }

    /// The same, without waiting.
    pub fn settle_now(&mut self) -> Vec<Subject> {
        self.settle(&mut Context::from_waker(Waker::noop()))
    }

    /// True if the store has nothing before it.
    pub fn is_settled(&self) -> bool {
        self.saving.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use proptest::prelude::*;
    use tokio::sync::oneshot;

    use super::*;
    use crate::store::StoreError;

    fn subject(number: u8) -> Subject {
        Subject::Key(number.to_string())
    }

    type Reply = oneshot::Sender<Result<(), StoreError>>;

    /// A store that stores when the test says so, or does not.
    #[derive(Default)]
    struct Slow {
        stored: BTreeMap<String, u64>,
        waiting: Vec<(Vec<Spending>, Reply)>,
    }

    impl Slow {
        fn take(&mut self, rows: Vec<Spending>) -> Pending<()> {
            let (sender, done) = oneshot::channel();
            self.waiting.push((rows, sender));
            Box::pin(async move { done.await.unwrap_or(Err(StoreError::Closed)) })
        }

        fn answer(&mut self, well: bool) {
            for (rows, sender) in self.waiting.drain(..) {
                if well {
                    rows.iter().for_each(|row| *self.stored.entry(row.subject.clone()).or_default() += row.cost.0);
                }
                let _ = sender.send(if well { Ok(()) } else { Err(StoreError::NoRoom) });
            }
        }
    }

    proptest! {
        /// Whatever fails in between, each amount is stored once in the end, and whoever has something before the store
        /// is counted as long as that lasts.
        #[test]
        fn nothing_is_lost_and_nothing_stored_twice(
            steps in proptest::collection::vec((0_u8..4, 1_u64..100, any::<bool>(), any::<bool>()), 1..60),
        ) {
            let slow = Arc::new(Mutex::new(Slow::default()));
            let (mut purse, mut spent, mut held) = (Purse::default(), BTreeMap::new(), BTreeMap::new());
            let save = |purse: &mut Purse| purse.save(|rows| slow.lock().unwrap().take(rows));
            let settle = |purse: &mut Purse, held: &mut BTreeMap<String, i64>| {
                for subject in purse.settle_now() {
                    *held.entry(subject.name()).or_default() -= 1;
                }
            };
            for (number, cost, answers, well) in steps {
                let subject = subject(number);
                *spent.entry(subject.name()).or_default() += cost;
                let more = purse.add(subject.clone(), "2026-11-21".to_owned(), Cost(cost));
                *held.entry(subject.name()).or_default() += i64::from(more);
                save(&mut purse);
                if answers {
                    slow.lock().unwrap().answer(well);
                    settle(&mut purse, &mut held);
                }
                prop_assert!(held.values().all(|held| *held >= 0));
            }
            for well in [false, true, true] {
                save(&mut purse);
                slow.lock().unwrap().answer(well);
                settle(&mut purse, &mut held);
            }
            prop_assert!(purse.is_settled() && held.values().all(|held| *held == 0), "{:?}", held);
            prop_assert_eq!(&slow.lock().unwrap().stored, &spent);
        }
    }
}
