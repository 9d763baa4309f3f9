//! The threads that serve connections. Each takes connections and does all that their turns need in a runtime of its
//! own, as the processes of a plain proxy do: a piece of an answer wakes one thread, once, and finds its stream's memory
//! where it left it. Work that would keep a thread from its other streams (large bodies, databases, files) is done
//! elsewhere.

use std::io;
use std::net::TcpListener;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::watch;

use super::accept::Door;
use super::stop::Phase;

/// How long a file or a name that is being looked up may keep a thread from its end.
const LAST_BLOCKING: Duration = Duration::from_secs(1);

/// Threads that serve connections. Dropping it drops what they still serve, and waits for them.
pub struct Workers {
    running: Option<watch::Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Starts so many.
    ///
    /// # Errors
    /// The system has no more threads or descriptors for us.
    pub fn start(count: usize, listener: &TcpListener, door: &Door) -> io::Result<Self> {
        let (running, ends) = watch::channel(());
        let mut workers = Self { running: Some(running), threads: Vec::new() };
        for number in 0..count.max(1) {
            let (listener, door, mut ends) = (listener.try_clone()?, door.clone(), ends.clone());
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let serving = move || {
                runtime.block_on(async move {
                    match tokio::net::TcpListener::from_std(listener) {
                        Ok(listener) => tokio::select! {
                            never = door.accept(&listener) => match never {},
                            () = door.stop.clone().reached(Phase::Draining) => {}
                        },
                        Err(error) => tracing::error!(%error, "a thread cannot take connections"),
                    }
                    // What it has begun goes on until nobody wants it any more.
                    let _ = ends.changed().await;
                });
                runtime.shutdown_timeout(LAST_BLOCKING);
            };
            workers.threads.push(std::thread::Builder::new().name(format!("worker-{number}")).spawn(serving)?);
        }
        Ok(workers)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.running = None;
        for thread in self.threads.drain(..) {
            // One that has panicked has nothing left to end.
            let _ = thread.join();
        }
    }
}
