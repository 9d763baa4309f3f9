//! Models and their providers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chatwire_protocols::cost::Price;
use chatwire_protocols::protocol::{Protocol, Upstream};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use crate::config::pattern;
use crate::secret::Secret;
use crate::tools::fence::Fence;
use crate::upstream::StandIn;

/// A model under the name that pages ask for.
pub struct Model {
    /// The name.
    pub name: String,
    /// The targets, in the order they are tried unless they have weights.
    pub targets: Vec<ModelTarget>,
    /// Defaults for what a page does not say, as members of the neutral settings.
    pub defaults: ModelDefaults,
    /// How targets that fail are asked again.
    pub retry: RetryPlan,
    /// After how much silence the next target is asked as well, if ever.
    pub hedge: Option<Duration>,
}

/// How targets that fail are asked again.
#[derive(Clone, Copy, Debug)]
pub struct RetryPlan {
    /// How many more tries there are, beside one for each target.
    pub more: u32,
    /// Longest pause before one.
    pub max_wait: Duration,
}

impl Default for RetryPlan {
    fn default() -> Self {
        Self { more: 2, max_wait: Duration::from_secs(5) }
    }
}

impl RetryPlan {
    /// No target is asked twice, but where a kept connection was dead.
    pub const NONE: Self = Self { more: 0, max_wait: Duration::ZERO };
}

/// Defaults for what a page does not say.
#[derive(Clone, Debug, Default)]
pub struct ModelDefaults {
    /// Bound of the answer in tokens.
    pub max_tokens: Option<u64>,
    /// Sampling temperature.
    pub temperature: Option<f64>,
    /// How much the model should think.
    pub reasoning: Option<chatwire_protocols::chat::Effort>,
}

/// A provider's model.
pub struct ModelTarget {
    /// The provider.
    pub provider: Arc<Provider>,
    /// The provider's name of the model; `*` for what a pattern leaves over.
    pub model: String,
    /// Members added to every request for it.
    pub extra: Map<String, Value>,
    /// Its share of the calls. Without one at any target of the model, the order of the list holds; beside others, no
    /// weight is 1.
    pub weight: Option<u32>,
    /// How many calls it gets at a time, if it has a bound of its own beside its provider's.
    pub concurrency: Option<ConcurrencyPlan>,
}

/// A provider.
pub struct Provider {
    /// Its name in the file.
    pub name: String,
    /// Its protocol.
    pub protocol: &'static Protocol,
    /// The protocol with the provider's options.
    pub upstream: Arc<dyn Upstream>,
    /// Where its answers come from.
    pub source: Source,
    /// Its keys, which take turns; without one, requests carry none.
    pub keys: Vec<Secret>,
    /// True if a request brings it, or its key: what is learned of it holds for nobody else.
    pub brought: bool,
    /// Headers added to every request; values may be secrets.
    pub headers: Vec<(String, Secret)>,
    /// Whether HTTP/2 is spoken with it where it can.
    pub http2: bool,
    /// Its deadlines.
    pub timeouts: Timeouts,
    /// How many calls it gets at a time.
    pub concurrency: ConcurrencyPlan,
    /// When its models are left alone, if ever.
    pub breaker: Option<BreakerPlan>,
    /// What its models cost.
    pub prices: Prices,
}

/// How many calls a provider, or a target of it, gets at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConcurrencyPlan {
    /// Most calls that run.
    pub most: usize,
    /// Most calls that wait for a place.
    pub queue: usize,
    /// How long one waits.
    pub wait: Duration,
}

impl Default for ConcurrencyPlan {
    /// As many calls as there are.
    fn default() -> Self {
        Self { most: Semaphore::MAX_PERMITS, queue: 100, wait: Duration::from_secs(10) }
    }
}

/// When a target is left alone.
#[derive(Clone, Copy, Debug)]
pub struct BreakerPlan {
    /// After so many failures, if they are at least half of what calls came to.
    pub failures: u32,
    /// For how long, at first.
    pub cool_down: Duration,
    /// For how long at most.
    pub max_cool_down: Duration,
}

impl Default for BreakerPlan {
    fn default() -> Self {
        Self { failures: 5, cool_down: Duration::from_millis(100), max_cool_down: Duration::from_secs(1) }
    }
}

/// What a provider's models cost, by their names or what these begin with.
#[derive(Clone, Debug, Default)]
pub struct Prices(BTreeMap<String, Price>);

impl Prices {
    /// Adds a price for a name, or for all that begin like a name that ends in `*`.
    pub fn add(&mut self, name: &str, price: Price) {
        self.0.insert(name.to_owned(), price);
    }

    /// The price of a model: the one of its name, else the one whose pattern has the longest fitting beginning.
    pub fn of(&self, model: &str) -> Option<Price> {
        let patterns = self.0.iter().filter_map(|(name, price)| Some((pattern::prefix(name)?, price)));
        let fitting = patterns.filter(|(prefix, _)| model.starts_with(prefix));
        let pattern = || fitting.max_by_key(|(prefix, _)| prefix.len()).map(|(_, price)| price);
        self.0.get(model).or_else(pattern).copied()
    }
}

/// Where a provider's answers come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// From this base URL.
    Http(String),
    /// From a base URL that a request has brought, behind this fence.
    Brought(String, Fence),
    /// From recorded streams: those built in, or those of a folder.
    Replay {
        /// The folder, if not the built-in recordings.
        folder: Option<PathBuf>,
        /// The pause between pieces, if not the recording's own.
        pace: Option<Duration>,
    },
    /// From code in the place of a provider: for simulations and tests. No file can say so.
    StandIn(Arc<dyn StandIn>),
}

/// A provider's deadlines.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// To make a connection.
    pub connect: Duration,
    /// From the request to the first byte of the answer's body.
    pub first_byte: Duration,
    /// Between any two reads of the body.
    pub idle: Duration,
    /// From the request to the first event, and between any two events: a provider may be alive and say nothing.
    pub progress: Duration,
    /// From the request to the end of the answer.
    pub total: Option<Duration>,
}

impl Timeouts {
    /// The same time for everything, and none for the whole.
    pub const fn all(time: Duration) -> Self {
        Self { connect: time, first_byte: time, idle: time, progress: time, total: None }
    }
}
