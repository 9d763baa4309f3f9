//! What was tried is seen in the reply's head; keys take each other's place; over real sockets.

use chatwire::config::plan::RetryPlan;
use chatwire::secret::Secret;
use serde_json::json;

use crate::support::fake::Fake;
use crate::support::page::Page;
use crate::support::{Setup, nobody};

const HEADER: &str = "x-chatwire-attempts";

fn keys(keys: &[&str]) -> Vec<Secret> {
    keys.iter().map(|key| Secret::new(*key)).collect()
}

fn key_of(head: &str) -> &str {
    head.lines().find_map(|line| line.strip_prefix("authorization: Bearer ")).unwrap()
}

#[tokio::test]
async fn a_reply_says_what_was_tried_as_a_stream_as_a_document_and_as_a_failure() {
    for whole in [false, true] {
        let good = Fake::start().await;
        let gateway = Setup::new(&[nobody().await, good.addr]).start().await;
        let page = Page::post(gateway.addr, &json!({"user": "hi", "stream": !whole})).await;
        good.asked().await.answer("text one\nfinish stop\n").await;
        let answer = page.answer().await;
        assert_eq!(answer.header(HEADER), Some("p0/model-0=connect, p1/model-1=ok"), "{}", answer.head);
    }
    let gateway = Setup::new(&[nobody().await]).start().await;
    let answer = Page::post(gateway.addr, &json!({"user": "hi"})).await.answer().await;
    assert_eq!((answer.status, answer.header(HEADER)), (502, Some("p0/model-0=connect")));
}

#[tokio::test]
async fn a_refused_key_rests_and_the_next_one_takes_its_place() {
    for status in ["401 Unauthorized", "429 Too Many Requests", "402 Payment Required"] {
        let fake = Fake::start().await;
        let mut setup = Setup::new(&[fake.addr]);
        setup.keys = keys(&["key-number-one", "key-number-two"]);
        let gateway = setup.start().await;
        let page = Page::post(gateway.addr, &json!({"user": "hi"})).await;
        let asked = fake.asked().await;
        assert_eq!(key_of(&asked.head), "key-number-one");
        asked.refuse(status, "", "{\"error\":{\"message\":\"no, key-number-one\"}}").await;
        let asked = fake.asked().await;
        assert_eq!(key_of(&asked.head), "key-number-two");
        asked.answer("text one\nfinish stop\n").await;
        assert_eq!(page.answer().await.text(), "one");
        for _ in 0..2 {
            let page = Page::post(gateway.addr, &json!({"user": "hi"})).await;
            let asked = fake.asked().await;
            assert_eq!(key_of(&asked.head), "key-number-two", "{status}");
            asked.answer("text one\nfinish stop\n").await;
            assert_eq!(page.answer().await.text(), "one");
        }
    }
}

#[tokio::test]
async fn when_all_keys_are_refused_the_next_target_answers() {
    let (fake, other) = (Fake::start().await, Fake::start().await);
    let mut setup = Setup::new(&[fake.addr, other.addr]);
    setup.keys = keys(&["key-number-one", "key-number-two"]);
    let gateway = setup.start().await;
    let page = Page::post(gateway.addr, &json!({"user": "hi"})).await;
    for _ in 0..2 {
        fake.asked().await.refuse("403 Forbidden", "", "{}").await;
    }
    other.asked().await.answer("text one\nfinish stop\n").await;
    let answer = page.answer().await;
    assert_eq!(answer.header(HEADER), Some("p0/model-0=auth, p0/model-0=auth, p1/model-1=ok"));
}

#[tokio::test]
async fn a_lost_connection_is_a_try() {
    let fake = Fake::start().await;
    let mut setup = Setup::new(&[fake.addr]);
    setup.retry = RetryPlan::default();
    let gateway = setup.start().await;
    let page = Page::post(gateway.addr, &json!({"user": "hi"})).await;
    for _ in 0..3 {
        drop(fake.asked().await);
    }
    let answer = page.answer().await;
    let tried = "p0/model-0=lost, p0/model-0=cut, p0/model-0=cut";
    assert_eq!((answer.status, answer.header(HEADER)), (502, Some(tried)));
}
