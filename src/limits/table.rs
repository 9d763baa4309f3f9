//! What is remembered of each subject, within a bound.

use std::collections::HashMap;
use std::time::Duration;

use chatwire_protocols::cost::Cost;

use super::Limits;
use super::gcra::Cell;
use super::subject::{Rule, Subject};

/// Most subjects of a sort that are remembered, but for those whose turns run.
pub(super) const MOST: usize = 1 << 16;

/// After how long the store is asked again what has been spent, for other processes may spend too.
pub(super) const AGAIN: Duration = Duration::from_secs(5);

/// What is remembered of a subject.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// What held for it last: a new limit begins anew.
    limits: Limits,
    pub requests: Cell,
    pub tokens: Cell,
    /// Turns that run.
    pub running: u32,
    /// What is on its way into the store.
    pub saving: u32,
    /// What has been spent, once that has been read.
    pub spent: Option<Spent>,
}

/// What has been spent in a period.
#[derive(Debug)]
pub(super) struct Spent {
    pub period: String,
    /// What the store said, or what has been counted here since if that is more: other processes count there too.
    pub cost: Cost,
    /// When the store was asked.
    pub asked: Duration,
}

impl Entry {
    /// What has been spent in this period, if that has been read.
    pub fn spent(&self, period: &str) -> Option<Cost> {
        self.spent.as_ref().filter(|spent| spent.period == period).map(|spent| spent.cost)
    }

    /// Notes what the store says. What has been spent here meanwhile may not be stored yet: it never becomes less.
    pub fn read(&mut self, period: String, cost: Cost, asked: Duration) {
        let known = self.spent(&period).unwrap_or_default();
        self.spent = Some(Spent { period, cost: cost.max(known), asked });
    }

    /// True if the store should be asked again.
    pub fn is_old(&self, now: Duration) -> bool {
        self.spent.as_ref().is_some_and(|spent| now.saturating_sub(spent.asked) >= AGAIN)
    }

    /// The store is being asked: others go by what is known meanwhile.
    pub const fn ask(&mut self, now: Duration) {
        if let Some(spent) = &mut self.spent {
            spent.asked = now;
        }
    }

    /// How long until it is as good as a new one.
    fn until_free(&self, now: Duration) -> Duration {
        let cells = [(&self.requests, self.limits.requests), (&self.tokens, self.limits.tokens)];
        let waits = cells.into_iter().filter_map(|(cell, quota)| Some(cell.until_full(quota?, now)));
        waits.max().unwrap_or_default()
    }

    const fn is_used(&self) -> bool {
        self.running > 0 || self.saving > 0
    }
}

/// Subjects of each sort: many of one sort drive out none of another.
#[derive(Debug)]
pub(super) struct Table {
    sorts: [HashMap<Subject, Entry>; 4],
    most: usize,
}

impl Default for Table {
    fn default() -> Self {
        Self::new(MOST)
    }
}

impl Table {
    pub fn new(most: usize) -> Self {
        Self { sorts: Default::default(), most }
    }

    /// What is remembered of a rule's subject.
    pub fn entry(&mut self, rule: &Rule, now: Duration) -> &mut Entry {
        let most = self.most;
        let sort = self.sort(&rule.subject);
        if sort.len() >= most && !sort.contains_key(&rule.subject) {
            make_room(sort, most / 2, now);
        }
        let entry = sort.entry(rule.subject.clone()).or_default();
        if entry.limits != rule.limits {
            (entry.limits, entry.requests, entry.tokens) = (rule.limits, Cell::default(), Cell::default());
        }
        entry
    }

    /// What is remembered of a subject, if anything is.
    pub fn find(&mut self, subject: &Subject) -> Option<&mut Entry> {
        self.sort(subject).get_mut(subject)
    }

    const fn sort(&mut self, subject: &Subject) -> &mut HashMap<Subject, Entry> {
        &mut self.sorts[match subject {
            Subject::Key(_) => 0,
            Subject::Owner(_) => 1,
            Subject::Address(_) => 2,
            Subject::Route(_) => 3,
        }]
    }
}

