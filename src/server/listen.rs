//! The listener: connections are taken, limited, and drained at the end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connection;
use super::gateway::Gateway;
use super::stop::{Phase, Stop, Stopper};
use crate::config::plan::Plan;

/// How long to wait when the system has no more descriptors for us.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long the last frames may take to reach their pages.
const LAST_FRAMES: Duration = Duration::from_secs(2);

/// A gateway that listens and does not answer yet.
pub struct Listening {
    listener: TcpListener,
    gateway: Arc<Gateway>,
    stopper: Stopper,
    stop: Stop,
}

/// Opens the listener of a plan.
///
/// # Errors
/// The address is taken or not ours; recordings cannot be read; TLS cannot be set up.
pub async fn bind(plan: Plan) -> io::Result<Listening> {
    let listener = TcpListener::bind(plan.server.listen).await?;
    let (stopper, stop) = Stopper::new();
    let gateway = Arc::new(Gateway::new(plan, stop.clone())?);
    Ok(Listening { listener, gateway, stopper, stop })
}

/// Answers until SIGTERM or SIGINT, then finishes what runs. A second signal ends at once.
///
/// # Errors
/// Signals cannot be listened for.
pub async fn run(listening: Listening) -> io::Result<()> {
    let signals = tokio::spawn(signals(listening.stopper())?);
    listening.serve().await;
    signals.abort();
    Ok(())
}

#[cfg(unix)]
fn signals(stopper: Stopper) -> io::Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => stopper.stop(),
                _ = interrupt.recv() => stopper.stop(),
            }
        }
    })
}

#[cfg(not(unix))]
fn signals(stopper: Stopper) -> io::Result<impl Future<Output = ()> + Send> {
    Ok(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            stopper.stop()
        }
    })
}

impl Listening {
    /// Where it listens.
    ///
    /// # Errors
    /// The system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// What stops it.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Answers until it is stopped and drained.
    pub async fn serve(self) {
        let Self { listener, gateway, stopper, stop } = self;
        let most = gateway.plan.server.max_connections.clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        let slots = Arc::new(Semaphore::new(most));
        let draining = stop.clone().reached(Phase::Draining);
        tokio::select! {
            () = draining => {}
            () = accept(&listener, &gateway, &stop, &slots) => {}
        }
        drop(listener);
        tracing::info!("stopping");
        let now = stop.reached(Phase::Now);
        let drained = slots.acquire_many(u32::try_from(most).unwrap_or(u32::MAX));
        tokio::select! {
            _ = drained => {}
            () = now => {}
            () = close(&gateway, &stopper) => {}
        }
        stopper.advance(Phase::Now);
        gateway.servers.close().await;
    }
}

/// Ends what is still running when its time is over.
async fn close(gateway: &Gateway, stopper: &Stopper) {
    tokio::time::sleep(gateway.plan.server.drain).await;
    stopper.advance(Phase::TurnsEnd);
    tokio::time::sleep(LAST_FRAMES).await;
}

async fn accept(listener: &TcpListener, gateway: &Arc<Gateway>, stop: &Stop, slots: &Arc<Semaphore>) {
    loop {
        let Ok(slot) = Arc::clone(slots).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => start(stream, slot, gateway, stop),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn start(stream: TcpStream, slot: OwnedSemaphorePermit, gateway: &Arc<Gateway>, stop: &Stop) {
    let (gateway, stop) = (Arc::clone(gateway), stop.clone());
    tokio::spawn(async move {
        connection::serve(stream, gateway, stop).await;
        drop(slot);
    });
}
