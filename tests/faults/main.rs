//! Every script of `fixtures/faults` through every dialect and every provider's protocol, over real sockets and from the
//! replay provider: one end that is honest, no text but the model's, and no secret.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[path = "../canary/mod.rs"]
mod canary;
mod dialects;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chatwire::server::bind;
use chatwire::upstream::Recordings;
use chatwire_protocols::event::{BlockKind, Event};
use chatwire_protocols::options::Options;
use chatwire_protocols::{PROTOCOLS, transcode};
use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use canary::Place;
use dialects::{DIALECTS, Dialect};
use support::staged::Staged;
use support::{KEY, LONG};

/// How many answers are read at a time.
const AT_ONCE: usize = 48;

/// The deadlines of the providers: a script that stalls takes so long.
const PATIENCE: &str = "1500ms";

#[derive(Deserialize)]
struct Scripts {
    scripts: Vec<Script>,
}

/// What the test wants to know of a script.
#[derive(Deserialize)]
struct Script {
    name: String,
    file: Option<String>,
    ends: Ends,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Ends {
    Whole,
    Broken,
    Either,
}

/// What a page got.
struct Answer {
    status: u16,
    /// Headers and body.
    all: String,
    body: String,
    /// True if the body has no end.
    cut: bool,
}

fn fixtures(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(folder)
}

fn scripts() -> Vec<Script> {
    let text = std::fs::read_to_string(fixtures("faults").join("replay.toml")).unwrap();
    toml::from_str::<Scripts>(&text).unwrap().scripts
}

/// The protocols that providers speak.
fn spoken() -> impl Iterator<Item = &'static str> {
    PROTOCOLS.iter().filter(|protocol| protocol.upstream.is_some()).map(|protocol| protocol.name)
}

/// What the model says in a recording.
fn truth(protocol: &str, file: &str) -> String {
    let read = |extension: &str| std::fs::read(fixtures("replay").join(format!("{protocol}/{file}.{extension}"))).ok();
    let Some(bytes) = ["sse", "ndjson"].into_iter().find_map(read) else { return String::new() };
    let spec = chatwire_protocols::find(protocol).unwrap().upstream.as_ref().unwrap();
    let (mut text, mut open) = (String::new(), Vec::new());
    for event in transcode::decode(&*(spec.make)(&Options::default()), [&bytes[..]]) {
        match event {
            Event::BlockStart { block, kind: BlockKind::Text } => open.push(block),
            Event::BlockDelta { block, text: delta } if open.contains(&block) => text.push_str(&delta),
            _ => {}
        }
    }
    text
}

/// A route for everything that is asked here: by way, dialect, protocol and script.
fn configuration(provider: SocketAddr, scripts: &[Script]) -> String {
    let folder = fixtures("faults");
    let mut text = "[server]\nlisten = \"127.0.0.1:0\"\n".to_owned();
    for protocol in spoken() {
        write!(
            text,
            "[providers.socket-{protocol}]\nprotocol = {protocol:?}\nbase_url = \"http://{provider}/{protocol}/v1\"\n\
             api_key = {{ env = \"KEY\" }}\ntimeouts = {{ first_byte = {PATIENCE:?}, idle = {PATIENCE:?} }}\n\
             [models.\"socket-{protocol}/*\"]\ntargets = [\"socket-{protocol}/*\"]\n\
             [providers.replay-{protocol}]\nprotocol = {protocol:?}\nreplay = {{ folder = {folder:?}, pace = \"0s\" }}\n\
             api_key = {{ env = \"KEY\" }}\ntimeouts = {{ first_byte = {PATIENCE:?}, idle = {PATIENCE:?} }}\n\
             [models.\"replay-{protocol}/*\"]\ntargets = [\"replay-{protocol}/*\"]\n"
        )
        .unwrap();
    }
    for (way, protocol, dialect, script) in cases(scripts) {
        write!(
            text,
            "[[routes]]\npath = \"/{way}/{protocol}/{dialect}/{script}\"\nprotocol = {dialect:?}\n\
             model = \"{way}-{protocol}/{script}\"\n",
            dialect = dialect.name,
            script = script.name
        )
        .unwrap();
    }
    text
}

/// Everything over sockets; and from the replay provider in one dialect, for behind the provider all is the same.
fn cases(scripts: &[Script]) -> impl Iterator<Item = (&'static str, &'static str, &'static Dialect, &Script)> {
    let ways = [("socket", DIALECTS), ("replay", &DIALECTS[..1])].into_iter();
    ways.flat_map(move |(way, dialects)| {
        spoken().flat_map(move |protocol| {
            dialects.iter().flat_map(move |dialect| scripts.iter().map(move |script| (way, protocol, dialect, script)))
        })
    })
}

async fn ask(client: &reqwest::Client, gateway: SocketAddr, path: &str, dialect: &Dialect) -> Answer {
    if dialect.name == "agent-ws" {
        return talk(client, gateway, path, dialect).await;
    }
    let url = format!("http://{gateway}{path}{}", dialect.path);
    let request = client.post(url).header("content-type", "application/json").body(dialect.body);
    // A body that breaks before its first byte takes the head with it.
    let Ok(mut response) = request.send().await else {
        return Answer { status: 200, all: String::new(), body: String::new(), cut: true };
    };
    let (status, head) = (response.status().as_u16(), format!("{:?}", response.headers()));
    let (mut bytes, mut cut) = (Vec::new(), false);
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(_) => {
                cut = true;
                break;
            }
        }
    }
    let body = String::from_utf8(bytes).expect("all dialects are UTF-8");
    Answer { status, all: head + &body, body, cut }
}

