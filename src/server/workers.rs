//! The threads that serve connections. Each takes connections and does all that their turns need in a runtime of its
//! own, as the processes of a plain proxy do: a piece of an answer wakes one thread, once, and finds its stream's memory
//! where it left it. Work that would keep a thread from its other streams (large bodies, databases, files) is done
//! elsewhere.

use std::io;
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::watch;

use super::accept::Door;
use super::stop::Phase;

/// How long a file or a name that is being looked up may keep a thread from its end.
const LAST_BLOCKING: Duration = Duration::from_secs(1);

/// How long threads may take to end.
const LAST: Duration = Duration::from_secs(5);

/// Threads that serve connections. Dropping it drops what they still serve, and waits for them.
pub struct Workers {
    running: Option<watch::Sender<()>>,
    /// Closed when all threads are gone.
    ended: Receiver<()>,
    /// Closed when a thread has gone.
    lost: Vec<tokio::sync::oneshot::Receiver<()>>,
}

impl Workers {
    /// Starts so many.
    ///
    /// # Errors
    /// The system has no more threads or descriptors for us.
    pub fn start(count: usize, listener: &TcpListener, door: &Door) -> io::Result<Self> {
        let (running, ends) = watch::channel(());
        let (alive, ended) = channel();
        let mut workers = Self { running: Some(running), ended, lost: Vec::new() };
        for number in 0..count.max(1) {
            let (listener, door, ends) = (listener.try_clone()?, door.clone(), ends.clone());
            let alive = alive.clone();
            let (begun, begins) = channel();
            let (here, lost) = tokio::sync::oneshot::channel();
            let serving = move || serve(listener, &door, ends, &begun, (alive, here));
            thread::Builder::new().name(format!("worker-{number}")).spawn(serving)?;
            workers.lost.push(lost);
            // It says itself why it cannot begin.
            begins.recv().unwrap_or_else(|_| Err(io::Error::other("a thread has ended before it began")))?;
        }
        Ok(workers)
    }

    /// Waits until a thread has ended although nobody has told it to: what it served is gone, and nobody takes its place.
    pub async fn lost(&mut self) {
        drop(futures_util::future::select_all(&mut self.lost).await);
    }
}

/// What a thread does. What it holds as `_alive` is dropped when it ends, however it ends.
fn serve(
    listener: TcpListener,
    door: &Door,
    mut ends: watch::Receiver<()>,
    begun: &Sender<io::Result<()>>,
    _alive: (Sender<()>, tokio::sync::oneshot::Sender<()>),
) {
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return drop(begun.send(Err(error))),
    };
    runtime.block_on(async {
        let listener = match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => return drop(begun.send(Err(error))),
        };
        let _ = begun.send(Ok(()));
        tokio::select! {
            never = door.accept(&listener) => match never {},
            () = door.stop.clone().reached(Phase::Draining) => {}
            _ = ends.changed() => {}
        }
        drop(listener);
        // What it has begun goes on until nobody wants it any more.
        let _ = ends.changed().await;
    });
    runtime.shutdown_timeout(LAST_BLOCKING);
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.running = None;
        // Nothing is ever sent. One that does not end in time ends with the process.
        let _ = self.ended.recv_timeout(LAST);
    }
}
