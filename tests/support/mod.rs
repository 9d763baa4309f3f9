//! What the gateway's tests share: a scripted provider, a raw HTTP page, trivial protocols, and plans made by hand.

#![allow(dead_code)]

pub mod double;
pub mod fake;
pub mod kept;
pub mod page;
pub mod protocols;
pub mod scripted;
pub mod staged;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chatwire::access::Auth;
use chatwire::cache::CachePlan;
use chatwire::config::plan::{
    Attachments, BreakerPlan, ConcurrencyPlan, Cors, FactsMount, InspectMount, Memory, Model, ModelDefaults,
    ModelTarget, Origins, OwnProviders, Plan, Prices, Provider, RetryPlan, Route, Server, Source, Timeouts, ToolKind,
    ToolPlan, Transcription,
};
use chatwire::layers::Layer;
use chatwire::limits::{LimitRules, Limits};
use chatwire::secret::Secret;
use chatwire::server::{Listening, Stopper, bind};
use chatwire::tools::Summaries;
use chatwire::tools::mcp::{Offer, ServerPlan};
use chatwire::turn::{Busy, Leaving};
use chatwire_protocols::options::Options;
use chatwire_protocols::protocol::Protocol;
use serde_json::{Map, Value};

use crate::canary;

/// Long enough that only a fault reaches it.
pub const LONG: Duration = Duration::from_secs(20);

/// The key of every provider here.
pub const KEY: &str = "sk-canary-0123456789";

/// What a test may change before the gateway starts.
pub struct Setup {
    pub server: Server,
    pub sources: Vec<Source>,
    pub timeouts: Timeouts,
    pub keys: Vec<Secret>,
    pub weights: Vec<u32>,
    pub retry: RetryPlan,
    pub hedge: Option<Duration>,
    pub breaker: Option<BreakerPlan>,
    pub concurrency: ConcurrencyPlan,
    /// That of each target beside its provider's.
    pub target_concurrency: Option<ConcurrencyPlan>,
    pub tools: Vec<ToolPlan>,
    /// MCP servers, all of whose tools are offered.
    pub mcp: Vec<ServerPlan>,
    pub layers: Vec<&'static dyn Layer>,
    pub owner: Option<String>,
    pub auth: Option<Auth>,
    pub store: Option<PathBuf>,
    pub max_steps: u32,
    pub cors: Cors,
    pub keep_alive: Option<Duration>,
    pub turn_timeout: Duration,
    pub system: Option<String>,
    pub force_model: bool,
    /// With it, the route speaks [`kept::KEPT`], or [`kept::ASKING`].
    pub memory: Option<Memory>,
    pub page_calls: bool,
    pub attachments: Option<Attachments>,
    /// Whether the first provider writes down what users speak.
    pub transcription: bool,
    /// What the models of all providers cost.
    pub prices: Prices,
    pub summaries: Option<Arc<Summaries>>,
    pub own_providers: Option<OwnProviders>,
    /// What all requests of the route together may ask for.
    pub limits: Limits,
    /// What holds for each key, owner and address.
    pub rules: LimitRules,
    pub cache: Option<CachePlan>,
    /// A protocol of the registry that the route speaks instead.
    pub speaks: Option<&'static str>,
    /// With it, the route speaks this one of the gateway's own, and is at `/`.
    pub protocol: Option<&'static Protocol>,
}

/// A running gateway.
pub struct Gateway {
    pub addr: SocketAddr,
    pub stopper: Stopper,
    pub task: tokio::task::JoinHandle<()>,
}

