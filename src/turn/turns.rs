//! Turns of kept conversations. Each runs in a task of its own, writes what it says into the store and into a feed that
//! several pages may follow, and goes on or ends when they leave.
//!
//! ```text
//! Driver ──▶ Keeper ──▶ Feed ──▶ Follower (a page)
//!               │         └────▶ Follower (the same page in another tab, or after a reload)
//!               └──▶ store: an item is there before the page is told that it is finished
//! ```

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chatwire_protocols::chat::ChatRequest;
use chatwire_protocols::event::CancelledBy;
use chatwire_protocols::items::{Folder, Style};
use chatwire_protocols::protocol::ReplyContext;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::claims::{Claim, Claims, Key, Stopped, Unclaimed};
use super::driver::{Driver, Parts};
use super::feed::{BEHIND, Feed, MOST};
use super::follower::Follower;
use super::keeper::{Keeper, within};
use super::task::{Beside, Post, Running, unbreakable};
use super::watch::{Watch, Watches};
use crate::config::Words;
use crate::store::{Owner, Pending, Store, StoreError};

/// How long whoever stops a turn waits for its last words to be stored. The turn itself gives up later.
const WINDING_UP: Duration = Duration::from_secs(12);

/// What becomes of a turn when the last page that follows it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// It is cancelled.
    Cancel,
    /// It goes on to its end.
    Finish,
}

impl Words for Leaving {
    const WHAT: &'static str = "way to leave";
    const WORDS: &'static [(&'static str, Self)] = &[("cancel", Self::Cancel), ("finish", Self::Finish)];
}

/// What becomes of a message while a turn of its thread runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Busy {
    /// It waits for the turn's end.
    Wait,
    /// It is refused.
    Refuse,
    /// It cancels the turn.
    Interrupt,
}

impl Words for Busy {
    const WHAT: &'static str = "way to be busy";
    const WORDS: &'static [(&'static str, Self)] =
        &[("wait", Self::Wait), ("refuse", Self::Refuse), ("interrupt", Self::Interrupt)];
}

/// All turns of kept conversations, by owner and thread, and the places of all turns.
pub struct Turns {
    claims: Arc<Claims>,
    watches: Arc<Watches>,
    tasks: Mutex<JoinSet<()>>,
}

/// What a kept turn is made of.
pub struct Kept {
    /// The thread, claimed.
    pub claim: Claim,
    /// The turn itself.
    pub parts: Parts,
    /// The request without its conversation, for whoever opens a reply.
    pub chat: ChatRequest,
    /// The context of every reply.
    pub context: ReplyContext,
    /// False if nothing of it is stored but what it costs.
    pub keeps: bool,
    /// Where it is kept.
    pub store: Arc<dyn Store>,
    /// Whose it is.
    pub owner: Owner,
    /// What the dialect wants of its items.
    pub style: Style,
    /// What becomes of it when the last page leaves.
    pub leaving: Leaving,
    /// Something that is made beside the turn, such as a title: its data goes to the pages if it is ready before the
    /// turn's end. It may take a little longer than the turn, so what must last it stores itself.
    pub beside: Option<Beside>,
}

/// A turn that has not begun.
struct Prepared {
    running: Running,
    follower: Follower,
    notice: Notice,
}

/// Tells those who follow the thread that the turn begins.
struct Notice {
    watches: Option<(Arc<Watches>, Key)>,
    feed: Arc<Feed>,
}

impl Notice {
    fn tell(self) {
        if let Some((watches, key)) = &self.watches {
            watches.tell(key, &self.feed);
        }
    }
}

impl Turns {
    /// None yet, and never more than so many at a time.
    pub fn new(most: u32) -> Self {
        Self { claims: Arc::new(Claims::new(most)), watches: Arc::default(), tasks: Mutex::default() }
    }

    /// Claims a thread, after whatever works on it now, for at most `patience`.
    ///
    /// # Errors
    /// That was too short, or too many wait already.
    pub async fn claim(&self, owner: &Owner, thread: &str, patience: Duration) -> Result<Claim, Unclaimed> {
        self.claims.claim(owner, thread, patience).await
    }

    /// A permit for a turn of nobody's thread, if one is free.
    pub fn permit(&self) -> Option<OwnedSemaphorePermit> {
        self.claims.permit()
    }

    /// Begins a turn.
    pub fn start(&self, kept: Kept) -> Follower {
        let Prepared { running, follower, notice } = self.prepare(kept);
        notice.tell();
        self.spawn(running.run());
        follower
    }

