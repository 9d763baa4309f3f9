//! The routes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chatwire_protocols::protocol::{Frontend, Protocol};

use super::{Model, Provider, ToolPlan};
use crate::access::Mount;
use crate::cache::CachePlan;
use crate::layers::Layer;
use crate::limits::Limits;
use crate::tools::Summaries;
use crate::tools::fence::Fence;
use crate::tools::mcp::Offer;
use crate::turn::{Busy, Leaving};

/// One route.
pub struct Route {
    /// Its path.
    pub path: String,
    /// Its protocol.
    pub protocol: &'static Protocol,
    /// The protocol with the route's options.
    pub frontend: Arc<dyn Frontend>,
    /// The model when the page names none.
    pub model: Option<Arc<Model>>,
    /// True if the page's model name is ignored.
    pub force_model: bool,
    /// The models a page may ask for here, by name: all of the plan's, or the listed ones; see
    /// [`find`](super::pattern::find).
    pub models: BTreeMap<String, Arc<Model>>,
    /// The gateway-run tools offered here.
    pub tools: Vec<Arc<ToolPlan>>,
    /// The tools of MCP servers offered here, which are known only while these run.
    pub mcp: Vec<Offer>,
    /// What is done with a request before the first model call, in order.
    pub layers: Vec<&'static dyn Layer>,
    /// Most model calls in a turn.
    pub max_steps: u32,
    /// A system message put in front of every conversation.
    pub system: Option<String>,
    /// Whether it may be called without a credential.
    pub anonymous: bool,
    /// Which pages of other origins may call it.
    pub cors: Cors,
    /// After how much silence a keep-alive goes out; `None` for never.
    pub keep_alive: Option<Duration>,
    /// How long a whole turn may take.
    pub turn_timeout: Duration,
    /// How conversations are kept, if the gateway keeps them.
    pub memory: Option<Memory>,
    /// What writes down what users speak, if anything does.
    pub transcription: Option<Transcription>,
    /// How long results of tools are summarised, if they are.
    pub summaries: Option<Arc<Summaries>>,
    /// Which providers requests may bring themselves, if any.
    pub own_providers: Option<OwnProviders>,
    /// What all its requests together may ask for.
    pub limits: Limits,
    /// How answers of models are kept to be given again, if they are.
    pub cache: Option<CachePlan>,
    /// Whether replies say in a header which targets were tried.
    pub attempts_header: bool,
}

/// Which providers requests may bring themselves.
#[derive(Clone, Debug)]
pub struct OwnProviders {
    /// Their origins.
    pub origins: Vec<String>,
    /// What keeps requests to them on the public internet.
    pub fence: Fence,
}

/// What writes down what users speak.
#[derive(Clone)]
pub struct Transcription {
    /// The provider.
    pub provider: Arc<Provider>,
    /// Its name of the model.
    pub model: String,
}

impl Route {
    /// True if it must be known whose a request is.
    pub fn needs_owner(&self) -> bool {
        let private = self.cache.is_some_and(|cache| !cache.shared);
        private || self.memory.is_some() || !self.layers.is_empty() || self.tools.iter().any(|tool| tool.needs_owner)
    }

    /// Where it is, for who asks.
    pub fn mount(&self) -> Mount<'_> {
        Mount { path: &self.path, anonymous: self.anonymous, needs_owner: self.needs_owner() }
    }
}

/// How a route's conversations are kept.
#[derive(Clone)]
pub struct Memory {
    /// What becomes of a turn when its page leaves.
    pub leaving: Leaving,
    /// What becomes of a message while a turn of its thread runs.
    pub busy: Busy,
    /// Most items that the model is told.
    pub history: u32,
    /// Names new threads; without one, they are called by their first message.
    pub title_model: Option<Arc<Model>>,
    /// What happens when a user does something with a widget, by the actions' names.
    pub actions: BTreeMap<String, ActionPlan>,
}

/// What happens when a user does something with a widget.
#[derive(Clone, Debug)]
pub struct ActionPlan {
    /// The tool that is run.
    pub tool: ActionTool,
    /// Whether the model is told and answers.
    pub say: bool,
}

/// The tool of an action.
#[derive(Clone, Debug)]
pub enum ActionTool {
    /// A configured one.
    Plan(Arc<ToolPlan>),
    /// One that a layer of the route brings for each user, by its name.
    OfLayer(String),
}

/// Which pages of other origins may call a route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cors {
    /// The origins, exactly; or any.
    pub origins: Origins,
    /// Whether cookies and the like may come along.
    pub credentials: bool,
    /// Request headers a page may send, beside `content-type`.
    pub headers: Vec<String>,
    /// Reply headers a page may read, beside those of the dialect.
    pub exposed: Vec<String>,
    /// How long a browser may remember a preflight.
    pub max_age: Duration,
}

/// Origins that may call a route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// No page of another origin.
    #[default]
    None,
    /// Any page (without credentials).
    Any,
    /// These.
    List(Vec<String>),
}
