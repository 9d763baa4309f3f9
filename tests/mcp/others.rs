//! Servers that others wrote, in turns of real dialects: `mcp-server-time` (Python) and `server-everything` (Node).
//!
//! Need `npm ci` in `tests/mcp`, and `requirements.txt` installed into `tests/mcp/.venv`; without them the tests say so
//! and pass. `CI` makes their absence a failure.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use chatwire::server::{Stopper, bind};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::fake::{Asked, Fake};
use crate::support::page::{Answer, Page};
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

/// The dialects, each with a request of its pages.
const DIALECTS: [(&str, &str); 5] = [
    ("vercel-ui-stream", r#"{"messages":[{"id":"m","role":"user","parts":[{"type":"text","text":"hi"}]}]}"#),
    ("vercel-data-stream", r#"{"messages":[{"id":"m","role":"user","content":"hi"}]}"#),
    ("vercel-typed-lines", r#"{"messages":[{"role":"user","content":"hi"}]}"#),
    ("callback-sse", r#"{"session_id":"s","messages":[{"role":"user","content":"hi"}]}"#),
    ("openai-chat", r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}"#),
];

struct Gateway {
    provider: Fake,
    addr: SocketAddr,
    stopper: Stopper,
    task: tokio::task::JoinHandle<()>,
}

impl Gateway {
    /// One route for each dialect, at `/DIALECT`, with all tools of a server.
    async fn start(mcp: &str) -> Self {
        let provider = Fake::start().await;
        let mut text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[providers.p]\nprotocol = \"openai-chat\"\n\
             base_url = \"http://{}/v1\"\n[models.m]\ntargets = [\"p/m\"]\n[inspect]\npath = \"/api\"\n\
             [mcp.server]\nprefix = \"\"\n{mcp}\n",
            provider.addr
        );
        for (dialect, _) in dialects() {
            text.push_str(&format!(
                "[[routes]]\npath = \"/{dialect}\"\nprotocol = \"{dialect}\"\nmodel = \"m\"\ntools = [\"mcp:server\"]\n"
            ));
        }
        let plan =
            chatwire::config::parse("gateway.toml", &text, &|_| None).unwrap_or_else(|report| panic!("{report}"));
        let listening = bind(plan).await.unwrap();
        let (addr, stopper) = (listening.local_addr().unwrap(), listening.stopper());
        let gateway = Self { provider, addr, stopper, task: tokio::spawn(listening.serve()) };
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

    async fn post(&self, dialect: &str, body: &str) -> Page {
        let head = format!(
            "POST /{dialect} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nconnection: close"
        );
        Page::raw(self.addr, &format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len())).await
    }

    /// A turn in which the model calls a tool: what the model is told, and the answer to the page.
    async fn turn(&self, dialect: &str, body: &str, tool: &str, arguments: &Value) -> (Value, Answer) {
        let page = self.post(dialect, body).await;
        let asked = self.provider.asked().await;
        let names = asked.body["tools"].to_string();
        assert!(names.contains(&format!("\"{tool}\"")), "{tool} in {names}");
        call(asked, tool, arguments).await;
        let asked = self.provider.asked().await;
        let told = asked.body["messages"].clone();
        say(asked).await;
        (told, page.answer().await)
    }

    async fn stop(self) {
        self.stopper.stop();
        tokio::time::timeout(LONG, self.task).await.expect("the gateway stops").unwrap();
    }
}

/// The dialects that there are: not all of them are built in every program.
fn dialects() -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    let known = |name: &str| {
        chatwire_protocols::PROTOCOLS.iter().any(|protocol| protocol.name == name && protocol.frontend.is_some())
    };
    DIALECTS.iter().filter(move |(name, _)| known(name))
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
    for (dialect, body) in dialects() {
        let (told, answer) = gateway.turn(dialect, body, "convert_time", &arguments).await;
        assert!(result(&told).contains("Asia/Tokyo"), "{dialect}: {told}");
        assert!(answer.status == 200 && answer.body.contains("all done"), "{dialect}: {}", answer.body);
        if *dialect != "openai-chat" {
            assert!(answer.body.contains("Asia/Tokyo"), "{dialect}: {}", answer.body);
        }
    }
    gateway.stop().await;
}

#[tokio::test]
async fn the_node_server_over_stdio_with_progress_images_and_a_kill_in_mid_call() {
    let Some(script) = everything() else { return };
    let gateway = Gateway::start(&format!("command = \"node\"\nargs = [\"{}\", \"stdio\"]", script.display())).await;
    let (dialect, body) = DIALECTS[0];
    let (told, answer) = gateway.turn(dialect, body, "get-tiny-image", &json!({})).await;
    assert!(result(&told).contains("[image/png, "), "{told}");
    let shown = told.as_array().unwrap().last().unwrap().to_string();
    assert!(shown.contains("image_url") && shown.contains("data:image/png;base64,"), "{shown}");
    assert!(answer.body.contains("all done"), "{}", answer.body);
    let file = "{\"type\":\"file\",\"url\":\"data:image/png;base64,";
    assert!(answer.body.contains(file), "the page is shown it too: {}", answer.body);
    let arguments = json!({"location": "Chicago"});
    let (told, _) = gateway.turn(dialect, body, "get-structured-content", &arguments).await;
    assert!(result(&told).contains("temperature"), "{told}");
    let (told, _) = gateway.turn(dialect, body, "get-sum", &json!({"a": "two"})).await;
    assert!(result(&told).contains("Nothing was run"), "{told}");

    let page = gateway.post(dialect, body).await;
    let long = json!({"duration": 600, "steps": 600});
    call(gateway.provider.asked().await, "trigger-long-running-operation", &long).await;
    // The call has begun when the server is busy with it, of which its progress tells.
    let mut page = page;
    page.until("1 of 600").await;
    kill(&script);
    let asked = gateway.provider.asked().await;
    assert!(result(&asked.body["messages"]).contains("broke off"), "{}", asked.body);
    say(asked).await;
    assert!(page.answer().await.body.contains("all done"));
    gateway.until("connected").await;
    let (told, _) = gateway.turn(dialect, body, "get-sum", &json!({"a": 2, "b": 40})).await;
    assert!(result(&told).contains("42"), "{told}");
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
    for (dialect, body) in dialects() {
        let (told, answer) = gateway.turn(dialect, body, "get-sum", &json!({"a": 2, "b": 40})).await;
        assert!(result(&told).contains("42"), "{dialect}: {told}");
        assert!(answer.body.contains("all done"), "{dialect}: {}", answer.body);
    }
    let (dialect, body) = DIALECTS[0];
    let page = gateway.post(dialect, body).await;
    let long = json!({"duration": 600, "steps": 600});
    call(gateway.provider.asked().await, "trigger-long-running-operation", &long).await;
    let mut page = page;
    page.until("1 of 600").await;
    drop(served);
    let asked = gateway.provider.asked().await;
    let told = result(&asked.body["messages"]);
    assert!(
        told.contains("server") && told.contains("Error")
            || told.contains("broke off")
            || told.contains("did not answer"),
        "{told}"
    );
    say(asked).await;
    assert!(page.answer().await.body.contains("all done"));
    let _served = serve(&script, port);
    gateway.until("connected").await;
    gateway.stop().await;
}
