//! One thing at a time on each thread; stopping and coming back.

use chatwire::turn::{Busy, Leaving};
use serde_json::json;

use crate::support::memory;
use crate::support::page::Page;
use crate::talk::{Talk, id_of};

async fn with(busy: Busy, leaving: Leaving) -> Talk {
    Talk::with(|setup| {
        let mut memory = memory();
        (memory.busy, memory.leaving) = (busy, leaving);
        setup.memory = Some(memory);
    })
    .await
}

#[tokio::test]
async fn two_messages_of_one_thread_are_answered_one_after_the_other() {
    let talk = with(Busy::Wait, Leaving::Cancel).await;
    let thread = talk.thread("zero").await;
    let first = Page::post_with(talk.gateway.addr, talk.user, &json!({ "thread": thread, "say": "one" })).await;
    let asked = talk.fake.asked().await;
    let second = Page::post_with(talk.gateway.addr, talk.user, &json!({ "thread": thread, "say": "two" })).await;
    asked.answer("text first\nfinish stop\n").await;
    let after = talk.fake.asked().await;
    let told = after.body["messages"].to_string();
    assert!(told.contains("first") && told.ends_with(r#"["user",["two"]]]"#), "{told}");
    after.answer("text second\nfinish stop\n").await;
    assert_eq!(first.answer().await.text(), "first");
    assert_eq!(second.answer().await.text(), "second");
}

#[tokio::test]
async fn a_message_beside_a_running_turn_is_refused_where_the_route_says_so() {
    let talk = with(Busy::Refuse, Leaving::Cancel).await;
    let thread = talk.thread("zero").await;
    let first = Page::post_with(talk.gateway.addr, talk.user, &json!({ "thread": thread, "say": "one" })).await;
    let asked = talk.fake.asked().await;
    let refused = talk.ask(&json!({ "thread": thread, "say": "two" })).await;
    assert_eq!((refused.status, &refused.json()["refused"]), (409, &json!("busy")));
    asked.answer("text first\nfinish stop\n").await;
    assert_eq!(first.answer().await.text(), "first");
    assert_eq!(talk.kind(&thread, "user").await.len(), 2, "the refused one is not stored");
}

#[tokio::test]
async fn a_message_interrupts_a_running_turn_where_the_route_says_so() {
    let talk = with(Busy::Interrupt, Leaving::Cancel).await;
    let thread = talk.thread("zero").await;
    let first = Page::post_with(talk.gateway.addr, talk.user, &json!({ "thread": thread, "say": "one" })).await;
    let asked = talk.fake.asked().await;
    let (second, _) = talk.turn(&json!({ "thread": thread, "say": "two" }), "text second\nfinish stop").await;
    asked.closed().await;
    let end = first.answer().await.end();
    assert_eq!((&end["event"], &end["by"]), (&json!("cancelled"), &json!("newer_turn")));
    assert_eq!(second.text(), "second");
}

#[tokio::test]
async fn a_turn_can_be_followed_again_and_stopped() {
    let talk = with(Busy::Wait, Leaving::Finish).await;
    let thread = talk.thread("zero").await;
    let resume = json!({ "op": "resume", "thread": thread });
    assert_eq!(talk.ask(&resume).await.status, 204);
    let mut first = Page::post_with(talk.gateway.addr, talk.user, &json!({ "thread": thread, "say": "one" })).await;
    let mut asked = talk.fake.asked().await;
    asked.begin().await;
    asked.send("text part\n").await;
    first.until("part").await;
    drop(first);
    let mut again = Page::post_with(talk.gateway.addr, talk.user, &resume).await;
    again.until("part").await;
    let stranger = Page::post_with(talk.gateway.addr, crate::talk::MIA, &resume).await.answer().await;
    assert_eq!(stranger.status, 204, "somebody else's turn cannot be followed");
    let stop = json!({ "op": "stop", "thread": thread });
    let stranger = Page::post_with(talk.gateway.addr, crate::talk::MIA, &stop).await.answer().await;
    assert_eq!(stranger.json(), json!({ "stopped": false }));
    assert_eq!(talk.get(&stop).await, json!({ "stopped": true }));
    assert_eq!(again.answer().await.end()["event"], "cancelled");
    assert_eq!(talk.get(&stop).await, json!({ "stopped": false }));
    let said = talk.kind(&thread, "assistant").await;
    assert_eq!(said.last().unwrap()["body"]["text"], "part");
}

#[tokio::test]
async fn a_thread_is_deleted_with_the_turn_that_runs_in_it() {
    let talk = with(Busy::Wait, Leaving::Finish).await;
    let thread = talk.thread("zero").await;
    let page = Page::post_with(talk.gateway.addr, talk.user, &json!({ "thread": thread, "say": "one" })).await;
    let asked = talk.fake.asked().await;
    let delete = json!({ "op": "delete", "thread": thread });
    assert_eq!(talk.get(&delete).await, json!({ "done": true }));
    asked.closed().await;
    assert_eq!(page.answer().await.end()["event"], "cancelled");
    assert_eq!(talk.get(&delete).await, json!({ "done": false }));
    assert_eq!(talk.ask(&json!({ "op": "thread", "thread": thread })).await.status, 404);
    let (new, _) = talk.turn(&json!({ "say": "hi" }), "text ok\nfinish stop").await;
    assert_ne!(id_of(&new), thread);
}
