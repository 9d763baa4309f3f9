//! An answer that is given again, as if a provider said it.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use chatwire_protocols::event::Event;
use tokio::time::Instant;

use super::recording::{Place, Recorded};
use crate::upstream::Alarm;

/// Longest that all pauses of an answer take together.
const LONGEST: Duration = Duration::from_secs(1);

/// Most events that are given at a time.
const BATCH: usize = 64;

/// An answer while it is given. Pages show it as it comes, piece by piece.
pub struct Playing {
    recorded: Arc<Recorded>,
    place: Place,
    /// The next event.
    at: usize,
    /// How many pieces of text have been given.
    pieces: u32,
    begin: Instant,
    pause: Duration,
    alarm: Alarm,
}

impl Playing {
    /// An answer, at this place of a turn.
    pub fn new(recorded: Arc<Recorded>, place: Place, pace: Duration) -> Self {
        let pieces = recorded.events.iter().filter(|event| is_piece(event)).count();
        let pause = LONGEST / u32::try_from(pieces.max(1)).unwrap_or(u32::MAX);
        let begin = Instant::now();
        Self { recorded, place, at: 0, pieces: 0, begin, pause: pause.min(pace), alarm: Alarm::new(begin) }
    }

    /// Gives what is due.
    pub fn poll(&mut self, cx: &mut Context<'_>, out: &mut Vec<Event>) -> Poll<()> {
        let before = out.len();
        while out.len() - before < BATCH {
            let piece = self.recorded.events.get(self.at).is_some_and(is_piece);
            if piece && !self.pause.is_zero() {
                let due = self.begin + self.pause * self.pieces;
                if due > Instant::now() {
                    if out.len() > before {
                        break;
                    }
                    self.alarm.set(due);
                    ready!(self.alarm.poll(cx));
                }
            }
            let Some(event) = self.recorded.moved(self.at, &self.place) else { break };
            self.at += 1;
            self.pieces += u32::from(piece);
            out.push(event);
        }
        Poll::Ready(())
    }

    /// True when all has been given.
    pub fn is_done(&self) -> bool {
        self.at >= self.recorded.events.len()
    }

    /// The target that has said it, by its place in the model's list.
    pub fn target(&self) -> usize {
        self.recorded.target
    }
}

const fn is_piece(event: &Event) -> bool {
    matches!(event, Event::BlockDelta { .. })
}
