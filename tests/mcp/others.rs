//! Servers that others wrote, in turns of real dialects: `mcp-server-time` (Python) and `server-everything` (Node).
//!
//! Need `npm ci` in `tests/mcp`, and `requirements.txt` installed into `tests/mcp/.venv`; without them the tests say so
//! and pass. `CI` makes their absence a failure.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use chatwire::server::{Stopper, bind};
use futures_util::{SinkExt as _, StreamExt as _};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::support::fake::{Asked, Fake};
use crate::support::page::Page;
use crate::support::{LONG, nobody};

/// A file of the tests' folder, if it is installed.
fn installed(file: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mcp").join(file);
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "CI needs {}", path.display());
    eprintln!("skipped: needs {}", path.display());
    None
}

fn python() -> Option<PathBuf> {
    installed(".venv/bin/python")
}

fn everything() -> Option<PathBuf> {
    installed("node_modules/@modelcontextprotocol/server-everything/dist/index.js")
}

/// A dialect, and how its pages ask.
struct Dialect {
    /// The first segment of its route's path.
    name: &'static str,
    protocol: &'static str,
    memory: bool,
    /// What stands behind that in the path that is asked: for a socket, where it is.
    below: &'static str,
    /// The request. Each one is of another conversation: `ID` stands for its name.
    body: &'static str,
    /// True if its pages are shown the results of the gateway's tools.
    shows: bool,
}

const STATELESS: Dialect = Dialect { name: "", protocol: "", memory: false, below: "", body: "", shows: true };
const KEPT: Dialect = Dialect { memory: true, ..STATELESS };

const DIALECTS: [Dialect; 10] = [
    Dialect {
        name: "ui-stream",
        protocol: "vercel-ui-stream",
        body: r#"{"messages":[{"id":"m","role":"user","parts":[{"type":"text","text":"hi"}]}]}"#,
        ..STATELESS
    },
    Dialect {
        name: "data-stream",
        protocol: "vercel-data-stream",
        body: r#"{"messages":[{"id":"m","role":"user","content":"hi"}]}"#,
        ..STATELESS
    },
    Dialect {
        name: "typed-lines",
        protocol: "vercel-typed-lines",
        body: r#"{"messages":[{"role":"user","content":"hi"}]}"#,
        ..STATELESS
    },
    Dialect {
        name: "callback",
        protocol: "callback-sse",
        body: r#"{"session_id":"s","messages":[{"role":"user","content":"hi"}]}"#,
        ..STATELESS
    },
    Dialect {
        name: "ui-kept",
        protocol: "vercel-ui-stream",
        body: r#"{"id":"ID","trigger":"submit-message","message":{"id":"m ID","role":"user","parts":[{"type":"text","text":"hi"}]}}"#,
        ..KEPT
    },
    Dialect {
        name: "data-kept",
        protocol: "vercel-data-stream",
        body: r#"{"id":"ID","messages":[{"id":"m ID","role":"user","content":"hi"}]}"#,
        ..KEPT
    },
    Dialect {
        name: "callback-kept",
        protocol: "callback-sse",
        below: "/stream",
        body: r#"{"session_id":"ID","content":"hi"}"#,
        ..KEPT
    },
    Dialect {
        name: "agent",
        protocol: "agent-sse",
        below: "/agent/query-stream-delta",
        body: r#"{"session_id":"ID","message":"hi"}"#,
        ..KEPT
    },
    Dialect {
        name: "chatkit",
        protocol: "chatkit",
        body: r#"{"type":"threads.create","params":{"input":{"content":[{"type":"input_text","text":"hi"}],"attachments":[],"inference_options":{}}}}"#,
        shows: false,
        ..KEPT
    },
    Dialect {
        name: "chats",
        protocol: "agent-ws",
        below: "/ws/chat",
        body: r#"{"type":"chat","chat_id":"ID","content":"hi"}"#,
        ..KEPT
    },
];