/// The same over a socket, to its end.
async fn talk(client: &reqwest::Client, gateway: SocketAddr, path: &str, dialect: &Dialect) -> Answer {
    let made = client.post(format!("http://{gateway}{path}/api/chats")).send().await.unwrap().text().await.unwrap();
    let made: Value = serde_json::from_str(&made).unwrap();
    let stream = TcpStream::connect(gateway).await.unwrap();
    let url = format!("ws://{gateway}{path}{}", dialect.path);
    let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
    let ask = dialect.body.replace("CHAT", made["id"].as_str().unwrap());
    socket.send(Message::text(ask)).await.unwrap();
    let mut body = String::new();
    loop {
        let Message::Text(frame) = socket.next().await.unwrap().unwrap() else { continue };
        body.push_str(&frame);
        body.push('\n');
        if (dialect.end)(&serde_json::from_str(&frame).unwrap()).is_some() {
            // Whatever came behind the end would come before the answer to this.
            socket.send(Message::text("{}")).await.unwrap();
            let Message::Text(next) = socket.next().await.unwrap().unwrap() else { continue };
            assert!(next.contains("\"error\""), "behind the end: {next}");
            return Answer { status: 200, all: body.clone(), body, cut: false };
        }
    }
}

fn judge(answer: &Answer, dialect: &Dialect, ends: Ends, truth: &str, secrets: &[String]) -> Result<(), String> {
    canary::look(Place::Answer, answer.all.as_bytes());
    for secret in secrets {
        if answer.all.contains(secret) {
            return Err(format!("{secret} reaches the page"));
        }
    }
    if answer.status != 200 {
        let named = serde_json::from_str::<Value>(&answer.body).is_ok_and(|body| body.is_object());
        return match ends {
            Ends::Broken | Ends::Either if named && answer.status >= 400 && !answer.cut => Ok(()),
            _ => Err(format!("status {}", answer.status)),
        };
    }
    let frames = (dialect.frames)(&answer.body);
    let text: String = frames.iter().filter_map(dialect.text).collect();
    if !truth.starts_with(&text) {
        return Err("text that the model did not say".to_owned());
    }
    let said: Vec<bool> = frames.iter().filter_map(dialect.end).collect();
    let well = match said.as_slice() {
        [] if dialect.quiet => !answer.cut,
        [well] => *well,
        _ => return Err(format!("{} ends", said.len())),
    };
    // Plain text has no other words for a failure.
    let may_be_cut = dialect.quiet && dialect.last.is_empty();
    if answer.cut && !may_be_cut || !answer.body.ends_with(dialect.last) {
        return Err("the body is cut".to_owned());
    }
    match ends {
        Ends::Whole | Ends::Either if well && text == truth => Ok(()),
        Ends::Broken | Ends::Either if !well => Ok(()),
        _ => Err(format!("ends well: {well}, with {} of {} bytes", text.len(), truth.len())),
    }
}

#[test]
fn every_dialect_is_read_here() {
    let pages = PROTOCOLS.iter().filter(|protocol| protocol.frontend.is_some());
    for protocol in pages {
        let known = DIALECTS.iter().any(|dialect| dialect.name == protocol.name);
        assert!(known, "say in DIALECTS how a page of {} reads", protocol.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_script_ends_honestly_in_every_dialect() {
    let scripts = scripts();
    let recordings = Arc::new(Recordings::load(Some(&fixtures("faults"))).unwrap());
    let provider = Staged::start(Arc::clone(&recordings)).await;
    let text = configuration(provider.addr, &scripts);
    let plan = chatwire::config::parse("gateway.toml", &text, &|name| (name == "KEY").then(|| KEY.to_owned()));
    let listening = bind(plan.unwrap_or_else(|report| panic!("{report}"))).await.unwrap();
    let (gateway, stopper) = (listening.local_addr().unwrap(), listening.stopper());
    let serving = tokio::spawn(listening.serve());

    let client = chatwire::upstream::client(LONG, 64).unwrap();
    canary::watch_logs();
    let secrets = [KEY.to_owned(), "10.1.2.3".to_owned(), provider.addr.to_string()];
    let mut truths = BTreeMap::new();
    let (places, mut asked) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
    for (way, protocol, dialect, script) in cases(&scripts) {
        let file = script.file.clone().unwrap_or_default();
        let truth = truths.entry((protocol, file.clone())).or_insert_with(|| Arc::new(truth(protocol, &file)));
        let (truth, ends, name) = (Arc::clone(truth), script.ends, script.name.clone());
        let (client, places, secrets) = (client.clone(), Arc::clone(&places), secrets.clone());
        asked.spawn(async move {
            let _place = places.acquire().await.unwrap();
            let path = format!("/{way}/{protocol}/{}/{name}", dialect.name);
            let Ok(answer) = timeout(LONG, ask(&client, gateway, &path, dialect)).await else {
                return Some(format!("{path}: no end"));
            };
            let judged = judge(&answer, dialect, ends, &truth, &secrets);
            judged.err().map(|wrong| format!("{path}: {wrong}\n{}", answer.body))
        });
    }
    let count = asked.len();
    let mut wrong: Vec<String> = asked.join_all().await.into_iter().flatten().collect();
    wrong.sort();
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n\n"));
    stopper.stop();
    timeout(Duration::from_secs(20), serving).await.expect("the gateway stops").unwrap();
}
