//! The listener.

use super::{List, Optional};
use crate::config::plan::ClientHeader;
use crate::config::read::{Required, section};
use crate::config::values::{Address, Deadline, Period, Size, Switch, Whole, Word};

section! {
    /// The listener and its limits.
    Server, "[server]" {
        /// Where to listen. Default: "127.0.0.1:8000".
        listen: Optional<Address>,
        /// Largest request body. Default: "1MiB".
        max_body: Optional<Size>,
        /// Largest request head. Default: "64KiB".
        max_head: Optional<Size>,
        /// How long a request head may take, and the greeting of TLS. Default: "10s".
        head_timeout: Optional<Deadline>,
        /// How long a request body may take. Default: "30s".
        body_timeout: Optional<Deadline>,
        /// How many bytes of a body must come in a second, on average and after its first 5 seconds, or `false`.
        /// Default: 240.
        min_body_rate: Optional<Switch<Size>>,
        /// How long a connection is kept open for its next request. Default: "60s".
        idle_timeout: Optional<Deadline>,
        /// How long a page may leave an answer unread before it is cut. Default: "60s".
        write_timeout: Optional<Deadline>,
        /// How long running answers may go on after a stop signal. Default: "30s".
        drain: Optional<Period>,
        /// Threads that serve connections. Default: one for each processor.
        threads: Optional<Whole<1, 1_024>>,
        /// Most connections at a time. One more takes the place of that which has waited longest for a request. Default:
        /// 1024, or fewer where the system grants too few file descriptors.
        max_connections: Optional<Whole<1, 1_000_000>>,
        /// Most connections of one address at a time, or of one /64 network of IPv6; those of trusted proxies are not
        /// counted. So many of its requests are answered at a time, over all its connections and through trusted proxies.
        /// Default: half of `max_connections`, and no bound for this machine itself.
        max_connections_per_address: Optional<Whole<1, 1_000_000>>,
        /// Most turns at a time. Those of kept conversations wait for their place; others are refused with 503. Default:
        /// as many as `max_connections`, or fewer where the system grants too few file descriptors.
        max_turns: Optional<Whole<1, 1_000_000>>,
        /// Whether this file, and the files of secrets and widgets that it names, are read again when one of them
        /// changes. `SIGHUP` has them read again in any case. Default: true.
        watch: Optional<bool>,
        /// The names that pages may call the gateway by, without a port: "chat.example.com", or "*" for every name. The
        /// names of this machine itself, such as "localhost", are always good. Default: no others where the gateway
        /// listens on loopback only, so that no foreign page reaches it by a name of its own; elsewhere every name.
        hosts: List<String>,
        /// Proxies that are believed who their client is, as addresses or networks: "10.0.0.0/8". Default: none.
        trusted_proxies: List<String>,
        /// The header in which trusted proxies say who their client is. They must set it, or add to it. Default:
        /// "x-forwarded-for".
        client_header: Optional<Word<ClientHeader>>,
        /// Encrypts all connections. Default: none is.
        tls: Optional<Tls>,
        /// What holds on WebSockets.
        websocket: Optional<WebSocket>,
    }
}

section! {
    /// Encrypts all connections. The files are read again when they change.
    Tls, "[server.tls]" {
        /// The PEM file of the certificate and those above it, relative to this file.
        cert: Required<String>,
        /// The PEM file of its private key, relative to this file.
        key: Required<String>,
    }
}

section! {
    /// What holds on WebSockets.
    WebSocket, "[server.websocket]" {
        /// Largest message of a page; a larger one closes the connection. Default: "8MiB".
        max_message: Optional<Size>,
        /// After how much silence a page is asked whether it is there. One that says nothing for as long again is
        /// closed. Default: "30s".
        ping: Optional<Deadline>,
        /// Most messages of a page in a second. What comes faster waits. Default: 50.
        max_rate: Optional<Whole<1, 1_000_000>>,
        /// Most conversations that one connection follows. Default: 256.
        max_subscriptions: Optional<Whole<1, 1_000_000>>,
        /// Most turns that one connection waits for or is shown at a time, beside those of conversations that it
        /// follows. Default: 32.
        max_turns: Optional<Whole<1, 1_000_000>>,
    }
}
