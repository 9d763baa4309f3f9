//! One connection: HTTP/1.1 or HTTP/2 in clear text, or a WebSocket once it has been upgraded, with the time limits that the HTTP library leaves to us.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpStream;

use super::current::Current;
use super::exchange;
use super::io::Patient;
use super::socket::Handover;
use super::stop::{Phase, Stop};
use crate::access::Peer;
use crate::config::plan::Server;

/// The smallest head limit that the HTTP library takes.
const SMALLEST_HEAD: usize = 8192;

/// Most answers at a time on one HTTP/2 connection.
const STREAMS: u32 = 128;

const PING: Duration = Duration::from_secs(20);

/// Serves a connection until it is closed or the gateway stops.
pub async fn serve(stream: TcpStream, current: Current, stop: Stop) {
    let gateway = current.get();
    // Refused only for sockets that are already gone.
    let _ = stream.set_nodelay(true);
    let peer = stream.peer_addr().ok().map(|address| Peer(address.ip().to_canonical()));
    let heard = Arc::new(AtomicBool::new(false));
    let builder = builder(&gateway.plan.server);
    let first_request = tokio::time::sleep(gateway.plan.server.head_timeout);
    let io = Patient::new(TokioIo::new(stream), gateway.plan.server.write_timeout);
    drop(gateway);
    let handover = Arc::new(Handover::default());
    let service = {
        let (heard, handover) = (Arc::clone(&heard), Arc::clone(&handover));
        service_fn(move |mut request: Request<Incoming>| {
            heard.store(true, Ordering::Relaxed);
            if let Some(peer) = peer {
                request.extensions_mut().insert(peer);
            }
            let (gateway, handover) = (current.get(), Arc::clone(&handover));
            async move { Ok::<_, Infallible>(exchange::answer(gateway, request, &handover).await) }
        })
    };
    let mut connection = pin!(builder.serve_connection_with_upgrades(io, service));
    let mut draining = pin!(stop.clone().reached(Phase::Draining));
    let mut now = pin!(stop.reached(Phase::Now));
    let mut first_request = pin!(first_request);
    let (mut drains, mut timed) = (false, true);
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended early");
                    return;
                }
                break;
            }
            () = draining.as_mut(), if !drains => {
                drains = true;
                connection.as_mut().graceful_shutdown();
            }
            // The library times neither the first byte nor the protocol's greeting.
            () = first_request.as_mut(), if timed => {
                timed = false;
                if !heard.load(Ordering::Relaxed) {
                    return;
                }
            }
            () = now.as_mut() => return,
        }
    }
    if let Some(socket) = handover.take() {
        socket.await;
    }
}

fn builder(server: &Server) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(server.head_timeout)
        .max_buf_size(server.max_head.max(SMALLEST_HEAD));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(server.max_head).unwrap_or(u32::MAX))
        .max_concurrent_streams(STREAMS)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    builder
}
