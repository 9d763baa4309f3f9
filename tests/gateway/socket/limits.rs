//! Pages that send or take more, or less, than they should.

use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use super::{Socket, chat, setup, start};
use crate::support::fake::Fake;

#[tokio::test]
async fn messages_that_are_none_close_the_connection_with_their_code() {
    let (_fake, gateway) = start().await;
    // Fin and text, masked with zeros: no UTF-8.
    let invalid = [0x81, 0x82, 0, 0, 0, 0, 0xC3, 0x28];
    // A reserved bit.
    let reserved = [0xF1, 0x80, 0, 0, 0, 0];
    // A hundred MiB that are only announced.
    let mut large = vec![0x81, 0xFF];
    large.extend((100_u64 << 20).to_be_bytes());
    large.extend([0; 4]);
    // More than there may be, in two frames of a size that may be.
    let mut frames = vec![0x01, 0xFF];
    frames.extend((6_u64 << 20).to_be_bytes());
    frames.extend(vec![b' '; (6 << 20) + 4]);
    frames.extend([0x00, 0xFF]);
    frames.extend((6_u64 << 20).to_be_bytes());
    frames.extend(vec![b' '; (6 << 20) + 4]);
    for (bytes, code) in [(&invalid[..], 1007), (&reserved, 1002), (&large, 1009), (&frames, 1009)] {
        let mut stream = Socket::raw(gateway.addr).await;
        // It may be closed before all of it is sent.
        let _ = stream.write_all(bytes).await;
        assert_eq!(Socket::of(stream).await.close_code().await, code);
    }
    let mut socket = Socket::open(gateway.addr).await;
    socket.send_raw(Message::binary(vec![1])).await.unwrap();
    assert_eq!(socket.close_code().await, 1003);
}

