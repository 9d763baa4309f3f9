//! What all requests share.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use super::inspect;
use super::stop::Stop;
use crate::config::plan::{FactsMount, InspectMount, Plan, Route};
use crate::store::{Sqlite, Store};
use crate::tools::mcp::Servers;
use crate::upstream::Upstreams;

/// The plan, made ready to serve.
pub struct Gateway {
    pub plan: Plan,
    pub upstreams: Arc<Upstreams>,
    pub stop: Stop,
    pub store: Arc<dyn Store>,
    pub servers: Servers,
    routes: HashMap<String, Arc<Route>>,
}

impl Gateway {
    pub fn new(plan: Plan, stop: Stop) -> io::Result<Self> {
        let routes = plan.routes.iter().map(|route| (route.path.clone(), Arc::clone(route))).collect();
        let upstreams = Arc::new(Upstreams::new(&plan)?);
        let store = open_store(&plan)?;
        let servers = Servers::default();
        servers.apply(&plan.mcp);
        Ok(Self { plan, upstreams, stop, store, servers, routes })
    }

    /// The route of exactly this path.
    pub fn route(&self, path: &str) -> Option<&Arc<Route>> {
        self.routes.get(path)
    }

    /// Where facts are, if this path is theirs, and the part of it below their list.
    pub fn facts<'a>(&self, path: &'a str) -> Option<(&FactsMount, &'a str)> {
        let mount = self.plan.facts.as_ref()?;
        let below = path.strip_prefix(&mount.path)?;
        (below.is_empty() || below.starts_with('/')).then_some((mount, below))
    }

    /// Where tools and MCP servers are shown, if this path is theirs, and the part of it below.
    pub fn inspect<'a>(&self, path: &'a str) -> Option<(&InspectMount, &'a str)> {
        let mount = self.plan.inspect.as_ref()?;
        let below = path.strip_prefix(&mount.path)?;
        inspect::is_at(below).then_some((mount, below))
    }
}

fn open_store(plan: &Plan) -> io::Result<Arc<dyn Store>> {
    let store = match &plan.store {
        Some(path) => {
            Sqlite::open(path).map_err(|error| io::Error::other(format!("store {}: {error}", path.display())))
        }
        None => {
            if plan.facts.is_some() || plan.routes.iter().any(|route| !route.layers.is_empty()) {
                tracing::warn!("there is no [store]: what is saved is gone when the gateway stops");
            }
            Sqlite::in_memory().map_err(io::Error::other)
        }
    };
    Ok(Arc::new(store?))
}
