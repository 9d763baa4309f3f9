//! The listener.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use crate::config::values::Words;

/// The listener's settings.
#[derive(Clone, Debug)]
pub struct Server {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Largest request body in bytes.
    pub max_body: usize,
    /// Largest request head in bytes.
    pub max_head: usize,
    /// How long a request head may take, from the first byte of the connection.
    pub head_timeout: Duration,
    /// How long a request body may take.
    pub body_timeout: Duration,
    /// How many bytes of a body must come in a second.
    pub min_body_rate: Option<usize>,
    /// How long a connection is kept for its next request.
    pub idle_timeout: Duration,
    /// How long a page may leave an answer unread.
    pub write_timeout: Duration,
    /// How long running answers may go on after a stop signal.
    pub drain: Duration,
    /// Threads that serve connections.
    pub threads: usize,
    /// Most connections at a time.
    pub max_connections: usize,
    /// Most connections of one address at a time, if that is said.
    pub max_connections_per_address: Option<usize>,
    /// Most turns at a time.
    pub max_turns: u32,
    /// Whether the configuration is read again when its files change.
    pub watch: bool,
    /// The names that it may be called by, if they are said.
    pub hosts: Option<Vec<String>>,
    /// The proxies that are believed who their client is.
    pub trusted_proxies: Vec<IpNet>,
    /// Where they say it.
    pub client_header: ClientHeader,
    /// The certificate, if connections are encrypted.
    pub tls: Option<Tls>,
    /// What holds on WebSockets.
    pub websocket: WebSocket,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 8000),
            max_body: 1 << 20,
            max_head: 64 << 10,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            min_body_rate: Some(240),
            idle_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(60),
            drain: Duration::from_secs(30),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            max_connections: 1024,
            max_connections_per_address: None,
            max_turns: 1024,
            watch: true,
            hosts: None,
            trusted_proxies: Vec::new(),
            client_header: ClientHeader::default(),
            tls: None,
            websocket: WebSocket::default(),
        }
    }
}

/// Where trusted proxies say who their client is. Only one place is read: of another, a client could have written it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientHeader {
    /// `X-Forwarded-For`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

impl Words for ClientHeader {
    const WHAT: &'static str = "header of proxies";
    const WORDS: &'static [(&'static str, Self)] =
        &[("x-forwarded-for", Self::XForwardedFor), ("forwarded", Self::Forwarded)];
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The PEM file of the certificate and those above it.
    pub cert: PathBuf,
    /// The PEM file of its private key.
    pub key: PathBuf,
}

/// What holds on WebSockets.
#[derive(Clone, Copy, Debug)]
pub struct WebSocket {
    /// Largest message of a page in bytes.
    pub max_message: usize,
    /// After how much silence a page is asked whether it is there, and how long it may take to say so.
    pub ping: Duration,
    /// Most messages of a page in a second; what is more waits.
    pub max_rate: u32,
    /// Most conversations that one connection follows.
    pub max_subscriptions: usize,
    /// Most turns that one connection waits for or is shown at a time.
    pub max_turns: usize,
}

impl Default for WebSocket {
    fn default() -> Self {
        Self {
            max_message: 8 << 20,
            ping: Duration::from_secs(30),
            max_rate: 50,
            max_subscriptions: 256,
            max_turns: 32,
        }
    }
}
