//! From what a page asks to what a turn is made of: the same for stateless turns and kept ones.

use std::sync::Arc;

use chatwire_protocols::chat::{ChatRequest, Message, OwnProvider, Role};
use chatwire_protocols::error::CallerError;
use chatwire_protocols::event::Text;

use super::driver::Parts;
use super::own::with_own;
use crate::access::ApiKey;
use crate::cache::{Answers, Cache};
use crate::config::pattern;
use crate::config::plan::{Model, Route, ToolPlan};
use crate::layers::Prepared;
use crate::limits::Admission;
use crate::server::Stop;
use crate::store::{Owner, Store};
use crate::tools::mcp::Servers;
use crate::tools::{Scope, Toolbox};
use crate::upstream::Upstreams;

/// What all turns share.
#[derive(Clone)]
pub struct Means {
    /// Where things are kept.
    pub store: Arc<dyn Store>,
    /// Where the providers are called from.
    pub upstreams: Arc<Upstreams>,
    /// Says when the gateway stops.
    pub stop: Stop,
    /// The MCP servers.
    pub servers: Arc<Servers>,
    /// Answers that are given again.
    pub cache: Arc<Cache>,
}

fn choose_model(route: &Route, asked: Option<&str>) -> Result<Arc<Model>, CallerError> {
    match asked {
        Some(name) => pattern::find(&route.models, name).ok_or_else(|| unknown_model(name)),
        None => route.model.clone().ok_or_else(|| {
            let missing = "is missing, and this route has no model of its own";
            about_model(400, "missing_model", missing.to_owned())
        }),
    }
}

fn unknown_model(name: &str) -> CallerError {
    let name: String = name.chars().take(100).collect();
    about_model(404, "unknown_model", format!("there is no model {name:?} here"))
}

fn about_model(status: u16, code: &'static str, message: String) -> CallerError {
    CallerError { status, code, path: "model".to_owned(), message }
}

/// The model that a page names, or the route's own; at the provider that the request brings, if it does.
///
/// # Errors
/// There is no such model here or none for this key, none is named at all, or the request may not bring a provider.
pub fn answering(
    route: &Route,
    key: Option<&ApiKey>,
    asked: Option<&str>,
    own: Option<Box<OwnProvider>>,
) -> Result<Arc<Model>, CallerError> {
    let asked = asked.filter(|name| !name.is_empty() && !route.force_model);
    let model = choose_model(route, asked)?;
    if key.is_some_and(|key| !key.may_ask(&model.name)) {
        return Err(match asked {
            // Which models there are for others is not told.
            Some(name) => unknown_model(name),
            None => about_model(403, "model_not_allowed", "is not one that this API key is for".to_owned()),
        });
    }
    match own {
        None => Ok(model),
        Some(own) => with_own(&model, *own, route.own_providers.as_ref()),
    }
}

/// A turn that answers `chat`: with what the configuration says and the page did not, the route's layers applied if it
/// is known whose turn it is, and the route's tools.
pub async fn parts(
    means: &Means,
    route: &Route,
    owner: Option<&Owner>,
    turn: Text,
    mut chat: ChatRequest,
    model: Arc<Model>,
) -> Parts {
    // It is in the model by now, and nobody else needs its key.
    chat.own_provider = None;
    complete(&mut chat, route, &model);
    let tools = apply_layers(means, route, owner, &mut chat).await;
    let toolbox = Toolbox::new(&tools, &mut chat.tools).asking(route.frontend.asks_approval(&chat));
    let scope = Scope { owner: owner.cloned(), thread: chat.thread.clone() };
    Parts {
        turn,
        chat,
        toolbox,
        scope,
        model,
        max_steps: route.max_steps,
        page_calls: false,
        timeout: route.turn_timeout,
        summaries: route.summaries.clone(),
        admission: Admission::default(),
        answers: Answers::of(&means.cache, route.cache, owner),
        upstreams: Arc::clone(&means.upstreams),
        stop: means.stop.clone(),
    }
}

/// Applies the route's layers and gives the tools of the turn.
pub async fn apply_layers(
    means: &Means,
    route: &Route,
    owner: Option<&Owner>,
    chat: &mut ChatRequest,
) -> Vec<Arc<ToolPlan>> {
    let mut tools = route.tools.clone();
    if !route.mcp.is_empty() {
        means.servers.add(&route.mcp, &mut tools).await;
    }
    if let Some(owner) = owner {
        let mut prepared = Prepared { owner, store: &means.store, chat, tools: &mut tools };
        for layer in &route.layers {
            layer.prepare(&mut prepared).await;
        }
    }
    tools
}

/// Adds what the configuration says and the page did not.
fn complete(chat: &mut ChatRequest, route: &Route, model: &Model) {
    let (settings, defaults) = (&mut chat.settings, &model.defaults);
    settings.max_tokens = settings.max_tokens.or(defaults.max_tokens);
    settings.temperature = settings.temperature.or(defaults.temperature);
    settings.reasoning = settings.reasoning.or(defaults.reasoning);
    if let Some(system) = &route.system {
        chat.messages.insert(0, Message::text(Role::System, system.clone()));
    }
}
