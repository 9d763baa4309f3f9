//! Conversations that the gateway keeps: what a page asks of them is done here, in words of no dialect.
//!
//! ```text
//! a page's request ─▶ Frontend::ask ─▶ Ask ─▶ Threads::ask ─▶ a turn to follow, or an answer ─▶ Frontend::open / answer
//! ```
//!
//! A request for a turn claims its thread, so that two of them on one thread come one after the other; it is checked
//! whole before anything is stored, and what it stores is stored at once. Then the turn begins.

mod acting;
mod begin;
mod draft;
mod error;
mod files;
mod listing;
mod operations;
mod sweep;
mod title;
mod turn;

use std::fmt;
use std::sync::Arc;

use chatwire_protocols::chat::ChatRequest;
use chatwire_protocols::event::{Event, Text};
use chatwire_protocols::operation::{Answer, Ask};
use chatwire_protocols::protocol::{Document, ReplyContext};
use compact_str::format_compact;
use uuid::Uuid;

pub use error::ThreadError;
pub use files::{Files, NoFiles, Serving};
pub use sweep::Swept;

use crate::access::ApiKey;
use crate::cache::Cache;
use crate::config::plan::{Memory, Route};
use crate::limits::Admission;
use crate::store::{Owner, Store};
use crate::turn::{Follower, Means, Turns};
use crate::upstream::Upstreams;

/// All kept conversations.
pub struct Threads {
    means: Means,
    turns: Arc<Turns>,
    /// Held while a title is read and written: one that a user has set meanwhile stays.
    naming: Arc<tokio::sync::Mutex<()>>,
}

/// Who asks, and where.
#[derive(Clone, Copy)]
pub struct Asker<'a> {
    /// Whose conversations are meant.
    pub owner: &'a Owner,
    /// The key that they came with, if any: it may not be for every model.
    pub key: Option<&'a ApiKey>,
    /// The route that was asked.
    pub route: &'a Route,
    /// How it keeps conversations.
    pub memory: &'a Memory,
    /// The uploaded files, as this page finds them.
    pub files: &'a dyn Files,
    /// What the limits have said to a turn.
    pub admission: &'a Admission,
    /// What a turn that begins is called, if whoever asks must know it before it begins.
    pub turn: Option<&'a str>,
}

impl Asker<'_> {
    fn turn_id(&self) -> Text {
        self.turn.map_or_else(|| new_id("turn"), Into::into)
    }
}

/// What a page gets.
pub enum Reply {
    /// A turn, from its start, in this wire of the dialect.
    Turn(Follower, &'static str),
    /// There is no turn to resume.
    Idle(Document),
    /// The reply to a turn in which no model is called: all of it is known.
    Said(Box<Said>),
    /// No turn.
    Answer(Box<Answer>),
}

/// A reply to a turn in which no model is called.
pub struct Said {
    /// The request without its conversation.
    pub chat: ChatRequest,
    /// What the reply begins with.
    pub context: ReplyContext,
    /// The turn.
    pub events: Vec<Event>,
}

impl Threads {
    /// Conversations in a store.
    pub fn new(means: Means, turns: Turns) -> Self {
        Self { means, turns: Arc::new(turns), naming: Arc::default() }
    }

    /// The same conversations, and the same turns, with other providers from now on.
    pub fn with(&self, upstreams: Arc<Upstreams>, cache: Arc<Cache>) -> Self {
        let means = Means { upstreams, cache, ..self.means.clone() };
        Self { means, turns: Arc::clone(&self.turns), naming: Arc::clone(&self.naming) }
    }

    /// What all turns share.
    pub const fn means(&self) -> &Means {
        &self.means
    }

    /// The turns of kept conversations.
    pub fn turns(&self) -> &Turns {
        &self.turns
    }

    /// Does what a page asks for.
    ///
    /// # Errors
    /// The caller's mistake, or the store's failure. Nothing has changed then.
    pub async fn ask(self: &Arc<Self>, asker: Asker<'_>, ask: Ask) -> Result<Reply, ThreadError> {
        match ask {
            Ask::Turn(ask) => self.turn(asker, *ask).await,
            Ask::Resume { thread, wire, idle } => Ok(match self.turns.follow(asker.owner, &thread) {
                Some(follower) => Reply::Turn(follower, wire),
                None => Reply::Idle(idle),
            }),
            Ask::Operation(operation) => {
                let answer = self.operate(asker, operation).await?;
                Ok(Reply::Answer(Box::new(answer)))
            }
        }
    }

    fn store(&self) -> &dyn Store {
        &*self.means.store
    }
}

impl fmt::Debug for Threads {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Threads").field("store", &self.means.store).finish_non_exhaustive()
    }
}

/// A new id, unique over everything: `turn_…`, `msg_…`.
pub fn new_id(kind: &str) -> Text {
    format_compact!("{kind}_{}", Uuid::now_v7().simple())
}
