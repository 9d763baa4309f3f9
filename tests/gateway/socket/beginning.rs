//! Turns that are ended before their provider has answered, where turns go on without their pages.

use chatwire::config::plan::Memory;
use chatwire::turn::Leaving;
use serde_json::{Value, json};

use super::{Socket, chat, kinds, rest, start};
use crate::support::fake::Fake;
use crate::support::{Gateway, Setup, memory};

/// AI SDK over a WebSocket.
async fn sdk() -> (Fake, Gateway, Socket) {
    let fake = Fake::start().await;
    let mut setup = Setup::new(&[fake.addr]);
    setup.speaks = Some("vercel-ui-stream");
    setup.memory = Some(Memory { leaving: Leaving::Finish, ..memory() });
    setup.server.websocket.max_rate = 10_000;
    let gateway = setup.start().await;
    let socket = Socket::open_at(gateway.addr, "/chat/ws", &[]).await.unwrap();
    (fake, gateway, socket)
}

fn send(request: &str, chat: &str) -> Value {
    json!({"type": "send", "requestId": request, "id": chat, "trigger": "submit-message",
           "messages": [{"id": format!("u {request}"), "role": "user", "parts": [{"type": "text", "text": "hi"}]}]})
}

fn about(kind: &str, request: &str, chat: &str) -> Value {
    json!({"type": kind, "requestId": request, "id": chat})
}

/// Lets the gateway come a little further, which runs in this thread too: by questions to the store, which it answers
/// one after another, and by turns of the thread between them.
async fn come_further(gateway: &Gateway, asks: &str, steps: usize) {
    for _ in 0..steps / 20 {
        rest(gateway.addr, "GET", asks, None).await;
    }
    for _ in 0..steps % 10 * 300 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_answer_that_is_aborted_before_its_provider_says_anything_ends() {
    let (fake, gateway, mut socket) = sdk().await;
    socket.send(&send("r", "c")).await;
    let asked = fake.asked().await;
    socket.send(&about("abort", "r", "c")).await;
    asked.closed().await;
    let (_, kept) = rest(gateway.addr, "GET", "/chat/c/messages", None).await;
    assert_eq!(kept["messages"][0]["parts"][0]["text"], "hi", "{kept}");
    socket.send(&send("s", "c")).await;
    fake.asked().await.answer("text there\nfinish stop\n").await;
    let seen = socket.until(&["end"]).await;
    // The first may have been told that its answer begins.
    let of_first: Vec<_> = seen.iter().filter(|frame| frame["requestId"] == "r").collect();
    assert!(of_first.iter().all(|frame| frame["chunk"]["type"] == "start"), "{seen:?}");
    gateway.stopper.stop();
}

#[tokio::test]
async fn an_answer_may_be_aborted_however_far_it_has_begun() {
    let (_silent, gateway, mut socket) = sdk().await;
    for steps in 0..40 {
        let (chat, request) = (format!("c{steps}"), format!("r{steps}"));
        socket.send(&send(&request, &chat)).await;
        come_further(&gateway, "/chat/unknown/messages", steps).await;
        socket.send(&about("abort", &request, &chat)).await;
        // A turn that still ran would never end: nobody answers it.
        let resume = format!("again {steps}");
        socket.send(&about("resume", &resume, &chat)).await;
        loop {
            let seen = socket.until(&["end", "no-active", "error"]).await;
            let last = seen.last().unwrap();
            if last["requestId"] == *resume {
                assert_ne!(last["type"], "error", "{steps}: {last}");
                break;
            }
        }
    }
    gateway.stopper.stop();
}

#[tokio::test]
async fn an_answer_that_waits_for_another_is_not_begun_once_it_is_aborted() {
    let (fake, gateway, mut one) = sdk().await;
    let mut two = Socket::open_at(gateway.addr, "/chat/ws", &[]).await.unwrap();
    one.send(&send("a", "c")).await;
    let asked = fake.asked().await;
    two.send(&send("b", "c")).await;
    two.send(&about("abort", "b", "c")).await;
    // It is heard of when this is answered.
    two.send(&about("resume", "r", "c")).await;
    two.until(&["start"]).await;
    asked.answer("text first\nfinish stop\n").await;
    assert_eq!(one.until(&["end", "error"]).await.last().unwrap()["type"], "end");
    assert_eq!(two.until(&["end", "error"]).await.last().unwrap()["requestId"], "r");
    let (_, kept) = rest(gateway.addr, "GET", "/chat/c/messages", None).await;
    assert_eq!(kept["messages"].as_array().unwrap().len(), 2, "{kept}");
}

#[tokio::test]
async fn a_stop_right_behind_its_message_ends_the_turn() {
    let (_silent, gateway) = start().await;
    let mut socket = Socket::open(gateway.addr).await;
    for steps in 0..40 {
        let id = chat(gateway.addr).await;
        socket.say(&id, "hi").await;
        come_further(&gateway, "/api/chats/unknown", steps).await;
        socket.stop(&id).await;
        let seen = socket.until(&["cancelled", "error", "result"]).await;
        assert_eq!(kinds(&seen), ["user_message", "cancelled"], "{steps}: {seen:?}");
        let (_, kept) = rest(gateway.addr, "GET", &format!("/api/chats/{id}/messages"), None).await;
        assert_eq!(kept[0]["content"], "hi", "{kept}");
    }
}
