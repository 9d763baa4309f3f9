//! The provider fails: a plain error before the stream, one error frame in it, the next target where that can help.

use std::pin::pin;
use std::time::Duration;

use serde_json::json;

use crate::support::fake::Fake;
use crate::support::page::{Answer, Page};
use crate::support::{KEY, Setup, nobody};

const SOON: Duration = Duration::from_millis(150);

async fn asked_once(setup: Setup) -> Page {
    let gateway = setup.start().await;
    Page::post(gateway.addr, &json!({"user": "hi"})).await
}

fn leaks_nothing(answer: &Answer) {
    let all = format!("{}{}", answer.head, answer.body);
    for word in [KEY, "127.0.0.1:", "secret words"] {
        assert!(!all.replace("host: 127.0.0.1", "").contains(word), "{word} in {all}");
    }
}

#[tokio::test]
async fn an_error_status_becomes_the_dialects_error_with_its_own_status() {
    let cases = [
        ("400 Bad Request", 400, "bad_request"),
        ("401 Unauthorized", 502, "auth"),
        ("404 Not Found", 404, "not_found"),
        ("429 Too Many Requests", 429, "rate_limit"),
        ("500 Internal Server Error", 502, "server"),
        ("503 Service Unavailable", 503, "overloaded"),
        ("307 Temporary Redirect", 502, "malformed"),
    ];
    for (status, expected, code) in cases {
        let fake = Fake::start().await;
        let page = asked_once(Setup::new(&[fake.addr])).await;
        let body = format!("{{\"error\":{{\"message\":\"secret words {KEY}\"}}}}");
        fake.asked().await.refuse(status, "retry-after: 7\r\nlocation: http://127.0.0.1:1/\r\n", &body).await;
        let answer = page.answer().await;
        assert_eq!((answer.status, answer.json()["refused"].as_str()), (expected, Some(code)), "{status}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        if code == "rate_limit" {
            assert_eq!(answer.header("retry-after"), Some("7"));
        }
        leaks_nothing(&answer);
    }
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_a_bad_gateway() {
    let answer = asked_once(Setup::new(&[nobody().await])).await.answer().await;
    assert_eq!((answer.status, answer.json()["refused"].as_str()), (502, Some("connect")));
    leaks_nothing(&answer);
}

#[tokio::test]
async fn a_lost_connection_is_made_anew_and_no_other_kept_one_is_tried() {
    let fake = Fake::start().await;
    let gateway = Setup::new(&[fake.addr]).start().await;
    let body = json!({"user": "hi"});
    let pages = [Page::post(gateway.addr, &body).await, Page::post(gateway.addr, &body).await];
    let mut kept = [fake.asked().await, fake.asked().await];
    for asked in &mut kept {
        asked.answer_and_stay("text a\nfinish stop\n").await;
    }
    for page in pages {
        assert_eq!(page.answer().await.status, 200);
    }
    let page = Page::post(gateway.addr, &body).await;
    let [first, second] = kept;
    let (mut first, mut second) = (pin!(first.again()), pin!(second.again()));
    drop(tokio::select! {
        lost = &mut first => lost,
        lost = &mut second => lost,
    });
    fake.asked().await.answer("text b\nfinish stop\n").await;
    assert_eq!(page.answer().await.text(), "b");
}

#[tokio::test]
async fn a_provider_that_closes_without_an_answer_is_asked_once_more_and_then_a_bad_gateway() {
    let fake = Fake::start().await;
    let page = asked_once(Setup::new(&[fake.addr])).await;
    drop(fake.asked().await);
    drop(fake.asked().await);
    let answer = page.answer().await;
    assert_eq!((answer.status, answer.json()["refused"].as_str()), (502, Some("cut")));
}

#[tokio::test]
async fn a_page_or_nothing_instead_of_a_stream_is_a_bad_gateway() {
    for (body, code) in [("<html><h1>502</h1></html>\n", "malformed"), ("", "empty"), (": only a comment\n", "empty")] {
        let fake = Fake::start().await;
        let page = asked_once(Setup::new(&[fake.addr])).await;
        fake.asked().await.refuse("200 OK", "content-type: text/html\r\n", body).await;
        let answer = page.answer().await;
        assert_eq!((answer.status, answer.json()["refused"].as_str()), (502, Some(code)), "{body:?}");
    }
}

#[tokio::test]
async fn an_encoded_answer_is_refused() {
    let fake = Fake::start().await;
    let page = asked_once(Setup::new(&[fake.addr])).await;
    fake.asked().await.refuse("200 OK", "content-encoding: gzip\r\n", "\x1f").await;
    assert_eq!(page.answer().await.json()["refused"], "malformed");
}

#[tokio::test]
async fn a_provider_that_says_nothing_in_time_is_a_gateway_timeout() {
    let headers = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    for said in ["", "HTTP/1.1 200 OK\r\n", headers] {
        let fake = Fake::start().await;
        let mut setup = Setup::new(&[fake.addr]);
        setup.timeouts.first_byte = SOON;
        let page = asked_once(setup).await;
        let mut asked = fake.asked().await;
        asked.raw(said).await;
        let answer = page.answer().await;
        assert_eq!((answer.status, answer.json()["refused"].as_str()), (504, Some("timeout")), "{said:?}");
        asked.closed().await;
    }
}

#[tokio::test]
async fn a_stream_that_stalls_ends_with_one_error_frame() {
    let fake = Fake::start().await;
    let mut setup = Setup::new(&[fake.addr]);
    setup.timeouts.idle = SOON;
    let page = asked_once(setup).await;
    let mut asked = fake.asked().await;
    asked.begin().await;
    asked.send("text one\n").await;
    let answer = page.answer().await;
    assert_eq!(answer.text(), "one");
    assert_eq!(answer.end()["kind"], "timeout");
    asked.closed().await;
}

#[tokio::test]
async fn a_long_wait_before_the_first_byte_is_no_stall() {
    let fake = Fake::start().await;
    let mut setup = Setup::new(&[fake.addr]);
    setup.timeouts.idle = SOON;
    let page = asked_once(setup).await;
    let mut asked = fake.asked().await;
    // A model is loaded before the head, and thinks behind it: this is about time, so time must pass.
    tokio::time::sleep(2 * SOON).await;
    asked.begin().await;
    tokio::time::sleep(2 * SOON).await;
    asked.send("text one\nfinish stop\n").await;
    assert_eq!(page.answer().await.end()["event"], "turn_end");
}

#[tokio::test]
async fn any_byte_of_the_provider_is_a_sign_of_life() {
    let fake = Fake::start().await;
    let mut setup = Setup::new(&[fake.addr]);
    setup.timeouts.idle = Duration::from_secs(1);
    let page = asked_once(setup).await;
    let mut asked = fake.asked().await;
    asked.begin().await;
    // Comments over more than the limit: this is about time, so time must pass.
    for _ in 0..6 {
        asked.send(": alive\n").await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    asked.send("text one\nfinish stop\n").await;
    assert_eq!(page.answer().await.end()["event"], "turn_end");
}

#[tokio::test]
async fn a_cut_stream_never_looks_finished() {
    for ending in ["", "zz\r\n", "0\r\n\r\n"] {
        let fake = Fake::start().await;
        let page = asked_once(Setup::new(&[fake.addr])).await;
        let mut asked = fake.asked().await;
        asked.begin().await;
        asked.send("text one\n").await;
        asked.raw(ending).await;
        drop(asked);
        let answer = page.answer().await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "one"), "{ending:?}");
        assert_eq!(answer.end()["kind"], "cut", "{ending:?}");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_behind_the_end_takes_nothing_back() {
    for ending in ["finish stop\n", "finishing\n"] {
        let fake = Fake::start().await;
        let page = asked_once(Setup::new(&[fake.addr])).await;
        let mut asked = fake.asked().await;
        asked.begin().await;
        asked.send(&format!("text one\n{ending}")).await;
        asked.raw("zz\r\n").await;
        drop(asked);
        let answer = page.answer().await;
        assert_eq!((answer.text().as_str(), answer.end()["event"].as_str()), ("one", Some("turn_end")), "{ending:?}");
    }
}

#[tokio::test]
async fn an_error_in_the_stream_ends_it_without_the_providers_words() {
    let fake = Fake::start().await;
    let page = asked_once(Setup::new(&[fake.addr])).await;
    fake.asked().await.answer("text one\nfail secret words\ntext two\n").await;
    let answer = page.answer().await;
    assert_eq!((answer.text().as_str(), answer.end()["kind"].as_str()), ("one", Some("server")));
    leaks_nothing(&answer);
}

#[tokio::test]
async fn an_answer_that_is_one_document_is_never_half_an_answer() {
    let fake = Fake::start().await;
    let gateway = Setup::new(&[fake.addr]).start().await;
    let page = Page::post(gateway.addr, &json!({"user": "hi", "stream": false})).await;
    fake.asked().await.answer("text one\nfail x\n").await;
    assert_eq!(page.answer().await.status, 502);
}

#[tokio::test]
async fn a_turn_that_takes_too_long_ends_with_one_error_frame() {
    let fake = Fake::start().await;
    let mut setup = Setup::new(&[fake.addr]);
    setup.turn_timeout = Duration::from_secs(1);
    let page = asked_once(setup).await;
    let mut asked = fake.asked().await;
    asked.begin().await;
    asked.send("text one\n").await;
    assert_eq!(page.answer().await.end()["kind"], "timeout");
}

#[tokio::test]
async fn a_panic_in_a_turn_is_one_error_frame() {
    let fake = Fake::start().await;
    let mut page = asked_once(Setup::new(&[fake.addr])).await;
    let mut asked = fake.asked().await;
    asked.begin().await;
    asked.send("text one\n").await;
    page.until("one").await;
    asked.send("panic\n").await;
    assert_eq!(page.answer().await.end()["kind"], "internal");
}

#[tokio::test]
async fn the_next_target_answers_when_the_first_cannot() {
    let (broken, good) = (Fake::start().await, Fake::start().await);
    let page = asked_once(Setup::new(&[nobody().await, broken.addr, good.addr])).await;
    let mut asked = broken.asked().await;
    asked.begin().await;
    asked.send("begun\nfail busy\n").await;
    let asked = good.asked().await;
    assert_eq!(asked.body["model"], "model-2");
    asked.answer("text two\nfinish stop\n").await;
    let answer = page.answer().await;
    assert_eq!(answer.text(), "two");
    assert_eq!(answer.names().iter().filter(|name| *name == "step_start").count(), 1);
}

#[tokio::test]
async fn no_other_target_is_asked_once_the_page_has_seen_text_or_where_it_cannot_help() {
    for (first, status) in [("text one\nfail x\n", 200), ("", 400)] {
        let (fake, other) = (Fake::start().await, Fake::start().await);
        let page = asked_once(Setup::new(&[fake.addr, other.addr])).await;
        let asked = fake.asked().await;
        if first.is_empty() {
            asked.refuse("400 Bad Request", "", "{}").await;
        } else {
            asked.answer(first).await;
        }
        assert_eq!(page.answer().await.status, status);
        let never = std::pin::pin!(other.asked());
        assert!(futures_poll(never), "the other target was asked");
    }
}

/// True if the future is not ready.
fn futures_poll<F: Future>(future: std::pin::Pin<&mut F>) -> bool {
    future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_pending()
}
