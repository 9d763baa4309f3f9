//! Who may open a socket, and how it is closed from our side.

use serde_json::json;
use tokio_tungstenite::tungstenite::Error;

use super::{Socket, chat, kinds, setup};
use crate::support::fake::Fake;
use crate::support::{LONG, origins};

async fn status(addr: std::net::SocketAddr, headers: &[(&'static str, &str)]) -> u16 {
    match Socket::try_open(addr, headers).await {
        Ok(_) => 101,
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn pages_of_other_origins_are_refused_before_the_upgrade() {
    let fake = Fake::start().await;
    let mut setup = setup(&fake);
    setup.cors.origins = origins(&["https://chat.example"]);
    setup.owner = Some("x-user".to_owned());
    let gateway = setup.start().await;
    let own = format!("http://{}", gateway.addr);
    for (origin, expected) in
        [(own.as_str(), 101), ("https://chat.example", 101), ("https://evil.example", 403), ("null", 403)]
    {
        assert_eq!(status(gateway.addr, &[("origin", origin), ("x-user", "ann")]).await, expected, "{origin}");
    }
    assert_eq!(status(gateway.addr, &[("x-user", "ann")]).await, 101);
    assert_eq!(status(gateway.addr, &[]).await, 401);
}

#[tokio::test]
async fn users_do_not_see_each_others_chats() {
    let fake = Fake::start().await;
    let mut setup = setup(&fake);
    setup.owner = Some("x-user".to_owned());
    let gateway = setup.start().await;
    let head =
        "POST /api/chats HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx-user: ann\r\ncontent-length: 0\r\n\r\n";
    let made = crate::support::page::Page::raw(gateway.addr, head).await.answer().await.json();
    let id = made["id"].as_str().unwrap();
    for (user, kind) in [("ann", "history"), ("bob", "error")] {
        let mut socket = Socket::try_open(gateway.addr, &[("x-user", user)]).await.unwrap();
        socket.expect("connected").await;
        socket.subscribe(id).await;
        socket.expect(kind).await;
    }
}

#[tokio::test]
async fn a_gateway_that_stops_lets_turns_end_and_then_closes() {
    let fake = Fake::start().await;
    let gateway = setup(&fake).start().await;
    let id = chat(gateway.addr).await;
    let mut idle = Socket::open(gateway.addr).await;
    idle.subscribe(&chat(gateway.addr).await).await;
    idle.expect("history").await;
    let mut busy = Socket::open(gateway.addr).await;
    busy.say(&id, "hi").await;
    let mut asked = fake.asked().await;
    asked.begin().await;
    asked.send("open half\n").await;
    busy.until(&["text_delta"]).await;
    gateway.stopper.stop();
    assert_eq!(idle.close_code().await, 1001);
    busy.say(&id, "more").await;
    assert!(busy.expect("error").await["error"].as_str().unwrap().contains("restarting"));
    asked.send("finish stop\n").await;
    asked.end().await;
    assert_eq!(kinds(&busy.until(&["result"]).await), ["stream_end", "result"]);
    assert_eq!(busy.close_code().await, 1001);
    tokio::time::timeout(LONG, gateway.task).await.expect("the gateway ends").unwrap();
}

#[tokio::test]
async fn turns_that_take_too_long_end_with_an_error_when_the_gateway_stops() {
    let fake = Fake::start().await;
    let mut setup = setup(&fake);
    setup.server.drain = std::time::Duration::from_millis(50);
    let gateway = setup.start().await;
    let id = chat(gateway.addr).await;
    let mut socket = Socket::open(gateway.addr).await;
    socket.say(&id, "hi").await;
    let asked = fake.asked().await;
    gateway.stopper.stop();
    let seen = socket.until(&["error"]).await;
    assert_eq!(kinds(&seen), ["user_message", "error"]);
    assert_eq!(seen[1]["chat_id"], json!(id));
    assert_eq!(socket.close_code().await, 1001);
    asked.closed().await;
    tokio::time::timeout(LONG, gateway.task).await.expect("the gateway ends").unwrap();
}
