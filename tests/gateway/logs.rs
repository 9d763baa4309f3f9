//! What the log says of a request, and what it must not say.

use std::sync::Arc;

use chatwire::access::{ApiKey, Auth, KeyHash};
use serde_json::{Value, json};

use crate::canary::logged;
use crate::costs::prices;
use crate::support::fake::Fake;
use crate::support::page::Page;
use crate::support::{KEY, Setup};

/// The lines about one answered request, and the whole log.
async fn log_of(id: &str, status: &str, body: &str) -> (Vec<Value>, String) {
    logged();
    let fake = Fake::start().await;
    let mut setup = Setup::new(&[fake.addr]);
    setup.prices = prices();
    let gateway = setup.start().await;
    let headers = format!("authorization: Bearer page-key\r\nx-request-id: {id}\r\n");
    let page = Page::post_with(gateway.addr, &headers, &json!({"user": "private words"})).await;
    fake.asked().await.refuse(status, "", body).await;
    page.answer().await;
    gateway.stopper.stop();
    gateway.task.await.unwrap();
    let text = logged();
    let all = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    (all.filter(|line| line["id"] == id).collect(), text)
}

#[tokio::test]
async fn one_line_says_what_became_of_a_request() {
    let (lines, text) = log_of("good-1", "200 OK", "text private answer\nfinish stop\n").await;
    let requests: Vec<&Value> = lines.iter().filter(|line| line["message"] == "request").collect();
    let [line] = requests[..] else { panic!("{text}") };
    let expected = [
        ("id", json!("good-1")),
        ("route", json!("/chat")),
        ("dialect", json!("events")),
        ("model", json!("m")),
        ("target", json!("p0/model-0")),
        ("cost_usd", json!(0.000_000_34)),
        ("status", json!(200)),
        ("input_tokens", json!(3)),
        ("output_tokens", json!(2)),
        ("end", json!("stop")),
    ];
    for (name, value) in expected {
        assert_eq!(line[name], value, "{name}: {line}");
    }
    assert!(line["attempts"].is_null(), "{line}");
    assert!(line["first_token_ms"].is_u64() && line["duration_ms"].is_u64(), "{line}");
    for word in ["private", "page-key", KEY] {
        assert!(!text.contains(word), "{word} in {text}");
    }
}

#[tokio::test]
async fn a_failure_is_logged_with_the_providers_words_but_without_the_key() {
    let (lines, text) =
        log_of("bad-1", "401 Unauthorized", &format!("{{\"error\":{{\"message\":\"wrong key {KEY}\"}}}}")).await;
    let failed = lines.iter().find(|line| line["level"] == "WARN").unwrap();
    assert!(failed["text"].as_str().unwrap().contains("wrong key …"), "{failed}");
    assert_eq!(failed["failure"], "auth");
    let request = lines.iter().find(|line| line["message"] == "request").unwrap();
    assert_eq!((&request["end"], &request["attempts"]), (&json!("auth"), &json!("p0/model-0=auth")), "{text}");
    assert!(!text.contains(KEY), "{text}");
}

#[tokio::test]
async fn the_key_of_a_request_is_named_and_stays_here() {
    const VALUE: &str = "cw_canary_0123456789";
    logged();
    let fake = Fake::start().await;
    let mut setup = Setup::new(&[fake.addr]);
    let key = ApiKey::new("frontend", vec![KeyHash::of(VALUE.as_bytes())]);
    setup.auth = Some(Auth { keys: vec![Arc::new(key)], jwt: None });
    let gateway = setup.start().await;
    for (id, header) in [("key-1", format!("authorization: Bearer {VALUE}")), ("key-2", format!("x-api-key: {VALUE}"))]
    {
        let headers = format!("{header}\r\nx-request-id: {id}\r\n");
        let page = Page::post_with(gateway.addr, &headers, &json!({"user": "hi"})).await;
        let asked = fake.asked().await;
        assert!(!asked.head.contains(VALUE) && !asked.head.contains("x-api-key"), "{}", asked.head);
        asked.answer("text a\nfinish stop\n").await;
        assert_eq!(page.answer().await.status, 200);
    }
    Page::post_with(gateway.addr, &format!("x-api-key: {VALUE}x\r\n"), &json!({"user": "hi"})).await.answer().await;
    gateway.stopper.stop();
    gateway.task.await.unwrap();
    let text = logged();
    assert!(!text.contains(VALUE), "{text}");
    let all: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for id in ["key-1", "key-2"] {
        let line = all.iter().find(|line| line["id"] == id && line["message"] == "request").unwrap();
        assert_eq!(line["key"], "frontend", "{line}");
    }
}
