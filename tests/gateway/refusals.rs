//! Requests that are not answered with a stream.

use std::time::Duration;

use serde_json::json;

use crate::support::Setup;
use crate::support::fake::Fake;
use crate::support::page::{Answer, Page};

const JSON: &str = "content-type: application/json\r\n";

async fn sent(text: &str) -> Answer {
    let fake = Fake::start().await;
    let gateway = Setup::new(&[fake.addr]).start().await;
    Page::raw(gateway.addr, text).await.answer().await
}

fn post(headers: &str, body: &str) -> String {
    let length = body.len();
    format!("POST /chat HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}")
}

#[tokio::test]
async fn each_mistake_has_its_status_in_the_dialects_form() {
    let big = format!("{{\"user\":\"{}\"}}", "x".repeat(5000));
    let cases = [
        (post("", "{}"), 415, "unsupported_media_type"),
        (post("content-type: text/plain\r\n", "{}"), 415, "unsupported_media_type"),
        (post("content-type: application/jsonx\r\n", "{}"), 415, "unsupported_media_type"),
        (post(&format!("{JSON}content-encoding: gzip\r\n"), "{}"), 415, "unsupported_encoding"),
        (post(JSON, ""), 400, "empty_body"),
        (post(JSON, "{"), 400, "invalid_json"),
        (post(JSON, "[]"), 400, "invalid_json"),
        (post(JSON, "{\"user\":5}"), 400, "invalid_request"),
        (post(JSON, &big), 413, "body_too_large"),
        ("GET /chat HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".to_owned(), 405, "method_not_allowed"),
        ("PUT /chat HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".to_owned(), 405, "method_not_allowed"),
    ];
    for (request, status, code) in cases {
        let answer = sent(&request).await;
        assert_eq!((answer.status, answer.json()["refused"].as_str()), (status, Some(code)), "{request:.120}");
        assert!(answer.header("x-request-id").is_some());
        assert_eq!(answer.header("allow"), (status == 405).then_some("POST, OPTIONS"));
    }
}

#[tokio::test]
async fn content_types_with_parameters_are_json_too() {
    let fake = Fake::start().await;
    let gateway = Setup::new(&[fake.addr]).start().await;
    let request = post("content-type: Application/JSON; charset=utf-8\r\n", "{\"user\":\"hi\"}");
    let page = Page::raw(gateway.addr, &request).await;
    fake.asked().await.answer("text a\nfinish stop\n").await;
    assert_eq!(page.answer().await.status, 200);
}

#[tokio::test]
async fn paths_that_are_no_route_are_not_found() {
    for path in ["/", "/chat/", "/Chat", "/chatt", "/chat:"] {
        let answer = sent(&format!("POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")).await;
        assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (404, Some("not_found")), "{path}");
    }
}

#[tokio::test]
async fn other_spellings_of_a_path_are_refused() {
    for path in [
        "//chat",
        "/chat//",
        "/./chat",
        "/chat/.",
        "/chat/../chat",
        "/x/../chat",
        "/%63hat",
        "/chat%2f",
        "/chat%2F",
        "/chat%00",
        "/chat%20/..",
        "/chat;a=b",
        "/%2e/chat",
        "/%2e%2e/chat",
        "/chat/..;/chat",
        "/chat\\",
        "/%c0%afchat",
        "/%ff",
        "/chat%",
        "*",
    ] {
        let answer = sent(&format!("POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")).await;
        assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (400, Some("bad_path")), "{path}");
    }
}

#[tokio::test]
async fn hosts_and_transfer_codings_that_are_open_to_doubt_are_refused() {
    let cases = [
        ("", 400),
        ("host: a\r\nhost: b\r\n", 400),
        ("host: a\r\ntransfer-encoding: gzip, chunked\r\n", 501),
        ("host: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", 501),
    ];
    for (headers, status) in cases {
        let answer = sent(&format!("POST /chat HTTP/1.1\r\n{headers}{JSON}\r\n0\r\n\r\n")).await;
        assert_eq!(answer.status, status, "{headers}");
        assert_eq!(answer.header("connection"), Some("close"), "{headers}");
    }
}

#[tokio::test]
async fn a_body_that_announces_too_much_is_refused_before_it_is_sent() {
    let request =
        format!("POST /chat HTTP/1.1\r\nhost: a\r\n{JSON}expect: 100-continue\r\ncontent-length: 9999\r\n\r\n");
    let answer = sent(&request).await;
    assert_eq!(answer.status, 413);
    assert!(!answer.head.contains("100 Continue"));
}

#[tokio::test]
async fn a_page_that_is_still_sending_can_read_why_it_is_refused() {
    let answer = sent(&post(JSON, &"x".repeat(32 << 20))).await;
    assert_eq!((answer.status, answer.json()["refused"].as_str()), (413, Some("body_too_large")));
}

#[tokio::test]
async fn a_body_without_a_length_is_bounded_too() {
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(4096));
    let head = format!("POST /chat HTTP/1.1\r\nhost: a\r\n{JSON}transfer-encoding: chunked\r\n\r\n");
    assert_eq!(sent(&format!("{head}{chunk}1\r\nx\r\n")).await.status, 413);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    let fake = Fake::start().await;
    let mut setup = Setup::new(&[fake.addr]);
    setup.server.body_timeout = Duration::from_millis(100);
    let gateway = setup.start().await;
    let head = format!("POST /chat HTTP/1.1\r\nhost: a\r\n{JSON}content-length: 20\r\n\r\n{{");
    let answer = Page::raw(gateway.addr, &head).await.answer().await;
    assert_eq!((answer.status, answer.json()["refused"].as_str()), (408, Some("body_timeout")));
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused() {
    let head = format!("POST /chat HTTP/1.1\r\nhost: a\r\nx-big: {}\r\n\r\n", "x".repeat(20_000));
    assert_eq!(sent(&head).await.status, 431);
}

#[tokio::test]
async fn health_is_json() {
    let answer = sent("GET /health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert_eq!((answer.status, answer.json()), (200, json!({"status": "ok"})));
    let answer = sent("POST /health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")));
}

#[tokio::test]
async fn http_1_0_needs_no_host() {
    assert_eq!(sent("GET /health HTTP/1.0\r\n\r\n").await.status, 200);
    assert_eq!(sent("GET /health HTTP/1.0\r\nhost: a\r\nhost: b\r\n\r\n").await.status, 400);
}

#[tokio::test]
async fn an_odd_request_id_is_replaced() {
    let long = "x".repeat(129);
    for id in ["a b", "a;b", "\"x\"", long.as_str()] {
        let answer =
            sent(&format!("GET /health HTTP/1.1\r\nhost: a\r\nx-request-id: {id}\r\nconnection: close\r\n\r\n")).await;
        let given = answer.header("x-request-id").unwrap();
        assert_eq!(given.len(), 36, "{id} became {given}");
    }
}
