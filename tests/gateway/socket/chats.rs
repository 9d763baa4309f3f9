//! Turns on a socket.

use serde_json::json;

use super::{Socket, chat, kinds, rest, settled, setup, start};
use crate::support::fake::{Asked, Fake};
use crate::support::fixed;

/// A picture of one pixel.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

#[tokio::test]
async fn a_turn_with_a_tool_is_told_in_all_its_frames_and_kept() {
    let fake = Fake::start().await;
    let mut setup = setup(&fake);
    setup.tools = vec![fixed("look", json!({"sky": "blue"}))];
    let gateway = setup.start().await;
    let id = chat(gateway.addr).await;
    let mut socket = Socket::open(gateway.addr).await;
    socket.subscribe(&id).await;
    assert_eq!(socket.next().await, json!({"type": "history", "chat_id": id, "messages": []}));
    socket.say(&id, "What is up?").await;
    fake.asked().await.answer("text I look.\ncall c1 look {\"where\": \"up\"}\nfinish tool_calls\n").await;
    fake.asked().await.answer("text Blue.\nfinish stop\n").await;
    let mut seen = socket.until(&["result"]).await;
    let end = seen.pop().unwrap();
    assert_eq!(
        seen,
        [
            json!({"type": "user_message", "chat_id": id, "content": "What is up?"}),
            json!({"type": "stream_start", "chat_id": id}),
            json!({"type": "text_delta", "delta": "I look.", "chat_id": id}),
            json!({"type": "stream_end", "chat_id": id}),
            json!({"type": "tool_use", "tool_name": "look", "tool_id": "c1", "tool_input": {"where": "up"}, "chat_id": id}),
            json!({"type": "tool_result", "tool_id": "c1", "content": "{\"sky\":\"blue\"}", "is_error": false, "chat_id": id}),
            json!({"type": "stream_start", "chat_id": id}),
            json!({"type": "text_delta", "delta": "Blue.", "chat_id": id}),
            json!({"type": "stream_end", "chat_id": id}),
        ]
    );
    assert!(end["duration"].is_u64() && end["cost"].is_null() && end["success"] == true, "{end}");
    // The same for whoever comes later.
    let mut later = Socket::open(gateway.addr).await;
    later.subscribe(&id).await;
    let history = later.expect("history").await;
    let said: Vec<_> = history["messages"].as_array().unwrap().iter().map(|message| &message["content"]).collect();
    assert_eq!(said, ["What is up?", "I look.", "Blue."]);
    let tools = later.expect("tool_history").await;
    assert_eq!(tools["tool_uses"][0]["tool_input"], json!({"where": "up"}));
    assert_eq!(tools["tool_uses"][0]["result_content"], "{\"sky\":\"blue\"}");
    assert_eq!(rest(gateway.addr, "GET", &format!("/api/chats/{id}/messages"), None).await.1, history["messages"]);
    let (_, named) = rest(gateway.addr, "GET", &format!("/api/chats/{id}"), None).await;
    assert_eq!(named["title"], "What is up?");
}

#[tokio::test]
async fn two_sockets_see_one_chat_and_one_socket_sees_two_chats() {
    let (fake, gateway) = start().await;
    let (one, two) = (chat(gateway.addr).await, chat(gateway.addr).await);
    let mut first = Socket::open(gateway.addr).await;
    let mut second = Socket::open(gateway.addr).await;
    for (socket, chat) in [(&mut first, &one), (&mut second, &one)] {
        socket.subscribe(chat).await;
        socket.expect("history").await;
    }
    first.subscribe(&two).await;
    first.expect("history").await;
    first.say(&one, "a").await;
    let mut asked_one = fake.asked().await;
    second.say(&two, "b").await;
    fake.asked().await.answer("text from two\nfinish stop\n").await;
    // Not subscribed, but it has asked.
    let told = second.until(&["result"]).await;
    assert!(told.iter().all(|message| message["chat_id"] == *two || message["type"] == "user_message"), "{told:?}");
    asked_one.begin().await;
    asked_one.send("text from one\nfinish stop\n").await;
    asked_one.end().await;
    let mut ends = 0;
    let mut seen = Vec::new();
    while ends < 2 {
        let next = first.next().await;
        ends += usize::from(next["type"] == "result");
        seen.push(next);
    }
    for (chat, said) in [(&one, ["a", "from one"]), (&two, ["b", "from two"])] {
        let mine: Vec<_> = seen.iter().filter(|message| message["chat_id"] == **chat).cloned().collect();
        assert_eq!(kinds(&mine), ["user_message", "stream_start", "text_delta", "stream_end", "result"]);
        assert_eq!((&mine[0]["content"], &mine[2]["delta"]), (&json!(said[0]), &json!(said[1])));
    }
    let other = second.until(&["result"]).await;
    assert_eq!(other.last().unwrap()["chat_id"], *one);
}

