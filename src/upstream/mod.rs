//! Calling providers: which target, the request, the answer's bytes through a decoder, deadlines, failures.

mod alarm;
mod answer;
mod call;
mod failure;
mod replay;
mod send;
mod transcribe;

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

use crate::config::plan::{Plan, Source};
use send::Clients;

/// What all calls share: pooled connections, and recordings for providers that are replayed.
pub struct Upstreams {
    /// Clients for each connect timeout that the plan has: usually one.
    clients: Vec<(Duration, Clients)>,
    recordings: Vec<(Option<PathBuf>, Arc<Recordings>)>,
}

impl Upstreams {
    /// Makes what the plan's providers need.
    ///
    /// # Errors
    /// TLS cannot be set up, or recordings cannot be read.
    pub fn new(plan: &Plan) -> io::Result<Self> {
        let mut upstreams = Self { clients: Vec::new(), recordings: Vec::new() };
        let models =
            plan.models.values().chain(plan.routes.iter().flat_map(|route| route.models.values().chain(&route.model)));
        let targets = models.flat_map(|model| &model.targets).map(|target| &target.provider);
        let spoken = plan.routes.iter().filter_map(|route| Some(&route.transcription.as_ref()?.provider));
        for provider in targets.chain(spoken) {
            match &provider.source {
                // No plan has a provider that a request brings.
                Source::Brought(..) | Source::StandIn(_) => {}
                Source::Http(_) => upstreams.add_clients(provider.timeouts.connect)?,
                Source::Replay { folder, .. } => upstreams.add_recordings(folder.as_ref())?,
            }
        }
        Ok(upstreams)
    }

    fn add_clients(&mut self, connect: Duration) -> io::Result<()> {
        if self.clients(connect).is_none() {
            self.clients.push((connect, Clients::new(connect).map_err(io::Error::other)?));
        }
        Ok(())
    }

    fn add_recordings(&mut self, folder: Option<&PathBuf>) -> io::Result<()> {
        if self.recordings_of(folder).is_none() {
            let recordings = Recordings::load(folder.map(PathBuf::as_path))?;
            self.recordings.push((folder.cloned(), Arc::new(recordings)));
        }
        Ok(())
    }

    fn clients(&self, connect: Duration) -> Option<&Clients> {
        self.clients.iter().find(|(timeout, _)| *timeout == connect).map(|(_, clients)| clients)
    }

    fn recordings_of(&self, folder: Option<&PathBuf>) -> Option<&Arc<Recordings>> {
        self.recordings.iter().find(|(known, _)| known.as_ref() == folder).map(|(_, recordings)| recordings)
    }
}
