//! Where a model's answer comes from: a provider, or the cache.

use std::task::{Context, Poll};

use chatwire_protocols::chat::ChatRequest;
use chatwire_protocols::error::CallerError;
use chatwire_protocols::event::Event;

use crate::cache::{Playing, Recorder};
use crate::upstream::{Call, Tried};

/// A model that is being asked.
pub(super) enum Asking {
    /// A provider is called; what it says may be kept.
    Call(Box<Call>, Option<Recorder>),
    /// The answer is known.
    Cached(Playing),
}

impl Asking {
    /// Reads once. Ready when something has happened; not every read gives events.
    pub fn poll(&mut self, cx: &mut Context<'_>, chat: &ChatRequest, out: &mut Vec<Event>) -> Poll<()> {
        match self {
            Self::Cached(playing) => playing.poll(cx, out),
            Self::Call(call, recorder) => {
                let before = out.len();
                let polled = call.poll(cx, chat, out);
                if let Some(recorder) = recorder {
                    recorder.hear(out.get(before..).unwrap_or_default(), call.target());
                }
                polled
            }
        }
    }

    /// True when nothing more will come.
    pub fn is_done(&self) -> bool {
        match self {
            Self::Call(call, _) => call.is_done(),
            Self::Cached(playing) => playing.is_done(),
        }
    }

    /// Which target is being asked, or has said it once, by its place in the model's list.
    pub fn target(&self) -> usize {
        match self {
            Self::Call(call, _) => call.target(),
            Self::Cached(playing) => playing.target(),
        }
    }

    /// What was tried, if anything had to be.
    pub fn tried(&self) -> Option<&Tried> {
        match self {
            Self::Call(call, _) => Some(call.tried()),
            Self::Cached(_) => None,
        }
    }

    /// What the caller did wrong, where the conversation could not be said in the provider's protocol.
    pub fn take_mistake(&mut self) -> Option<CallerError> {
        match self {
            Self::Call(call, _) => call.take_mistake(),
            Self::Cached(_) => None,
        }
    }
}