impl Setup {
    /// One model whose targets are these providers, in this order, and all of their models as `any/*`.
    pub fn new(providers: &[SocketAddr]) -> Self {
        Self {
            server: Server {
                listen: ([127, 0, 0, 1], 0).into(),
                max_body: 4096,
                max_head: 8192,
                head_timeout: LONG,
                body_timeout: LONG,
                write_timeout: LONG,
                drain: LONG,
                max_connections: 64,
                max_turns: 64,
                // Pages of the tests call the gateway as they like.
                hosts: Some(vec!["*".to_owned()]),
                ..Server::default()
            },
            sources: providers.iter().map(|addr| Source::Http(format!("http://{addr}/v1/"))).collect(),
            timeouts: Timeouts::all(LONG),
            keys: vec![Secret::new(KEY)],
            weights: Vec::new(),
            retry: RetryPlan::NONE,
            hedge: None,
            breaker: None,
            concurrency: ConcurrencyPlan::default(),
            target_concurrency: None,
            tools: Vec::new(),
            mcp: Vec::new(),
            layers: Vec::new(),
            owner: None,
            auth: None,
            store: None,
            max_steps: 5,
            cors: Cors::default(),
            keep_alive: None,
            turn_timeout: LONG,
            system: None,
            force_model: false,
            memory: None,
            page_calls: false,
            attachments: None,
            transcription: false,
            prices: Prices::default(),
            summaries: None,
            own_providers: None,
            limits: Limits::default(),
            rules: LimitRules::default(),
            cache: None,
            speaks: None,
            protocol: None,
        }
    }

    /// Starts it, with one route at `/chat`.
    pub async fn start(self) -> Gateway {
        let listening = self.bind().await;
        let (addr, stopper) = (listening.local_addr().unwrap(), listening.stopper());
        Gateway { addr, stopper, task: tokio::spawn(listening.serve()) }
    }

    /// The same, not yet answering.
    pub async fn bind(self) -> Listening {
        self.try_bind().await.unwrap()
    }

    /// The same, where it may fail.
    pub async fn try_bind(self) -> std::io::Result<Listening> {
        bind(self.plan()).await
    }

    /// What the gateway is made from.
    pub fn plan(self) -> Plan {
        canary::watch_logs();
        let target = |(at, source): (usize, Source)| ModelTarget {
            provider: Arc::new(Provider {
                name: format!("p{at}"),
                protocol: &protocols::LINES,
                upstream: Arc::new(protocols::Lines),
                source,
                keys: self.keys.clone(),
                brought: false,
                headers: vec![("x-extra".to_owned(), Secret::new(canary::HEADER))],
                http2: false,
                timeouts: self.timeouts,
                concurrency: self.concurrency,
                breaker: self.breaker,
                prices: self.prices.clone(),
            }),
            model: format!("model-{at}"),
            extra: Map::new(),
            weight: self.weights.get(at).copied(),
            concurrency: self.target_concurrency,
        };
        let model = Arc::new(Model {
            name: "m".to_owned(),
            targets: self.sources.into_iter().enumerate().map(target).collect(),
            defaults: ModelDefaults { max_tokens: Some(77), ..ModelDefaults::default() },
            retry: self.retry,
            hedge: self.hedge,
        });
        let first = model.targets.first().filter(|_| self.transcription);
        let transcription =
            first.map(|target| Transcription { provider: Arc::clone(&target.provider), model: target.model.clone() });
        let any = model.targets.iter().map(|target| ModelTarget {
            provider: Arc::clone(&target.provider),
            model: "*".to_owned(),
            extra: Map::new(),
            weight: target.weight,
            concurrency: target.concurrency,
        });
        let any = Model {
            name: "any/*".to_owned(),
            targets: any.collect(),
            defaults: ModelDefaults::default(),
            retry: self.retry,
            hedge: self.hedge,
        };
        let models = BTreeMap::from([("m".to_owned(), Arc::clone(&model)), ("any/*".to_owned(), Arc::new(any))]);
        let named = self.speaks.map(|name| chatwire_protocols::find(name).unwrap()).or(self.protocol);
        let protocol = match (named, &self.memory, self.page_calls) {
            (Some(protocol), ..) => protocol,
            (None, None, _) => &protocols::EVENTS,
            (None, Some(_), false) => &kept::KEPT,
            (None, Some(_), true) => &kept::ASKING,
        };
        let route = Route {
            path: if self.protocol.is_some() { "/" } else { "/chat" }.to_owned(),
            protocol,
            frontend: (protocol.frontend.as_ref().unwrap().make)(&Options::default()),
            model: Some(model),
            force_model: self.force_model,
            models: models.clone(),
            tools: self.tools.into_iter().map(Arc::new).collect(),
            mcp: self.mcp.iter().map(|server| Offer { server: server.name.clone(), tool: None }).collect(),
            layers: self.layers,
            max_steps: self.max_steps,
            system: self.system,
            anonymous: false,
            cors: self.cors.clone(),
            keep_alive: self.keep_alive,
            turn_timeout: self.turn_timeout,
            memory: self.memory,
            transcription,
            summaries: self.summaries,
            own_providers: self.own_providers,
            limits: self.limits,
            cache: self.cache,
            attempts_header: true,
        };
        let facts = FactsMount { path: "/facts".to_owned(), anonymous: false, cors: self.cors.clone() };
        let routes = vec![Arc::new(route)];
        Plan {
            server: self.server,
            routes,
            models,
            store: self.store,
            owner: self.owner,
            facts: Some(facts),
            attachments: self.attachments,
            mcp: self.mcp.into_iter().map(Arc::new).collect(),
            inspect: Some(InspectMount { path: "/api".to_owned(), anonymous: false, cors: self.cors }),
            auth: self.auth,
            limits: self.rules,
            cache_size: 1 << 20,
        }
    }
}

