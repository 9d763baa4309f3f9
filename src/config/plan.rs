//! The resolved configuration: everything looked up once, nothing to look up while serving. Immutable; a reload makes
//! a new one.

mod model;
mod route;
mod server;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::access::{Auth, Mount};
use crate::limits::LimitRules;
use crate::tools::mcp::ServerPlan;
use crate::tools::{Arguments, Permission, Tool, WidgetTemplate, Writer};
use crate::uploads::media::Types;

pub use model::{
    BreakerPlan, ConcurrencyPlan, Model, ModelDefaults, ModelTarget, Prices, Provider, RetryPlan, Source, Timeouts,
};
pub use route::{ActionPlan, ActionTool, Cors, Memory, Origins, OwnProviders, Route, Transcription};
pub use server::{ClientHeader, Server, Tls, WebSocket};

/// What a gateway serves and how.
#[derive(Clone)]
pub struct Plan {
    /// The listener's settings.
    pub server: Server,
    /// The routes, in the order of the file.
    pub routes: Vec<Arc<Route>>,
    /// The models by the names that pages ask for; see [`find`](super::pattern::find).
    pub models: BTreeMap<String, Arc<Model>>,
    /// The file of the store; without one, what is stored is gone with the process.
    pub store: Option<PathBuf>,
    /// The request header that names the user, in lower case; without one, all requests are the same user's.
    pub owner: Option<String>,
    /// Where facts are listed and decided about, if anywhere.
    pub facts: Option<FactsMount>,
    /// What holds for files that users upload, if they may.
    pub attachments: Option<Attachments>,
    /// The MCP servers.
    pub mcp: Vec<Arc<ServerPlan>>,
    /// Where the tools and the MCP servers are shown, if anywhere.
    pub inspect: Option<InspectMount>,
    /// What holds for each key, owner and address.
    pub limits: LimitRules,
    /// Most bytes of all answers that are kept to be given again.
    pub cache_size: usize,
    /// Who may call; everybody without it.
    pub auth: Option<Auth>,
}

impl Plan {
    /// All places that requests go to, beside health.
    pub fn mounts(&self) -> impl Iterator<Item = Mount<'_>> {
        let routes = self.routes.iter().map(|route| route.mount());
        let facts = self.facts.iter().map(FactsMount::mount);
        let inspect = self.inspect.iter().map(InspectMount::mount);
        let attachments = self.attachments.iter().map(Attachments::mount);
        routes.chain(facts).chain(inspect).chain(attachments)
    }
}

/// Where the tools and the MCP servers are shown.
#[derive(Clone, Debug)]
pub struct InspectMount {
    /// The path above them.
    pub path: String,
    /// Whether it may be called without a credential.
    pub anonymous: bool,
    /// Which pages of other origins may call it.
    pub cors: Cors,
}

impl InspectMount {
    /// Where it is, for who asks.
    pub fn mount(&self) -> Mount<'_> {
        Mount { path: &self.path, anonymous: self.anonymous, needs_owner: false }
    }
}

/// What holds for files that users upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachments {
    /// The path that they are sent to; each stands below it.
    pub path: String,
    /// Where pages find the gateway, without a slash at its end; without it, at the host that they have called.
    pub url: Option<String>,
    /// The folder of the bytes; without it, one beside the store's file.
    pub folder: Option<PathBuf>,
    /// Most bytes of a file.
    pub max_size: u64,
    /// Most bytes of all files of a user.
    pub max_per_user: u64,
    /// Most bytes of all files.
    pub max_total: u64,
    /// The media types that are taken.
    pub types: Types,
    /// How long sending a file may take.
    pub timeout: Duration,
    /// How long a file that belongs to no thread is kept.
    pub unused: Duration,
    /// How long a signed address is good for.
    pub url_lifetime: Duration,
    /// Whether files may be sent, and read by their owner, without a credential.
    pub anonymous: bool,
    /// Which pages of other origins may send files.
    pub cors: Cors,
}

impl Attachments {
    /// Where they are, for who asks.
    pub fn mount(&self) -> Mount<'_> {
        Mount { path: &self.path, anonymous: self.anonymous, needs_owner: true }
    }

    /// What holds where the file says nothing else.
    pub fn new(path: &str) -> Self {
        let day = Duration::from_secs(24 * 60 * 60);
        Self {
            path: path.to_owned(),
            url: None,
            folder: None,
            max_size: 20 << 20,
            max_per_user: 1 << 30,
            max_total: 10 << 30,
            types: Types::default(),
            timeout: Duration::from_secs(300),
            unused: day,
            url_lifetime: day,
            anonymous: false,
            cors: Cors::default(),
        }
    }
}

/// Where facts are listed and decided about.
#[derive(Clone, Debug)]
pub struct FactsMount {
    /// The path of the list; what is done with one fact stands below it.
    pub path: String,
    /// Whether it may be called without a credential.
    pub anonymous: bool,
    /// Which pages of other origins may call it.
    pub cors: Cors,
}

impl FactsMount {
    /// Where it is, for who asks.
    pub fn mount(&self) -> Mount<'_> {
        Mount { path: &self.path, anonymous: self.anonymous, needs_owner: true }
    }
}

/// A tool the gateway runs.
#[derive(Clone, Debug)]
pub struct ToolPlan {
    /// Its name.
    pub name: String,
    /// What it is for, for the model.
    pub description: Option<String>,
    /// The arguments it takes.
    pub arguments: Arguments,
    /// Whether its calls run.
    pub permission: Permission,
    /// How long a call may take.
    pub timeout: Duration,
    /// Most bytes of text in its output; the rest is cut.
    pub max_output: usize,
    /// Whether long results are summarised, where that is set up.
    pub summarise: bool,
    /// True if it works in a folder of the user.
    pub needs_owner: bool,
    /// How it is run.
    pub kind: ToolKind,
    /// The widget that a page is shown of its result.
    pub widget: Option<Arc<WidgetTemplate>>,
}

impl ToolPlan {
    /// A tool without arguments, with the limits that hold where the file names none.
    pub fn new(name: &str, kind: ToolKind) -> Self {
        Self {
            name: name.to_owned(),
            description: None,
            arguments: Arguments::default(),
            permission: Permission::Allow,
            timeout: Duration::from_secs(30),
            max_output: 64 << 10,
            summarise: true,
            needs_owner: false,
            kind,
            widget: None,
        }
    }
}

/// How a tool is run.
#[derive(Clone, Debug)]
pub enum ToolKind {
    /// It always gives this result: for demonstrations and tests.
    Fixed(Value),
    /// The page runs it.
    Page,
    /// The user answers its questions: in a form, or as the page shows them.
    Form,
    /// A model writes it.
    Write(Arc<Writer>),
    /// Code of the program that the gateway is a part of.
    Code(Arc<dyn Tool>),
}

impl ToolKind {
    /// True if the page, or its user, gives the result.
    pub const fn is_page(&self) -> bool {
        matches!(self, Self::Page | Self::Form)
    }

    /// True if the output of such a tool comes in pieces.
    pub fn streams(&self) -> bool {
        match self {
            Self::Fixed(_) | Self::Page | Self::Form => false,
            Self::Write(_) => true,
            Self::Code(code) => code.streams(),
        }
    }
}
