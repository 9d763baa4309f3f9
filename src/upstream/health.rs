//! What all calls know together: how the targets are, which keys rest, how many retries are left.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::policy::{Breaker, Budget, Keys, Pass};
use crate::config::plan::{BreakerPlan, ConcurrencyPlan, ModelTarget, Provider, Source};
use crate::secret::Secret;
use crate::slots::Slots;

/// Most models of one provider that something is known of: their names may come from pages.
const MOST_TARGETS: usize = 4096;

/// What is known of the providers, by their names.
#[derive(Debug, Default)]
pub struct Health(Mutex<HashMap<String, Arc<ProviderHealth>>>);

/// What is known of a provider.
pub struct ProviderHealth {
    secrets: Vec<Secret>,
    keys: Arc<Mutex<Keys>>,
    budget: Arc<Mutex<Budget>>,
    slots: Arc<Slots>,
    targets: Arc<Mutex<HashMap<String, Arc<TargetHealth>>>>,
    /// Those of targets with slots of their own. Two that are given different numbers have different ones.
    of_targets: Arc<Mutex<OfTargets>>,
}

/// The slots of targets, by their models and numbers.
type OfTargets = HashMap<(String, ConcurrencyPlan), Arc<Slots>>;

/// What is known of a provider's model.
#[derive(Debug, Default)]
pub struct TargetHealth {
    breaker: Mutex<Breaker>,
    /// Until when others are asked before it: it has said that it has too much to do.
    rest: Mutex<Option<Instant>>,
}

/// A call's way through a target's circuit breaker. What the call comes to is said once; dropping it says that it came
/// to nothing.
pub struct Ticket {
    target: Arc<TargetHealth>,
    plan: Option<BreakerPlan>,
    pass: Pass,
    said: bool,
}

/// A target's circuit is open: for how long yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenCircuit(pub Duration);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in here is left half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Health {
    /// The same for a new plan. What is learned from now on of what changed is not shared with the old one's calls.
    pub fn carried_over(&self) -> Self {
        Self(Mutex::new(lock(&self.0).clone()))
    }

    /// What is known of a target and its provider. Of one that a request brings, nothing is: it is this call's alone.
    /// Recordings are never ill.
    pub fn of(&self, target: &ModelTarget) -> (Arc<ProviderHealth>, Arc<TargetHealth>) {
        let provider = &target.provider;
        if provider.brought || matches!(provider.source, Source::Replay { .. }) {
            return (Arc::new(ProviderHealth::new(provider)), Arc::default());
        }
        let provider = self.of_provider(provider);
        let target = provider.target(&target.model);
        (provider, target)
    }

    /// What is known of a configured provider.
    pub fn of_provider(&self, provider: &Provider) -> Arc<ProviderHealth> {
        let mut providers = lock(&self.0);
        let known = match providers.get(&provider.name) {
            Some(known) if known.fits(provider) => return Arc::clone(known),
            Some(changed) => Arc::new(changed.changed(provider)),
            None => Arc::new(ProviderHealth::new(provider)),
        };
        providers.insert(provider.name.clone(), Arc::clone(&known));
        known
    }
}

impl ProviderHealth {
    fn new(provider: &Provider) -> Self {
        Self {
            secrets: provider.keys.clone(),
            keys: Arc::new(Mutex::new(Keys::new(provider.keys.len()))),
            budget: Arc::new(Mutex::new(Budget::new(Instant::now()))),
            slots: Arc::new(Slots::new(provider.concurrency)),
            targets: Arc::default(),
            of_targets: Arc::default(),
        }
    }

    fn fits(&self, provider: &Provider) -> bool {
        self.secrets == provider.keys && self.slots.fit(provider.concurrency)
    }

    /// The same with what the plan says now. Calls that run under an old bound keep their old slots.
    fn changed(&self, provider: &Provider) -> Self {
        let new = Self::new(provider);
        Self {
            keys: if self.secrets == provider.keys { Arc::clone(&self.keys) } else { new.keys },
            budget: Arc::clone(&self.budget),
            slots: if self.slots.fit(provider.concurrency) { Arc::clone(&self.slots) } else { new.slots },
            targets: Arc::clone(&self.targets),
            of_targets: Arc::clone(&self.of_targets),
            secrets: new.secrets,
        }
    }

