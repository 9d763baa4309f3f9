//! Keeps one server running: starts it, starts it anew when it ends, less and less often where it ends again and again.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::connection::{Connection, Reason};
use super::listing::Lister;
use super::mask::Mask;
use super::plan::ServerPlan;
use super::state::{State, Status};

/// The pauses before a new start: the first, and the longest.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(60);

/// A server that was there for so long has not failed again and again.
const STEADY: Duration = Duration::from_secs(60);

/// Keeps a server until it must stop.
pub async fn keep(server: Arc<ServerPlan>, status: watch::Sender<Status>, mut stop: watch::Receiver<bool>) {
    let mask = Mask::new(&server.transport);
    let mut pause = FIRST;
    loop {
        let begun = Instant::now();
        let Some(reason) = run(&server, &mask, &status, &mut stop).await else { break };
        if begun.elapsed() >= STEADY {
            pause = FIRST;
        }
        tracing::warn!(server = server.name, reason, again_in = ?pause, "an MCP server is not there");
        status.send_replace(Status::without(State::Failed(reason)));
        if tokio::time::timeout(pause, stopped(&mut stop)).await.is_ok() {
            break;
        }
        pause = LONGEST.min(pause * 2);
    }
    status.send_replace(Status::without(State::Gone));
}

/// One run of a server. Gives why it is over; nothing if it must stop.
async fn run(
    server: &ServerPlan,
    mask: &Mask,
    status: &watch::Sender<Status>,
    stop: &mut watch::Receiver<bool>,
) -> Option<Reason> {
    let begun = Instant::now();
    let opening = tokio::time::timeout(server.start_timeout, Connection::open(server, mask));
    let opened = tokio::select! {
        opened = opening => opened,
        () = stopped(stop) => return None,
    };
    let late = || format!("it did not start within {:?}", server.start_timeout);
    let mut connection = match opened {
        Ok(Ok(connection)) => connection,
        Ok(Err(reason)) => return Some(reason),
        Err(_) => return Some(late()),
    };
    let lister = Lister { server, status: status.subscribe(), mask };
    let reason = tokio::select! {
        reason = serve(&mut connection, &lister, begun, status) => Some(reason),
        () = stopped(stop) => None,
    };
    // Calls that begin from now on fail at once.
    let after = reason.clone().map_or(State::Gone, State::Failed);
    status.send_replace(Status::without(after));
    connection.close().await;
    reason
}

async fn serve(
    connection: &mut Connection,
    lister: &Lister<'_>,
    begun: Instant,
    status: &watch::Sender<Status>,
) -> Reason {
    let left = lister.server.start_timeout.saturating_sub(begun.elapsed());
    let tools = match connection.list(lister, left).await {
        Ok(tools) => tools,
        Err(reason) => return reason,
    };
    let link = connection.link();
    tracing::info!(server = lister.server.name, tools = tools.len(), after = ?begun.elapsed(), "an MCP server is there");
    status.send_replace(Status { state: State::Connected, tools, link: Some(link) });
    connection.follow(lister, lister.server.start_timeout, status).await
}

/// Waits until the server must stop, also where nobody is left who could say so.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
