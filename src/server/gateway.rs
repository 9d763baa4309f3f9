//! What all requests share.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use super::stop::Stop;
use crate::config::plan::{Plan, Route};
use crate::upstream::Upstreams;

/// The plan, made ready to serve.
pub struct Gateway {
    pub plan: Plan,
    pub upstreams: Arc<Upstreams>,
    pub stop: Stop,
    routes: HashMap<String, Arc<Route>>,
}

impl Gateway {
    pub fn new(plan: Plan, stop: Stop) -> io::Result<Self> {
        let routes = plan.routes.iter().map(|route| (route.path.clone(), Arc::clone(route))).collect();
        let upstreams = Arc::new(Upstreams::new(&plan)?);
        Ok(Self { plan, upstreams, stop, routes })
    }

    /// The route of exactly this path.
    pub fn route(&self, path: &str) -> Option<&Arc<Route>> {
        self.routes.get(path)
    }
}
