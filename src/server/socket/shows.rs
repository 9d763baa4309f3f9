//! The turns that a connection is shown.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use bytes::BytesMut;
use chatwire_protocols::event::{CancelledBy, Event, Text};
use chatwire_protocols::protocol::Encoder;
use chatwire_protocols::socket::Socket;

use crate::server::source::Source;
use crate::telemetry::Record;
use crate::turn::{Seen, Watch};

/// Most turns that wait under one key.
const MOST_WAITING: usize = 16;

/// All turns that a connection is shown, by their keys.
#[derive(Default)]
pub struct Shows {
    shows: Vec<Show>,
    /// Who is asked first next time.
    first: usize,
    events: Vec<Event>,
    bytes: BytesMut,
}

/// What is shown under one key: one turn behind the other.
struct Show {
    key: Text,
    thread: Text,
    /// Tells of the turns that follow, if the page wants them all.
    watch: Option<Watch>,
    /// True if there was such a watch, and the page has not been told that it is lost.
    lost: bool,
    /// The turn that the page joined late, if it did.
    joined: Option<Text>,
    /// How often the thread has been emptied before its next turn.
    cleared: usize,
    turns: VecDeque<Shown>,
}

/// A turn.
pub struct Shown {
    /// The turn.
    pub turn: Text,
    /// Where its events come from.
    pub source: Source,
    /// Writes them; made when its turn has come.
    pub encoder: Option<Box<dyn Encoder>>,
    /// What is logged of it, if this connection began it.
    pub record: Option<Record>,
    /// How often its thread has been emptied behind it.
    pub cleared: usize,
}

impl Shows {
    /// Shows a turn, behind those that are under its key already.
    pub fn add(&mut self, key: &Text, thread: &Text, mut shown: Shown) {
        let Some(show) = self.shows.iter_mut().find(|show| show.key == *key) else {
            let (key, thread) = (key.clone(), thread.clone());
            self.shows.push(Show {
                key,
                thread,
                watch: None,
                lost: false,
                joined: None,
                cleared: 0,
                turns: VecDeque::from([shown]),
            });
            return;
        };
        if show.watch.is_some() {
            // It is, or was, shown there anyway.
            show.pull(&mut Context::from_waker(std::task::Waker::noop()));
            if show.watch.is_some() {
                if let Some(known) = show.turns.iter_mut().find(|known| known.turn == shown.turn) {
                    known.record = shown.record;
                } else if let Some(record) = &mut shown.record {
                    record.answered(200);
                }
                return;
            }
        }
        show.turns.push_back(shown);
    }

    /// Shows a thread: the turn that runs, if one does, and all that follow. What was shown under the key goes.
    pub fn follow(&mut self, key: &Text, thread: &Text, watch: Watch, running: Option<Shown>) {
        self.shows.retain(|show| show.key != *key);
        let joined = running.as_ref().map(|shown| shown.turn.clone());
        let turns = running.into_iter().collect();
        self.shows.push(Show {
            key: key.clone(),
            thread: thread.clone(),
            watch: Some(watch),
            lost: false,
            joined,
            cleared: 0,
            turns,
        });
    }

    /// How many threads are followed.
    pub fn followed(&self) -> usize {
        self.shows.iter().filter(|show| show.watch.is_some()).count()
    }

    /// True if this key follows a thread.
    pub fn follows(&self, key: &Text) -> bool {
        self.shows.iter().any(|show| show.key == *key && show.watch.is_some())
    }

    /// How many turns are shown beside those of followed threads.
    pub fn alone(&self) -> usize {
        self.shows.iter().filter(|show| show.watch.is_none()).map(|show| show.turns.len()).sum()
    }

    /// True if no turn is shown now.
    pub fn is_idle(&self) -> bool {
        self.shows.iter().all(|show| show.turns.is_empty() && show.cleared == 0)
    }

    /// Cancels the turn under a key, and shows no more of it.
    pub fn abort(&mut self, key: &Text) {
        let Some(show) = self.shows.iter_mut().find(|show| show.key == *key) else { return };
        for shown in show.turns.drain(..) {
            if let Source::Kept(follower) = &shown.source {
                follower.cancel(CancelledBy::User);
            }
        }
        self.shows.retain(Show::is_used);
    }

