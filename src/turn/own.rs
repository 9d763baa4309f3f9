//! A provider that a request brings itself: only where the route lists its origin, never with a key of the
//! configuration, and behind the fence.

use std::sync::Arc;

use chatwire_protocols::chat::OwnProvider;
use chatwire_protocols::error::CallerError;
use chatwire_protocols::protocol::Auth;
use http::HeaderValue;
use reqwest::Url;
use serde_json::Map;

use crate::config::plan::{ConcurrencyPlan, Model, ModelTarget, OwnProviders, Prices, Provider, Source};
use crate::secret::Secret;

/// What a brought provider is called in the log.
const NAME: &str = "brought";

/// The model with the provider that the request brings.
///
/// # Errors
/// The route does not let it.
pub fn with_own(model: &Model, own: OwnProvider, allowed: Option<&OwnProviders>) -> Result<Arc<Model>, CallerError> {
    let OwnProvider { base_url, api_key, place } = own;
    let refuse = |key: &str, message: &str| CallerError {
        status: 400,
        code: "provider_not_allowed",
        path: format!("{place}.{key}"),
        message: message.to_owned(),
    };
    let brought = if base_url.is_some() { "base_url" } else { "api_key" };
    let Some(allowed) = allowed else {
        let message = "requests may not bring their own provider; leave this out and name a configured model";
        return Err(refuse(brought, message));
    };
    let key = api_key.map(Secret::new);
    if key.as_ref().is_some_and(|key| HeaderValue::from_str(key.expose()).is_err()) {
        return Err(refuse("api_key", "cannot be sent in a header"));
    }
    let target = model.targets.first().ok_or_else(|| refuse(brought, "there is nothing in whose place it could be"))?;
    let listed = |url: &str| is_listed(url, allowed);
    let target = match base_url {
        Some(base_url) => {
            if !listed(&base_url) {
                return Err(refuse("base_url", "is not one of the origins that requests may bring themselves"));
            }
            if let Err(error) = allowed.fence.check(&base_url) {
                return Err(refuse("base_url", &error.to_string()));
            }
            elsewhere(target, Source::Brought(base_url, allowed.fence.clone()), key)
        }
        None => {
            if !matches!(&target.provider.source, Source::Http(url) if listed(url)) {
                return Err(refuse("api_key", "the configured provider is none that requests may bring a key for"));
            }
            with_key(target, key)
        }
    };
    Ok(Arc::new(Model {
        name: model.name.clone(),
        targets: vec![target],
        defaults: model.defaults.clone(),
        retry: model.retry,
        hedge: None,
    }))
}

/// True for a base URL of a listed origin. One with a query would make another address of every path behind it.
fn is_listed(url: &str, allowed: &OwnProviders) -> bool {
    Url::parse(url).is_ok_and(|url| {
        let origin = url.origin().ascii_serialization();
        url.query().is_none() && url.fragment().is_none() && allowed.origins.contains(&origin)
    })
}

/// The same model somewhere else: nothing of the configured provider goes there but its protocol.
fn elsewhere(target: &ModelTarget, source: Source, key: Option<Secret>) -> ModelTarget {
    let old = &target.provider;
    let provider = Provider {
        name: NAME.to_owned(),
        protocol: old.protocol,
        upstream: Arc::clone(&old.upstream),
        source,
        keys: key.into_iter().collect(),
        brought: true,
        headers: Vec::new(),
        http2: old.http2,
        timeouts: old.timeouts,
        concurrency: ConcurrencyPlan::default(),
        breaker: None,
        prices: Prices::default(),
    };
    ModelTarget {
        provider: Arc::new(provider),
        model: target.model.clone(),
        extra: Map::new(),
        weight: None,
        concurrency: None,
    }
}

/// The configured provider with a key of the request's, which no configured header takes the place of.
fn with_key(target: &ModelTarget, key: Option<Secret>) -> ModelTarget {
    let old = &target.provider;
    let carries = match old.upstream.auth() {
        Auth::Bearer => "authorization",
        Auth::Header(name) => name,
    };
    let provider = Provider {
        name: old.name.clone(),
        protocol: old.protocol,
        upstream: Arc::clone(&old.upstream),
        source: old.source.clone(),
        keys: key.into_iter().collect(),
        brought: true,
        headers: old.headers.iter().filter(|(name, _)| name != carries).cloned().collect(),
        http2: old.http2,
        timeouts: old.timeouts,
        concurrency: ConcurrencyPlan::default(),
        breaker: None,
        prices: old.prices.clone(),
    };
    let extra = target.extra.clone();
    ModelTarget { provider: Arc::new(provider), model: target.model.clone(), extra, weight: None, concurrency: None }
}