    /// Begins a turn when what it answers is stored: also if nobody waits for that any more, so that nothing that is
    /// stored stays unanswered because its page has left at that moment.
    ///
    /// # Errors
    /// It could not be stored: there is no turn then.
    pub async fn start_behind(&self, stored: Pending<()>, kept: Kept) -> Result<Follower, StoreError> {
        let Prepared { running, follower, notice } = self.prepare(kept);
        let (tell, told) = oneshot::channel();
        self.spawn(async move {
            let stored = within(stored).await;
            let begins = stored.is_ok();
            if begins {
                notice.tell();
                // The page may have left.
                let _ = tell.send(stored);
                running.run().await;
            } else {
                // The thread is free again when the page hears of it.
                drop(running);
                let _ = tell.send(stored);
            }
        });
        told.await.unwrap_or(Err(StoreError::Closed))?;
        Ok(follower)
    }

    fn prepare(&self, kept: Kept) -> Prepared {
        let Kept { claim, parts, chat, context, keeps, store, owner, style, leaving, beside } = kept;
        let folder = Folder::new(context.message.clone(), style);
        // What is not kept is no part of the thread, so those who follow it are not told.
        let watches = keeps.then(|| (Arc::clone(&self.watches), (owner.clone(), claim.thread().into())));
        let keeper =
            Keeper::new(store, owner, claim.thread(), parts.turn.clone(), &parts.model.name, folder).keeping(keeps);
        let feed = Arc::new(Feed::new(chat, context, leaving, MOST, BEHIND));
        let follower = Follower::first(&feed);
        let running = Running {
            stop: parts.stop.clone(),
            driver: Driver::new(parts),
            keeper,
            post: Post::new(Arc::clone(&feed), claim),
            beside: beside.map(unbreakable),
        };
        Prepared { running, follower, notice: Notice { watches, feed } }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks();
        // What has ended since the last start needs its memory no longer.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Waits for turns that begin in a thread from now on, whoever begins them.
    pub fn watch(&self, owner: &Owner, thread: &str) -> Watch {
        Watch::new(&self.watches, (owner.clone(), thread.into()))
    }

    /// Tells all who watch a thread that it has been emptied, by whoever holds it.
    pub fn cleared(&self, owner: &Owner, claim: &Claim) {
        self.watches.tell_cleared(&(owner.clone(), claim.thread().into()));
    }

    /// Cancels this turn of a thread, if it is the one that runs there.
    pub fn cancel(&self, owner: &Owner, thread: &str, turn: &str, by: CancelledBy) {
        if let Some(feed) = self.claims.running(owner, thread)
            && feed.context.turn == turn
        {
            feed.cancel(by);
        }
    }

    /// True if a turn runs in a thread.
    pub fn runs(&self, owner: &Owner, thread: &str) -> bool {
        self.claims.running(owner, thread).is_some()
    }

    /// Follows the turn that runs in a thread, unless its start is no longer known or too many follow it.
    pub fn follow(&self, owner: &Owner, thread: &str) -> Option<Follower> {
        Follower::of(&self.claims.running(owner, thread)?)
    }

    /// Cancels the turn that runs in a thread and waits until it is wound up, but not longer than a store may take; one
    /// that is about to begin ends as soon as it does, which is not waited for. False if there is neither.
    pub async fn stop(&self, owner: &Owner, thread: &str, by: CancelledBy) -> bool {
        match self.claims.stop(owner, thread, by) {
            Stopped::Nothing => return false,
            Stopped::ToCome => {}
            Stopped::Running(feed) => {
                if timeout(WINDING_UP, feed.wound_up()).await.is_err() {
                    tracing::warn!(thread, "a stopped turn is still being stored");
                }
            }
        }
        true
    }

    /// Waits until no turn runs and nobody holds a claim or a place.
    pub async fn idle(&self) {
        self.claims.idle().await;
    }

    /// True if nobody works on a thread or waits for one.
    pub fn is_empty(&self) -> bool {
        self.claims.is_empty()
    }

    /// Waits for the turns that are being wound up, but not longer than this, and throws away what is left.
    pub async fn close(&self, patience: Duration) {
        if timeout(patience, self.idle()).await.is_err() {
            tracing::error!("turns did not end in time");
        }
        let mut tasks = std::mem::take(&mut *self.tasks());
        tasks.shutdown().await;
    }

    fn tasks(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Turns {
    fn default() -> Self {
        Self::new(1024)
    }
}

impl fmt::Debug for Turns {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Turns").field("claims", &self.claims).finish_non_exhaustive()
    }
}
