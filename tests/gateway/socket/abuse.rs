//! Pages that do their worst at full size, and what of it the others see.
//!
//! `cargo test --release --test gateway socket::abuse -- --ignored --nocapture` prints the figures.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

use super::load::memory;
use super::{Socket, chat, settled, start};
use crate::support::LONG;

/// How long each of them goes on.
const TIME: Duration = Duration::from_secs(10);

/// Messages that one page wants to send in a second.
const RATE: u32 = 10_000;

/// Bytes of the large message.
const LARGE: u64 = 100 << 20;

/// What a page sees that does nothing wrong: how long its subscriptions take.
async fn well_behaved(addr: std::net::SocketAddr, chat: &str, until: Instant) -> Vec<Duration> {
    let mut socket = Socket::open(addr).await;
    let mut took = Vec::new();
    while Instant::now() < until {
        let asked = Instant::now();
        socket.subscribe(chat).await;
        socket.expect("history").await;
        took.push(asked.elapsed());
        sleep(Duration::from_millis(25)).await;
    }
    took.sort_unstable();
    took
}

/// The most memory there is while something happens, in MiB.
async fn peak<T>(doing: impl Future<Output = T>) -> (T, u64) {
    let mut most = memory();
    let mut doing = Box::pin(doing);
    loop {
        tokio::select! {
            done = &mut doing => return (done, most.max(memory())),
            () = sleep(Duration::from_millis(10)) => most = most.max(memory()),
        }
    }
}

/// Sends as fast as it may, and says how many messages were taken and answered.
async fn flood(addr: std::net::SocketAddr, chat: &str, until: Instant) -> (u64, u64) {
    let (mut write, mut read) = Socket::open(addr).await.ws.split();
    let message = json!({"type": "stop", "chat_id": chat}).to_string();
    let begun = Instant::now();
    let sending = async {
        let mut sent = 0;
        while Instant::now() < until {
            let due = (begun.elapsed().as_secs_f64() * f64::from(RATE)) as u64;
            while sent < due && Instant::now() < until {
                let sending = timeout(Duration::from_millis(100), write.send(Message::text(message.clone())));
                sent += u64::from(matches!(sending.await, Ok(Ok(()))));
            }
            sleep(Duration::from_millis(1)).await;
        }
        sent
    };
    let reading = async {
        let mut answered = 0;
        while let Ok(Some(Ok(_))) = tokio::time::timeout_at(until, read.next()).await {
            answered += 1;
        }
        answered
    };
    tokio::join!(sending, reading)
}

/// Sends a large message, as long as the gateway takes it, which throws it away; gives how much that was.
async fn large(addr: std::net::SocketAddr) -> u64 {
    let mut stream = Socket::raw(addr).await;
    let mut head = vec![0x81, 0xFF];
    head.extend(LARGE.to_be_bytes());
    head.extend([0; 4]);
    let piece = vec![b' '; 64 << 10];
    let mut sent = 0;
    if stream.write_all(&head).await.is_ok() {
        while sent < LARGE && matches!(timeout(LONG, stream.write_all(&piece)).await, Ok(Ok(()))) {
            sent += piece.len() as u64;
        }
    }
    let mut rest = Vec::new();
    let _ = timeout(LONG, stream.read_to_end(&mut rest)).await;
    assert!(rest.windows(2).any(|bytes| bytes == 1009_u16.to_be_bytes()), "it is closed with its code: {rest:?}");
    sent
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "half a minute of abuse; prints figures"]
async fn the_worst_at_full_size_grows_nothing_and_holds_nobody_up() {
    let (fake, gateway) = start().await;
    let (good, bad) = (chat(gateway.addr).await, chat(gateway.addr).await);
    let quiet = well_behaved(gateway.addr, &good, Instant::now() + TIME / 5).await;
    let before = memory();
    let say = |what: &str, took: &[Duration], most: u64, more: String| {
        let (half, last) = (took[took.len() / 2], took[took.len() - 1]);
        println!("{what}: others wait {half:?} (median), {last:?} (most); {before} MiB before, {most} at most{more}");
        assert!(most < before + 64, "it grew to {most} MiB");
        assert!(last < Duration::from_secs(5), "another page waited {last:?}");
    };
    say("nothing", &quiet, before, String::new());

    let until = Instant::now() + TIME;
    let both = async { tokio::join!(flood(gateway.addr, &bad, until), well_behaved(gateway.addr, &good, until)) };
    let (((sent, answered), took), most) = peak(both).await;
    say("10,000 messages a second", &took, most, format!("; {sent} left the page, {answered} were answered"));

    let until = Instant::now() + TIME / 5;
    let both = async { tokio::join!(large(gateway.addr), well_behaved(gateway.addr, &good, until)) };
    let ((sent, took), most) = peak(both).await;
    say("a message of 100 MiB", &took, most, format!("; {sent} bytes of it left the page"));

    let mut deaf = Socket::open_small(gateway.addr).await;
    deaf.subscribe(&bad).await;
    deaf.say(&bad, "hi").await;
    let mut asked = fake.asked().await;
    asked.begin().await;
    let until = Instant::now() + TIME;
    let piece = format!("text {}\n", "x".repeat(8 << 10));
    let speaking = async {
        let mut said = 0_u64;
        while Instant::now() < until && said < 1000 {
            asked.send(&piece).await;
            said += 1;
        }
        said * piece.len() as u64
    };
    let both = async { tokio::join!(speaking, well_behaved(gateway.addr, &good, until)) };
    let ((said, took), most) = peak(both).await;
    say("a page that never reads", &took, most, format!("; the model said {said} bytes to it"));
    drop((deaf, asked));
    settled(async || gateway.task.is_finished() || memory() < before + 64).await;
    println!("{} MiB afterwards", memory());
    gateway.stopper.stop();
}
