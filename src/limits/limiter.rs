//! Decides who may ask.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chatwire_protocols::cost::Cost;
use chatwire_protocols::error::{CallerError, Failure, FailureKind};
use chatwire_protocols::event::Usage;
use tokio::time::{Instant, timeout};

use super::admission::{Admission, Meter, Over, Permit, Refused, Standing};
use super::gcra::{Cell, Quota};
use super::spending::Purse;
use super::subject::{Rule, Subject, Who};
use super::table::{Entry, Table};
use super::{Budget, LimitRules};
use crate::access::Peer;
use crate::clock::now_ms;
use crate::clock::whole_seconds;
use crate::store::{Store, StoreError};

/// How long the store may take to say what has been spent.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often that is read again because a day has ended meanwhile.
const TRIES: usize = 3;

/// When somebody asks again who has as many turns as he may have: nobody knows when one of them ends.
const SOON: Duration = Duration::from_secs(1);

/// Most models without a price that are told of.
const MOST_TOLD: usize = 256;

/// What everybody has taken. Held by the gateway; it knows no limits, so it outlives a change of them.
pub struct Limiter {
    store: Arc<dyn Store>,
    begin: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    table: Table,
    purse: Purse,
    /// Models whose price is not known, which has been said.
    told: HashSet<String>,
}

