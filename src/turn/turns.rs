//! Turns of kept conversations. Each runs in a task of its own, writes what it says into the store and into a feed that
//! several pages may follow, and goes on or ends when they leave.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use chatwire_protocols::chat::ChatRequest;
use chatwire_protocols::error::CallerError;
use chatwire_protocols::event::{CancelledBy, Data, Event};
use chatwire_protocols::items::Style;
use chatwire_protocols::protocol::ReplyContext;

use super::driver::Parts;
use crate::config::Words;
use crate::store::{Owner, Store};

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

/// All turns of kept conversations, by owner and thread.
#[derive(Debug, Default)]
pub struct Turns {}

/// A thread on which nobody else works until this is dropped.
#[derive(Debug)]
pub struct Claim {}

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
    /// Where it is kept.
    pub store: Arc<dyn Store>,
    /// Whose it is.
    pub owner: Owner,
    /// What the dialect wants of its items.
    pub style: Style,
    /// What becomes of it when the last page leaves.
    pub leaving: Leaving,
    /// Something that is made beside the turn, such as a title: its data goes to the pages if it is ready before the
    /// turn's end.
    pub beside: Option<Pin<Box<dyn Future<Output = Option<Data>> + Send>>>,
}

/// Follows a kept turn from its start.
pub struct Follower {}

impl Turns {
    /// Claims a thread, after whatever works on it now, for at most `patience`; nothing if that was too short.
    pub async fn claim(&self, _owner: &Owner, _thread: &str, _patience: Duration) -> Option<Claim> {
        None
    }

    /// Begins a turn.
    pub fn start(&self, _kept: Kept) -> Follower {
        Follower {}
    }

    /// Follows the turn that runs in a thread.
    pub fn follow(&self, _owner: &Owner, _thread: &str) -> Option<Follower> {
        None
    }

    /// Cancels the turn that runs in a thread and waits until it is wound up. False if none runs.
    pub async fn stop(&self, _owner: &Owner, _thread: &str, _by: CancelledBy) -> bool {
        false
    }
}

impl Follower {
    /// Appends the next events to `out`: ready when there are some, or when there will be no more.
    pub fn poll(&mut self, _cx: &mut Context<'_>, _out: &mut Vec<Event>) -> Poll<()> {
        Poll::Ready(())
    }

    /// True once the last event has been given, or once this page was too slow to be told the rest.
    pub fn ended(&self) -> bool {
        true
    }

    /// The request without its conversation, and the context, to open a reply with.
    pub fn opening(&self) -> (ChatRequest, ReplyContext) {
        (ChatRequest::default(), ReplyContext::default())
    }

    /// What the caller did wrong, if that is why the turn failed.
    pub fn mistake(&self) -> Option<CallerError> {
        None
    }

    /// The target that is being asked, or was asked last, as `provider/model`.
    pub fn target(&self) -> String {
        String::new()
    }
}
