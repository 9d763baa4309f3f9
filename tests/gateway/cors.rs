//! Pages of other origins.

use std::time::Duration;

use chatwire::config::plan::{Cors, Origins};
use serde_json::json;

use crate::support::fake::Fake;
use crate::support::page::{Answer, Page};
use crate::support::{Setup, origins};

fn listed(credentials: bool) -> Cors {
    Cors {
        origins: origins(&["https://page.example"]),
        credentials,
        headers: vec!["x-token".to_owned()],
        exposed: vec!["x-own".to_owned()],
        max_age: Duration::from_secs(600),
    }
}

async fn sent(cors: Cors, request: &str) -> Answer {
    let mut setup = Setup::new(&[]);
    setup.cors = cors;
    let gateway = setup.start().await;
    Page::raw(gateway.addr, request).await.answer().await
}

fn preflight(origin: &str) -> String {
    format!(
        "OPTIONS /chat HTTP/1.1\r\nhost: a\r\norigin: {origin}\r\naccess-control-request-method: POST\r\nconnection: close\r\n\r\n"
    )
}

#[tokio::test]
async fn a_listed_origin_may_call() {
    let answer = sent(listed(true), &preflight("https://page.example")).await;
    assert_eq!(answer.status, 204);
    let expected = [
        ("access-control-allow-origin", "https://page.example"),
        ("access-control-allow-methods", "POST, OPTIONS"),
        ("access-control-allow-headers", "content-type, x-token"),
        ("access-control-allow-credentials", "true"),
        ("access-control-max-age", "600"),
        ("vary", "Origin"),
    ];
    for (name, value) in expected {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn other_origins_may_not() {
    let near = [
        "https://page.example.evil.example",
        "https://evilpage.example",
        "http://page.example",
        "https://page.example:1",
        "https://page.example/",
        "null",
        "HTTPS://PAGE.EXAMPLE",
    ];
    for origin in near {
        let answer = sent(listed(true), &preflight(origin)).await;
        assert_eq!(answer.header("access-control-allow-origin"), None, "{origin}");
        assert_eq!(answer.header("access-control-allow-credentials"), None, "{origin}");
        assert_eq!(answer.header("vary"), Some("Origin"), "{origin}");
    }
    let answer = sent(Cors::default(), &preflight("https://page.example")).await;
    assert_eq!(answer.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn any_origin_never_comes_with_credentials() {
    let cors = Cors { origins: Origins::Any, credentials: true, ..Cors::default() };
    let answer = sent(cors, &preflight("https://page.example")).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
}

#[tokio::test]
async fn errors_can_be_read_too() {
    let request = "POST /chat HTTP/1.1\r\nhost: a\r\norigin: https://page.example\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: 1\r\n\r\n{";
    let answer = sent(listed(false), request).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://page.example"));
    assert_eq!(answer.header("vary"), Some("Origin"));
}

#[tokio::test]
async fn the_dialects_own_headers_can_be_read() {
    let fake = Fake::start().await;
    let mut setup = Setup::new(&[fake.addr]);
    setup.cors = listed(false);
    let gateway = setup.start().await;
    let page = Page::post_with(gateway.addr, "origin: https://page.example\r\n", &json!({"user": "hi"})).await;
    fake.asked().await.answer("text a\nfinish stop\n").await;
    let answer = page.answer().await;
    let exposed = answer.header("access-control-expose-headers").unwrap();
    for name in ["x-event-lines", "x-own", "x-request-id"] {
        assert!(exposed.split(", ").any(|known| known == name), "{name} in {exposed}");
    }
    assert!(!exposed.contains("accel"), "{exposed}");
}
