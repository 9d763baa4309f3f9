//! A silent provider: the page's connection is kept open.

use std::time::Duration;

use serde_json::json;

use crate::support::Setup;
use crate::support::fake::Fake;
use crate::support::page::Page;

async fn silent() -> (Fake, Page) {
    let fake = Fake::start().await;
    let mut setup = Setup::new(&[fake.addr]);
    setup.keep_alive = Some(Duration::from_millis(50));
    let gateway = setup.start().await;
    (fake, Page::post(gateway.addr, &json!({"user": "hi"})).await)
}

#[tokio::test]
async fn silence_is_broken_before_the_first_token_and_in_the_middle() {
    let (fake, mut page) = silent().await;
    let mut asked = fake.asked().await;
    page.until("\r\n:\n\r\n").await;
    asked.begin().await;
    asked.send("text one\n").await;
    page.until("one").await;
    page.until("one\"}\n{\"event\":\"block_end\",\"block\":0,\"whole\":true}\n\r\n2\r\n:\n\r\n").await;
    asked.send("finish stop\n").await;
    let answer = page.answer().await;
    assert_eq!(answer.end()["event"], "turn_end");
}

#[tokio::test]
async fn signs_of_life_that_stay_with_the_gateway_are_none_for_the_page() {
    let (fake, mut page) = silent().await;
    let mut asked = fake.asked().await;
    asked.begin().await;
    let pinging = async {
        loop {
            asked.send(": thinking\n").await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        () = pinging => {}
        _ = page.until("\r\n:\n\r\n") => {}
    }
}

#[tokio::test]
async fn a_failure_after_the_head_has_gone_is_an_error_frame() {
    let (fake, mut page) = silent().await;
    let asked = fake.asked().await;
    page.until("turn_start").await;
    asked.refuse("500 Internal Server Error", "", "{}").await;
    let answer = page.answer().await;
    assert_eq!((answer.status, answer.end()["kind"].as_str()), (200, Some("server")));
}
