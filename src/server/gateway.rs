//! What all requests share.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use super::stop::Stop;
use crate::config::plan::{Attachments, FactsMount, Plan, Route};
use crate::store::{Sqlite, Store};
use crate::threads::{Files, NoFiles, Threads};
use crate::turn::{Means, Turns};
use crate::uploads::{Found, Sweeping, Uploads};
use crate::upstream::Upstreams;

/// The plan, made ready to serve.
pub struct Gateway {
    pub plan: Plan,
    pub stop: Stop,
    pub store: Arc<dyn Store>,
    pub threads: Arc<Threads>,
    /// The files of users, if they may send any.
    pub uploads: Option<Arc<Uploads>>,
    _sweeping: Option<Sweeping>,
    routes: HashMap<String, Arc<Route>>,
}

impl Gateway {
    pub fn new(plan: Plan, stop: Stop) -> io::Result<Self> {
        let routes = plan.routes.iter().map(|route| (route.path.clone(), Arc::clone(route))).collect();
        let upstreams = Arc::new(Upstreams::new(&plan)?);
        let store = open_store(&plan)?;
        let turns = Turns::new(plan.server.max_turns);
        let means = Means { store: Arc::clone(&store), upstreams, stop: stop.clone() };
        let threads = Arc::new(Threads::new(means, turns));
        let open = |settings| Uploads::open(settings, plan.store.as_ref(), Arc::clone(&store));
        let uploads = plan.attachments.clone().map(open).transpose()?;
        let _sweeping = uploads.as_ref().map(Uploads::sweeping);
        Ok(Self { plan, stop, store, threads, uploads, _sweeping, routes })
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
        let mut routes = slashes.filter_map(|(above, below)| {
            // What stands directly below the root.
            let above = if above.is_empty() { "/" } else { above };
            Some((self.routes.get(above)?, below))
        });
        routes.find(|(route, _)| route.memory.is_some())
    }

    /// Where facts are, if this path is theirs, and the part of it below their list.
    pub fn facts<'a>(&self, path: &'a str) -> Option<(&FactsMount, &'a str)> {
        let mount = self.plan.facts.as_ref()?;
        Some((mount, below(path, &mount.path)?))
    }

    /// Where files are, if this path is theirs, and the part of it below their mount.
    pub fn attachments<'a>(&self, path: &'a str) -> Option<(&Uploads, &Attachments, &'a str)> {
        let (uploads, mount) = (self.uploads.as_ref()?, self.plan.attachments.as_ref()?);
        Some((uploads, mount, below(path, &mount.path)?))
    }
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
