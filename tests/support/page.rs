//! A page that speaks raw HTTP/1.1.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::LONG;
use crate::canary::{self, Place};

/// A page's connection.
pub struct Page {
    socket: TcpStream,
    seen: String,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Page {
    /// Connects and says nothing.
    pub async fn connect(addr: SocketAddr) -> Self {
        canary::watch_logs();
        Self { socket: TcpStream::connect(addr).await.unwrap(), seen: String::new() }
    }

    /// Connects and writes this.
    pub async fn raw(addr: SocketAddr, text: &str) -> Self {
        let mut page = Self::connect(addr).await;
        page.write(text).await;
        page
    }

    /// Posts a body to `/chat`.
    pub async fn post(addr: SocketAddr, body: &Value) -> Self {
        Self::post_with(addr, "", body).await
    }

    /// The same with more header lines.
    pub async fn post_with(addr: SocketAddr, headers: &str, body: &Value) -> Self {
        let body = body.to_string();
        let head = "POST /chat HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nconnection: close\r\n";
        Self::raw(addr, &format!("{head}{headers}content-length: {}\r\n\r\n{body}", body.len())).await
    }

    pub async fn write(&mut self, text: &str) {
        self.socket.write_all(text.as_bytes()).await.unwrap();
    }

    /// Writes this unless the gateway has closed the connection.
    pub async fn try_write(&mut self, bytes: &[u8]) {
        let _ = self.socket.write_all(bytes).await;
    }

    /// Reads until this has been seen, and gives all that was seen.
    pub async fn until(&mut self, text: &str) -> &str {
        let reading = async {
            while !self.seen.contains(text) {
                let read = self.read().await;
                assert!(read, "closed before {text:?}: {}", self.seen);
            }
        };
        let waited = tokio::time::timeout(LONG, reading).await;
        assert!(waited.is_ok(), "{text:?} comes; seen: {}", self.seen);
        &self.seen
    }

    /// Reads to the end.
    pub async fn answer(mut self) -> Answer {
        let reading = async { while self.read().await {} };
        tokio::time::timeout(LONG, reading).await.expect("the answer ends");
        Answer::of(&self.seen)
    }

    /// How many bytes come before the connection is closed.
    pub async fn closed(mut self) -> usize {
        tokio::time::timeout(LONG, async { while self.read().await {} }).await.expect("the connection is closed");
        self.seen.len()
    }

    async fn read(&mut self) -> bool {
        let mut bytes = [0; 4096];
        let read = self.socket.read(&mut bytes).await.unwrap_or(0);
        let before = self.seen.len();
        self.seen.push_str(&String::from_utf8_lossy(&bytes[..read]));
        canary::look_on(Place::Answer, self.seen.as_bytes(), before);
        read > 0
    }
}

impl Answer {
    fn of(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let chunked = head.contains("transfer-encoding: chunked");
        let body = if chunked { unchunk(body) } else { body.to_owned() };
        // Once more, without what stands between the chunks.
        canary::look(Place::Answer, body.as_bytes());
        Self { status, head: head.to_owned(), body }
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The events of a stream.
    pub fn events(&self) -> Vec<Value> {
        let lines = self.body.lines().filter(|line| !line.is_empty() && *line != ":");
        lines.map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
    }

    /// The names of a stream's events.
    pub fn names(&self) -> Vec<String> {
        self.events().iter().map(|event| event["event"].as_str().unwrap().to_owned()).collect()
    }

    /// The text of a stream.
    pub fn text(&self) -> String {
        let events = self.events();
        let deltas = events.iter().filter(|event| event["event"] == "block_delta");
        deltas.filter_map(|event| event["text"].as_str()).collect()
    }

    /// The last event, which must be the only one that ends the turn.
    pub fn end(&self) -> Value {
        let events = self.events();
        let ends = ["turn_end", "failed", "cancelled"];
        let count = events.iter().filter(|event| ends.contains(&event["event"].as_str().unwrap())).count();
        assert_eq!(count, 1, "exactly one end: {}", self.body);
        let last = events.last().unwrap().clone();
        assert!(ends.contains(&last["event"].as_str().unwrap()), "{}", self.body);
        last
    }
}

fn unchunk(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return whole;
        }
        whole.push_str(&rest[..size]);
        body = &rest[size + 2..];
    }
    panic!("the body is cut: {whole}");
}
