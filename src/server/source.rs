//! Where the events of a reply come from.

use std::task::{Context, Poll};

use chatwire_protocols::error::CallerError;
use chatwire_protocols::event::Event;

use crate::turn::{Driver, Follower};
use crate::upstream::Tried;

/// Where the events of a reply come from.
pub enum Source {
    /// A turn of this reply alone: it ends with it.
    Own(Box<Driver>),
    /// A kept turn that others may follow too.
    Kept(Follower),
    /// No turn: all there is to say is known already.
    Said(Vec<Event>),
}

impl Source {
    /// True if nobody else has heard or can hear of the turn.
    pub const fn is_own(&self) -> bool {
        matches!(self, Self::Own(_))
    }

    /// Appends the next events to `out`: ready when there are some, or when there will be no more.
    pub fn poll(&mut self, cx: &mut Context<'_>, out: &mut Vec<Event>) -> Poll<()> {
        match self {
            Self::Own(driver) => driver.poll(cx, out),
            Self::Kept(follower) => follower.poll(cx, out),
            Self::Said(events) => {
                out.append(events);
                Poll::Ready(())
            }
        }
    }

    /// True once the last event has been given.
    pub fn ended(&self) -> bool {
        match self {
            Self::Own(driver) => driver.ended(),
            Self::Kept(follower) => follower.ended(),
            Self::Said(events) => events.is_empty(),
        }
    }

    /// What the caller did wrong, if that is why the turn failed.
    pub fn mistake(&self) -> Option<CallerError> {
        match self {
            Self::Own(driver) => driver.mistake().cloned(),
            Self::Kept(follower) => follower.mistake(),
            Self::Said(_) => None,
        }
    }

    /// The target that is being asked, or was asked last, as `provider/model`.
    pub fn target(&self) -> String {
        match self {
            Self::Own(driver) => driver.target(),
            Self::Kept(follower) => follower.target(),
            Self::Said(_) => String::new(),
        }
    }

    /// Whether its answers so far were known without asking a provider; nothing if none could be.
    pub fn cached(&self) -> Option<bool> {
        match self {
            Self::Own(driver) => driver.cached(),
            Self::Kept(follower) => follower.cached(),
            Self::Said(_) => None,
        }
    }

    /// What was tried so far.
    pub fn tried(&self) -> Tried {
        match self {
            Self::Own(driver) => driver.tried(),
            Self::Kept(follower) => follower.tried(),
            Self::Said(_) => Tried::default(),
        }
    }
}