    /// Appends what comes next, fairly from all: ready when there is something.
    pub fn poll(&mut self, socket: &mut dyn Socket, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Poll<()> {
        let count = self.shows.len();
        for step in 0..count {
            let at = (self.first + step) % count;
            if self.poll_at(at, socket, cx, out).is_ready() {
                self.first = at + 1;
                self.shows.retain(Show::is_used);
                return Poll::Ready(());
            }
        }
        self.shows.retain(Show::is_used);
        Poll::Pending
    }

    /// The same of what is over in a thread: turns that have said their last, and what has been emptied. Pending if there
    /// is nothing to say of that.
    pub fn poll_over(
        &mut self,
        thread: &Text,
        socket: &mut dyn Socket,
        cx: &mut Context<'_>,
        out: &mut Vec<u8>,
    ) -> Poll<()> {
        for at in 0..self.shows.len() {
            let show = &mut self.shows[at];
            if show.thread != *thread {
                continue;
            }
            show.pull(cx);
            let over = show.cleared > 0 || show.turns.front().is_some_and(Shown::is_over);
            if over && self.poll_at(at, socket, cx, out).is_ready() {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }

    fn poll_at(&mut self, at: usize, socket: &mut dyn Socket, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Poll<()> {
        let Self { shows, events, bytes, .. } = self;
        let Some(show) = shows.get_mut(at) else { return Poll::Pending };
        let before = out.len();
        show.pull(cx);
        if std::mem::take(&mut show.lost) {
            socket.cut(&show.key, out);
        }
        while out.len() == before {
            for _ in 0..std::mem::take(&mut show.cleared) {
                socket.cleared(&show.key, out);
            }
            if out.len() > before {
                break;
            }
            let Some(shown) = show.turns.front_mut() else { return Poll::Pending };
            if shown.source.poll(cx, events).is_pending() {
                return Poll::Pending;
            }
            let ended = shown.source.ended();
            let cut = ended && matches!(&shown.source, Source::Kept(follower) if follower.is_lost());
            if cut {
                // Its last event is for pages with nothing else to be told.
                events.pop();
            }
            shown.encode(&show.key, events, bytes, socket);
            out.extend_from_slice(&bytes.split());
            if cut {
                socket.cut(&show.key, out);
            }
            if ended {
                show.cleared += show.turns.pop_front().map_or(0, |shown| shown.cleared);
            }
        }
        Poll::Ready(())
    }
}

impl Show {
    fn is_used(&self) -> bool {
        self.watch.is_some() || self.lost || self.cleared > 0 || !self.turns.is_empty()
    }

    /// Takes the turns that have begun. If one of them is lost, all that follow are lost with it.
    fn pull(&mut self, cx: &mut Context<'_>) {
        while let Some(watch) = &mut self.watch {
            match watch.poll(cx) {
                Poll::Ready(Seen::Turn(follower)) => {
                    if self.joined.as_ref() == Some(follower.turn()) {
                        continue;
                    }
                    if self.turns.len() >= MOST_WAITING {
                        return self.lose();
                    }
                    let turn = follower.turn().clone();
                    self.turns.push_back(Shown::new(turn, Source::Kept(follower), None));
                }
                Poll::Ready(Seen::Cleared) => match self.turns.back_mut() {
                    Some(shown) => shown.cleared += 1,
                    None => self.cleared += 1,
                },
                Poll::Ready(Seen::Lost) => return self.lose(),
                Poll::Pending => return,
            }
        }
    }

    fn lose(&mut self) {
        self.watch = None;
        self.lost = true;
    }
}

impl Shown {
    /// A turn that this connection has not begun.
    pub const fn new(turn: Text, source: Source, encoder: Option<Box<dyn Encoder>>) -> Self {
        Self { turn, source, encoder, record: None, cleared: 0 }
    }

    fn is_over(&self) -> bool {
        match &self.source {
            Source::Kept(follower) => follower.over(),
            Source::Said(_) => true,
            Source::Own(driver) => driver.ended(),
        }
    }

    fn encode(&mut self, key: &Text, events: &mut Vec<Event>, bytes: &mut BytesMut, socket: &mut dyn Socket) {
        let Self { source, encoder, record, .. } = self;
        let encoder = match (encoder, &*source) {
            (Some(encoder), _) => encoder,
            (none, Source::Kept(follower)) => {
                let (chat, context) = follower.opening();
                none.insert(socket.turn(key, &chat, &context))
            }
            (None, Source::Own(_) | Source::Said(_)) => return events.clear(),
        };
        for event in events.drain(..) {
            if let Some(record) = record {
                record.event(&event, || (source.target(), source.tried()));
                if event.is_terminal() {
                    record.cached(source.cached());
                }
            }
            encoder.event(&event, bytes);
        }
    }
}