/// Conversations that are kept as if nothing were said about how.
pub fn memory() -> Memory {
    Memory { leaving: Leaving::Cancel, busy: Busy::Wait, history: 400, title_model: None, actions: BTreeMap::new() }
}

/// A model at this address alone.
pub fn model_at(addr: SocketAddr, name: &str) -> Arc<Model> {
    priced_at(addr, name, Prices::default())
}

/// The same with its prices.
pub fn priced_at(addr: SocketAddr, name: &str, prices: Prices) -> Arc<Model> {
    let provider = Provider {
        name: name.to_owned(),
        protocol: &protocols::LINES,
        upstream: Arc::new(protocols::Lines),
        source: Source::Http(format!("http://{addr}/v1/")),
        keys: vec![Secret::new(KEY)],
        brought: false,
        headers: Vec::new(),
        http2: false,
        timeouts: Timeouts::all(LONG),
        concurrency: ConcurrencyPlan::default(),
        breaker: None,
        prices,
    };
    let target = ModelTarget {
        provider: Arc::new(provider),
        model: name.to_owned(),
        extra: Map::new(),
        weight: None,
        concurrency: None,
    };
    Arc::new(Model {
        name: name.to_owned(),
        targets: vec![target],
        defaults: ModelDefaults::default(),
        retry: RetryPlan::NONE,
        hedge: None,
    })
}

/// Summaries of results of more than 40 bytes, by the model at this address.
pub fn summaries(addr: SocketAddr) -> Arc<Summaries> {
    Arc::new(Summaries {
        model: model_at(addr, "small"),
        instructions: "Be brief.".to_owned(),
        above: 40,
        timeout: LONG,
        max_read: 60,
        max_kept: 80,
    })
}

/// A tool.
pub fn tool(name: &str, kind: ToolKind) -> ToolPlan {
    ToolPlan::new(name, kind)
}

/// The tool of this name in a piece of a configuration.
pub fn configured(text: &str, name: &str, env: &dyn Fn(&str) -> Option<String>) -> ToolPlan {
    let rest = "[providers.p]\nprotocol = \"openai-chat\"\nreplay = {}\n[models.m]\ntargets = [\"p/m\"]\n";
    let route = format!("[[routes]]\npath = \"/\"\nprotocol = \"vercel-auto\"\nmodel = \"m\"\ntools = [\"{name}\"]");
    let plan = chatwire::config::parse("gateway.toml", &format!("{text}\n{rest}{route}"), env);
    let plan = plan.unwrap_or_else(|report| panic!("{report}"));
    ToolPlan::clone(&plan.routes[0].tools[0])
}

/// A tool that always gives this.
pub fn fixed(name: &str, output: Value) -> ToolPlan {
    tool(name, ToolKind::Fixed(output))
}

/// Origins as the configuration lists them.
pub fn origins(list: &[&str]) -> Origins {
    Origins::List(list.iter().map(|origin| (*origin).to_owned()).collect())
}

/// A port that nobody listens on.
pub async fn nobody() -> SocketAddr {
    tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}
