//! Pages over WebSockets.

use std::net::SocketAddr;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::Page;

/// The routes of each of the provider's protocols: path below its name, dialect and further settings.
pub const ROUTES: [(&str, &str, &str); 2] =
    [("/agent", "agent-ws", ""), ("/ui-socket", "vercel-ui-stream", "memory = true")];

/// A page that has asked over a WebSocket.
pub struct SocketPage {
    socket: WebSocketStream<TcpStream>,
    ended: bool,
    /// True once the model has said something.
    pub answered: bool,
}

impl SocketPage {
    /// Says `text` in a conversation of its own; nothing if there is no connection.
    pub async fn ask(gateway: SocketAddr, protocol: &str, route: &str, text: &str, number: usize) -> Option<Self> {
        let base = format!("/{protocol}{route}");
        let (below, message) = match route {
            "/agent" => {
                let mut made = Page::post(gateway, &format!("{base}/api/chats"), "").await.ok()?;
                while made.read().await {}
                let made = String::from_utf8_lossy(&made.read).into_owned();
                let made: Value = serde_json::from_str(made.split_once("\r\n\r\n")?.1).ok()?;
                ("/ws/chat", json!({"type": "chat", "chat_id": made["id"], "content": text}))
            }
            _ => {
                let user = json!({"id": "u", "role": "user", "parts": [{"type": "text", "text": text}]});
                let chat = format!("{protocol}-{number}");
                let ask = json!({"type": "send", "requestId": "r", "id": chat, "trigger": "submit-message",
                    "messages": [user], "headers": {}, "body": {}});
                ("/ws", ask)
            }
        };
        let stream = TcpStream::connect(gateway).await.ok()?;
        let (mut socket, _) = client_async(format!("ws://{gateway}{base}{below}"), stream).await.ok()?;
        socket.send(Message::text(message.to_string())).await.ok()?;
        Some(Self { socket, ended: false, answered: false })
    }

    /// Reads once. True if there may be more.
    pub async fn read(&mut self) -> bool {
        match self.socket.next().await {
            Some(Ok(Message::Text(frame))) => {
                self.answered |= frame.contains("delta");
                let frame: Value = serde_json::from_str(&frame).unwrap_or_default();
                let kind = frame["type"].as_str().unwrap_or_default();
                self.ended = ["result", "error", "cancelled", "end"].contains(&kind);
                !self.ended
            }
            Some(Ok(frame)) => !frame.is_close(),
            _ => false,
        }
    }

    /// True if the answer has come to its end.
    pub const fn is_whole(&self) -> bool {
        self.ended
    }
}
