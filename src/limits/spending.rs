//! What has been spent, on its way into the store. Nobody waits for it: what could not be stored goes with the next.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use chatwire_protocols::cost::Cost;

use super::subject::Subject;
use crate::store::{Pending, Spending, Store};

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
    pub fn save(&mut self, store: &Arc<dyn Store>) {
        if self.loose.is_empty() {
            return;
        }
        let costs: Vec<_> = self.loose.drain().map(|((subject, period), cost)| (subject, period, cost)).collect();
        let rows = costs.iter().map(|(subject, period, cost)| Spending {
            subject: subject.name(),
            period: period.clone(),
            cost: *cost,
        });
        let pending = store.add_spending(rows.collect());
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
