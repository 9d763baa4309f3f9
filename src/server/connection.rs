//! One connection: HTTP/1.1 or HTTP/2, in clear text or encrypted, or a WebSocket once it has been upgraded, with the
//! time limits that the HTTP library leaves to us.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::addresses::Addresses;
use super::current::Current;
use super::io::Patient;
use super::socket::Handover;
use super::stop::{Phase, Stop};
use super::tls::Encryption;
use super::waiting::{HoldingBody, Overdue, Watch};
use super::{exchange, proxies};
use crate::access::Peer;
use crate::config::plan::Server;
use crate::seldom::Seldom;

/// The smallest head limit that the HTTP library takes.
const SMALLEST_HEAD: usize = 8192;

/// Most answers at a time on one HTTP/2 connection.
const STREAMS: u32 = 128;

/// Most bytes of an answer that wait for one HTTP/2 stream.
const STREAM_BUFFER: usize = 64 << 10;

const PING: Duration = Duration::from_secs(20);

/// How long a connection that is told to close may take.
const PARTING: Duration = Duration::from_secs(1);

/// Who has connected.
pub struct Guest {
    pub from: IpAddr,
    pub watch: Watch,
    /// The requests that are answered, by addresses.
    pub requests: Addresses,
    pub encryption: Option<Arc<Encryption>>,
}

/// Serves a connection until it is closed or the gateway stops.
pub async fn serve(stream: TcpStream, guest: Guest, current: Current, stop: Stop) {
    let Guest { from, watch, requests, encryption } = guest;
    let Some(encryption) = encryption else {
        return speak(stream, (from, false), &watch, requests, current, stop).await;
    };
    let (head, idle) = {
        let gateway = current.get();
        (gateway.plan.server.head_timeout, gateway.plan.server.idle_timeout)
    };
    let greeted = tokio::select! {
        greeted = encryption.greet(stream) => greeted,
        () = stop.clone().reached(Phase::Draining) => return,
        _ = watch.overdue(head, idle) => return,
    };
    match greeted {
        Ok(stream) => speak(stream, (from, true), &watch, requests, current, stop).await,
        Err(error) => tracing::debug!(%error, "a connection could not be encrypted"),
    }
}

async fn speak<S>(
    stream: S,
    (from, encrypted): (IpAddr, bool),
    watch: &Watch,
    requests: Addresses,
    current: Current,
    stop: Stop,
) where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let activity = watch.activity();
    let gateway = current.get();
    let server = &gateway.plan.server;
    let (head, idle) = (server.head_timeout, server.idle_timeout);
    let builder = builder(server);
    let io = Patient::new(TokioIo::new(stream), server.write_timeout, Arc::clone(activity));
    drop(gateway);
    let handover = Arc::new(Handover::default());
    let service = {
        let (activity, handover) = (Arc::clone(activity), Arc::clone(&handover));
        service_fn(move |request: Request<Incoming>| {
            let running = activity.begin(request.version() == Version::HTTP_2);
            let gateway = current.get();
            let (mut head, body) = request.into_parts();
            proxies::mark(&gateway.plan.server, &mut head, from, encrypted);
            let counted = requests.count(&gateway.plan.server, Peer::of(&head).0);
            if let Err(too_many) = counted {
                head.extensions.insert(too_many);
            }
            let request = Request::from_parts(head, body);
            let handover = Arc::clone(&handover);
            // The library keeps the room of this future for as long as the connection is open: boxed, that is a pointer.
            Box::pin(async move {
                let response = exchange::answer(gateway, request, &handover).await;
                Ok::<_, Infallible>(response.map(|body| HoldingBody::new(body, (running, counted))))
            })
        })
    };
    let mut connection = pin!(builder.serve_connection_with_upgrades(io, service));
    // Until when the page may still ask something although it has been told that the connection closes.
    let (mut drains, mut parts) = (false, None);
    let next = |drains, parts| Seldom::new(interruption(stop.clone(), drains, parts, watch, (head, idle)));
    let mut interruption = pin!(next(drains, parts));
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended early");
                    return;
                }
                break;
            }
            interruption = interruption.as_mut() => match interruption {
                Interruption::Draining => {
                    drains = true;
                    connection.as_mut().graceful_shutdown();
                }
                Interruption::Overdue(Overdue::Idle) => {
                    parts = Some(Instant::now() + PARTING);
                    connection.as_mut().graceful_shutdown();
                }
                // A request may have come in while the connection was told to close.
                Interruption::Parting if activity.is_running() => parts = Some(Instant::now() + PARTING),
                Interruption::Overdue(_) | Interruption::Parting | Interruption::Now => return,
            }
        }
        interruption.set(next(drains, parts));
    }
    if let Some(socket) = handover.take() {
        let _running = activity.begin(false);
        socket.await;
    }
}

/// What happens to a connection from outside.
enum Interruption {
    Draining,
    Overdue(Overdue),
    Parting,
    Now,
}

/// Waits for the next interruption: of a connection that drains already or not, and that parts at some time or does not.
async fn interruption(
    stop: Stop,
    drains: bool,
    parts: Option<Instant>,
    watch: &Watch,
    (head, idle): (Duration, Duration),
) -> Interruption {
    tokio::select! {
        () = stop.clone().reached(Phase::Draining), if !drains => Interruption::Draining,
        overdue = watch.overdue(head, idle), if parts.is_none() => Interruption::Overdue(overdue),
        () = tokio::time::sleep_until(parts.unwrap_or_else(Instant::now)), if parts.is_some() => Interruption::Parting,
        () = stop.reached(Phase::Now) => Interruption::Now,
    }
}

fn builder(server: &Server) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // Frames are small: one piece is cheaper to send than three.
        .writev(false)
        // Heads are timed together with what comes before them.
        .header_read_timeout(None)
        .max_buf_size(server.max_head.max(SMALLEST_HEAD));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(server.max_head).unwrap_or(u32::MAX))
        .max_concurrent_streams(STREAMS)
        .max_send_buf_size(STREAM_BUFFER)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    builder
}
