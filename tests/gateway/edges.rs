//! What is refused before any route is asked: names, framing, paths, encodings, counts; and who the client is.

use std::time::Duration;

use serde_json::json;

use crate::support::fake::Fake;
use crate::support::page::{Answer, Page};
use crate::support::{Gateway, LONG, Setup};

const JSON: &str = "content-type: application/json\r\n";

/// A gateway that nobody behind it answers for: what it passes on waits for ever.
async fn gateway(change: impl FnOnce(&mut Setup)) -> (Fake, Gateway) {
    let fake = Fake::start().await;
    let mut setup = Setup::new(&[fake.addr]);
    change(&mut setup);
    let gateway = setup.start().await;
    (fake, gateway)
}

async fn ask(gateway: &Gateway, request: &str) -> Answer {
    Page::raw(gateway.addr, request).await.answer().await
}

fn post(host: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("POST /chat HTTP/1.1\r\n{host}connection: close\r\n{JSON}{headers}content-length: {length}\r\n\r\n{body}")
}

#[tokio::test]
async fn on_loopback_only_names_of_this_machine_are_known() {
    let (_fake, gateway) = gateway(|setup| setup.server.hosts = None).await;
    for (host, status) in [
        ("host: localhost\r\n", 400),
        ("host: 127.0.0.1:8000\r\n", 400),
        ("host: [::1]\r\n", 400),
        ("host: evil.example\r\n", 421),
        ("host: localhost.evil.example\r\n", 421),
        ("host: evil.example\r\nx-forwarded-host: localhost\r\nforwarded: host=localhost\r\n", 421),
        ("host: [::ffff:6.6.6.6]\r\n", 421),
    ] {
        // An empty body is the route's own 400.
        let answer = ask(&gateway, &post(host, "", "")).await;
        assert_eq!(answer.status, status, "{host}");
        assert!(!answer.body.contains("evil"), "{}", answer.body);
    }
    let health = ask(&gateway, "GET /health HTTP/1.1\r\nhost: probe\r\nconnection: close\r\n\r\n").await;
    assert_eq!(health.status, 200, "watchers call by any name");
}

#[tokio::test]
async fn more_names_can_be_listed() {
    let (_fake, gateway) = gateway(|setup| setup.server.hosts = Some(vec!["chat.example".to_owned()])).await;
    for (host, status) in
        [("chat.example", 400), ("CHAT.example:443", 400), ("localhost", 400), ("a.chat.example", 421)]
    {
        assert_eq!(ask(&gateway, &post(&format!("host: {host}\r\n"), "", "")).await.status, status, "{host}");
    }
}

#[tokio::test]
async fn a_host_is_one_name() {
    let (_fake, gateway) = gateway(|_| {}).await;
    for host in [
        "",
        "host:\r\n",
        "host: a b\r\n",
        "host: a@b\r\n",
        "host: a#b\r\n",
        "host: a/b\r\n",
        "host: a:b\r\n",
        "host: a:99999\r\n",
        "host: a, b\r\n",
        "host: a\r\nhost: a\r\n",
    ] {
        let answer = ask(&gateway, &post(host, "", "{}")).await;
        assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (400, Some("bad_host")), "{host:?}");
        assert_eq!(answer.header("connection"), Some("close"));
    }
    let other = "POST http://b/chat HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    assert_eq!(ask(&gateway, other).await.status, 400, "the target names another host");
}

#[tokio::test]
async fn bodies_that_are_packed_are_refused() {
    let (_fake, gateway) = gateway(|_| {}).await;
    for coding in ["gzip", "br", "gzip, identity", "identity\r\ncontent-encoding: gzip", "x"] {
        let answer = ask(&gateway, &post("host: a\r\n", &format!("content-encoding: {coding}\r\n"), "{}")).await;
        assert_eq!((answer.status, answer.json()["refused"].as_str()), (415, Some("unsupported_encoding")), "{coding}");
    }
}

#[tokio::test]
async fn lengths_that_are_open_to_doubt_end_the_connection() {
    let (_fake, gateway) = gateway(|_| {}).await;
    for lengths in ["content-length: 2\r\ncontent-length: 3\r\n", "content-length: +2\r\n", "content-length: 2, 2\r\n"]
    {
        let request = format!("POST /chat HTTP/1.1\r\nhost: a\r\n{JSON}{lengths}\r\n{{}}GET /health HTTP/1.1\r\n\r\n");
        let answer = ask(&gateway, &request).await;
        assert!(answer.status == 400 && answer.body.is_empty(), "{lengths}: {answer:?}");
    }
}

#[tokio::test]
async fn json_that_is_too_deep_is_refused() {
    let (_fake, gateway) = gateway(|_| {}).await;
    let deep = format!("{{\"user\":{}{}}}", "[".repeat(200), "]".repeat(200));
    let answer = ask(&gateway, &post("host: a\r\n", "", &deep)).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
}

#[tokio::test]
async fn a_body_must_come_at_some_rate() {
    let (_fake, gateway) = gateway(|setup| {
        setup.server.min_body_rate = Some(1 << 20);
        setup.server.body_timeout = Duration::from_secs(3600);
    })
    .await;
    let head = format!("POST /chat HTTP/1.1\r\nhost: a\r\n{JSON}content-length: 20\r\n\r\n{{");
    let waiting = tokio::time::timeout(LONG, Page::raw(gateway.addr, &head).await.answer());
    let answer = waiting.await.expect("an hour is not waited for");
    assert_eq!((answer.status, answer.json()["refused"].as_str()), (408, Some("body_timeout")));
}

#[tokio::test]
async fn the_gateway_is_ready_until_it_stops() {
    let (_fake, gateway) = gateway(|_| {}).await;
    for path in ["/health", "/ready"] {
        let answer = ask(&gateway, &format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")).await;
        assert_eq!((answer.status, answer.json()), (200, json!({"status": "ok"})), "{path}");
    }
}

#[tokio::test]
async fn request_ids_cannot_write_into_the_log() {
    let (_fake, gateway) = gateway(|_| {}).await;
    for id in ["a\x1b[2J", "a\tb", "caf\u{e9}", "a%0d%0ab", "<script>"] {
        let request = format!("GET /health HTTP/1.1\r\nhost: a\r\nx-request-id: {id}\r\nconnection: close\r\n\r\n");
        let answer = ask(&gateway, &request).await;
        assert!(answer.status == 400 || answer.header("x-request-id").is_some_and(|given| given.len() == 36), "{id:?}");
    }
}