    fn target(&self, model: &str) -> Arc<TargetHealth> {
        let mut targets = lock(&self.targets);
        if let Some(known) = targets.get(model) {
            return Arc::clone(known);
        }
        if targets.len() >= MOST_TARGETS {
            let now = Instant::now();
            targets.retain(|_, target| Arc::strong_count(target) > 1 || !target.is_blank(now));
        }
        let target = Arc::<TargetHealth>::default();
        if targets.len() < MOST_TARGETS {
            targets.insert(model.to_owned(), Arc::clone(&target));
        }
        target
    }

    /// The slots that a call to this target needs: its own before those of the provider.
    pub fn slots(&self, target: &ModelTarget) -> Vec<Arc<Slots>> {
        let own = target.concurrency.map(|plan| self.of_target(&target.model, plan));
        own.into_iter().chain([Arc::clone(&self.slots)]).collect()
    }

    fn of_target(&self, model: &str, plan: ConcurrencyPlan) -> Arc<Slots> {
        let mut of_targets = lock(&self.of_targets);
        let key = (model.to_owned(), plan);
        if let Some(known) = of_targets.get(&key) {
            return Arc::clone(known);
        }
        if of_targets.len() >= MOST_TARGETS {
            // A call keeps those that it has a slot of.
            of_targets.retain(|_, slots| Arc::strong_count(slots) > 1);
        }
        let slots = Arc::new(Slots::new(plan));
        if of_targets.len() < MOST_TARGETS {
            of_targets.insert(key, Arc::clone(&slots));
        }
        slots
    }

    /// The keys, by their slots in the plan.
    pub fn keys(&self) -> MutexGuard<'_, Keys> {
        lock(&self.keys)
    }

    /// The retries.
    pub fn budget(&self) -> MutexGuard<'_, Budget> {
        lock(&self.budget)
    }
}

impl TargetHealth {
    /// Lets others be asked before it for so long.
    pub fn rest(&self, until: Instant) {
        let mut rest = lock(&self.rest);
        *rest = (*rest).max(Some(until));
    }

    /// True if others are to be asked before it.
    pub fn rests(&self, now: Instant) -> bool {
        lock(&self.rest).is_some_and(|until| until > now)
    }

    /// True if its circuit is open.
    pub fn is_open(&self, now: Instant) -> bool {
        matches!(lock(&self.breaker).look(now), Pass::Open(_))
    }

    /// Lets a call through.
    ///
    /// # Errors
    /// The circuit is open.
    pub fn enter(self: &Arc<Self>, plan: Option<BreakerPlan>, now: Instant) -> Result<Ticket, OpenCircuit> {
        let pass = if plan.is_some() { lock(&self.breaker).enter(now) } else { Pass::Free };
        match pass {
            Pass::Open(wait) => Err(OpenCircuit(wait)),
            pass => Ok(Ticket { target: Arc::clone(self), plan, pass, said: false }),
        }
    }

    fn is_blank(&self, now: Instant) -> bool {
        !self.rests(now) && lock(&self.breaker).is_blank(now)
    }
}

impl Ticket {
    /// The target has answered, be it with a refusal.
    pub fn answered(&mut self, now: Instant) {
        if !self.said {
            self.said = true;
            if self.plan.is_some() {
                lock(&self.target.breaker).succeeded(now, self.pass);
            }
            *lock(&self.target.rest) = None;
        }
    }

    /// The target has failed, perhaps after it had begun to answer.
    pub fn failed(&mut self, now: Instant) {
        let Some(plan) = &self.plan else { return };
        let mut breaker = lock(&self.target.breaker);
        if self.said {
            breaker.broke_off(now, plan);
        } else {
            self.said = true;
            breaker.failed(now, self.pass, plan);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.said && self.plan.is_some() {
            lock(&self.target.breaker).dropped(Instant::now(), self.pass);
        }
    }
}

impl fmt::Debug for ProviderHealth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ProviderHealth").field("keys", &self.keys).finish_non_exhaustive()
    }
}