#[tokio::test]
async fn a_message_in_pieces_is_one_message() {
    let (_fake, gateway) = start().await;
    let mut stream = Socket::raw(gateway.addr).await;
    stream
        .write_all(&[0x01, 0x81, 0, 0, 0, 0, b'{', 0x89, 0x80, 0, 0, 0, 0, 0x80, 0x81, 0, 0, 0, 0, b'}'])
        .await
        .unwrap();
    let mut socket = Socket::of(stream).await;
    socket.expect("connected").await;
    loop {
        match socket.frame().await {
            Message::Text(text) => break assert!(text.contains("type"), "{text}"),
            other => assert!(other.is_pong(), "{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_flood_of_messages_is_read_at_its_pace_and_the_others_are_served() {
    let fake = Fake::start().await;
    let mut setup = setup(&fake);
    setup.server.websocket.max_rate = 100;
    let gateway = setup.start().await;
    let id = chat(gateway.addr).await;
    let mut flood = Socket::open(gateway.addr).await;
    let begin = Instant::now();
    for _ in 0..300 {
        flood.send(&json!({"type": "stop", "chat_id": id})).await;
    }
    let mut other = Socket::open(gateway.addr).await;
    other.subscribe(&id).await;
    other.expect("history").await;
    for _ in 0..300 {
        flood.expect("error").await;
    }
    // The first hundred at once, the others at a hundred in a second.
    assert!(begin.elapsed() >= Duration::from_millis(1900), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_message_that_never_ends_and_pings_without_end_close_the_connection() {
    let fake = Fake::start().await;
    let mut setup = setup(&fake);
    setup.server.body_timeout = Duration::from_millis(200);
    setup.server.websocket.max_rate = 100;
    let gateway = setup.start().await;
    let mut endless = Socket::raw(gateway.addr).await;
    endless.write_all(&[0x01, 0x81, 0, 0, 0, 0, b'{', 0x00, 0x81, 0, 0, 0, 0, b' ']).await.unwrap();
    assert_eq!(Socket::of(endless).await.close_code().await, 1008);
    let mut pings = Socket::raw(gateway.addr).await;
    let _ = pings.write_all(&[0x89, 0x80, 0, 0, 0, 0].repeat(1000)).await;
    assert_eq!(Socket::of(pings).await.close_code().await, 1008);
}

#[tokio::test]
async fn a_silent_page_is_pinged_and_then_closed_and_one_that_answers_stays() {
    let fake = Fake::start().await;
    let mut setup = setup(&fake);
    setup.server.websocket.ping = Duration::from_millis(100);
    let gateway = setup.start().await;
    let mut answers = Socket::open(gateway.addr).await;
    // Its bytes are read, but nobody answers the ping in them.
    let mut dead = Socket::raw(gateway.addr).await;
    let mut seen = Vec::new();
    let reading = async { while matches!(tokio::io::AsyncReadExt::read_buf(&mut dead, &mut seen).await, Ok(1..)) {} };
    tokio::select! {
        () = reading => {}
        // Reading is what answers pings here.
        _ = answers.frame() => panic!("nothing is said to it"),
    }
    // A ping, and in the end a close with its code.
    assert!(seen.windows(2).any(|bytes| bytes == [0x89, 0x00]), "{seen:?}");
    assert!(seen.windows(2).any(|bytes| bytes == 1001_u16.to_be_bytes()), "{seen:?}");
    answers.send(&json!({})).await;
    answers.expect("error").await;
}

#[tokio::test]
async fn more_conversations_and_turns_than_there_may_be_are_refused() {
    let fake = Fake::start().await;
    let mut setup = setup(&fake);
    setup.server.websocket.max_subscriptions = 2;
    setup.server.websocket.max_turns = 1;
    let gateway = setup.start().await;
    let chats = [chat(gateway.addr).await, chat(gateway.addr).await, chat(gateway.addr).await];
    let mut socket = Socket::open(gateway.addr).await;
    for (chat, kind) in [(&chats[0], "history"), (&chats[1], "history"), (&chats[2], "error"), (&chats[0], "history")] {
        socket.subscribe(chat).await;
        assert_eq!(socket.expect(kind).await["chat_id"], **chat);
    }
    let mut other = Socket::open(gateway.addr).await;
    other.say(&chats[1], "a").await;
    let asked = fake.asked().await;
    other.expect("user_message").await;
    other.say(&chats[2], "b").await;
    assert!(other.expect("error").await["error"].as_str().unwrap().contains("turns"));
    asked.answer("finish stop\n").await;
    other.until(&["result", "error"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_reads_nothing_is_cut_and_the_turn_goes_on_for_the_others() {
    let fake = Fake::start().await;
    let gateway = setup(&fake).start().await;
    let id = chat(gateway.addr).await;
    let mut reads = Socket::open(gateway.addr).await;
    let mut deaf = Socket::open_small(gateway.addr).await;
    for socket in [&mut reads, &mut deaf] {
        socket.subscribe(&id).await;
        socket.expect("history").await;
    }
    reads.say(&id, "hi").await;
    let mut asked = fake.asked().await;
    asked.begin().await;
    // As much as a turn may say, and more than the feed, the connection and the system hold together.
    let (count, size) = (3700, 8 << 10);
    let piece = format!("text {}\n", "x".repeat(size));
    let writing = tokio::spawn(async move {
        for _ in 0..count {
            asked.send(&piece).await;
        }
        asked.send("finish stop\n").await;
        asked.end().await;
    });
    let seen = reads.until(&["result", "error", "cancelled"]).await;
    assert_eq!(seen.last().unwrap()["type"], "result", "{}", seen.last().unwrap());
    let said: usize = seen.iter().filter_map(|message| message["delta"].as_str()).map(str::len).sum();
    assert_eq!(said, count * size);
    writing.await.unwrap();
    let seen = deaf.until(&["result", "error", "cancelled"]).await;
    let last = seen.last().unwrap();
    assert!(last["error"].as_str().is_some_and(|error| error.contains("too slow")), "{last}");
    // The connection stays.
    deaf.stop(&id).await;
    deaf.expect("error").await;
}
