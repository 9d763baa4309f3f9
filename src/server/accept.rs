//! Taking connections: how many at a time, how many of one address, and what happens when there is no room.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::addresses::{Addresses, Counted};
use super::connection::{self, Guest};
use super::current::Current;
use super::descriptors;
use super::stop::Stop;
use super::tls::Encryption;
use super::waiting::Waiting;
use crate::config::plan::Server;

/// How long to wait when the system has no more descriptors for us.
const PAUSE: Duration = Duration::from_millis(50);

/// How often the log says that there is no room.
const SELDOM: Duration = Duration::from_secs(10);

/// How much of an answer the system may hold for a page that does not read, in each direction. It doubles this.
const BUFFER: usize = 128 << 10;

/// Where connections come in.
#[derive(Clone)]
pub struct Door {
    pub current: Current,
    pub stop: Stop,
    pub limit: Arc<ConnectionLimit>,
    pub encryption: Option<Arc<Encryption>>,
}

/// How many connections there may be at a time, and how many of one address.
pub struct ConnectionLimit {
    permits: Arc<Semaphore>,
    most: usize,
    waiting: Arc<Waiting>,
    connections: Addresses,
    /// What is answered on them: HTTP/2 carries many requests over one.
    requests: Addresses,
}

/// A connection counts as one until this is dropped.
pub struct ConnectionPermit {
    _permit: OwnedSemaphorePermit,
    _counted: Option<Counted>,
}

impl ConnectionLimit {
    /// As many connections as are asked for, as far as the system has descriptors.
    pub fn new(server: &Server) -> Self {
        let most = server.max_connections.clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        let most = descriptors::room(server).connections.min(most);
        descriptors::tell("max_connections", server.max_connections, most);
        let [connections, requests] = [(); 2].map(|()| Addresses::sharing(most));
        Self { permits: Arc::new(Semaphore::new(most)), most, waiting: Arc::default(), connections, requests }
    }

    /// Waits until there is no connection.
    pub async fn empty(&self) {
        drop(self.permits.acquire_many(u32::try_from(self.most).unwrap_or(u32::MAX)).await);
    }

    /// A permit for a connection of this address, or nothing if it has as many as one may have. While all are
    /// taken, those who only wait must leave, one after another.
    async fn take(&self, server: &Server, from: IpAddr, full: &mut Seldom) -> Option<ConnectionPermit> {
        let counted = self.connections.count(server, from).ok()?;
        let permits = Arc::clone(&self.permits);
        let permit = match Arc::clone(&permits).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                full.say(|| tracing::warn!(connections = self.most, "there are as many connections as there may be"));
                tokio::select! {
                    permit = permits.acquire_owned() => permit.ok()?,
                    never = self.waiting.make_room_always() => match never {},
                }
            }
        };
        Some(ConnectionPermit { _permit: permit, _counted: counted })
    }
}

/// Says something at most so often.
#[derive(Default)]
struct Seldom(Option<Instant>);

impl Seldom {
    fn say(&mut self, something: impl FnOnce()) {
        if self.0.is_none_or(|last| last.elapsed() >= SELDOM) {
            self.0 = Some(Instant::now());
            something();
        }
    }
}

impl Door {
    /// Takes connections for ever, and serves them in this runtime.
    pub async fn accept(&self, listener: &TcpListener) -> Infallible {
        let Self { current, stop, limit, encryption } = self;
        let (mut failing, mut full, mut many) = (Seldom::default(), Seldom::default(), Seldom::default());
        loop {
            let (stream, from) = match listener.accept().await {
                Ok((stream, from)) => (stream, from.ip()),
                Err(error) => {
                    failing.say(|| tracing::warn!(%error, "a connection could not be taken"));
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let Some(permit) = limit.take(&current.get().plan.server, from, &mut full).await else {
                many.say(
                    || tracing::warn!(address = %from, "an address has too many connections: the next ones are closed"),
                );
                continue;
            };
            prepare(&stream);
            let (watch, requests) = (limit.waiting.join(), limit.requests.clone());
            let guest = Guest { from, watch, requests, encryption: encryption.clone() };
            let (current, stop) = (current.clone(), stop.clone());
            tokio::spawn(async move {
                connection::serve(stream, guest, current, stop).await;
                drop(permit);
            });
        }
    }
}

/// Sets up a socket. What is refused here is refused only for sockets that are already gone.
fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let _ = bound_buffers(stream);
}

#[cfg(unix)]
fn bound_buffers(stream: &TcpStream) -> io::Result<()> {
    rustix::net::sockopt::set_socket_send_buffer_size(stream, BUFFER)?;
    rustix::net::sockopt::set_socket_recv_buffer_size(stream, BUFFER)?;
    Ok(())
}

#[cfg(not(unix))]
fn bound_buffers(_stream: &TcpStream) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_has_so_many_connections_and_gets_them_back() {
        let proxy = "10.0.0.1".parse().unwrap();
        let server = Server { max_connections: 6, trusted_proxies: vec![IpAddr::into(proxy)], ..Server::default() };
        let limit = ConnectionLimit::new(&server);
        let mut full = Seldom::default();
        let mut taken = Vec::new();
        for (from, fits) in [
            ("192.0.2.1", true),
            ("192.0.2.1", true),
            ("::ffff:192.0.2.1", true),
            ("192.0.2.1", false),
            ("2001:db8::1", true),
        ] {
            let permit = limit.take(&server, from.parse().unwrap(), &mut full).await;
            assert_eq!(permit.is_some(), fits, "{from}");
            taken.extend(permit);
        }
        let limited = Server { max_connections_per_address: Some(1), ..server.clone() };
        assert!(limit.take(&limited, "2001:db8::2:1".parse().unwrap(), &mut full).await.is_none(), "the same network");
        let proxies = [limit.take(&limited, proxy, &mut full).await, limit.take(&limited, proxy, &mut full).await];
        assert!(proxies.iter().all(Option::is_some), "proxies are not counted");
        drop(proxies);
        taken.remove(0);
        assert!(limit.take(&server, "192.0.2.1".parse().unwrap(), &mut full).await.is_some());
        drop(taken);
        assert!(limit.connections.is_empty());
        limit.empty().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_newcomer_gets_the_place_of_who_has_waited_longest() {
        let server = Server { max_connections: 2, ..Server::default() };
        let limit = ConnectionLimit::new(&server);
        let mut full = Seldom::default();
        let from: IpAddr = [127, 0, 0, 1].into();
        let mut sits = async || (limit.take(&server, from, &mut full).await.unwrap(), limit.waiting.join());
        let (first, second) = (sits().await, sits().await);
        let running = first.1.activity().begin(false);
        let leave = async |(permit, watch): (ConnectionPermit, super::super::waiting::Watch)| {
            let overdue = watch.overdue(Duration::from_secs(60), Duration::from_secs(60)).await;
            drop(permit);
            overdue
        };
        let (begin, leaves) = (Instant::now(), leave(second));
        let (third, overdue) = tokio::join!(sits(), leaves);
        assert_eq!((overdue, begin.elapsed() < Duration::from_secs(1)), (super::super::waiting::Overdue::Room, true));
        drop((third, running, first));
        limit.empty().await;
    }
}
