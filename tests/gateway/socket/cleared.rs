//! A chat that one of its pages empties, and what its pages call it.

use serde_json::json;

use super::{Socket, chat, kinds, rest, start};

#[tokio::test]
async fn every_page_of_a_chat_hears_once_that_it_is_empty() {
    let (_fake, gateway) = start().await;
    let id = chat(gateway.addr).await;
    let mut sockets = Vec::new();
    for _ in 0..3 {
        sockets.push(Socket::open(gateway.addr).await);
    }
    for socket in &mut sockets[..2] {
        socket.subscribe(&id).await;
        socket.expect("history").await;
    }
    let cleared = json!({"type": "history_cleared", "chat_id": id});
    // One that has subscribed asks, and one that has not and hears of its own alone.
    for asks in [0, 2, 2] {
        sockets[asks].send(&json!({"type": "clear_history", "chat_id": id})).await;
        for at in if asks == 2 { 0..3 } else { 0..2 } {
            assert_eq!(sockets[at].next().await, cleared, "{at} of {asks}");
        }
    }
    for socket in &mut sockets {
        socket.stop(&id).await;
        socket.expect("error").await;
    }
}

#[tokio::test]
async fn a_turn_ends_before_its_chat_is_empty_and_the_next_one_begins_behind() {
    let (fake, gateway) = start().await;
    let id = chat(gateway.addr).await;
    let (mut one, mut two) = (Socket::open(gateway.addr).await, Socket::open(gateway.addr).await);
    for socket in [&mut one, &mut two] {
        socket.subscribe(&id).await;
        socket.expect("history").await;
    }
    one.say(&id, "hi").await;
    let mut asked = fake.asked().await;
    asked.begin().await;
    asked.send("open half\n").await;
    one.until(&["text_delta"]).await;
    two.send(&json!({"type": "clear_history", "chat_id": id})).await;
    two.say(&id, "anew").await;
    asked.closed().await;
    fake.asked().await.answer("text new\nfinish stop\n").await;
    let end = ["stream_end", "cancelled", "history_cleared"];
    let anew = ["user_message", "stream_start", "text_delta", "stream_end", "result"];
    let seen = one.until(&["result"]).await;
    assert_eq!(kinds(&seen), [&end[..], &anew].concat());
    let seen = two.until(&["result"]).await;
    assert_eq!(kinds(&seen)[3..], [&end[..], &anew].concat());
    two.subscribe(&id).await;
    assert_eq!(two.expect("history").await["messages"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_chat_is_a_chat_and_a_message_is_a_message_in_every_error() {
    let (_fake, gateway) = start().await;
    let mut socket = Socket::open(gateway.addr).await;
    for kind in ["subscribe", "clear_history", "chat"] {
        socket.send(&json!({"type": kind, "chat_id": "nobody's", "content": "hi"})).await;
        assert_eq!(socket.expect("error").await["error"], "there is no such chat", "{kind}");
    }
    let title = json!({"title": "t"});
    for (method, path, body) in [
        ("GET", "/api/chats/nobodys", None),
        ("PUT", "/api/chats/nobodys", Some(&title)),
        ("DELETE", "/api/chats/nobodys", None),
        ("GET", "/api/chats/nobodys/messages", None),
    ] {
        let (status, error) = rest(gateway.addr, method, path, body).await;
        assert_eq!((status, &error["error"]), (404, &json!("there is no such chat")), "{method} {path}");
    }
    for said in ["", "{", "[]"] {
        socket.send_raw(tokio_tungstenite::tungstenite::Message::text(said)).await.unwrap();
        let error = socket.expect("error").await["error"].as_str().unwrap().to_owned();
        assert!(error.starts_with("the message "), "{said:?}: {error}");
    }
}
