//! What all requests share.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use super::stop::Stop;
use super::{descriptors, inspect};
use crate::access::Gate;
use crate::cache::Cache;
use crate::config::plan::{Attachments, FactsMount, InspectMount, Plan, Route};
use crate::limits::Limiter;
use crate::store::{Sqlite, Store};
use crate::threads::{Files, NoFiles, Threads};
use crate::tools::mcp::Servers;
use crate::turn::{Means, Turns};
use crate::uploads::{Found, Sweeping, Uploads};
use crate::upstream::Upstreams;

/// A plan, made ready to serve, and what lasts as long as the process. A request takes it once, when it begins; a reload
/// makes the next one.
pub struct Gateway {
    pub plan: Plan,
    pub stop: Stop,
    pub store: Arc<dyn Store>,
    pub servers: Arc<Servers>,
    /// Says who asks.
    pub gate: Gate,
    pub threads: Arc<Threads>,
    /// What everybody has taken of what they may ask for.
    pub limits: Arc<Limiter>,
    /// The files of users, if they may send any.
    pub uploads: Option<Arc<Uploads>>,
    _sweeping: Option<Arc<Sweeping>>,
    routes: HashMap<String, Arc<Route>>,
}

impl Gateway {
    pub fn new(plan: Plan, stop: Stop) -> io::Result<Self> {
        let upstreams = Arc::new(Upstreams::new(&plan, None)?);
        let gate = Gate::new(&plan, None)?;
        let store = open_store(&plan)?;
        let servers = Arc::new(Servers::default());
        servers.apply(&plan.mcp);
        let most = descriptors::room(&plan.server).turns;
        descriptors::tell("max_turns", plan.server.max_turns as usize, most);
        let turns = Turns::new(u32::try_from(most).unwrap_or(u32::MAX));
        let means = Means {
            store: Arc::clone(&store),
            upstreams,
            stop: stop.clone(),
            servers: Arc::clone(&servers),
            cache: Arc::new(Cache::new(plan.cache_size)),
        };
        let threads = Arc::new(Threads::new(means, turns));
        let open = |settings| Uploads::open(settings, plan.store.as_ref(), Arc::clone(&store));
        let uploads = plan.attachments.clone().map(open).transpose()?;
        let _sweeping = uploads.as_ref().map(Uploads::sweeping).map(Arc::new);
        let routes = by_path(&plan);
        let limits = Arc::new(Limiter::new(Arc::clone(&store)));
        Ok(Self { plan, stop, store, servers, gate, threads, limits, uploads, _sweeping, routes })
    }

    /// The gateway with another plan, in which nothing differs that [`fixed`](super::fixed) names. The MCP servers are
    /// not told of it yet.
    ///
    /// # Errors
    /// What the plan's providers need cannot be had.
    pub fn with(&self, plan: Plan) -> io::Result<Self> {
        let upstreams = Arc::new(Upstreams::new(&plan, Some(&self.threads.means().upstreams))?);
        // What other providers have said is no answer of these.
        let cache = Arc::new(Cache::new(plan.cache_size));
        Ok(Self {
            routes: by_path(&plan),
            gate: Gate::new(&plan, Some(&self.gate))?,
            plan,
            stop: self.stop.clone(),
            store: Arc::clone(&self.store),
            servers: Arc::clone(&self.servers),
            threads: Arc::new(self.threads.with(upstreams, cache)),
            limits: Arc::clone(&self.limits),
            uploads: self.uploads.clone(),
            _sweeping: self._sweeping.clone(),
        })
    }

    /// The uploaded files, as the page of this request finds them.
    pub fn files(&self, head: &http::request::Parts) -> Box<dyn Files> {
        match &self.uploads {
            Some(uploads) => Box::new(Found { base: uploads.base(head), uploads: Arc::clone(uploads) }),
            None => Box::new(NoFiles),
        }
    }

    /// The route of exactly this path.
    pub fn route(&self, path: &str) -> Option<&Arc<Route>> {
        self.routes.get(path)
    }