/// Forgets those that are as good as new ones, and if that is not enough those that will be soonest, so that at most
/// `goal` are left. Half of them at once: each newcomer pays little for it.
fn make_room(sort: &mut HashMap<Subject, Entry>, goal: usize, now: Duration) {
    sort.retain(|_, entry| entry.is_used() || !entry.until_free(now).is_zero());
    if sort.len() <= goal {
        return;
    }
    let mut waits: Vec<Duration> = sort.values().map(|entry| entry.until_free(now)).collect();
    let (mut excess, last) = (waits.len() - goal, waits.len() - 1);
    let (_, limit, _) = waits.select_nth_unstable(excess.min(last));
    let limit = *limit;
    sort.retain(|_, entry| {
        let goes = excess > 0 && !entry.is_used() && entry.until_free(now) <= limit;
        excess -= usize::from(goes);
        !goes
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Quota;

    fn rule(key: usize) -> Rule {
        let requests = Some(Quota { amount: 1000, per: Duration::from_secs(1) });
        Rule { subject: Subject::Key(key.to_string()), limits: Limits { requests, ..Limits::default() } }
    }

    fn charge(table: &mut Table, key: usize, count: u64) {
        let rule = rule(key);
        let quota = rule.limits.requests.unwrap();
        table.entry(&rule, Duration::ZERO).requests.charge(quota, Duration::ZERO, count);
    }

    #[test]
    fn those_who_owe_most_and_those_whose_turns_run_are_remembered() {
        let mut table = Table::new(8);
        for key in 0..8 {
            charge(&mut table, key, 100 - 10 * key as u64);
        }
        table.entry(&rule(7), Duration::ZERO).running = 1;
        charge(&mut table, 8, 1);
        let known: Vec<usize> = (0..9).filter(|key| table.find(&rule(*key).subject).is_some()).collect();
        assert_eq!(known, [0, 1, 2, 7, 8]);
    }

    #[test]
    fn those_who_owe_nothing_go_first() {
        let mut table = Table::new(8);
        for key in 0..8 {
            charge(&mut table, key, if key == 3 { 500 } else { 1 });
        }
        let later = Duration::from_millis(100);
        table.entry(&rule(100), later);
        let known: Vec<usize> = (0..8).filter(|key| table.find(&rule(*key).subject).is_some()).collect();
        assert_eq!(known, [3]);
    }

    #[test]
    fn a_flood_of_strangers_stays_within_the_bound() {
        let mut table = Table::new(64);
        for key in 0..10_000 {
            charge(&mut table, key, 5);
            assert!(table.sort(&rule(0).subject).len() <= 64);
        }
    }

    #[test]
    fn another_limit_begins_anew() {
        let mut table = Table::default();
        charge(&mut table, 1, 1000);
        let mut other = rule(1);
        other.limits.requests = Some(Quota { amount: 10, per: Duration::from_secs(1) });
        let entry = table.entry(&other, Duration::ZERO);
        assert_eq!(entry.requests.left(other.limits.requests.unwrap(), Duration::ZERO), 10);
    }

    #[test]
    fn what_is_spent_never_becomes_less_within_a_period() {
        let (mut entry, at) = (Entry::default(), Duration::from_secs);
        entry.read("2026-11".to_owned(), Cost(5), at(1));
        assert!(!entry.is_old(at(1)) && entry.is_old(at(1) + AGAIN));
        entry.ask(at(1) + AGAIN);
        assert!(!entry.is_old(at(1) + AGAIN));
        for (period, read, known) in [("2026-11", 9, 9), ("2026-11", 7, 9), ("2026-12", 1, 1)] {
            entry.read(period.to_owned(), Cost(read), at(9));
            assert_eq!(entry.spent(period), Some(Cost(known)));
        }
    }
}
