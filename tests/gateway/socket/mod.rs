//! Chats over a WebSocket.

mod abuse;
mod beginning;
mod chats;
mod cleared;
mod doors;
mod limits;
mod load;
mod rest;

use std::net::SocketAddr;
use std::time::Duration;

use chatwire::config::plan::Memory;
use chatwire::turn::{Busy, Leaving};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::canary::{self, Place};
use crate::support::fake::Fake;
use crate::support::{Gateway, LONG, Setup, memory};

/// A page's connection.
pub struct Socket {
    ws: WebSocketStream<TcpStream>,
}

/// Chats as their pages are used to have them.
pub fn setup(fake: &Fake) -> Setup {
    let mut setup = Setup::new(&[fake.addr]);
    setup.protocol = Some(&chatwire_protocols::agent_ws::PROTOCOL);
    setup.memory = Some(Memory { leaving: Leaving::Finish, busy: Busy::Interrupt, ..memory() });
    setup
}

pub async fn start() -> (Fake, Gateway) {
    let fake = Fake::start().await;
    let gateway = setup(&fake).start().await;
    (fake, gateway)
}

impl Socket {
    /// Opens a connection and is told so.
    pub async fn open(addr: SocketAddr) -> Self {
        let mut socket = Self::try_open(addr, &[]).await.unwrap();
        assert_eq!(socket.next().await, json!({"type": "connected"}));
        socket
    }

    /// Opens a connection that holds little of what it does not read.
    pub async fn open_small(addr: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(8 << 10).unwrap();
        let stream = socket.connect(addr).await.unwrap();
        let ws = client_async(format!("ws://{addr}/ws/chat"), stream).await.unwrap().0;
        let mut socket = Self { ws };
        socket.expect("connected").await;
        socket
    }

    /// Opens a connection with more headers.
    pub async fn try_open(addr: SocketAddr, headers: &[(&'static str, &str)]) -> Result<Self, Error> {
        Self::open_at(addr, "/ws/chat", headers).await
    }

    /// The same at another path.
    pub async fn open_at(addr: SocketAddr, path: &str, headers: &[(&'static str, &str)]) -> Result<Self, Error> {
        let mut request = format!("ws://{addr}{path}").into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let stream = TcpStream::connect(addr).await.unwrap();
        let (ws, response) = client_async(request, stream).await.inspect_err(|error| {
            canary::look(Place::Answer, format!("{error:?}").as_bytes());
        })?;
        canary::look(Place::Answer, format!("{:?}", response.headers()).as_bytes());
        Ok(Self { ws })
    }

    /// A connection whose bytes the test writes itself.
    pub async fn raw(addr: SocketAddr) -> TcpStream {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        let head = "GET /ws/chat HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
            sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"\r\n\r\n") {
            seen.push(timeout(LONG, stream.read_u8()).await.unwrap().unwrap());
        }
        assert!(seen.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&seen));
        stream
    }

    /// The same behind its handshake, as a client.
    pub async fn of(stream: TcpStream) -> Self {
        Self { ws: WebSocketStream::from_raw_socket(stream, Role::Client, None).await }
    }

    pub async fn send(&mut self, message: &Value) {
        self.ws.send(Message::text(message.to_string())).await.unwrap();
    }

    pub async fn send_raw(&mut self, message: Message) -> Result<(), Error> {
        self.ws.send(message).await
    }

    pub async fn subscribe(&mut self, chat: &str) {
        self.send(&json!({"type": "subscribe", "chat_id": chat})).await;
    }

    pub async fn say(&mut self, chat: &str, content: &str) {
        self.send(&json!({"type": "chat", "chat_id": chat, "content": content})).await;
    }

    pub async fn stop(&mut self, chat: &str) {
        self.send(&json!({"type": "stop", "chat_id": chat})).await;
    }

    /// The next message.
    pub async fn next(&mut self) -> Value {
        match self.frame().await {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("not a text: {other:?}"),
        }
    }

    /// The next frame that is no ping.
    pub async fn frame(&mut self) -> Message {
        loop {
            let frame = timeout(LONG, self.ws.next()).await.expect("a frame comes").expect("it is open").unwrap();
            look(&frame);
            if !frame.is_ping() {
                return frame;
            }
        }
    }

    /// The next message, which is of this type.
    pub async fn expect(&mut self, kind: &str) -> Value {
        let next = self.next().await;
        assert_eq!(next["type"], kind, "{next}");
        next
    }

    /// The messages up to one of these types.
    pub async fn until(&mut self, kinds: &[&str]) -> Vec<Value> {
        let mut seen = Vec::new();
        loop {
            seen.push(self.next().await);
            if kinds.iter().any(|kind| seen.last().unwrap()["type"] == *kind) {
                return seen;
            }
        }
    }

    /// The code of the close that comes, behind whatever else.
    pub async fn close_code(mut self) -> u16 {
        loop {
            let frame = timeout(LONG, self.ws.next()).await.expect("it is closed");
            let frame = frame.expect("a close comes").expect("and no reset");
            look(&frame);
            if let Message::Close(frame) = frame {
                return frame.expect("with a code").code.into();
            }
        }
    }
}

/// Searches a frame for secrets.
pub fn look(frame: &Message) {
    canary::look(Place::Answer, &frame.clone().into_data());
}

/// One request of the REST interface.
pub async fn rest(addr: SocketAddr, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
    use crate::support::page::Page;
    let body = body.map(Value::to_string).unwrap_or_default();
    let media = if body.is_empty() { "" } else { "content-type: application/json\r\n" };
    let head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{media}");
    let page = Page::raw(addr, &format!("{head}content-length: {}\r\n\r\n{body}", body.len())).await;
    let answer = page.answer().await;
    (answer.status, if answer.body.is_empty() { Value::Null } else { answer.json() })
}

/// A new chat.
pub async fn chat(addr: SocketAddr) -> String {
    let (status, chat) = rest(addr, "POST", "/api/chats", None).await;
    assert_eq!(status, 201, "{chat}");
    chat["id"].as_str().unwrap().to_owned()
}

/// The types of messages.
pub fn kinds(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["type"].as_str().unwrap()).collect()
}

/// Waits until this holds.
pub async fn settled(mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, waiting).await.expect("it comes to hold");
}
