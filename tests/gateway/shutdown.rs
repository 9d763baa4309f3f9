//! Stopping.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use chatwire::server::run;
use serde_json::json;

use crate::support::fake::Fake;
use crate::support::page::Page;
use crate::support::{Gateway, LONG, Setup};

async fn in_the_middle(drain: Duration) -> (Gateway, crate::support::fake::Asked, Page) {
    let fake = Fake::start().await;
    let mut setup = Setup::new(&[fake.addr]);
    setup.server.drain = drain;
    setup.server.listen = own_address();
    let gateway = setup.start().await;
    let mut page = Page::post(gateway.addr, &json!({"user": "hi"})).await;
    let mut asked = fake.asked().await;
    asked.begin().await;
    asked.send("text one\n").await;
    page.until("one").await;
    (gateway, asked, page)
}

/// An address that no other test takes, so that nobody else listens on a port that has become free. Only Linux has
/// more than one loopback address without asking.
fn own_address() -> SocketAddr {
    static LAST: AtomicU8 = AtomicU8::new(0);
    let last = if cfg!(target_os = "linux") { LAST.fetch_add(1, Ordering::Relaxed) + 2 } else { 1 };
    SocketAddr::from(([127, 0, if last == 1 { 0 } else { 1 }, last], 0))
}

async fn ended(gateway: Gateway) {
    tokio::time::timeout(LONG, gateway.task).await.expect("the gateway ends").unwrap();
}

#[tokio::test]
async fn a_running_answer_ends_whole_and_idle_connections_are_closed() {
    let (gateway, mut asked, page) = in_the_middle(LONG).await;
    let mut idle = Page::raw(gateway.addr, "GET /health HTTP/1.1\r\nhost: a\r\n\r\n").await;
    idle.until("ok").await;
    gateway.stopper.stop();
    idle.closed().await;
    asked.send("text two\nfinish stop\n").await;
    let answer = page.answer().await;
    assert_eq!((answer.text().as_str(), answer.end()["event"].as_str()), ("onetwo", Some("turn_end")));
    let addr = gateway.addr;
    ended(gateway).await;
    assert!(tokio::net::TcpStream::connect(addr).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn an_answer_that_takes_too_long_gets_one_error_frame() {
    let (gateway, asked, page) = in_the_middle(Duration::from_millis(100)).await;
    gateway.stopper.stop();
    let answer = page.answer().await;
    assert_eq!((answer.text().as_str(), answer.end()["kind"].as_str()), ("one", Some("shutdown")));
    asked.closed().await;
    ended(gateway).await;
}

#[tokio::test]
async fn a_second_stop_ends_at_once() {
    let (gateway, asked, page) = in_the_middle(LONG).await;
    gateway.stopper.stop();
    gateway.stopper.stop();
    ended(gateway).await;
    asked.closed().await;
    page.closed().await;
}

#[tokio::test]
async fn a_signal_stops_the_gateway() {
    let listening = Setup::new(&[]).bind().await;
    let addr = listening.local_addr().unwrap();
    let task = tokio::spawn(run(listening, || ()));
    Page::raw(addr, "GET /health HTTP/1.1\r\nhost: a\r\n\r\n").await.until("ok").await;
    let id = std::process::id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    tokio::time::timeout(LONG, task).await.expect("the gateway ends").unwrap().unwrap();
}
