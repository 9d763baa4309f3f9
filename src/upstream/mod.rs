//! Calling providers: which target, the request, the answer's bytes through a decoder, deadlines, failures.

mod alarm;
mod answer;
mod attempt;
mod call;
mod exhausted;
mod failure;
mod health;
mod http1;
mod policy;
mod replay;
mod scrub;
mod send;
mod transcribe;
mod tried;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use alarm::Alarm;
pub use answer::{AnswerBody, Opening, Pieces, StandIn};
pub use call::Call;
pub use replay::{Broken, Player, Recorded, Recordings};
pub use send::{KEPT, client};
pub use transcribe::{MOST_AUDIO, Unheard};
pub use tried::Tried;

use crate::config::plan::{Plan, Source};
use health::Health;
use send::Clients;

/// What all calls share: pooled connections, recordings for providers that are replayed, and what is known of how the
/// targets are.
pub struct Upstreams {
    /// Clients for each connect timeout that the plan has: usually one.
    clients: Vec<(Duration, Clients)>,
    recordings: Vec<(Option<PathBuf>, Arc<Recordings>)>,
    health: Health,
}

impl Upstreams {
    /// Makes what the plan's providers need. What those of the plan before it have is used again, with the connections
    /// that are open, and what is known of targets that both have; recordings in folders are read anew.
    ///
    /// # Errors
    /// TLS cannot be set up, or recordings cannot be read.
    pub fn new(plan: &Plan, before: Option<&Self>) -> io::Result<Self> {
        let health = before.map(|before| before.health.carried_over()).unwrap_or_default();
        let mut upstreams = Self { clients: Vec::new(), recordings: Vec::new(), health };
        let models =
            plan.models.values().chain(plan.routes.iter().flat_map(|route| route.models.values().chain(&route.model)));
        let targets = models.flat_map(|model| &model.targets).map(|target| &target.provider);
        let spoken = plan.routes.iter().filter_map(|route| Some(&route.transcription.as_ref()?.provider));
        for provider in targets.chain(spoken) {
            match &provider.source {
                // No plan has a provider that a request brings.
                Source::Brought(..) | Source::StandIn(_) => {}
                Source::Http(base_url) => {
                    let clients = upstreams.add_clients(provider.timeouts.connect, before);
                    if base_url.starts_with("https:") && !provider.http2 {
                        clients.prepare_tls()?;
                    }
                }
                Source::Replay { folder, .. } => upstreams.add_recordings(folder.as_ref(), before)?,
            }
        }
        Ok(upstreams)
    }

    fn add_clients(&mut self, connect: Duration, before: Option<&Self>) -> Clients {
        if let Some(clients) = self.clients(connect) {
            return clients.clone();
        }
        let kept = before.and_then(|before| before.clients(connect)).cloned();
        let clients = kept.unwrap_or_else(|| Clients::new(connect));
        self.clients.push((connect, clients.clone()));
        clients
    }

    fn add_recordings(&mut self, folder: Option<&PathBuf>, before: Option<&Self>) -> io::Result<()> {
        if self.recordings_of(folder).is_none() {
            let built_in = before.filter(|_| folder.is_none()).and_then(|before| before.recordings_of(None)).cloned();
            let load = || Recordings::load(folder.map(PathBuf::as_path)).map(Arc::new);
            self.recordings.push((folder.cloned(), built_in.map_or_else(load, Ok)?));
        }
        Ok(())
    }

    /// Closes connections that nobody has used for long.
    pub fn sweep(&self) {
        self.clients.iter().for_each(|(_, clients)| clients.sweep());
    }

    fn clients(&self, connect: Duration) -> Option<&Clients> {
        self.clients.iter().find(|(timeout, _)| *timeout == connect).map(|(_, clients)| clients)
    }

    fn recordings_of(&self, folder: Option<&PathBuf>) -> Option<&Arc<Recordings>> {
        self.recordings.iter().find(|(known, _)| known.as_ref() == folder).map(|(_, recordings)| recordings)
    }
}