impl Limiter {
    /// Nobody has taken anything but the money that the store knows of.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, begin: Instant::now(), state: Mutex::default() }
    }

    /// Asks for one request and a turn.
    ///
    /// # Errors
    /// One of the limits that hold for it is reached: nothing is taken from any. Or it cannot be read what has been spent.
    pub async fn admit(self: &Arc<Self>, who: &Who<'_>, rules: &LimitRules) -> Result<Admission, Refused> {
        let rules = who.rules(rules);
        if rules.is_empty() {
            return Ok(Admission::default());
        }
        for _ in 0..TRIES {
            let unread = match self.try_admit(&rules, now_ms()) {
                Tried::Admitted(standing) => {
                    let permit = Permit::new(self, &rules);
                    return Ok(Admission { permit, meter: Meter::new(self, rules), standing });
                }
                Tried::Over(over) => return Err(Refused::Over(over)),
                Tried::Unread(unread) => unread,
            };
            for (rule, period) in unread {
                let asked = self.now();
                let reading = timeout(PATIENCE, self.store.spending(&rule.subject.name(), &period));
                let cost = reading.await.unwrap_or(Err(StoreError::Busy));
                let state = &mut *self.state();
                let entry = state.table.entry(&rule, self.now());
                match cost {
                    Ok(cost) => entry.read(period, cost, asked),
                    // What was known is good for as long again.
                    Err(_) if entry.spent(&period).is_some() => {}
                    Err(error) => return Err(unknown(&error)),
                }
            }
        }
        Err(unknown(&StoreError::Busy))
    }

    /// Somebody came with wrong credentials: that counts as a request of the address.
    ///
    /// # Errors
    /// There were too many. Whoever asks is told this and not whether the credentials were wrong, so that nobody can
    /// guess on.
    pub fn note_refused(&self, peer: Peer, rules: &LimitRules) -> Result<(), Box<Over>> {
        let Some(quota) = rules.address.requests else { return Ok(()) };
        let (subject, now) = (Subject::of(peer), self.now());
        let state = &mut *self.state();
        let entry = state.table.entry(&Rule { subject: subject.clone(), limits: rules.address }, now);
        if let Some(wait) = entry.requests.wait(quota, now, 1) {
            return Err(Box::new(over_rate(
                "too_many_requests",
                "requests",
                &subject,
                quota,
                &entry.requests,
                wait,
                now,
            )));
        }
        entry.requests.charge(quota, now, 1);
        Ok(())
    }

    /// Waits until what has been spent is stored.
    pub async fn settle(&self) {
        self.state().purse.save(|rows| self.store.add_spending(rows));
        std::future::poll_fn(|cx| {
            let mut state = self.state();
            let settled = state.purse.settle(cx);
            state.saved(&settled);
            if state.purse.is_settled() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    }

    fn try_admit(&self, rules: &[Rule], clock: u64) -> Tried {
        let now = self.now();
        let state = &mut *self.state();
        let settled = state.purse.settle_now();
        state.saved(&settled);
        let mut unread = Vec::new();
        let mut worst: Option<Over> = None;
        for rule in rules {
            let entry = state.table.entry(rule, now);
            let over = check(rule, entry, now).or_else(|| {
                let budget = rule.limits.budget?;
                let period = budget.per.name(clock);
                match entry.spent(&period) {
                    Some(spent) => {
                        if entry.is_old(now) {
                            unread.push((rule, period));
                        }
                        check_budget(&rule.subject, budget, spent, clock)
                    }
                    None => {
                        unread.push((rule, period));
                        None
                    }
                }
            });
            worst = worst.into_iter().chain(over).max_by_key(|over| over.retry_after);
        }
        if let Some(over) = worst {
            return Tried::Over(Box::new(over));
        }
        if !unread.is_empty() {
            unread.iter().for_each(|(rule, _)| state.table.entry(rule, now).ask(now));
            return Tried::Unread(unread.into_iter().map(|(rule, period)| (rule.clone(), period)).collect());
        }
        let mut standing = None;
        for rule in rules {
            let entry = state.table.entry(rule, now);
            entry.running += 1;
            if let Some(quota) = rule.limits.requests {
                entry.requests.charge(quota, now, 1);
            }
            standing = tighter(standing, rule.limits.requests.map(|quota| stand(quota, &entry.requests, now)));
        }
        // Where requests are not limited, tokens are told of.
        for rule in rules.iter().filter(|_| standing.is_none()).collect::<Vec<_>>() {
            let entry = state.table.entry(rule, now);
            standing = tighter(standing, rule.limits.tokens.map(|quota| stand(quota, &entry.tokens, now)));
        }
        Tried::Admitted(standing)
    }

    /// A turn has ended.
    pub(super) fn leave(&self, subjects: &[Subject]) {
        let state = &mut *self.state();
        for subject in subjects {
            if let Some(entry) = state.table.find(subject) {
                entry.running = entry.running.saturating_sub(1);
            }
        }
    }

    /// A model call has been made.
    pub(super) fn count(&self, rules: &[Rule], model: &str, usage: &Usage) {
        let (now, clock) = (self.now(), now_ms());
        let tokens = usage.input.unwrap_or(0).saturating_add(usage.output.unwrap_or(0));
        let state = &mut *self.state();
        for rule in rules {
            let entry = state.table.entry(rule, now);
            if let Some(quota) = rule.limits.tokens {
                entry.tokens.charge(quota, now, tokens);
            }
            let Some(budget) = rule.limits.budget else { continue };
            match usage.cost {
                Some(Cost(0)) => {}
                Some(cost) => {
                    let period = budget.per.name(clock);
                    if let Some(spent) = entry.spent.as_mut().filter(|spent| spent.period == period) {
                        spent.cost = spent.cost.plus(cost);
                    }
                    let more = state.purse.add(rule.subject.clone(), period, cost);
                    entry.saving += u32::from(more);
                }
                None => state.tell_unpriced(model),
            }
        }
        state.purse.save(|rows| self.store.add_spending(rows));
        let settled = state.purse.settle_now();
        state.saved(&settled);
    }

    fn now(&self) -> Duration {
        self.begin.elapsed()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What came of trying.
enum Tried {
    Admitted(Option<Standing>),
    Over(Box<Over>),
    /// It must be read first what these have spent.
    Unread(Vec<(Rule, String)>),
}

impl State {
    /// What these have spent is in the store, or will be tried again.
    fn saved(&mut self, subjects: &[Subject]) {
        for subject in subjects {
            if let Some(entry) = self.table.find(subject) {
                entry.saving = entry.saving.saturating_sub(1);
            }
        }
    }

    fn tell_unpriced(&mut self, model: &str) {
        if self.told.len() < MOST_TOLD && self.told.insert(model.to_owned()) {
            tracing::warn!(model, "the price of a model is not known, so no budget counts what it costs");
        }
    }
}

/// All that is known without the store.
fn check(rule: &Rule, entry: &Entry, now: Duration) -> Option<Over> {
    let Rule { subject, limits } = rule;
    if limits.concurrent.is_some_and(|most| entry.running >= most) {
        let message = format!("as many answers {} are being made as may be at a time", subject.words());
        let error = CallerError::new(429, "too_many_turns", message);
        return Some(Over { error, retry_after: SOON, standing: None });
    }
    let rates = [
        ("too_many_requests", "requests", limits.requests, &entry.requests),
        ("too_many_tokens", "tokens", limits.tokens, &entry.tokens),
    ];
    let overs = rates.into_iter().filter_map(|(code, what, quota, cell)| {
        let quota = quota?;
        let wait = cell.wait(quota, now, 1)?;
        Some(over_rate(code, what, subject, quota, cell, wait, now))
    });
    overs.max_by_key(|over| over.retry_after)
}

fn over_rate(
    code: &'static str,
    what: &str,
    subject: &Subject,
    quota: Quota,
    cell: &Cell,
    wait: Duration,
    now: Duration,
) -> Over {
    let message = format!("too many {what} {}; try again in {} s", subject.words(), whole_seconds(wait));
    let standing = Some(stand(quota, cell, now));
    Over { error: CallerError::new(429, code, message), retry_after: wait, standing }
}

fn check_budget(subject: &Subject, budget: Budget, spent: Cost, clock: u64) -> Option<Over> {
    (spent >= budget.most).then(|| {
        let message = format!("the budget of requests {} is spent", subject.words());
        let retry_after = budget.per.left(clock);
        // Not 429: asking again before the period ends never helps, and clients repeat a 429 by themselves.
        Over { error: CallerError::new(402, "budget_spent", message), retry_after, standing: None }
    })
}

fn stand(quota: Quota, cell: &Cell, now: Duration) -> Standing {
    Standing { limit: quota.amount, remaining: cell.left(quota, now), reset: cell.until_full(quota, now) }
}

/// The one of which less is left.
fn tighter(one: Option<Standing>, other: Option<Standing>) -> Option<Standing> {
    one.into_iter().chain(other).min_by_key(|standing| standing.remaining)
}

fn unknown(error: &StoreError) -> Refused {
    let kind = if error.is_passing() { FailureKind::Overloaded } else { FailureKind::Internal };
    Refused::Failed(Failure::boxed(kind, format!("what has been spent cannot be read: {error}")))
}

impl fmt::Debug for Limiter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Limiter").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::config::plan::{Plan, Route};
    use crate::limits::{Limits, Period};
    use crate::store::{Owner, Spending, Sqlite};

    const DOLLAR: u64 = 1_000_000_000_000;

    fn plan(limits: &str) -> Plan {
        let text = format!(
            "{limits}\n[providers.p]\nprotocol = \"openai-chat\"\nreplay = {{}}\n[models.m]\ntargets = [\"p/m\"]\n\
             [[routes]]\npath = \"/\"\nprotocol = \"vercel-auto\"\nmodel = \"m\"\n"
        );
        let plan = crate::config::parse("gateway.toml", &text, &|_| None);
        plan.unwrap_or_else(|report| panic!("{report}"))
    }

    fn limiter() -> Arc<Limiter> {
        Arc::new(Limiter::new(Arc::new(Sqlite::in_memory().unwrap())))
    }

    fn peer(last: u8) -> Peer {
        Peer(IpAddr::from([192, 0, 2, last]))
    }

    fn who<'a>(route: &'a Route, owner: &'a Owner) -> Who<'a> {
        Who { peer: peer(1), key: None, owner, route }
    }

    fn code(refused: Refused) -> (&'static str, u64) {
        match refused {
            Refused::Over(over) => (over.error.code, whole_seconds(over.retry_after)),
            Refused::Failed(failure) => panic!("{failure}"),
        }
    }

    fn usage(input: u64, cost: Option<u64>) -> Usage {
        Usage { input: Some(input), cost: cost.map(Cost), ..Usage::default() }
    }

    #[tokio::test]
    async fn nobody_guesses_on_when_an_address_has_guessed_enough() {
        let (limiter, plan) = (limiter(), plan("[limits.address]\nrequests = \"3/h\""));
        for _ in 0..3 {
            assert_eq!(limiter.note_refused(peer(1), &plan.limits), Ok(()));
        }
        let over = limiter.note_refused(peer(1), &plan.limits).unwrap_err();
        assert_eq!((over.error.code, over.error.status), ("too_many_requests", 429));
        assert_eq!(limiter.note_refused(peer(2), &plan.limits), Ok(()));
        // The right credentials are no way to find out either.
        let (route, owner) = (&plan.routes[0], Owner::local());
        let refused = limiter.admit(&who(route, &owner), &plan.limits).await.unwrap_err();
        assert_eq!(code(refused).0, "too_many_requests");
    }

    #[tokio::test]
    async fn the_limit_that_lasts_longest_is_told() {
        let limits = "[limits.address]\nrequests = \"1/m\"\n[limits.owner]\nrequests = \"1/h\"\nconcurrent = 1";
        let (limiter, plan, owner) = (limiter(), plan(limits), Owner::local());
        let who = who(&plan.routes[0], &owner);
        let admission = limiter.admit(&who, &plan.limits).await.unwrap();
        assert_eq!(code(limiter.admit(&who, &plan.limits).await.unwrap_err()), ("too_many_requests", 60));
        drop(admission);
        let (code, wait) = code(limiter.admit(&who, &plan.limits).await.unwrap_err());
        assert!(code == "too_many_requests" && wait > 3590, "{wait}");
    }

    #[tokio::test]
    async fn what_is_spent_is_known_at_once_and_stored_once() {
        let store = Arc::new(Sqlite::in_memory().unwrap());
        let limiter = Arc::new(Limiter::new(Arc::clone(&store) as Arc<dyn Store>));
        let (plan, owner) = (plan("[limits.owner]\nbudget = { usd = 2.5, per = \"month\" }"), Owner::local());
        let month = Period::Month.name(now_ms());
        let earlier = Spending { subject: "owner:local".to_owned(), period: month.clone(), cost: Cost(DOLLAR) };
        store.add_spending(vec![earlier]).await.unwrap();
        let who = who(&plan.routes[0], &owner);
        let admission = limiter.admit(&who, &plan.limits).await.unwrap();
        admission.meter.count("m", &usage(1, Some(DOLLAR)));
        admission.meter.count("m", &usage(1, None));
        admission.meter.count("m", &usage(1, Some(DOLLAR / 2 - 1)));
        // A millionth of a millionth of a dollar is left, and turns that run at that moment may go beyond.
        let others =
            [limiter.admit(&who, &plan.limits).await.unwrap(), limiter.admit(&who, &plan.limits).await.unwrap()];
        others[0].meter.count("m", &usage(1, Some(1)));
        assert_eq!(code(limiter.admit(&who, &plan.limits).await.unwrap_err()).0, "budget_spent");
        others[1].meter.count("m", &usage(1, Some(DOLLAR)));
        limiter.settle().await;
        assert_eq!(store.spending("owner:local", &month).await, Ok(Cost(DOLLAR * 7 / 2)));
        assert_eq!(limiter.state().told.len(), 1);
        assert_eq!(limiter.state().table.find(&Subject::Owner(owner.clone())).unwrap().saving, 0);
    }

    /// Two gateways on one file of a store.
    #[tokio::test]
    async fn what_another_process_spends_is_known_a_little_later() {
        let file = std::env::temp_dir().join(format!("chatwire-budget-{}.db", std::process::id()));
        let limiter = || Arc::new(Limiter::new(Arc::new(Sqlite::open(&file).unwrap())));
        let (one, other) = (limiter(), limiter());
        let (plan, owner) = (plan("[limits.owner]\nbudget = { usd = 2, per = \"month\" }"), Owner::local());
        let who = who(&plan.routes[0], &owner);
        let spend = async |limiter: &Arc<Limiter>| {
            limiter.admit(&who, &plan.limits).await.unwrap().meter.count("m", &usage(1, Some(DOLLAR)));
            limiter.settle().await;
        };
        spend(&one).await;
        // It knows what was spent before it came.
        assert!(other.admit(&who, &plan.limits).await.is_ok());
        spend(&one).await;
        assert_eq!(code(one.admit(&who, &plan.limits).await.unwrap_err()).0, "budget_spent");
        assert!(other.admit(&who, &plan.limits).await.is_ok(), "for a moment it does not know of the second dollar");
        // Only here: while the store works, virtual time would run away.
        tokio::time::pause();
        tokio::time::advance(super::super::table::AGAIN).await;
        tokio::time::resume();
        assert_eq!(code(other.admit(&who, &plan.limits).await.unwrap_err()).0, "budget_spent");
        drop((one, other));
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", file.display()));
        }
    }

    #[tokio::test]
    async fn many_at_once_get_as_many_places_as_there_are() {
        let (limiter, plan) = (limiter(), plan("[limits.owner]\nconcurrent = 5\nrequests = \"100/h\""));
        let (plan, mut asking) = (Arc::new(plan), tokio::task::JoinSet::new());
        for _ in 0..50 {
            let (limiter, plan) = (Arc::clone(&limiter), Arc::clone(&plan));
            asking.spawn(async move {
                let owner = Owner::local();
                limiter.admit(&who(&plan.routes[0], &owner), &plan.limits).await
            });
        }
        let admitted: Vec<_> = asking.join_all().await.into_iter().filter_map(Result::ok).collect();
        assert_eq!(admitted.len(), 5);
        assert_eq!(admitted.iter().filter_map(|one| one.standing).map(|standing| standing.remaining).min(), Some(95));
        drop(admitted);
        let owner = Owner::local();
        assert!(limiter.admit(&who(&plan.routes[0], &owner), &plan.limits).await.is_ok());
    }

    #[test]
    fn no_limits_cost_nothing() {
        let plan = plan("");
        assert_eq!((plan.limits, plan.routes[0].limits), (LimitRules::default(), Limits::default()));
        let owner = Owner::local();
        assert_eq!(who(&plan.routes[0], &owner).rules(&plan.limits), Vec::new());
    }
}
