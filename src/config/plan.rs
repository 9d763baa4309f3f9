//! The resolved configuration: everything looked up once, nothing to look up while serving. Immutable; a reload makes
//! a new one.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chatwire_protocols::cost::Price;
use chatwire_protocols::protocol::{Frontend, Protocol, Upstream};
use ipnet::IpNet;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use super::pattern;
use super::values::Words;
use crate::access::{Auth, Mount};
use crate::cache::CachePlan;
use crate::layers::Layer;
use crate::limits::{LimitRules, Limits};
use crate::secret::Secret;
use crate::tools::fence::Fence;
use crate::tools::mcp::{Offer, ServerPlan};
use crate::tools::{Arguments, Permission, Summaries, Tool, WidgetTemplate, Writer};
use crate::turn::{Busy, Leaving};
use crate::uploads::media::Types;
use crate::upstream::StandIn;

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

/// The listener's settings.
#[derive(Clone, Debug)]
pub struct Server {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Largest request body in bytes.
    pub max_body: usize,
    /// Largest request head in bytes.
    pub max_head: usize,
    /// How long a request head may take, from the first byte of the connection.
    pub head_timeout: Duration,
    /// How long a request body may take.
    pub body_timeout: Duration,
    /// How many bytes of a body must come in a second.
    pub min_body_rate: Option<usize>,
    /// How long a connection is kept for its next request.
    pub idle_timeout: Duration,
    /// How long a page may leave an answer unread.
    pub write_timeout: Duration,
    /// How long running answers may go on after a stop signal.
    pub drain: Duration,
    /// Threads that serve connections.
    pub threads: usize,
    /// Most connections at a time.
    pub max_connections: usize,
    /// Most connections of one address at a time, if that is said.
    pub max_connections_per_address: Option<usize>,
    /// Most turns at a time.
    pub max_turns: u32,
    /// Whether the configuration is read again when its files change.
    pub watch: bool,
    /// The names that it may be called by, if they are said.
    pub hosts: Option<Vec<String>>,
    /// The proxies that are believed who their client is.
    pub trusted_proxies: Vec<IpNet>,
    /// Where they say it.
    pub client_header: ClientHeader,
    /// The certificate, if connections are encrypted.
    pub tls: Option<Tls>,
    /// What holds on WebSockets.
    pub websocket: WebSocket,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 8000),
            max_body: 1 << 20,
            max_head: 64 << 10,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            min_body_rate: Some(240),
            idle_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(60),
            drain: Duration::from_secs(30),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            max_connections: 1024,
            max_connections_per_address: None,
            max_turns: 1024,
            watch: true,
            hosts: None,
            trusted_proxies: Vec::new(),
            client_header: ClientHeader::default(),
            tls: None,
            websocket: WebSocket::default(),
        }
    }
}

/// Where trusted proxies say who their client is. Only one place is read: of another, a client could have written it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientHeader {
    /// `X-Forwarded-For`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

impl Words for ClientHeader {
    const WHAT: &'static str = "header of proxies";
    const WORDS: &'static [(&'static str, Self)] =
        &[("x-forwarded-for", Self::XForwardedFor), ("forwarded", Self::Forwarded)];
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The PEM file of the certificate and those above it.
    pub cert: PathBuf,
    /// The PEM file of its private key.
    pub key: PathBuf,
}

/// What holds on WebSockets.
#[derive(Clone, Copy, Debug)]
pub struct WebSocket {
    /// Largest message of a page in bytes.
    pub max_message: usize,
    /// After how much silence a page is asked whether it is there, and how long it may take to say so.
    pub ping: Duration,
    /// Most messages of a page in a second; what is more waits.
    pub max_rate: u32,
    /// Most conversations that one connection follows.
    pub max_subscriptions: usize,
    /// Most turns that one connection waits for or is shown at a time.
    pub max_turns: usize,
}

impl Default for WebSocket {
    fn default() -> Self {
        Self {
            max_message: 8 << 20,
            ping: Duration::from_secs(30),
            max_rate: 50,
            max_subscriptions: 256,
            max_turns: 32,
        }
    }
}

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
