//! Many sockets on few chats, with messages, stops and interrupts at random: whatever happens, no frame of an old turn
//! follows the message of a newer one.
//!
//! The large run is `LOAD_SECONDS=60 cargo test --release --test gateway socket::load -- --ignored --nocapture`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

use super::{Socket, chat, settled, setup};
use crate::limits::File;
use crate::support::fake::{Asked, Fake};
use crate::support::{Gateway, LONG};

/// What all have seen.
#[derive(Default)]
struct Seen {
    frames: AtomicU64,
    turns: AtomicU64,
    cancelled: AtomicU64,
}

struct Run {
    sockets: usize,
    chats: usize,
    time: Duration,
    /// The longest pause between two messages of a page.
    pause: Duration,
    /// Whether the store is a file, so that what is kept is not in this process's memory.
    on_disk: bool,
}

/// Says the last message of the user, again and again.
async fn echo(connection: TcpStream) {
    let Some(mut asked) = Asked::try_read(connection).await else { return };
    let messages = asked.body["messages"].as_array().unwrap();
    let last = messages.iter().rev().find(|message| message[0] == "user").unwrap();
    let text = last[1][0].as_str().unwrap().to_owned();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n";
    if !asked.try_raw(head).await {
        return;
    }
    for _ in 0..20 {
        if !asked.try_send(&format!("text {text} \n")).await {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    let _ = asked.try_send("finish stop\n").await && asked.try_raw("0\r\n\r\n").await;
}

async fn provide(fake: Fake) {
    let mut answers = JoinSet::new();
    loop {
        tokio::select! {
            connection = fake.connection() => { answers.spawn(echo(connection)); }
            Some(_) = answers.join_next() => {}
        }
    }
}

/// A page: what it reads is checked, what it sends is random.
async fn page(addr: SocketAddr, number: u64, chat: String, run: Arc<Run>, seen: Arc<Seen>) {
    let mut socket = Socket::open(addr).await;
    socket.subscribe(&chat).await;
    let mut random = number * 7919 + 1;
    let mut next = move |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    let end = Instant::now() + run.time;
    // The message whose turn is shown now, if one is.
    let mut said: Option<String> = None;
    let mut count = 0;
    while Instant::now() < end {
        let pause = Duration::from_millis(next(run.pause.as_millis() as u64));
        tokio::select! {
            frame = socket.ws.next() => {
                let Some(Ok(Message::Text(text))) = frame else { continue };
                check(&serde_json::from_str(&text).unwrap(), &mut said, &seen);
            }
            () = sleep(pause) => {
                let message = match next(4) {
                    0 => json!({"type": "stop", "chat_id": chat}),
                    _ => json!({"type": "chat", "chat_id": chat, "content": format!("m{number}.{count}")}),
                };
                count += 1;
                socket.ws.send(Message::text(message.to_string())).await.unwrap();
            }
        }
    }
    timeout(LONG, socket.ws.close(None)).await.unwrap().unwrap();
}

fn check(frame: &Value, said: &mut Option<String>, seen: &Seen) {
    seen.frames.fetch_add(1, Ordering::Relaxed);
    match frame["type"].as_str().unwrap() {
        "user_message" => {
            assert_eq!(*said, None, "the turn before has ended");
            *said = Some(frame["content"].as_str().unwrap().to_owned());
            seen.turns.fetch_add(1, Ordering::Relaxed);
        }
        "text_delta" => {
            // Subscribed in the middle of a turn, a page has its message from the history.
            if let Some(said) = said {
                assert_eq!(frame["delta"].as_str().unwrap().trim(), *said, "of this turn");
            }
        }
        "result" => *said = None,
        "cancelled" => {
            *said = None;
            seen.cancelled.fetch_add(1, Ordering::Relaxed);
        }
        "error" => {
            let error = frame["error"].as_str().unwrap();
            assert!(["nothing to stop", "another message of this chat is being answered"].contains(&error), "{error}");
        }
        _ => {}
    }
}

pub fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or(0) / 1024
}

async fn drive(run: Run) -> Seen {
    let fake = Fake::start().await;
    let mut setup = setup(&fake);
    setup.server.max_connections = 8192;
    setup.server.max_turns = 1024;
    let file = run.on_disk.then(|| File::new("socket-load"));
    setup.store = file.as_ref().map(|file| file.0.clone());
    let provider = tokio::spawn(provide(fake));
    let gateway: Gateway = setup.start().await;
    let mut chats = Vec::new();
    for _ in 0..run.chats {
        chats.push(chat(gateway.addr).await);
    }
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = (tasks(), memory());
    let (run, seen) = (Arc::new(run), Arc::new(Seen::default()));
    let mut pages = JoinSet::new();
    for number in 0..run.sockets {
        let chat = chats[number % chats.len()].clone();
        pages.spawn(page(gateway.addr, number as u64, chat, Arc::clone(&run), Arc::clone(&seen)));
    }
    sleep(run.time / 2).await;
    let during = (tasks(), memory());
    while let Some(page) = pages.join_next().await {
        page.unwrap();
    }
    // Turns go on without their pages, but not for ever.
    settled(async || tasks() <= before.0).await;
    let after = (tasks(), memory());
    println!(
        "{} sockets, {} chats: {} frames, {} turns told, {} cancelled; tasks and MiB before {before:?}, during \
         {during:?}, after {after:?}",
        run.sockets,
        run.chats,
        seen.frames.load(Ordering::Relaxed),
        seen.turns.load(Ordering::Relaxed),
        seen.cancelled.load(Ordering::Relaxed),
    );
    gateway.stopper.stop();
    timeout(LONG, gateway.task).await.expect("the gateway ends").unwrap();
    provider.abort();
    Arc::into_inner(seen).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_frame_of_an_old_turn_follows_a_newer_message() {
    let pause = Duration::from_millis(120);
    let seen = drive(Run { sockets: 12, chats: 3, time: Duration::from_secs(2), pause, on_disk: false }).await;
    assert!(seen.turns.into_inner() > 20, "turns were told");
    assert!(seen.cancelled.into_inner() > 5, "and interrupted");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute of load; prints figures"]
async fn a_thousand_sockets_on_two_hundred_chats() {
    let seconds = std::env::var("LOAD_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(60);
    let pause = Duration::from_secs(4);
    drive(Run { sockets: 1000, chats: 200, time: Duration::from_secs(seconds), pause, on_disk: true }).await;
}
