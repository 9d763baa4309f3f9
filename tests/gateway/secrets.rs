//! The search for secrets in all that the tests see, which goes on while they run, and what it must not miss.

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chatwire::secret::Secret;
use chatwire::tools::mcp::plan::{Address, Program, Transport};
use serde_json::json;

use crate::canary::{self, HEADER, Place, find};
use crate::support::fake::Fake;
use crate::support::page::Page;
use crate::support::{KEY, Setup};

/// Which way of leaking the process that runs [`leak`] is to take.
const WAY: &str = "CHATWIRE_TEST_LEAK";

#[test]
fn a_secret_is_found_in_every_spelling() {
    let quoted = json!(HEADER).to_string();
    for text in [
        KEY.to_owned(),
        format!("{{\"error\":\"{KEY}\"}}"),
        quoted.clone(),
        json!(quoted).to_string(),
        format!("{HEADER:?}"),
        "GET /?key=Canary%20header%2F%2B%220123".to_owned(),
        "GET /?key=Canary%20header/%2b%220123".to_owned(),
        STANDARD.encode(format!("user:{KEY}")),
        STANDARD.encode(format!("user1:{KEY}")),
        STANDARD.encode(format!("user12:{HEADER}")),
        format!("half of it: {}…", &KEY[..10]),
    ] {
        assert!(find(Place::Answer, text.as_bytes()).is_some(), "{text}");
    }
    for text in ["sk-other-0123456789", "canary", "header", "signature=0"] {
        assert_eq!(find(Place::Answer, text.as_bytes()), None, "{text}");
    }
    assert!(find(Place::Log, b"GET /files/a?signature=0").is_some());
}

#[tokio::test]
async fn answers_and_log_lines_are_looked_through() {
    let before = canary::looked();
    let fake = Fake::start().await;
    let gateway = Setup::new(&[fake.addr]).start().await;
    let page = Page::post(gateway.addr, &json!({"user": "hi"})).await;
    fake.asked().await.answer("text a\nfinish stop\n").await;
    let answer = page.answer().await;
    gateway.stopper.stop();
    gateway.task.await.unwrap();
    let looked = canary::looked();
    assert!(looked.answer_bytes - before.answer_bytes >= (answer.head.len() + answer.body.len()) as u64, "{looked:?}");
    // In both formats: the request's line, and that the gateway stops.
    assert!(looked.log_lines - before.log_lines >= 4, "{looked:?}");
    assert!(looked.log_bytes > before.log_bytes, "{looked:?}");
}

/// Does not end well if it is told to leak.
#[tokio::test]
async fn leak() {
    match std::env::var(WAY).as_deref() {
        Err(_) => {}
        Ok("answer") => {
            let fake = Fake::start().await;
            let gateway = Setup::new(&[fake.addr]).start().await;
            let page = Page::post(gateway.addr, &json!({"user": "hi"})).await;
            fake.asked().await.answer(&format!("text {}\ntext {}\nfinish stop\n", &KEY[..12], &KEY[12..])).await;
            page.answer().await;
        }
        Ok("frame") => crate::socket::look(&tokio_tungstenite::tungstenite::Message::text(KEY)),
        Ok("log") => {
            canary::watch_logs();
            // In a task, whose panics would be lost.
            let _ = tokio::spawn(async { tracing::trace!(header = HEADER, "a request is sent") }).await;
        }
        Ok(other) => panic!("{other} is no way to leak"),
    }
}

#[test]
fn a_leak_fails_the_whole_run() {
    for way in ["answer", "frame", "log"] {
        let test = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "secrets::leak"])
            .env(WAY, way)
            .env_remove("CHATWIRE_TEST_TRANSCRIPT")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&test.stderr);
        assert!(!test.status.success() && said.contains("the secret `"), "{way}: {said}");
    }
}

#[test]
fn what_can_be_printed_of_a_plan_shows_no_secret() {
    // The plan itself and its providers cannot be printed; what holds their secrets can.
    let (env, headers) = ([("TOKEN", KEY)], [("x-extra", HEADER)]);
    let pairs = |list: &[(&str, &str)]| -> Vec<(String, Secret)> {
        list.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect()
    };
    let program = Program { command: "a".into(), arguments: Vec::new(), env: pairs(&env), folder: "b".into() };
    let places = [
        Transport::Process(program),
        Transport::Http(Address { url: "http://a/".to_owned(), headers: pairs(&headers) }),
    ];
    for text in places.iter().flat_map(|place| [format!("{place:?}"), format!("{place:#?}")]) {
        assert!(text.contains("Secret(…)"), "{text}");
        assert_eq!(find(Place::Output, text.as_bytes()), None, "{text}");
    }
}

#[tokio::test]
async fn no_part_of_a_key_is_left_where_a_providers_words_are_cut() {
    let fake = Fake::start().await;
    let gateway = Setup::new(&[fake.addr]).start().await;
    // The log keeps so many bytes of an error, and of a body that is no JSON.
    for limit in [300, 8 << 10] {
        for shown in [7, 12, KEY.len() - 1, KEY.len()] {
            let page = Page::post(gateway.addr, &json!({"user": "hi"})).await;
            let body = format!("{}{KEY} is wrong", "x".repeat(limit - shown));
            let body = if limit == 300 { body } else { json!({"error": {"message": body}}).to_string() };
            fake.asked().await.refuse("401 Unauthorized", "", &body).await;
            assert!(page.answer().await.status >= 400);
        }
    }
}

#[tokio::test]
async fn a_secret_that_a_provider_repeats_in_another_spelling_is_not_logged() {
    let fake = Fake::start().await;
    let gateway = Setup::new(&[fake.addr]).start().await;
    for body in [
        json!({"got": {"x-extra": HEADER}}).to_string(),
        json!({"error": {"code": {"got": KEY}, "message": "no"}}).to_string(),
        json!({"error": {"message": format!("the token {} is unknown", HEADER.split_once(' ').unwrap().1)}})
            .to_string(),
    ] {
        let page = Page::post(gateway.addr, &json!({"user": "hi"})).await;
        fake.asked().await.refuse("400 Bad Request", "", &body).await;
        assert!(page.answer().await.status >= 400);
    }
}
