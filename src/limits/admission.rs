//! What comes of asking: a place for a turn, or a refusal that says how long to wait.

use std::sync::Arc;
use std::time::Duration;

use chatwire_protocols::error::{CallerError, Failure};
use chatwire_protocols::event::Usage;
use tokio::sync::OwnedSemaphorePermit;

use super::limiter::Limiter;
use super::subject::{Rule, Subject};

/// A request that may be answered.
#[derive(Clone, Debug, Default)]
pub struct Admission {
    /// Held as long as its turn runs.
    pub permit: Permit,
    /// Counts what it uses.
    pub meter: Meter,
    /// What is left for others like it.
    pub standing: Option<Standing>,
}

/// A place among the turns that may run at a time, until the last clone is dropped.
#[derive(Clone, Debug, Default)]
pub struct Permit {
    _taken: Option<Arc<Taken>>,
    _permit: Option<Arc<OwnedSemaphorePermit>>,
}

#[derive(Debug)]
struct Taken {
    limiter: Arc<Limiter>,
    subjects: Vec<Subject>,
}

/// Counts tokens and money for all whom a limit holds for.
#[derive(Clone, Debug, Default)]
pub struct Meter(Option<Arc<Counted>>);

#[derive(Debug)]
struct Counted {
    limiter: Arc<Limiter>,
    rules: Vec<Rule>,
}

/// How much is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// How much there is at most.
    pub limit: u64,
    /// How much is left of it.
    pub remaining: u64,
    /// When all of it is there again.
    pub reset: Duration,
}

/// Too much was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Over {
    /// What the caller is told.
    pub error: CallerError,
    /// When asking again may help.
    pub retry_after: Duration,
    /// The limit that was reached; nothing for the one of turns at a time.
    pub standing: Option<Standing>,
}

/// Why a request may not be answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Refused {
    /// Too much was asked for.
    Over(Box<Over>),
    /// It is not known how much has been spent, or the gateway has no place for it.
    Failed(Box<Failure>),
}

impl Permit {
    /// The same with a permit among all turns.
    #[must_use]
    pub fn with(self, permit: OwnedSemaphorePermit) -> Self {
        Self { _permit: Some(Arc::new(permit)), ..self }
    }

    pub(super) fn new(limiter: &Arc<Limiter>, rules: &[Rule]) -> Self {
        let subjects = rules.iter().map(|rule| rule.subject.clone()).collect();
        Self { _taken: Some(Arc::new(Taken { limiter: Arc::clone(limiter), subjects })), _permit: None }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.limiter.leave(&self.subjects);
    }
}

impl Meter {
    pub(super) fn new(limiter: &Arc<Limiter>, rules: Vec<Rule>) -> Self {
        let counts = rules.iter().any(|rule| rule.limits.tokens.is_some() || rule.limits.budget.is_some());
        Self(counts.then(|| Arc::new(Counted { limiter: Arc::clone(limiter), rules })))
    }

    /// True if somebody wants to know.
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Counts a model call.
    pub fn count(&self, model: &str, usage: &Usage) {
        if let Some(counted) = &self.0 {
            counted.limiter.count(&counted.rules, model, usage);
        }
    }
}