    /// The route with kept conversations that this path stands below, and the part of it below the route's own.
    pub fn route_above<'a>(&self, path: &'a str) -> Option<(&Arc<Route>, &'a str)> {
        let slashes = path.rmatch_indices('/').map(|(at, _)| path.split_at(at));
        let route = |above: &str| self.routes.get(if above.is_empty() { "/" } else { above });
        let mut routes = slashes.filter_map(|(above, below)| Some((route(above)?, below)));
        routes.find(|(route, _)| route.memory.is_some())
    }

    /// The route with sessions that tells the gateway's health at this path.
    pub fn health(&self, path: &str) -> Option<&Arc<Route>> {
        let above = path.strip_suffix("/health")?;
        let route = self.routes.get(if above.is_empty() { "/" } else { above })?;
        route.frontend.sessions().and(Some(route))
    }

    /// Where facts are, if this path is theirs, and the part of it below their list.
    pub fn facts<'a>(&self, path: &'a str) -> Option<(&FactsMount, &'a str)> {
        let mount = self.plan.facts.as_ref()?;
        Some((mount, below(path, &mount.path)?))
    }

    /// Where tools and MCP servers are shown, if this path is theirs, and the part of it below.
    pub fn inspect<'a>(&self, path: &'a str) -> Option<(&InspectMount, &'a str)> {
        let mount = self.plan.inspect.as_ref()?;
        let below = path.strip_prefix(&mount.path)?;
        inspect::is_at(below).then_some((mount, below))
    }

    /// Where files are, if this path is theirs, and the part of it below their mount.
    pub fn attachments<'a>(&self, path: &'a str) -> Option<(&Uploads, &Attachments, &'a str)> {
        let (uploads, mount) = (self.uploads.as_ref()?, self.plan.attachments.as_ref()?);
        Some((uploads, mount, below(path, &mount.path)?))
    }
}

fn by_path(plan: &Plan) -> HashMap<String, Arc<Route>> {
    plan.routes.iter().map(|route| (route.path.clone(), Arc::clone(route))).collect()
}

fn below<'a>(path: &'a str, mount: &str) -> Option<&'a str> {
    path.strip_prefix(mount).filter(|below| below.is_empty() || below.starts_with('/'))
}

