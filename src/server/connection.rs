//! One connection: HTTP/1.1 or HTTP/2, in clear text or encrypted, or a WebSocket once it has been upgraded, with the
//! time limits that the HTTP library leaves to us.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Version};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
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

/// What connections of HTTP/2 begin with (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

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
    let times = times(&current.get().plan.server);
    match opening(encryption.greet(stream), &watch, &stop, times).await {
        Some(Ok(stream)) => speak(stream, (from, true), &watch, requests, current, stop).await,
        Some(Err(error)) => tracing::debug!(%error, "a connection could not be encrypted"),
        None => {}
    }
}

/// How long a head may take, and the next request.
const fn times(server: &Server) -> (Duration, Duration) {
    (server.head_timeout, server.idle_timeout)
}

/// What comes in front of the first request, unless it takes too long or the gateway stops.
async fn opening<T>(
    what: impl Future<Output = T>,
    watch: &Watch,
    stop: &Stop,
    (head, idle): (Duration, Duration),
) -> Option<T> {
    tokio::select! {
        what = what => Some(what),
        () = stop.clone().reached(Phase::Draining) => None,
        _ = watch.overdue(head, idle) => None,
    }
}

async fn speak<S>(
    mut stream: S,
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
    let times = times(server);
    let (http1, http2) = builders(server);
    let patience = server.write_timeout;
    drop(gateway);
    let Some(Ok(first)) = opening(first_bytes(&mut stream), watch, &stop, times).await else { return };
    let multiplexed = first.starts_with(PREFACE);
    let io = Patient::new(TokioIo::new(stream), first, patience, Arc::clone(activity));
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
    if multiplexed {
        // It is seldom, and has much state.
        let connection = http2.serve_connection(io, service);
        Box::pin(drive(connection, |connection| connection.graceful_shutdown(), watch, stop, times)).await;
        return;
    }
    let connection = http1.serve_connection(io, service).with_upgrades();
    if drive(connection, |connection| connection.graceful_shutdown(), watch, stop, times).await
        && let Some(socket) = handover.take()
    {
        let _running = activity.begin(false);
        socket.await;
    }
}

/// The first bytes of a connection: as many as tell which protocol it speaks, and what comes with them.
async fn first_bytes<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Bytes> {
    let mut first = BytesMut::new();
    let mut bytes = [0; 2048];
    while first.len() < PREFACE.len() && PREFACE.starts_with(&first) {
        match stream.read(&mut bytes).await? {
            0 => break,
            read => first.extend_from_slice(&bytes[..read]),
        }
    }
    Ok(first.freeze())
}

/// Answers what comes over a connection, within its times for a head and between requests. True if it ended by itself.
/// `finish` has it finish what runs and take nothing new.
async fn drive<C>(
    connection: C,
    finish: impl Fn(Pin<&mut C>),
    watch: &Watch,
    stop: Stop,
    times: (Duration, Duration),
) -> bool
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut connection = pin!(connection);
    // Until when the page may still ask something although it has been told that the connection closes.
    let (mut drains, mut parts) = (false, None);
    let next = |drains, parts| Seldom::new(interruption(stop.clone(), drains, parts, watch, times));
    let mut interruption = pin!(next(drains, parts));
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = &ended {
                    tracing::debug!(%error, "a connection ended early");
                }
                return ended.is_ok();
            }
            interruption = interruption.as_mut() => match interruption {
                Interruption::Draining => {
                    drains = true;
                    finish(connection.as_mut());
                }
                Interruption::Overdue(Overdue::Idle) => {
                    parts = Some(Instant::now() + PARTING);
                    finish(connection.as_mut());
                }
                // A request may have come in while the connection was told to close.
                Interruption::Parting if watch.activity().is_running() => parts = Some(Instant::now() + PARTING),
                Interruption::Overdue(_) | Interruption::Parting | Interruption::Now => return false,
            }
        }
        interruption.set(next(drains, parts));
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

fn builders(server: &Server) -> (http1::Builder, http2::Builder<TokioExecutor>) {
    let mut http1 = http1::Builder::new();
    http1
        .timer(TokioTimer::new())
        // Frames are small: one piece is cheaper to send than three.
        .writev(false)
        // Heads are timed together with what comes before them.
        .header_read_timeout(None)
        .max_buf_size(server.max_head.max(SMALLEST_HEAD));
    let mut http2 = http2::Builder::new(TokioExecutor::new());
    http2
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(server.max_head).unwrap_or(u32::MAX))
        .max_concurrent_streams(STREAMS)
        .max_send_buf_size(STREAM_BUFFER)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    (http1, http2)
}
