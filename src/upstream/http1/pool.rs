//! Connections that wait for their next request.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::runtime::{Handle, Id};
use tokio::task::unconstrained;
use tokio::time::Instant;

use super::connect::{Origin, Socket};

/// Most connections that are kept, and most of one thread to one server.
const MOST: usize = 256;
const MOST_OF_ONE: usize = 64;

/// How long one is kept.
const IDLE: Duration = Duration::from_secs(90);

/// Connections that wait for their next request, by whom they lead to, and by whose thread hears of them: another one
/// would have to be woken for each piece of an answer.
#[derive(Debug, Default)]
pub struct Pool {
    idle: Mutex<Idle>,
}

type Idle = HashMap<(Option<Id>, Arc<Origin>), Vec<(Instant, Socket)>>;

impl Pool {
    /// The connection that was used last, if it is still open as far as can be seen.
    pub fn take(&self, origin: &Arc<Origin>) -> Option<Socket> {
        let key = (here(), Arc::clone(origin));
        loop {
            // What is closed is dropped outside of the lock.
            let (since, mut socket) = self.idle().get_mut(&key)?.pop()?;
            if since.elapsed() < IDLE && waits(&mut socket) {
                return Some(socket);
            }
        }
    }

    /// Keeps a connection.
    pub fn put(&self, origin: &Arc<Origin>, socket: Socket) {
        let mut idle = self.idle();
        if idle.values().map(Vec::len).sum::<usize>() >= MOST {
            return;
        }
        let kept = idle.entry((here(), Arc::clone(origin))).or_default();
        let unwanted = if kept.len() >= MOST_OF_ONE { kept.drain(..1).next() } else { None };
        kept.push((Instant::now(), socket));
        drop(idle);
        drop(unwanted);
    }

    /// Closes what has waited too long, or was closed by the other side.
    pub fn sweep(&self) {
        let mut unwanted = Vec::new();
        self.idle().retain(|_, kept| {
            unwanted.extend(kept.extract_if(.., |(since, socket)| since.elapsed() >= IDLE || !waits(socket)));
            !kept.is_empty()
        });
    }

    /// Closes all. False if there was none.
    pub fn clear(&self) -> bool {
        let unwanted = std::mem::take(&mut *self.idle());
        !unwanted.is_empty()
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The runtime that we are in.
fn here() -> Option<Id> {
    Handle::try_current().map(|handle| handle.id()).ok()
}

/// True if a connection is open and says nothing: whatever comes before a request is no answer to it.
fn waits(socket: &mut Socket) -> bool {
    let mut byte = [0];
    let mut buffer = tokio::io::ReadBuf::new(&mut byte);
    // Out of turn: a task that has done much would otherwise be told that nothing is there.
    let look = pin!(unconstrained(poll_fn(|cx| socket.poll_read(cx, &mut buffer))));
    look.poll(&mut Context::from_waker(Waker::noop())).is_pending()
}