fn open_store(plan: &Plan) -> io::Result<Arc<dyn Store>> {
    let store = match &plan.store {
        Some(path) => {
            Sqlite::open(path).map_err(|error| io::Error::other(format!("store {}: {error}", path.display())))
        }
        None => {
            let keeps = |route: &Arc<Route>| !route.layers.is_empty() || route.memory.is_some();
            if plan.facts.is_some() || plan.attachments.is_some() || plan.routes.iter().any(keeps) {
                tracing::warn!("there is no [store]: what is saved is gone when the gateway stops");
            }
            Sqlite::in_memory().map_err(io::Error::other)
        }
    };
    Ok(Arc::new(store?))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chatwire_protocols::items::{Thread, ThreadStatus, metadata};
    use serde_json::{Map, Value};

    use super::*;
    use crate::clock::now_ms;
    use crate::store::{Owner, Write};
    use crate::threads::Swept;

    const HOUR: u64 = 3_600_000;

    /// A gateway with two routes of sessions.
    fn gateway() -> Gateway {
        let route = |path: &str| {
            format!(
                "[[routes]]\npath = \"{path}\"\nprotocol = \"agent-sse\"\nmodel = \"m\"\n\
                 options = {{ session_timeout_minutes = 60, cleanup_interval_seconds = 1 }}\n"
            )
        };
        let text = format!(
            "[providers.p]\nprotocol = \"openai-chat\"\nreplay = {{}}\n[models.m]\ntargets = [\"p/m\"]\n{}{}",
            route("/"),
            route("/b")
        );
        let plan = crate::config::parse("gateway.toml", &text, &|_| None).unwrap_or_else(|report| panic!("{report}"));
        Gateway::new(plan, Stop::never()).unwrap()
    }

    async fn put(gateway: &Gateway, owner: &Owner, id: &str, route: Option<&str>, updated: u64) {
        let mut kept = Map::new();
        if let Some(route) = route {
            kept.insert(metadata::SESSIONS.to_owned(), Value::from(route));
        }
        let status = ThreadStatus::Active;
        let thread = Thread { id: id.to_owned(), title: None, status, metadata: kept, created: 1, updated };
        gateway.store.apply(owner, id, vec![Write::Thread(thread)]).await.unwrap();
    }

    async fn is_there(gateway: &Gateway, owner: &Owner, id: &str) -> bool {
        gateway.store.thread(owner, id).await.unwrap().is_some()
    }

    #[tokio::test]
    async fn sessions_of_a_route_that_are_too_old_and_not_in_use_end() {
        let gateway = gateway();
        let (kaz, mia) = (Owner::new("kaz").unwrap(), Owner::new("mia").unwrap());
        let now = 100 * HOUR;
        put(&gateway, &kaz, "old", Some("/"), now - HOUR - 1).await;
        put(&gateway, &mia, "old", Some("/"), 5).await;
        put(&gateway, &kaz, "young", Some("/"), now - HOUR).await;
        put(&gateway, &kaz, "elsewhere", Some("/b"), 5).await;
        put(&gateway, &kaz, "no session", None, 5).await;
        put(&gateway, &kaz, "busy", Some("/"), 5).await;
        let claim = gateway.threads.turns().claim(&kaz, "busy", Duration::ZERO).await.unwrap();
        let route = Arc::clone(gateway.route("/").unwrap());
        assert_eq!(gateway.threads.sweep(&route, now).await, Ok(2));
        for (owner, id, kept) in [
            (&kaz, "old", false),
            (&mia, "old", false),
            (&kaz, "young", true),
            (&kaz, "elsewhere", true),
            (&kaz, "no session", true),
            (&kaz, "busy", true),
        ] {
            assert_eq!(is_there(&gateway, owner, id).await, kept, "{id}");
        }
        drop(claim);
        assert_eq!(gateway.threads.sweep(&route, now).await, Ok(1));
    }

    #[tokio::test]
    async fn more_sessions_than_are_looked_at_together_end() {
        let gateway = gateway();
        let owner = Owner::local();
        for number in 0..450 {
            put(&gateway, &owner, &number.to_string(), Some("/b"), 5).await;
        }
        let route = Arc::clone(gateway.route("/b").unwrap());
        assert_eq!(gateway.threads.sweep(&route, 100 * HOUR).await, Ok(450));
        assert_eq!(gateway.store.count_sessions("/b").await, Ok(0));
    }

    #[tokio::test]
    async fn the_sweep_goes_on_by_itself() {
        let gateway = gateway();
        let owner = Owner::local();
        put(&gateway, &owner, "old", Some("/"), now_ms() - 2 * HOUR).await;
        put(&gateway, &owner, "young", Some("/b"), now_ms()).await;
        let gone = async {
            while is_there(&gateway, &owner, "old").await {
                tokio::task::yield_now().await;
            }
        };
        let mut swept = Swept::new();
        tokio::select! {
            never = gateway.threads.sweep_always(&gateway.plan.routes, &mut swept) => match never {},
            () = gone => {}
            () = tokio::time::sleep(Duration::from_secs(20)) => panic!("nothing is swept"),
        }
        assert!(is_there(&gateway, &owner, "young").await);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_again_does_not_put_the_sweep_off() {
        let gateway = gateway();
        let mut swept = Swept::new();
        let mut wait = async |routes: &[Arc<Route>]| {
            let sweeping = gateway.threads.sweep_always(routes, &mut swept);
            assert!(tokio::time::timeout(Duration::from_millis(400), sweeping).await.is_err());
            swept.clone()
        };
        let (all, one) = (gateway.plan.routes.as_slice(), &gateway.plan.routes[1..]);
        let first = wait(all).await;
        assert_eq!(first.keys().collect::<Vec<_>>(), ["/", "/b"]);
        assert_eq!(wait(all).await, first);
        assert_eq!(wait(one).await.keys().collect::<Vec<_>>(), ["/b"], "one that is gone is forgotten");
    }

    #[test]
    fn a_route_at_the_root_is_above_all_others() {
        let gateway = gateway();
        let above = |path: &str| {
            let (route, below) = gateway.route_above(path).unwrap();
            (route.path.clone(), below.to_owned())
        };
        let pair = |path: &str, below: &str| (path.to_owned(), below.to_owned());
        assert_eq!(above("/sessions/a"), pair("/", "/sessions/a"));
        assert_eq!(above("/b/sessions"), pair("/b", "/sessions"));
        assert_eq!(above("/bb"), pair("/", "/bb"));
        let health = |path: &str| gateway.health(path).map(|route| route.path.as_str());
        assert_eq!((health("/health"), health("/b/health")), (Some("/"), Some("/b")));
        assert_eq!((health("/c/health"), health("health"), health("/b/x/health")), (None, None, None));
    }
}
