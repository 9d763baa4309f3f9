//! What the gateway does when it is busy, as figures: how soon a provider is left, and what is left over after a long time
//! of faults. The tests that run always are small and judge only what does not depend on the machine's speed; the large
//! runs print their figures:
//!
//! ```sh
//! cargo test --release --test load -- --ignored --nocapture --test-threads 1
//! ```

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[path = "../binary/mod.rs"]
mod binary;
#[path = "../canary/mod.rs"]
mod canary;
mod leavings;
mod process;
mod provider;
mod seeds;
mod soak;
mod socket;
mod speech;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use speech::PROTOCOLS;

/// Long enough that only a fault reaches it.
const LONG: Duration = Duration::from_secs(60);

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    /// A folder with a configuration of all plain dialects and all protocols in it, on a provider at this address
    /// whose silence ends after `deadline`.
    fn with(provider: SocketAddr, deadline: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("chatwire-load-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("gateway.toml"), config(provider, deadline)).unwrap();
        Self(path)
    }

    fn gateway(&self) -> binary::Gateway {
        binary::Gateway::quiet(&self.0.join("gateway.toml"), &self.0.join("chat.db"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn config(provider: SocketAddr, deadline: &str) -> String {
    let mut text = "[server]\nmax_connections = 4096\nmax_turns = 4096\nwrite_timeout = \"5s\"\n".to_owned();
    for name in PROTOCOLS {
        // With a circuit breaker most turns would be refused before anything can go wrong.
        text += &format!(
            "[providers.{name}]\nprotocol = \"{name}\"\nbase_url = \"http://{provider}/{name}/v1\"\n\
             timeouts = {{ connect = \"2s\", first_byte = \"{deadline}\", idle = \"{deadline}\" }}\n\
             circuit_breaker = false\n[models.{name}]\ntargets = [\"{name}/m\"]\n"
        );
        for (path, protocol, more) in ROUTES.iter().chain(&socket::ROUTES) {
            text += &format!(
                "[[routes]]\npath = \"/{name}{path}\"\nprotocol = \"{protocol}\"\nmodel = \"{name}\"\n\
                 force_model = true\n{more}\n"
            );
        }
    }
    text
}

/// The routes of each of the provider's protocols: path below its name, dialect and further settings.
const ROUTES: [(&str, &str, &str); 6] = [
    ("/ui", "vercel-ui-stream", ""),
    ("/data", "vercel-data-stream", ""),
    ("/text", "vercel-text", ""),
    ("/callback", "callback-sse", ""),
    ("/lines", "vercel-typed-lines", ""),
    ("/chatkit", "chatkit", ""),
];

/// The body with which a page of the route says `text`.
fn body(route: &str, text: &str) -> String {
    let body = match route {
        "/ui" => serde_json::json!({
            "id": "c", "trigger": "submit-message",
            "messages": [{"id": "u", "role": "user", "parts": [{"type": "text", "text": text}]}],
        }),
        "/callback" => serde_json::json!({"session_id": "s", "messages": [{"role": "user", "content": text}]}),
        "/lines" => serde_json::json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": text}]}),
        "/chatkit" => serde_json::json!({"type": "threads.create", "params": {"input": {
            "content": [{"type": "input_text", "text": text}], "attachments": [], "inference_options": {},
        }}}),
        _ => serde_json::json!({"id": "c", "messages": [{"role": "user", "content": text}]}),
    };
    body.to_string()
}

/// A page that has asked and reads its answer by hand.
struct Page {
    socket: TcpStream,
    read: Vec<u8>,
}

impl Page {
    /// Says `text` on a route of a provider's protocol.
    async fn ask(gateway: SocketAddr, protocol: &str, route: &str, text: &str) -> std::io::Result<Self> {
        Self::post(gateway, &format!("/{protocol}{route}"), &body(route, text)).await
    }

    async fn post(gateway: SocketAddr, path: &str, body: &str) -> std::io::Result<Self> {
        let mut socket = TcpStream::connect(gateway).await?;
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {gateway}\r\ncontent-type: application/json\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        socket.write_all(format!("{head}{body}").as_bytes()).await?;
        Ok(Self { socket, read: Vec::new() })
    }

    /// Reads once. True if there may be more.
    async fn read(&mut self) -> bool {
        matches!(self.socket.read_buf(&mut self.read).await, Ok(read) if read > 0)
    }

    /// Reads until this text has come. False if it does not.
    async fn until(&mut self, text: &str) -> bool {
        while !self.has(text) {
            if !self.read().await {
                return false;
            }
        }
        true
    }

    fn has(&self, text: &str) -> bool {
        self.read.windows(text.len()).any(|window| window == text.as_bytes())
    }

    /// True if the answer has come to its end by its own framing.
    fn is_whole(&self) -> bool {
        self.read.ends_with(b"0\r\n\r\n") || self.has("content-length: ")
    }
}

fn address(gateway: &binary::Gateway) -> SocketAddr {
    gateway.address.strip_prefix("http://").unwrap().parse().unwrap()
}