fn dialect(name: &str) -> &'static Dialect {
    DIALECTS.iter().find(|dialect| dialect.name == name).unwrap()
}

/// A page that has asked.
enum Asking {
    Http(Page),
    Socket { ws: Box<WebSocketStream<TcpStream>>, seen: String },
}

impl Asking {
    /// Reads until this has been seen.
    async fn until(&mut self, text: &str) {
        match self {
            Self::Http(page) => drop(page.until(text).await.len()),
            Self::Socket { ws, seen } => {
                while !seen.contains(text) {
                    let frame = tokio::time::timeout(LONG, ws.next()).await.expect("a frame comes").unwrap().unwrap();
                    seen.push_str(&frame.into_text().unwrap());
                    seen.push('\n');
                }
            }
        }
    }

    /// All that the page is told up to the turn's end.
    async fn whole(mut self) -> String {
        if matches!(self, Self::Socket { .. }) {
            self.until("\"type\":\"result\"").await;
        }
        match self {
            Self::Http(page) => {
                let answer = page.answer().await;
                assert_eq!(answer.status, 200, "{}", answer.body);
                answer.body
            }
            Self::Socket { seen, .. } => seen,
        }
    }
}

struct Gateway {
    provider: Fake,
    addr: SocketAddr,
    stopper: Stopper,
    task: tokio::task::JoinHandle<()>,
    /// How many conversations there have been.
    conversations: AtomicUsize,
}

impl Gateway {
    /// One route for each dialect, with all tools of a server.
    async fn start(mcp: &str) -> Self {
        let provider = Fake::start().await;
        let mut text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[providers.p]\nprotocol = \"openai-chat\"\n\
             base_url = \"http://{}/v1\"\n[models.m]\ntargets = [\"p/m\"]\n[inspect]\npath = \"/api\"\n\
             [mcp.server]\nprefix = \"\"\n{mcp}\n",
            provider.addr
        );
        for Dialect { name, protocol, memory, .. } in DIALECTS {
            text.push_str(&format!(
                "[[routes]]\npath = \"/{name}\"\nprotocol = \"{protocol}\"\nmemory = {memory}\nmodel = \"m\"\n\
                 tools = [\"mcp:server\"]\n"
            ));
        }
        let plan =
            chatwire::config::parse("gateway.toml", &text, &|_| None).unwrap_or_else(|report| panic!("{report}"));
        let listening = bind(plan).await.unwrap();
        let (addr, stopper) = (listening.local_addr().unwrap(), listening.stopper());
        let task = tokio::spawn(listening.serve());
        let gateway = Self { provider, addr, stopper, task, conversations: AtomicUsize::new(0) };
        gateway.until("connected").await;
        gateway
    }

    /// Asks until the server is as is wanted.
    async fn until(&self, status: &str) {
        let asking = async {
            loop {
                let request = "GET /api/servers HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
                let servers = Page::raw(self.addr, request).await.answer().await.json();
                if servers["servers"][0]["status"] == status {
                    return;
                }
            }
        };
        tokio::time::timeout(LONG, asking).await.expect("the server changes");
    }

    async fn post(&self, path: &str, body: &str) -> Page {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        Page::raw(self.addr, &head).await
    }

    /// A page of this dialect asks in a conversation of its own.
    async fn ask(&self, dialect: &Dialect) -> Asking {
        let Dialect { name, below, body, .. } = dialect;
        let number = self.conversations.fetch_add(1, Ordering::Relaxed);
        if dialect.protocol != "agent-ws" {
            let body = body.replace("ID", &format!("c{number}"));
            return Asking::Http(self.post(&format!("/{name}{below}"), &body).await);
        }
        let chat = self.post(&format!("/{name}/api/chats"), "{}").await.answer().await.json();
        let stream = TcpStream::connect(self.addr).await.unwrap();
        let url = format!("ws://{}/{name}{below}", self.addr);
        let mut ws = client_async(url, stream).await.unwrap().0;
        ws.send(Message::text(body.replace("ID", chat["id"].as_str().unwrap()))).await.unwrap();
        Asking::Socket { ws: Box::new(ws), seen: String::new() }
    }

    /// A turn in which the model calls a tool: what the model is told, and what the page is.
    async fn turn(&self, dialect: &Dialect, tool: &str, arguments: &Value) -> (Value, String) {
        let page = self.ask(dialect).await;
        let asked = self.provider.asked().await;
        let names = asked.body["tools"].to_string();
        assert!(names.contains(&format!("\"{tool}\"")), "{tool} in {names}");
        call(asked, tool, arguments).await;
        let asked = self.provider.asked().await;
        let told = asked.body["messages"].clone();
        say(asked).await;
        (told, page.whole().await)
    }

    /// A turn in which the server is killed in the middle of a call.
    async fn killed(&self, dialect: &Dialect, kill: impl FnOnce()) {
        let mut page = self.ask(dialect).await;
        let long = json!({"duration": 600, "steps": 600});
        call(self.provider.asked().await, "trigger-long-running-operation", &long).await;
        // The call has begun when the server is busy with it, of which its progress tells.
        page.until("1 of 600").await;
        kill();
        let asked = self.provider.asked().await;
        let told = result(&asked.body["messages"]);
        let words = ["broke off", "did not answer", "server"];
        assert!(words.iter().any(|word| told.contains(word)), "{}: {told}", dialect.name);
        say(asked).await;
        assert!(page.whole().await.contains("all done"));
    }

    async fn stop(self) {
        self.stopper.stop();
        tokio::time::timeout(LONG, self.task).await.expect("the gateway stops").unwrap();
    }
}

