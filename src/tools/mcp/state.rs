//! How a server is, and what a call of it needs.

use std::sync::Arc;

use rmcp::RoleClient;
use rmcp::service::{Peer, RequestHandle};
use tokio::sync::{Notify, mpsc};

use super::client::Followers;
use crate::config::plan::ToolPlan;

/// How a server is.
#[derive(Clone, Debug)]
pub struct Status {
    /// Whether it can be called.
    pub state: State,
    /// Its tools; none while it cannot be called.
    pub tools: Arc<[Listed]>,
    /// What a call needs, while it can be called.
    pub(super) link: Option<Link>,
}

/// Whether a server can be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It is being started for the first time.
    Connecting,
    /// It can.
    Connected,
    /// It cannot, for this reason, and is tried again. The words are for pages.
    Failed(String),
    /// It was taken out of the configuration, or the gateway stops.
    Gone,
}

/// A tool of a server.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The server's own name for it.
    pub name: String,
    /// The tool, under the name that models see.
    pub plan: Arc<ToolPlan>,
}

/// What a call of a server needs.
#[derive(Clone, Debug)]
pub(super) struct Link {
    /// The other side.
    pub peer: Peer<RoleClient>,
    /// Who waits for progress.
    pub followers: Followers,
    /// Takes the calls that nobody waits for any more.
    pub called_off: mpsc::Sender<RequestHandle<RoleClient>>,
    /// Told when a call finds the connection broken.
    pub broken: Arc<Notify>,
}

impl Status {
    /// A server that cannot be called.
    pub fn without(state: State) -> Self {
        Self { state, tools: Arc::new([]), link: None }
    }
}