#[tokio::test]
async fn a_late_page_is_told_what_was_said_and_then_the_rest() {
    let fake = Fake::start().await;
    let mut setup = setup(&fake);
    setup.tools = vec![fixed("look", json!("blue"))];
    let gateway = setup.start().await;
    let id = chat(gateway.addr).await;
    let mut first = Socket::open(gateway.addr).await;
    first.say(&id, "hi").await;
    fake.asked().await.answer("text Let me see.\ncall c1 look {}\nfinish tool_calls\n").await;
    let mut asked = fake.asked().await;
    asked.begin().await;
    asked.send("open It is\n").await;
    while first.next().await["delta"] != "It is" {}
    let mut late = Socket::open(gateway.addr).await;
    late.subscribe(&id).await;
    let state = late.expect("processing_state").await;
    assert_eq!(state["is_processing"], true);
    assert_eq!(state["streaming_state"], json!({"is_streaming": true, "text": "It is", "tool_uses": []}));
    let history = late.expect("history").await;
    let said: Vec<_> = history["messages"].as_array().unwrap().iter().map(|message| &message["content"]).collect();
    assert_eq!(said, ["hi", "Let me see."]);
    assert_eq!(late.expect("tool_history").await["tool_uses"][0]["id"], "c1");
    // Closing the first one stops nothing.
    drop(first);
    asked.send("finish stop\n").await;
    asked.end().await;
    assert_eq!(kinds(&late.until(&["result"]).await), ["stream_end", "result"]);
    late.subscribe(&id).await;
    let history = late.expect("history").await;
    assert_eq!(history["messages"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_stop_keeps_what_was_said_and_a_second_one_has_nothing_to_stop() {
    let (fake, gateway) = start().await;
    let id = chat(gateway.addr).await;
    let mut socket = Socket::open(gateway.addr).await;
    socket.subscribe(&id).await;
    socket.expect("history").await;
    socket.say(&id, "hi").await;
    let mut asked = fake.asked().await;
    asked.begin().await;
    asked.send("open half\n").await;
    socket.until(&["text_delta"]).await;
    socket.stop(&id).await;
    assert_eq!(kinds(&socket.until(&["cancelled"]).await), ["stream_end", "cancelled"]);
    asked.closed().await;
    socket.stop(&id).await;
    let error = socket.expect("error").await;
    assert_eq!((&error["error"], &error["chat_id"]), (&json!("nothing to stop"), &json!(id)));
    socket.subscribe(&id).await;
    assert_eq!(socket.expect("history").await["messages"][1]["content"], "half");
    socket.send(&json!({"type": "clear_history", "chat_id": id})).await;
    assert_eq!(socket.next().await, json!({"type": "history_cleared", "chat_id": id}));
    socket.subscribe(&id).await;
    assert_eq!(socket.expect("history").await["messages"], json!([]));
}

#[tokio::test]
async fn a_stop_from_a_page_that_does_not_follow_is_answered() {
    let (fake, gateway) = start().await;
    let id = chat(gateway.addr).await;
    let mut socket = Socket::open(gateway.addr).await;
    socket.say(&id, "hi").await;
    let asked = fake.asked().await;
    let mut other = Socket::open(gateway.addr).await;
    other.stop(&id).await;
    assert_eq!(other.next().await, json!({"type": "cancelled", "chat_id": id}));
    asked.closed().await;
    socket.until(&["cancelled"]).await;
}

#[tokio::test]
async fn a_newer_message_interrupts_and_nothing_old_follows_it() {
    let (fake, gateway) = start().await;
    let id = chat(gateway.addr).await;
    let mut socket = Socket::open(gateway.addr).await;
    let mut other = Socket::open(gateway.addr).await;
    other.subscribe(&id).await;
    other.expect("history").await;
    socket.say(&id, "first").await;
    let mut asked = fake.asked().await;
    asked.begin().await;
    asked.send("open old\n").await;
    socket.until(&["text_delta"]).await;
    socket.say(&id, "second").await;
    socket.say(&id, "third").await;
    asked.closed().await;
    // The second may or may not have come to ask before the third stopped it.
    let mut second = Vec::new();
    let last = loop {
        let Some(asked) = Asked::try_read(fake.connection().await).await else { continue };
        if asked.body["messages"].to_string().contains("third") {
            break asked;
        }
        // Held open: it must not end by itself before the third stops it.
        second.push(asked);
    };
    last.answer("text new\nfinish stop\n").await;
    for socket in [&mut socket, &mut other] {
        let seen = socket.until(&["result"]).await;
        let third = seen.iter().position(|message| message["content"] == "third").unwrap();
        let ends = kinds(&seen).iter().filter(|kind| **kind == "cancelled").count();
        assert_eq!(ends, 2, "{seen:?}");
        assert_eq!(
            kinds(&seen[third..]),
            ["user_message", "stream_start", "text_delta", "stream_end", "result"],
            "{seen:?}"
        );
    }
}

#[tokio::test]
async fn a_failure_ends_the_turn_with_one_error() {
    let (fake, gateway) = start().await;
    let id = chat(gateway.addr).await;
    let mut socket = Socket::open(gateway.addr).await;
    socket.say(&id, "hi").await;
    fake.asked().await.answer("text a\nfail secret words\n").await;
    let seen = socket.until(&["error"]).await;
    assert_eq!(kinds(&seen), ["user_message", "stream_start", "text_delta", "stream_end", "error"]);
    assert!(!seen[4].to_string().contains("secret"), "{seen:?}");
    socket.stop(&id).await;
    assert_eq!(socket.expect("error").await["error"], "nothing to stop");
}

#[tokio::test]
async fn pictures_go_to_the_model_and_into_the_history() {
    let (fake, gateway) = start().await;
    let id = chat(gateway.addr).await;
    let mut socket = Socket::open(gateway.addr).await;
    for (images, place) in [
        (json!([{"base64": "?", "media_type": "image/png"}]), "base64"),
        (json!([{"base64": "", "media_type": "image/png"}]), "base64"),
        (json!([{"base64": PNG, "media_type": "image/svg+xml"}]), "media_type"),
        (json!([{"base64": PNG}]), "media_type"),
        (json!([5]), "images[0]"),
        (json!(vec![json!({"base64": PNG, "media_type": "image/png"}); 21]), "images"),
        (json!([{"base64": "A".repeat(7 << 20), "media_type": "image/png"}]), "5 MiB"),
    ] {
        socket.send(&json!({"type": "chat", "chat_id": id, "content": "x", "images": images})).await;
        let error = socket.expect("error").await;
        assert!(error["error"].as_str().unwrap().contains(place), "{error}");
    }
    let (_, kept) = rest(gateway.addr, "GET", &format!("/api/chats/{id}/messages"), None).await;
    assert_eq!(kept, json!([]), "nothing of that is stored");
    let images = json!([{"base64": PNG, "media_type": "image/png"}]);
    socket.send(&json!({"type": "chat", "chat_id": id, "images": images})).await;
    fake.asked().await.answer("text A dot.\nfinish stop\n").await;
    socket.until(&["result"]).await;
    socket.subscribe(&id).await;
    let history = socket.expect("history").await;
    let picture = &history["messages"][0]["images"][0];
    assert_eq!((&picture["base64"], &picture["mimeType"]), (&json!(PNG), &json!("image/png")));
}

#[tokio::test]
async fn mistakes_are_told_and_leave_the_socket_open() {
    let (_fake, gateway) = start().await;
    let id = chat(gateway.addr).await;
    let mut socket = Socket::open(gateway.addr).await;
    for (message, words, names) in [
        (json!([]), "object", false),
        (json!({"chat_id": id}), "type", true),
        (json!({"type": 5, "chat_id": id}), "type", true),
        (json!({"type": "dance", "chat_id": id}), "subscribe", true),
        (json!({"type": "chat", "content": "x"}), "chat_id", false),
        (json!({"type": "chat", "chat_id": "", "content": "x"}), "chat_id", false),
        (json!({"type": "chat", "chat_id": id}), "text or an image", true),
        (json!({"type": "chat", "chat_id": id, "content": "  "}), "text or an image", true),
        (json!({"type": "chat", "chat_id": id, "content": {}}), "content", true),
        (json!({"type": "chat", "chat_id": "../etc/passwd", "content": "x"}), "no such chat", true),
        (json!({"type": "subscribe", "chat_id": "unknown"}), "no such chat", true),
        (json!({"type": "clear_history", "chat_id": "unknown"}), "no such chat", true),
    ] {
        socket.send(&message).await;
        let error = socket.expect("error").await;
        assert!(error["error"].as_str().unwrap().contains(words), "{message}: {error}");
        assert_eq!(error.get("chat_id").is_some(), names, "{message}: {error}");
    }
    socket.send_raw("{".into()).await.unwrap();
    socket.expect("error").await;
    socket.subscribe(&id).await;
    socket.expect("history").await;
}

#[tokio::test]
async fn a_message_whose_page_has_gone_is_answered_all_the_same() {
    let (fake, gateway) = start().await;
    let id = chat(gateway.addr).await;
    let mut socket = Socket::open(gateway.addr).await;
    socket.say(&id, "hi").await;
    drop(socket);
    fake.asked().await.answer("text there\nfinish stop\n").await;
    settled(async || {
        let (_, kept) = rest(gateway.addr, "GET", &format!("/api/chats/{id}/messages"), None).await;
        kept[1]["content"] == "there"
    })
    .await;
}

#[tokio::test]
async fn a_text_with_a_nul_is_told_kept_and_found() {
    let (fake, gateway) = start().await;
    let id = chat(gateway.addr).await;
    let mut socket = Socket::open(gateway.addr).await;
    let text = "before\u{0}behind";
    socket.say(&id, text).await;
    assert_eq!(socket.expect("user_message").await["content"], text);
    let asked = fake.asked().await;
    assert!(asked.body["messages"].to_string().contains("before\\u0000behind"), "{}", asked.body);
    asked.answer("text ok\nfinish stop\n").await;
    socket.until(&["result"]).await;
    let (_, kept) = rest(gateway.addr, "GET", &format!("/api/chats/{id}/messages"), None).await;
    assert_eq!(kept[0]["content"], text);
    let (_, found) = rest(gateway.addr, "GET", "/api/chats/search?q=behind", None).await;
    assert_eq!(found[0]["id"], json!(id), "{found}");
}
