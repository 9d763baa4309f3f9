//! Connections that wait for their next request.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::ReadBuf;
use tokio::runtime::{Handle, Id};
use tokio::task::unconstrained;
use tokio::time::Instant;

use super::connect::{Origin, Socket};
use super::framing::Framing;

/// Most connections that are kept, and most of one thread to one server.
const MOST: usize = 256;
const MOST_OF_ONE: usize = 64;

/// How long one is kept.
const IDLE: Duration = Duration::from_secs(90);

/// How long the last bytes of an answer may take that nobody needs.
const ENDING: Duration = Duration::from_secs(1);

/// Most reads of what nobody needs.
const MOST_READS: usize = 16;

/// Connections that wait for their next request, by whom they lead to, and by whose thread hears of them: another one
/// would have to be woken for each piece of an answer.
#[derive(Debug, Default)]
pub struct Pool {
    idle: Mutex<Idle>,
}

type Idle = HashMap<(Option<Id>, Arc<Origin>), Vec<Kept>>;

/// A connection without a request.
#[derive(Debug)]
struct Kept {
    since: Instant,
    socket: Socket,
    /// The end of the last answer, of which some bytes may be missing.
    framing: Framing,
}

/// What a connection is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The next request.
    Ready,
    /// Nothing yet: its last answer has not ended.
    Ending,
    /// Nothing any more.
    Dead,
}

impl Pool {
    /// The connection that was used last, of those that are still open as far as can be seen.
    pub fn take(&self, origin: &Arc<Origin>) -> Option<Socket> {
        let key = (here(), Arc::clone(origin));
        // What is closed is dropped outside of the lock.
        let mut unwanted = Vec::new();
        let mut idle = self.idle();
        let kept = idle.get_mut(&key)?;
        for at in (0..kept.len()).rev() {
            match kept[at].look() {
                State::Ready => {
                    let found = kept.remove(at);
                    drop(idle);
                    return Some(found.socket);
                }
                State::Ending => {}
                State::Dead => unwanted.push(kept.remove(at)),
            }
        }
        drop(idle);
        None
    }

    /// Keeps a connection whose last answer has ended, or is about to.
    pub fn put(&self, origin: &Arc<Origin>, socket: Socket, framing: Framing) {
        let mut idle = self.idle();
        if idle.values().map(Vec::len).sum::<usize>() >= MOST {
            return;
        }
        let kept = idle.entry((here(), Arc::clone(origin))).or_default();
        let unwanted = if kept.len() >= MOST_OF_ONE { kept.drain(..1).next() } else { None };
        kept.push(Kept { since: Instant::now(), socket, framing });
        drop(idle);
        drop(unwanted);
    }

    /// Closes what has waited too long, or was closed by the other side.
    pub fn sweep(&self) {
        let mut unwanted = Vec::new();
        self.idle().retain(|_, kept| {
            unwanted.extend(kept.extract_if(.., |kept| kept.look() == State::Dead));
            !kept.is_empty()
        });
    }

    /// Closes all. False if there was none.
    pub fn clear(&self) -> bool {
        let unwanted = std::mem::take(&mut *self.idle());
        !unwanted.is_empty()
    }

    #[cfg(test)]
    pub fn idle_is_empty(&self) -> bool {
        self.idle().is_empty()
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The runtime that we are in.
fn here() -> Option<Id> {
    Handle::try_current().map(|handle| handle.id()).ok()
}

impl Kept {
    /// Reads what is left of the last answer. Whatever else comes before a request is no answer to it.
    fn look(&mut self) -> State {
        let mut bytes = [0; 256];
        for _ in 0..MOST_READS {
            let over = self.framing.is_over();
            let mut buffer = ReadBuf::new(&mut bytes);
            // Out of turn: a task that has done much would otherwise be told that nothing is there.
            let look = pin!(unconstrained(poll_fn(|cx| self.socket.poll_read(cx, &mut buffer))));
            let read = look.poll(&mut Context::from_waker(Waker::noop()));
            let waited = self.since.elapsed();
            match read {
                Poll::Pending if over && waited < IDLE => return State::Ready,
                Poll::Pending if !over && waited < ENDING => return State::Ending,
                Poll::Ready(Ok(())) if !over && !buffer.filled().is_empty() => {
                    let read = buffer.filled();
                    if self.framing.read(read, |_| {}) != Ok(read.len()) {
                        return State::Dead;
                    }
                }
                _ => return State::Dead,
            }
        }
        // Who says so much there is not about to end.
        State::Dead
    }
}
