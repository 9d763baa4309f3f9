//! All MCP servers of a gateway.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::keeper::keep;
use super::names;
use super::plan::{Offer, ServerPlan};
use super::state::{State, Status};
use crate::config::plan::ToolPlan;

/// How long a turn waits for servers that are being started for the first time.
const FIRST_START: Duration = Duration::from_secs(2);

/// How long all of them may take to end.
const END: Duration = Duration::from_secs(8);

/// The servers. Dropping them ends them at once; [`Servers::close`] lets them end by themselves.
#[derive(Default)]
pub struct Servers {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    servers: BTreeMap<String, Server>,
    /// Those that were taken out, until they have ended.
    leaving: Vec<Server>,
}

struct Server {
    plan: Arc<ServerPlan>,
    status: watch::Receiver<Status>,
    must_stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Server {
    fn start(plan: &Arc<ServerPlan>) -> Self {
        let (status, seen) = watch::channel(Status::without(State::Connecting));
        let (must_stop, told) = watch::channel(false);
        let task = tokio::spawn(keep(Arc::clone(plan), status, told));
        Self { plan: Arc::clone(plan), status: seen, must_stop, task }
    }

    fn stop(&self) {
        self.must_stop.send_replace(true);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What is known of a server.
#[derive(Clone, Debug)]
pub struct Report {
    /// What the configuration says of it.
    pub plan: Arc<ServerPlan>,
    /// How it is.
    pub status: Status,
}

impl Servers {
    /// Makes these the servers: new and changed ones are started, those that are no more are ended, and the others are
    /// left as they are. Calls of a server that ends fail; turns go on.
    pub fn apply(&self, plans: &[Arc<ServerPlan>]) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut kept.servers);
        let mut leaving = Vec::new();
        for plan in plans {
            let server = match before.remove(&plan.name) {
                Some(server) if server.plan == *plan => server,
                other => {
                    leaving.extend(other);
                    Server::start(plan)
                }
            };
            kept.servers.insert(plan.name.clone(), server);
        }
        leaving.extend(before.into_values());
        leaving.iter().for_each(Server::stop);
        kept.leaving.retain(|server| !server.task.is_finished());
        kept.leaving.extend(leaving);
    }

    /// Adds the tools that are offered, as they are now. A name that is taken gets a number.
    pub async fn add(&self, offers: &[Offer], tools: &mut Vec<Arc<ToolPlan>>) {
        self.started(offers).await;
        for offer in offers {
            let Some(status) = self.status(&offer.server) else { continue };
            for listed in status.borrow().tools.iter() {
                if offer.tool.as_ref().is_some_and(|tool| *tool != listed.name) {
                    continue;
                }
                let name = names::free(&listed.plan.name, |name| tools.iter().any(|tool| tool.name == name));
                tools.push(if name == listed.plan.name {
                    Arc::clone(&listed.plan)
                } else {
                    Arc::new(ToolPlan { name, ..(*listed.plan).clone() })
                });
            }
        }
    }

    /// How all servers are.
    pub fn report(&self) -> Vec<Report> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let report = |server: &Server| {
            let seen = server.status.borrow().clone();
            let status = if server.task.is_finished() { Status::without(State::Gone) } else { seen };
            Report { plan: Arc::clone(&server.plan), status }
        };
        kept.servers.values().map(report).collect()
    }

    /// Waits until a server is as is wanted. False if there is no such server, or will be none.
    pub async fn wait_for(&self, server: &str, wanted: impl FnMut(&Status) -> bool) -> bool {
        let Some(mut status) = self.status(server) else { return false };
        status.wait_for(wanted).await.is_ok()
    }

    /// Ends all.
    pub async fn close(&self) {
        let servers = {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            let mut servers = std::mem::take(&mut kept.leaving);
            servers.extend(std::mem::take(&mut kept.servers).into_values());
            servers
        };
        servers.iter().for_each(Server::stop);
        let ended = async {
            for mut server in servers {
                let _ = (&mut server.task).await;
            }
        };
        let _ = tokio::time::timeout(END, ended).await;
    }

    fn status(&self, name: &str) -> Option<watch::Receiver<Status>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.servers.get(name).map(|server| server.status.clone())
    }

    async fn started(&self, offers: &[Offer]) {
        let started = async {
            for offer in offers {
                self.wait_for(&offer.server, |status| status.state != State::Connecting).await;
            }
        };
        let _ = tokio::time::timeout(FIRST_START, started).await;
    }
}
