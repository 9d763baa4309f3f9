//! Answers of models that are given again when exactly the same is asked.
//!
//! ```text
//! request of a model call ─▶ Key ─▶ Cache ── known ──▶ Playing ─▶ events, as if the provider had said them
//!                                     └── unknown ─▶ the provider ─▶ Recorder ─▶ Cache
//! ```
//!
//! What is kept are the events of one model call, not the bytes of a dialect: who asks in another dialect gets the same
//! answer in his own words. Two who ask the same at the same time both ask the provider.

mod key;
mod playing;
mod recording;
mod shelf;

use std::sync::Arc;
use std::time::Duration;

use chatwire_protocols::chat::ChatRequest;

pub use key::Key;
pub use playing::Playing;
pub use recording::{Position, Recorded, Recorder};
pub use shelf::Cache;

use crate::config::plan::{Model, Source};
use crate::store::Owner;

/// How a route's answers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CachePlan {
    /// How old they may be.
    pub ttl: Duration,
    /// Most bytes of one.
    pub max_entry: usize,
    /// Whether all owners share them.
    pub shared: bool,
    /// The pause between the pieces of one.
    pub pace: Duration,
}

/// The answers that one turn may find.
#[derive(Clone, Debug)]
pub struct Answers {
    cache: Arc<Cache>,
    plan: CachePlan,
    /// Whose they are; nobody's if all share them.
    owner: Option<Owner>,
}

/// What came of looking for an answer.
pub enum Found {
    /// It is known, and has this pause between its pieces.
    Hit(Arc<Recorded>, Duration),
    /// It is not: what the provider says may be kept.
    Miss(Recorder),
}

impl Answers {
    /// Those of an owner; none if the route keeps none, or it is not known whose they would be.
    pub fn of(cache: &Arc<Cache>, plan: Option<CachePlan>, owner: Option<&Owner>) -> Option<Self> {
        let plan = plan?;
        let owner = match plan.shared {
            true => None,
            false => Some(owner?.clone()),
        };
        Some(Self { cache: Arc::clone(cache), plan, owner })
    }

    /// Looks for the answer to a request. Nothing where the request brings its own provider: what that says is nobody
    /// else's business, and not even its own the next time. Who asks for another answer finds none, but his is kept.
    pub fn find(&self, chat: &ChatRequest, model: &Model) -> Option<Found> {
        if model.targets.iter().any(|target| matches!(target.provider.source, Source::Brought(..))) {
            return None;
        }
        let key = Key::new(chat, model, self.owner.as_ref())?;
        if !chat.regenerate
            && let Some(recorded) = self.cache.find(&key, self.plan.ttl)
        {
            return Some(Found::Hit(recorded, self.plan.pace));
        }
        Some(Found::Miss(Recorder::new(Arc::clone(&self.cache), key, self.plan.max_entry)))
    }
}

#[cfg(test)]
mod tests {
    use chatwire_protocols::chat::{Message, Role};

    use super::*;
    use crate::config::plan::{ConcurrencyPlan, ModelDefaults, ModelTarget, Prices, Provider, RetryPlan, Timeouts};
    use crate::tools::fence::Fence;

    /// An empty cache of one owner.
    pub fn answers() -> Answers {
        let plan = CachePlan {
            ttl: Duration::from_secs(60),
            max_entry: 1 << 20,
            shared: true,
            pace: Duration::from_millis(5),
        };
        Answers::of(&Arc::new(Cache::new(4 << 20)), Some(plan), None).unwrap()
    }

    pub fn question() -> (ChatRequest, Model) {
        let messages = vec![Message::text(Role::User, "hi")];
        let model = Model {
            name: "m".to_owned(),
            targets: Vec::new(),
            defaults: ModelDefaults::default(),
            retry: RetryPlan::NONE,
            hedge: None,
        };
        (ChatRequest { messages, ..ChatRequest::default() }, model)
    }

    #[test]
    fn without_an_owner_nothing_is_kept_but_what_all_share() {
        let cache = Arc::new(Cache::new(1 << 20));
        let shared = answers().plan;
        let own = CachePlan { shared: false, ..shared };
        assert!(Answers::of(&cache, None, Some(&Owner::local())).is_none());
        assert!(Answers::of(&cache, Some(own), None).is_none());
        assert!(Answers::of(&cache, Some(own), Some(&Owner::local())).is_some());
        assert!(Answers::of(&cache, Some(shared), None).is_some());
    }

    #[test]
    fn what_a_provider_says_that_a_request_has_brought_is_not_kept() {
        let (chat, mut model) = question();
        assert!(answers().find(&chat, &model).is_some());
        let options = chatwire_protocols::options::Options::default();
        let protocol = chatwire_protocols::find("openai-chat").unwrap();
        let seconds = Duration::from_secs(1);
        let provider = Provider {
            name: "p".to_owned(),
            protocol,
            upstream: (protocol.upstream.as_ref().unwrap().make)(&options),
            source: Source::Brought("https://a.example".to_owned(), Fence::new(Vec::new())),
            keys: Vec::new(),
            brought: true,
            headers: Vec::new(),
            http2: false,
            timeouts: Timeouts::all(seconds),
            concurrency: ConcurrencyPlan::default(),
            breaker: None,
            prices: Prices::default(),
        };
        let target = ModelTarget {
            provider: Arc::new(provider),
            model: "m".to_owned(),
            extra: serde_json::Map::new(),
            weight: None,
            concurrency: None,
        };
        model.targets.push(target);
        assert!(answers().find(&chat, &model).is_none());
    }
}
