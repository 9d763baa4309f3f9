//! A good answer, from the provider's bytes to the page's.

use serde_json::json;

use crate::canary::HEADER;
use crate::support::fake::Fake;
use crate::support::page::Page;
use crate::support::{KEY, Setup};

#[tokio::test]
async fn each_piece_reaches_the_page_before_the_next_is_sent() {
    let fake = Fake::start().await;
    let gateway = Setup::new(&[fake.addr]).start().await;
    let mut page = Page::post(gateway.addr, &json!({"user": "hi"})).await;
    let mut asked = fake.asked().await;
    asked.begin().await;
    asked.send("text one\n").await;
    page.until("one").await;
    asked.send("text t").await;
    asked.send("wo\n").await;
    page.until("two").await;
    asked.send("finish stop\n").await;
    let answer = page.answer().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.text(), "onetwo");
    let names = answer.names();
    assert_eq!(names[..3], ["turn_start", "step_start", "block_start"]);
    assert_eq!(names[names.len() - 2..], ["step_end", "turn_end"]);
    assert_eq!(answer.end()["usage"]["input"], 3);
}

#[tokio::test]
async fn the_provider_gets_its_key_and_headers_and_what_the_configuration_adds() {
    let fake = Fake::start().await;
    let mut setup = Setup::new(&[fake.addr]);
    setup.system = Some("be kind".into());
    let gateway = setup.start().await;
    let page =
        Page::post_with(gateway.addr, "authorization: Bearer page-key\r\ncookie: a=b\r\n", &json!({"user": "hi"}))
            .await;
    let asked = fake.asked().await;
    let head = asked.head.to_ascii_lowercase();
    assert!(head.starts_with("post /v1/lines http/1.1"), "{head}");
    for line in [
        &format!("authorization: bearer {KEY}"),
        &format!("x-extra: {}", HEADER.to_ascii_lowercase()),
        "x-lines: 1",
        "accept-encoding: identity",
    ] {
        assert!(head.contains(line), "{line} in {head}");
    }
    assert!(!head.contains("page-key") && !head.contains("cookie"), "{head}");
    assert_eq!(asked.body["model"], "model-0");
    assert_eq!(asked.body["max_tokens"], 77);
    assert_eq!(asked.body["messages"], json!([["system", ["be kind"]], ["user", ["hi"]]]));
    asked.answer("text a\nfinish stop\n").await;
    assert_eq!(page.answer().await.status, 200);
}

#[tokio::test]
async fn streams_say_that_nobody_may_hold_them_back() {
    let fake = Fake::start().await;
    let gateway = Setup::new(&[fake.addr]).start().await;
    let page = Page::post_with(gateway.addr, "x-request-id: my-id_1.2\r\n", &json!({"user": "hi"})).await;
    fake.asked().await.answer("text a\nfinish stop\n").await;
    let answer = page.answer().await;
    assert_eq!(answer.header("x-accel-buffering"), Some("no"));
    assert_eq!(answer.header("cache-control"), Some("no-cache, no-transform"));
    assert_eq!(answer.header("content-type"), Some("text/event-lines"));
    assert_eq!(answer.header("x-request-id"), Some("my-id_1.2"));
}

#[tokio::test]
async fn an_answer_that_is_one_document_is_sent_when_it_is_complete() {
    let fake = Fake::start().await;
    let gateway = Setup::new(&[fake.addr]).start().await;
    let page = Page::post(gateway.addr, &json!({"user": "hi", "stream": false})).await;
    fake.asked().await.answer("text a\ntext b\nfinish stop\n").await;
    let answer = page.answer().await;
    assert_eq!(answer.text(), "ab");
    let length: usize = answer.header("content-length").unwrap().parse().unwrap();
    assert_eq!(length, answer.body.len());
}

#[tokio::test]
async fn what_cannot_be_carried_over_reaches_the_page() {
    let fake = Fake::start().await;
    let gateway = Setup::new(&[fake.addr]).start().await;
    let page = Page::post(gateway.addr, &json!({"user": "warn me"})).await;
    fake.asked().await.answer("text a\nfinish stop\n").await;
    assert!(page.answer().await.names().contains(&"warning".to_owned()));
}

#[tokio::test]
async fn a_provider_that_does_not_close_its_finished_answer_is_not_waited_for() {
    let fake = Fake::start().await;
    let gateway = Setup::new(&[fake.addr]).start().await;
    let page = Page::post(gateway.addr, &json!({"user": "hi"})).await;
    let mut asked = fake.asked().await;
    asked.begin().await;
    asked.send("text a\nfinishing\n").await;
    let answer = page.answer().await;
    assert_eq!(answer.end()["event"], "turn_end");
    asked.closed().await;
}

#[tokio::test]
async fn an_answer_is_what_it_is_whatever_its_media_type_says() {
    let named = ["text/event-stream;charset=UTF-8", "application/octet-stream", "application/json"];
    let types = named.iter().map(|name| format!("content-type: {name}\r\n")).chain([String::new()]);
    for content_type in types {
        let fake = Fake::start().await;
        let gateway = Setup::new(&[fake.addr]).start().await;
        let page = Page::post(gateway.addr, &json!({"user": "hi"})).await;
        fake.asked().await.refuse("200 OK", &content_type, "text a\nfinish stop\n").await;
        assert_eq!(page.answer().await.text(), "a", "{content_type}");
        let page = Page::post(gateway.addr, &json!({"user": "hi"})).await;
        fake.asked().await.refuse("400 Bad Request", &content_type, r#"{"error":"prompt is too long"}"#).await;
        assert_eq!(page.answer().await.json()["refused"], "context_length", "{content_type}");
    }
}

#[tokio::test]
async fn two_requests_on_one_connection_are_answered() {
    let fake = Fake::start().await;
    let gateway = Setup::new(&[fake.addr]).start().await;
    let request = "POST /chat HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 13\r\n\r\n{\"user\":\"hi\"}";
    let mut page = Page::raw(gateway.addr, request).await;
    fake.asked().await.answer("text a\nfinish stop\n").await;
    page.until("\r\n0\r\n\r\n").await;
    page.write("GET /health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    page.until("{\"status\":\"ok\"}").await;
}