async fn send(mut asked: Asked, chunks: &[Value]) {
    let frames: Vec<String> = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    let body = format!("{}data: [DONE]\n\n", frames.concat());
    asked
        .raw(&format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        ))
        .await;
}

fn chunk(delta: &Value, finish: Option<&str>) -> Value {
    json!({"id": "c", "object": "chat.completion.chunk", "model": "m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
}

async fn call(asked: Asked, tool: &str, arguments: &Value) {
    let function = json!({"name": tool, "arguments": arguments.to_string()});
    let calls = json!({"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": function}]});
    send(asked, &[chunk(&calls, None), chunk(&json!({}), Some("tool_calls"))]).await;
}

async fn say(asked: Asked) {
    send(asked, &[chunk(&json!({"content": "all done"}), None), chunk(&json!({}), Some("stop"))]).await;
}

/// The result of the call, as the model is told it.
fn result(told: &Value) -> String {
    let messages = told.as_array().unwrap();
    messages.iter().find(|message| message["role"] == "tool").unwrap()["content"].to_string()
}

#[tokio::test]
async fn the_python_server_over_stdio_in_every_dialect() {
    let Some(python) = python() else { return };
    let gateway = Gateway::start(&format!(
        "command = \"{}\"\nargs = [\"-m\", \"mcp_server_time\", \"--local-timezone\", \"Europe/Vienna\"]",
        python.display()
    ))
    .await;
    let arguments = json!({"source_timezone": "Europe/Vienna", "time": "12:30", "target_timezone": "Asia/Tokyo"});
    for dialect in &DIALECTS {
        let (told, shown) = gateway.turn(dialect, "convert_time", &arguments).await;
        assert!(result(&told).contains("Asia/Tokyo"), "{}: {told}", dialect.name);
        assert!(shown.contains("all done"), "{}: {shown}", dialect.name);
        assert_eq!(shown.contains("Asia/Tokyo"), dialect.shows, "{}: {shown}", dialect.name);
    }
    gateway.stop().await;
}

