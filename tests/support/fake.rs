//! A provider whose every byte the test writes itself.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::LONG;

/// A provider.
pub struct Fake {
    listener: TcpListener,
    pub addr: SocketAddr,
}

/// A request that it got, and the connection to answer on.
pub struct Asked {
    socket: TcpStream,
    pub head: String,
    pub body: Value,
    pub bytes: Vec<u8>,
}

impl Fake {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        Self { listener, addr }
    }

    /// The next request.
    pub async fn asked(&self) -> Asked {
        tokio::time::timeout(LONG, self.accept()).await.expect("a request comes")
    }

    /// The next request, whose body is no JSON.
    pub async fn asked_raw(&self) -> Asked {
        let reading = async { Asked::read_raw(self.connection().await).await.expect("the request is whole") };
        tokio::time::timeout(LONG, reading).await.expect("a request comes")
    }

    /// The next connection, whenever it comes.
    pub async fn connection(&self) -> TcpStream {
        self.listener.accept().await.unwrap().0
    }

    async fn accept(&self) -> Asked {
        let (socket, _) = self.listener.accept().await.unwrap();
        Asked::read(socket).await
    }
}

impl Asked {
    async fn read(socket: TcpStream) -> Self {
        Self::try_read(socket).await.expect("the request is whole")
    }

    /// Reads a request that may be given up in the middle.
    pub async fn try_read(socket: TcpStream) -> Option<Self> {
        let asked = Self::read_raw(socket).await?;
        let body = if asked.bytes.is_empty() { Value::Null } else { serde_json::from_slice(&asked.bytes).unwrap() };
        Some(Self { body, ..asked })
    }

    async fn read_raw(mut socket: TcpStream) -> Option<Self> {
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            socket.read_buf(&mut bytes).await.ok().filter(|read| *read > 0)?;
        };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned));
        let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
        while bytes.len() < end + length {
            socket.read_buf(&mut bytes).await.ok().filter(|read| *read > 0)?;
        }
        let bytes = bytes[end..end + length].to_vec();
        Some(Self { socket, head, body: Value::Null, bytes })
    }

    /// The next request on the same connection.
    pub async fn again(self) -> Self {
        tokio::time::timeout(LONG, Self::read(self.socket)).await.expect("a request comes")
    }

    /// Writes these bytes.
    pub async fn raw(&mut self, text: &str) {
        self.socket.write_all(text.as_bytes()).await.unwrap();
        self.socket.flush().await.unwrap();
    }

    /// Writes these bytes unless the gateway has closed the connection.
    pub async fn try_raw(&mut self, text: &str) -> bool {
        self.socket.write_all(text.as_bytes()).await.is_ok()
    }

    /// The same with any bytes.
    pub async fn try_write(&mut self, bytes: &[u8]) -> bool {
        self.socket.write_all(bytes).await.is_ok()
    }

    /// Waits until the gateway has closed the connection or sends more.
    pub async fn left(&self) {
        let _ = self.socket.peek(&mut [0]).await;
    }

    /// Closes the connection by a reset.
    pub fn reset(self) {
        self.socket.set_zero_linger().unwrap();
    }

    /// Begins a good answer.
    pub async fn begin(&mut self) {
        self.raw("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n").await;
    }

    /// Sends a piece of the body.
    pub async fn send(&mut self, text: &str) {
        self.raw(&format!("{:x}\r\n{text}\r\n", text.len())).await;
    }

    /// Sends a piece of the body unless the gateway has closed the connection.
    pub async fn try_send(&mut self, text: &str) -> bool {
        self.socket.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes()).await.is_ok()
    }

    /// Ends the answer.
    pub async fn end(mut self) {
        self.raw("0\r\n\r\n").await;
    }

    /// Answers with all of this.
    pub async fn answer(mut self, text: &str) {
        self.begin().await;
        self.send(text).await;
        self.end().await;
    }

    /// Answers with all of this and keeps the connection.
    pub async fn answer_and_stay(&mut self, text: &str) {
        self.begin().await;
        self.send(text).await;
        self.raw("0\r\n\r\n").await;
    }

    /// Answers with an error status.
    pub async fn refuse(mut self, status: &str, headers: &str, body: &str) {
        self.raw(&format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())).await;
    }

    /// Waits until the gateway has closed the connection.
    pub async fn closed(mut self) {
        let reading = async {
            let mut bytes = Vec::new();
            // A reset closes as well.
            while matches!(self.socket.read_buf(&mut bytes).await, Ok(read) if read > 0) {}
        };
        tokio::time::timeout(LONG, reading).await.expect("the gateway closes its request");
    }
}
