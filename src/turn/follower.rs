//! A page's view of a kept turn.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use chatwire_protocols::chat::ChatRequest;
use chatwire_protocols::error::{CallerError, Failure, FailureKind};
use chatwire_protocols::event::{CancelledBy, Event, Text};
use chatwire_protocols::order::Order;
use chatwire_protocols::protocol::ReplyContext;

use super::feed::{Feed, Read};
use crate::upstream::Tried;

/// Follows a kept turn from its start. Dropping it is leaving.
pub struct Follower {
    feed: Arc<Feed>,
    reader: u64,
    /// What this page has been told: it may have to be closed before the turn's own end.
    order: Order,
    fresh: Vec<Event>,
    lost: bool,
}

impl Follower {
    /// A follower of a turn, if it may have another.
    pub(super) fn of(feed: &Arc<Feed>) -> Option<Self> {
        Some(Self::with(feed, feed.join()?))
    }

    /// The follower of a turn that has not begun.
    pub(super) fn first(feed: &Arc<Feed>) -> Self {
        // Nothing can keep the first one out.
        Self::with(feed, feed.join().unwrap_or_default())
    }

    fn with(feed: &Arc<Feed>, reader: u64) -> Self {
        Self { feed: Arc::clone(feed), reader, order: Order::default(), fresh: Vec::new(), lost: false }
    }

    /// Appends the next events to `out`: ready when there are some, or when there will be no more.
    pub fn poll(&mut self, cx: &mut Context<'_>, out: &mut Vec<Event>) -> Poll<()> {
        let before = out.len();
        while !self.ended() && out.len() == before {
            if std::task::ready!(self.feed.read(self.reader, cx, &mut self.fresh)) == Read::Lost {
                self.lost = true;
                self.fresh.push(Event::Failed(Failure::boxed(FailureKind::Timeout, "the page was too slow")));
            }
            for event in self.fresh.drain(..) {
                if let Some(call) = answered(&event)
                    && !self.order.knows(call)
                {
                    // A call of an earlier turn that has been approved, or denied.
                    self.order.expect_result(call);
                }
                self.order.admit(event, out);
            }
        }
        Poll::Ready(())
    }

    /// True once the last event has been given, or once this page was too slow to be told the rest.
    pub const fn ended(&self) -> bool {
        self.order.ended()
    }

    /// The request without its conversation, and the context, to open a reply with.
    pub fn opening(&self) -> (ChatRequest, ReplyContext) {
        (self.feed.chat.clone(), self.feed.context.clone())
    }

    /// True if this page was too slow to be told the rest: the last event that it was given is ours and not the turn's.
    pub const fn is_lost(&self) -> bool {
        self.lost
    }

    /// True if the turn has said its last, whether or not that has been given.
    pub fn over(&self) -> bool {
        self.ended() || self.feed.ended()
    }

    /// The turn.
    pub fn turn(&self) -> &Text {
        &self.feed.context.turn
    }

    /// Asks the turn to end.
    pub fn cancel(&self, by: CancelledBy) {
        self.feed.cancel(by);
    }

    /// What the caller did wrong, if that is why the turn failed.
    pub fn mistake(&self) -> Option<CallerError> {
        self.feed.facts().mistake
    }

    /// The target that is being asked, or was asked last, as `provider/model`.
    pub fn target(&self) -> String {
        self.feed.facts().target
    }

    /// Whether its answers so far were known without asking a provider; nothing if none could be, or none has begun.
    pub fn cached(&self) -> Option<bool> {
        self.feed.facts().cached
    }

    /// What was tried so far.
    pub fn tried(&self) -> Tried {
        self.feed.facts().tried
    }
}

/// The call that begins to run or is answered here.
fn answered(event: &Event) -> Option<&Text> {
    match event {
        Event::ToolStart { call } => Some(call),
        Event::ToolResult(result) => Some(&result.call),
        _ => None,
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.feed.leave(self.reader);
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Follower").field("turn", &self.feed.context.turn).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use chatwire_protocols::event::{BlockId, BlockKind, ToolResult};
    use serde_json::json;

    use super::*;
    use crate::turn::Leaving;

    fn follower() -> (Arc<Feed>, Follower) {
        let feed = Feed::new(ChatRequest::default(), ReplyContext::default(), Leaving::Finish, 1, 1);
        let feed = Arc::new(feed);
        let follower = Follower::first(&feed);
        (feed, follower)
    }

    fn read(follower: &mut Follower) -> Vec<Event> {
        let mut out = Vec::new();
        assert!(follower.poll(&mut Context::from_waker(Waker::noop()), &mut out).is_ready());
        out
    }

    fn text() -> [Event; 4] {
        let block = BlockId(0);
        [
            Event::TurnStart { turn: "t".into() },
            Event::StepStart(Box::default()),
            Event::BlockStart { block, kind: BlockKind::Text },
            Event::BlockDelta { block, text: "x".into() },
        ]
    }

    #[test]
    fn a_page_that_was_too_slow_is_told_so_and_what_it_has_open_is_closed() {
        let (feed, mut follower) = follower();
        feed.append(text().into_iter());
        assert_eq!(read(&mut follower), text());
        feed.append([Event::BlockEnd { block: BlockId(0), whole: true }].into_iter());
        feed.cut_slow();
        let rest = read(&mut follower);
        assert_eq!(rest[0], Event::BlockEnd { block: BlockId(0), whole: false });
        assert!(matches!(&rest[1..], [Event::Failed(failure)] if failure.kind == FailureKind::Timeout), "{rest:?}");
        assert!(follower.ended());
    }

    #[test]
    fn a_turn_that_breaks_off_closes_what_the_page_has_open() {
        let (feed, mut follower) = follower();
        feed.append(text().into_iter());
        let failure = Failure::boxed(FailureKind::Internal, "broken");
        feed.end([Event::Failed(failure)].into_iter(), Default::default());
        let events = read(&mut follower);
        assert_eq!(events[4], Event::BlockEnd { block: BlockId(0), whole: false });
        assert!(events[5].is_terminal() && follower.ended());
    }

    #[test]
    fn results_of_calls_of_earlier_turns_pass() {
        let (feed, mut follower) = follower();
        let events = [
            Event::TurnStart { turn: "t".into() },
            Event::ToolStart { call: "earlier".into() },
            Event::ToolResult(Box::new(ToolResult::ok("earlier", json!(1)))),
            Event::ToolResult(Box::new(ToolResult::ok("denied", json!(1)))),
        ];
        feed.append(events.clone().into_iter());
        assert_eq!(read(&mut follower), events);
    }
}
