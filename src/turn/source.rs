//! Where the events of a reply come from.

use std::task::{Context, Poll};

use chatwire_protocols::error::CallerError;
use chatwire_protocols::event::Event;

use super::{Driver, Follower};

/// A turn as a reply sees it.
pub enum TurnSource {
    /// The reply runs it: dropping this drops it.
    Direct(Box<Driver>),
    /// It runs by itself.
    Kept(Follower),
}

impl TurnSource {
    /// Appends the next events to `out`: ready when there are some, or when there will be no more.
    pub fn poll(&mut self, cx: &mut Context<'_>, out: &mut Vec<Event>) -> Poll<()> {
        match self {
            Self::Direct(driver) => driver.poll(cx, out),
            Self::Kept(follower) => follower.poll(cx, out),
        }
    }

    /// True once the last event has been given.
    pub fn ended(&self) -> bool {
        match self {
            Self::Direct(driver) => driver.ended(),
            Self::Kept(follower) => follower.ended(),
        }
    }

    /// What the caller did wrong, if that is why the turn failed.
    pub fn mistake(&self) -> Option<CallerError> {
        match self {
            Self::Direct(driver) => driver.mistake().cloned(),
            Self::Kept(follower) => follower.mistake(),
        }
    }

    /// The target that is being asked, or was asked last, as `provider/model`.
    pub fn target(&self) -> String {
        match self {
            Self::Direct(driver) => driver.target(),
            Self::Kept(follower) => follower.target(),
        }
    }
}
