//! Connections: their number, and those that say nothing.

use std::time::Duration;

use serde_json::json;

use crate::support::Setup;
use crate::support::fake::Fake;
use crate::support::page::Page;

const KEPT: &str = "GET /health HTTP/1.1\r\nhost: a\r\n\r\n";
const HEALTH: &str = "GET /health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_connection_that_never_says_a_whole_head_is_closed() {
    for said in ["", "P", "PRI * HTTP", "POST /chat HTTP/1.1\r\nhost: a\r\nx-slow: "] {
        let mut setup = Setup::new(&[]);
        setup.server.head_timeout = Duration::from_millis(100);
        let gateway = setup.start().await;
        Page::raw(gateway.addr, said).await.closed().await;
    }
}

#[tokio::test]
async fn a_connection_is_kept_for_its_next_request_for_so_long() {
    let mut setup = Setup::new(&[]);
    setup.server.idle_timeout = Duration::from_millis(100);
    let gateway = setup.start().await;
    let mut page = Page::raw(gateway.addr, KEPT).await;
    page.until("ok").await;
    page.closed().await;
}

#[tokio::test]
async fn the_next_head_on_a_kept_connection_is_timed_too() {
    for said in ["G", "GET /health HTTP/1.1\r\nhost: a\r\nx-slow: "] {
        let mut setup = Setup::new(&[]);
        setup.server.head_timeout = Duration::from_millis(100);
        let gateway = setup.start().await;
        let mut page = Page::raw(gateway.addr, KEPT).await;
        page.until("ok").await;
        page.write(said).await;
        page.closed().await;
    }
}

#[tokio::test]
async fn an_answer_may_take_longer_than_a_head_and_a_pause() {
    let fake = Fake::start().await;
    let mut setup = Setup::new(&[fake.addr]);
    (setup.server.head_timeout, setup.server.idle_timeout) = (Duration::from_millis(50), Duration::from_millis(50));
    let gateway = setup.start().await;
    let page = Page::post(gateway.addr, &json!({"user": "hi"})).await;
    let mut asked = fake.asked().await;
    asked.begin().await;
    // Another connection has to wait for both limits meanwhile.
    let mut other = Page::raw(gateway.addr, KEPT).await;
    other.until("ok").await;
    other.closed().await;
    asked.send("text one\nfinish stop\n").await;
    assert_eq!(page.answer().await.text(), "one");
}

#[tokio::test]
async fn beyond_the_limit_a_connection_waits_until_an_answer_is_complete() {
    let fake = Fake::start().await;
    let mut setup = Setup::new(&[fake.addr]);
    setup.server.max_connections = 1;
    let gateway = setup.start().await;
    let first = Page::post(gateway.addr, &json!({"user": "hi"})).await;
    let asked = fake.asked().await;
    let second = Page::raw(gateway.addr, HEALTH).await;
    let third = Page::raw(gateway.addr, HEALTH).await;
    asked.answer("text one\nfinish stop\n").await;
    assert_eq!(first.answer().await.text(), "one");
    assert_eq!(second.answer().await.status, 200);
    assert_eq!(third.answer().await.status, 200);
}

#[tokio::test]
async fn who_only_waits_makes_room_for_who_asks() {
    let mut setup = Setup::new(&[]);
    setup.server.max_connections = 2;
    let gateway = setup.start().await;
    let silent = Page::connect(gateway.addr).await;
    let mut kept = Page::raw(gateway.addr, KEPT).await;
    kept.until("ok").await;
    for _ in 0..3 {
        assert_eq!(Page::raw(gateway.addr, HEALTH).await.answer().await.status, 200);
    }
    silent.closed().await;
}

#[tokio::test]
async fn an_address_has_only_so_many_connections() {
    let mut setup = Setup::new(&[]);
    setup.server.max_connections_per_address = Some(2);
    let gateway = setup.start().await;
    let mut first = Page::raw(gateway.addr, KEPT).await;
    let mut second = Page::raw(gateway.addr, KEPT).await;
    first.until("ok").await;
    second.until("ok").await;
    assert_eq!(Page::raw(gateway.addr, HEALTH).await.closed().await, 0, "one too many");
    first.write(KEPT).await;
    first.until("ok").await;
}
