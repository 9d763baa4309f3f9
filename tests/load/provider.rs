//! A provider of all protocols that does what the last message says: `silent`, `slow`, or one of the faults.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::speech::{PROTOCOLS, Speech};

/// What it may do, by the first word of the message.
pub const FAULTS: [&str; 14] = [
    "whole",
    "whole",
    "reasoning",
    "long",
    "cut",
    "reset",
    "stall",
    "silent",
    "status429",
    "status500",
    "garbage",
    "error",
    "nothing",
    "half",
];

/// A running provider; ended when dropped.
pub struct Provider {
    pub addr: SocketAddr,
    pub shared: Arc<Shared>,
    serving: tokio::task::JoinHandle<()>,
}

/// What it knows.
pub struct Shared {
    /// What it says in each protocol.
    speeches: HashMap<String, Speech>,
    /// Connections that are open now.
    pub open: AtomicUsize,
    /// Requests so far.
    pub asked: AtomicUsize,
    /// Who wants to know when the request of a tag is left.
    waiting: Mutex<HashMap<String, oneshot::Sender<Instant>>>,
    /// Who wants to know when the request of a tag has come.
    coming: Mutex<HashMap<String, oneshot::Sender<()>>>,
}

impl Provider {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            speeches: PROTOCOLS.map(|name| (name.to_owned(), Speech::of(name))).into(),
            open: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
            waiting: Mutex::default(),
            coming: Mutex::default(),
        });
        let serving = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Self { addr, shared, serving }
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Shared {
    /// Says when the request with this tag has come.
    pub fn coming(&self, tag: &str) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        self.coming.lock().unwrap().insert(tag.to_owned(), sender);
        receiver
    }

    /// Says when the request with this tag was left.
    pub fn leaving(&self, tag: &str) -> oneshot::Receiver<Instant> {
        let (sender, receiver) = oneshot::channel();
        self.waiting.lock().unwrap().insert(tag.to_owned(), sender);
        receiver
    }
}

/// A connection that is counted as long as it is open.
struct Counted(Arc<Shared>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((socket, _)) = accepted else { continue };
                let _ = socket.set_nodelay(true);
                shared.open.fetch_add(1, Ordering::Relaxed);
                let counted = Counted(Arc::clone(&shared));
                connections.spawn(async move {
                    connection(socket, &counted.0).await;
                    drop(counted);
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(mut socket: TcpStream, shared: &Arc<Shared>) {
    let mut bytes = Vec::new();
    while let Some((protocol, said)) = request(&mut socket, &mut bytes).await {
        shared.asked.fetch_add(1, Ordering::Relaxed);
        let (what, tag) = said.split_once(' ').unwrap_or((&said, ""));
        if let Some(sender) = shared.coming.lock().unwrap().remove(tag) {
            let _ = sender.send(());
        }
        let (mut reading, mut writing) = socket.split();
        let stays = tokio::select! {
            stays = answer(&mut writing, &shared.speeches[&protocol], what) => stays,
            () = left(&mut reading) => {
                if let Some(sender) = shared.waiting.lock().unwrap().remove(tag) {
                    let _ = sender.send(Instant::now());
                }
                return;
            }
        };
        match stays {
            Stays::Open => {}
            Stays::Closed => return,
            Stays::Reset => {
                let _ = socket.set_zero_linger();
                return;
            }
        }
    }
}

enum Stays {
    Open,
    Closed,
    Reset,
}

/// The protocol of the next request, by the first segment of its path, and its last message.
async fn request(socket: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<(String, String)> {
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        socket.read_buf(bytes).await.ok().filter(|read| *read > 0)?;
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
    let length: usize = length.trim().parse().ok()?;
    while bytes.len() < end + length {
        socket.read_buf(bytes).await.ok().filter(|read| *read > 0)?;
    }
    let protocol = head.split('/').nth(1)?.to_owned();
    let body: Value = serde_json::from_slice(&bytes[end..end + length]).ok()?;
    bytes.drain(..end + length);
    let messages = body.get("messages").or(body.get("input"))?.as_array()?;
    let content = &messages.last()?["content"];
    Some((protocol, content.as_str().or(content[0]["text"].as_str())?.to_owned()))
}

/// Ends when the other side has gone.
async fn left(reading: &mut tokio::net::tcp::ReadHalf<'_>) {
    let mut nothing = [0; 64];
    while matches!(reading.read(&mut nothing).await, Ok(read) if read > 0) {}
}

async fn answer(socket: &mut tokio::net::tcp::WriteHalf<'_>, speech: &Speech, what: &str) -> Stays {
    match what {
        "silent" => std::future::pending().await,
        "nothing" => return Stays::Closed,
        "status429" => return refuse(socket, "429 Too Many Requests", "retry-after: 1\r\n", &speech.refusal).await,
        "status500" => return refuse(socket, "500 Internal Server Error", "", &speech.refusal).await,
        "half" => {
            let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-ty").await;
            return Stays::Closed;
        }
        _ => {}
    }
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-type: {}\r\ntransfer-encoding: chunked\r\n\r\n", speech.content_type);
    if socket.write_all(head.as_bytes()).await.is_err() {
        return Stays::Closed;
    }
    let (pieces, pause) = match what {
        "long" => (&speech.long[..], Duration::from_millis(1)),
        "reasoning" => (&speech.reasoning[..], Duration::from_millis(5)),
        "whole" => (&speech.text[..], Duration::from_millis(5)),
        "error" => (&speech.broken[..], Duration::from_millis(5)),
        _ => (&speech.text[..speech.text.len() / 2], Duration::from_millis(5)),
    };
    for part in pieces {
        if !piece(socket, part).await {
            return Stays::Closed;
        }
        sleep(pause).await;
    }
    match what {
        "cut" => Stays::Closed,
        "reset" => Stays::Reset,
        "stall" => std::future::pending().await,
        // The same word again and again.
        "slow" => {
            while piece(socket, &pieces[pieces.len() - 1]).await {
                sleep(Duration::from_millis(500)).await;
            }
            Stays::Closed
        }
        "garbage" => {
            piece(socket, "data: {\"no\u{0}json\n\n").await;
            Stays::Closed
        }
        _ => {
            if socket.write_all(b"0\r\n\r\n").await.is_ok() {
                Stays::Open
            } else {
                Stays::Closed
            }
        }
    }
}

async fn refuse(socket: &mut tokio::net::tcp::WriteHalf<'_>, status: &str, headers: &str, body: &str) -> Stays {
    let head =
        format!("HTTP/1.1 {status}\r\n{headers}content-type: application/json\r\ncontent-length: {}", body.len());
    match socket.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await {
        Ok(()) => Stays::Open,
        Err(_) => Stays::Closed,
    }
}

async fn piece(socket: &mut tokio::net::tcp::WriteHalf<'_>, text: &str) -> bool {
    socket.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes()).await.is_ok()
}
