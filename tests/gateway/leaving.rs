//! A page that goes away takes its provider's stream with it.

use std::sync::Arc;
use std::time::Duration;

use chatwire::config::plan::ToolKind;
use chatwire::tools::{Speaker, Tool, ToolFuture, ToolInput};
use serde_json::json;
use tokio::sync::mpsc;

use crate::support::fake::Fake;
use crate::support::page::Page;
use crate::support::{LONG, Setup, tool};

#[tokio::test]
async fn before_the_provider_has_answered() {
    let fake = Fake::start().await;
    let gateway = Setup::new(&[fake.addr]).start().await;
    let page = Page::post(gateway.addr, &json!({"user": "hi"})).await;
    let asked = fake.asked().await;
    drop(page);
    asked.closed().await;
}

#[tokio::test]
async fn before_the_first_token() {
    let fake = Fake::start().await;
    let gateway = Setup::new(&[fake.addr]).start().await;
    let page = Page::post(gateway.addr, &json!({"user": "hi"})).await;
    let mut asked = fake.asked().await;
    asked.begin().await;
    asked.send(": thinking\n").await;
    drop(page);
    asked.closed().await;
}

#[tokio::test]
async fn in_the_middle_of_the_answer() {
    let fake = Fake::start().await;
    let gateway = Setup::new(&[fake.addr]).start().await;
    let mut page = Page::post(gateway.addr, &json!({"user": "hi"})).await;
    let mut asked = fake.asked().await;
    asked.begin().await;
    asked.send("text one\n").await;
    page.until("one").await;
    drop(page);
    asked.closed().await;
}

#[tokio::test]
async fn while_it_waits_for_an_answer_that_is_one_document() {
    let fake = Fake::start().await;
    let gateway = Setup::new(&[fake.addr]).start().await;
    let page = Page::post(gateway.addr, &json!({"user": "hi", "stream": false})).await;
    let mut asked = fake.asked().await;
    asked.begin().await;
    asked.send("text one\n").await;
    drop(page);
    asked.closed().await;
}

#[tokio::test]
async fn or_stays_and_reads_nothing() {
    let fake = Fake::start().await;
    let mut setup = Setup::new(&[fake.addr]);
    setup.server.write_timeout = Duration::from_millis(200);
    let gateway = setup.start().await;
    let mut page = Page::post(gateway.addr, &json!({"user": "hi"})).await;
    let mut asked = fake.asked().await;
    asked.begin().await;
    asked.send("text one\n").await;
    page.until("one").await;
    let text = format!("text {}\n", "x".repeat(1 << 16));
    let flood = async { while asked.try_send(&text).await {} };
    tokio::time::timeout(LONG, flood).await.expect("the provider's stream is closed");
}

#[tokio::test]
async fn a_page_that_does_not_read_holds_the_provider_back_until_it_leaves() {
    let fake = Fake::start().await;
    let gateway = Setup::new(&[fake.addr]).start().await;
    let page = Page::post(gateway.addr, &json!({"user": "hi"})).await;
    let mut asked = fake.asked().await;
    asked.begin().await;
    let line = format!("text {}\n", "x".repeat(64 << 10));
    // More than all the sockets between can hold: sooner or later nobody takes the next line.
    let mut held_back = false;
    for _ in 0..2048 {
        held_back = tokio::time::timeout(Duration::from_secs(1), asked.send(&line)).await.is_err();
        if held_back {
            break;
        }
    }
    assert!(held_back, "128 MiB are kept for a page");
    drop(page);
    asked.closed().await;
}

/// Says when it is begun and when it is dropped.
#[derive(Debug)]
struct Endless(mpsc::UnboundedSender<&'static str>);

struct Guard(mpsc::UnboundedSender<&'static str>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.send("dropped").unwrap();
    }
}

impl Tool for Endless {
    fn run(&self, _: ToolInput, _: Speaker) -> ToolFuture {
        self.0.send("begun").unwrap();
        let guard = Guard(self.0.clone());
        Box::pin(async move {
            let _guard = guard;
            std::future::pending().await
        })
    }
}

#[tokio::test]
async fn while_a_tool_runs() {
    let fake = Fake::start().await;
    let (says, mut said) = mpsc::unbounded_channel();
    let mut setup = Setup::new(&[fake.addr]);
    setup.tools = vec![tool("endless", ToolKind::Code(Arc::new(Endless(says))))];
    let gateway = setup.start().await;
    let page = Page::post(gateway.addr, &json!({"user": "hi"})).await;
    fake.asked().await.answer("call c endless {}\nfinish tool_calls\n").await;
    assert_eq!(said.recv().await, Some("begun"));
    drop(page);
    assert_eq!(tokio::time::timeout(LONG, said.recv()).await.unwrap(), Some("dropped"));
}