#[tokio::test]
async fn the_node_server_over_stdio_with_progress_images_and_a_kill_in_mid_call() {
    let Some(script) = everything() else { return };
    let gateway = Gateway::start(&format!("command = \"node\"\nargs = [\"{}\", \"stdio\"]", script.display())).await;
    for dialect in &DIALECTS {
        let (told, shown) = gateway.turn(dialect, "get-sum", &json!({"a": 2, "b": 40})).await;
        assert!(result(&told).contains("42"), "{}: {told}", dialect.name);
        assert!(shown.contains("all done"), "{}: {shown}", dialect.name);
        let (told, _) = gateway.turn(dialect, "get-tiny-image", &json!({})).await;
        assert!(result(&told).contains("[image/png, "), "{}: {told}", dialect.name);
        let last = told.as_array().unwrap().last().unwrap().to_string();
        assert!(last.contains("image_url") && last.contains("data:image/png;base64,"), "{}: {last}", dialect.name);
    }
    // Pages see it too, where their dialect has a place.
    for (name, place) in [
        ("ui-stream", "{\"type\":\"file\",\"url\":\"data:image/png;base64,"),
        ("ui-kept", "{\"type\":\"file\",\"url\":\"data:image/png;base64,"),
        ("agent", "\"screenshot_base64\":\"iVBOR"),
        ("chatkit", "\"url\":\"data:image/png;base64,"),
    ] {
        let (_, shown) = gateway.turn(dialect(name), "get-tiny-image", &json!({})).await;
        assert!(shown.contains(place), "{name}: {shown}");
    }
    let ui = dialect("ui-stream");
    let (told, _) = gateway.turn(ui, "get-structured-content", &json!({"location": "Chicago"})).await;
    assert!(result(&told).contains("temperature"), "{told}");
    let (told, _) = gateway.turn(ui, "get-sum", &json!({"a": "two"})).await;
    assert!(result(&told).contains("Nothing was run"), "{told}");
    // Without a conversation that is kept, and with one: of the others, no page is shown how far a call is.
    for name in ["ui-stream", "ui-kept", "chatkit"] {
        gateway.killed(dialect(name), || kill(&script)).await;
        gateway.until("connected").await;
        let (told, _) = gateway.turn(dialect(name), "get-sum", &json!({"a": 2, "b": 40})).await;
        assert!(result(&told).contains("42"), "{name}: {told}");
    }
    gateway.stop().await;
}

/// Kills the child of this process that runs the script over stdio.
fn kill(script: &Path) {
    let me = std::process::id().to_string();
    let script = script.display().to_string();
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| Some(entry.ok()?.path()));
    let child = processes.into_iter().find_map(|path| {
        let stat = std::fs::read_to_string(path.join("stat")).ok()?;
        let command = std::fs::read_to_string(path.join("cmdline")).ok()?;
        let parent = stat.rsplit(')').next()?.split_whitespace().nth(1)?.to_owned();
        let ours = parent == me && command.contains(&script) && command.contains("stdio");
        ours.then(|| path.file_name()?.to_str()?.parse().ok()).flatten()
    });
    kill_process(Pid::from_raw(child.expect("the server runs")).unwrap(), Signal::KILL).unwrap();
}

/// A server on a port of its own; ended when dropped.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(script: &Path, port: u16) -> Served {
    let mut command = Command::new("node");
    command.arg(script).arg("streamableHttp").env("PORT", port.to_string());
    Served(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

#[tokio::test]
async fn the_node_server_over_http_in_every_dialect_and_when_it_is_gone() {
    let Some(script) = everything() else { return };
    let port = nobody().await.port();
    let served = serve(&script, port);
    // Until it listens, it is tried again and again.
    let gateway = Gateway::start(&format!("url = \"http://127.0.0.1:{port}/mcp\"")).await;
    for dialect in &DIALECTS {
        let (told, shown) = gateway.turn(dialect, "get-sum", &json!({"a": 2, "b": 40})).await;
        assert!(result(&told).contains("42"), "{}: {told}", dialect.name);
        assert!(shown.contains("all done"), "{}: {shown}", dialect.name);
    }
    gateway.killed(dialect("ui-kept"), || drop(served)).await;
    let _served = serve(&script, port);
    gateway.until("connected").await;
    gateway.stop().await;
}
