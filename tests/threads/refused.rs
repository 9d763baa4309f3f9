//! What a page may not ask: refused before a stream, with nothing stored; and what is somebody else's looks unknown.

use serde_json::{Value, json};

use crate::support::page::Page;
use crate::talk::{KAZ, MIA, Talk};

#[tokio::test]
async fn bad_requests_are_refused_and_change_nothing() {
    let talk = Talk::start().await;
    let thread = talk.thread("hello").await;
    let before = talk.items(&thread).await;
    let answer = before.iter().find(|item| item["body"]["kind"] == "assistant").unwrap()["id"].clone();
    let user = before[0]["id"].clone();
    let cases = [
        (json!({ "thread": "thr_nothere", "say": "x" }), 404, "unknown_thread"),
        (json!({ "thread": thread, "say": "  " }), 400, "empty_message"),
        (json!({ "say": "" }), 400, "empty_message"),
        (json!({ "say": "x", "model": "nobody" }), 404, "unknown_model"),
        (json!({ "thread": thread, "say": "x", "model": "nobody" }), 404, "unknown_model"),
        (json!({ "thread": thread, "say": "x", "attachments": ["atc_1"] }), 404, "unknown_attachment"),
        (json!({ "say": "x", "attachments": ["atc_1"] }), 404, "unknown_attachment"),
        (json!({ "thread": "t\n", "make": true, "say": "x" }), 400, "invalid_request"),
        (json!({ "thread": "t".repeat(300), "make": true, "say": "x" }), 400, "invalid_request"),
        (json!({ "thread": "t", "make": true, "retry": null }), 404, "unknown_thread"),
        (json!({ "thread": thread, "id": "", "say": "x" }), 400, "invalid_request"),
        (json!({ "thread": thread, "outputs": [] }), 409, "no_pending_call"),
        (json!({ "thread": thread, "outputs": [{ "output": 1 }] }), 409, "no_pending_call"),
        (json!({ "thread": thread, "outputs": [{ "call": "c", "output": 1 }] }), 409, "no_pending_call"),
        (json!({ "thread": thread, "outputs": [{ "approval": "a", "approved": true }] }), 409, "no_pending_call"),
        (json!({ "thread": "thr_nothere", "outputs": [{ "output": 1 }] }), 404, "unknown_thread"),
        (json!({ "thread": thread, "retry": "msg_nothere" }), 404, "unknown_item"),
        (json!({ "thread": thread, "retry": answer }), 400, "not_a_message"),
        (json!({ "thread": thread, "form": "nothere", "answers": {} }), 404, "unknown_item"),
        (json!({ "thread": thread, "form": user, "answers": {} }), 400, "not_a_form"),
        (json!({ "thread": thread, "action": "none" }), 404, "unknown_action"),
        (json!({ "thread": thread, "action": "none", "item": "nothere" }), 404, "unknown_item"),
        (json!({ "thread": thread, "action": "none", "item": user }), 400, "invalid_request"),
        (json!({ "op": "thread", "thread": "thr_nothere" }), 404, "unknown_thread"),
        (json!({ "op": "items", "thread": "thr_nothere" }), 404, "unknown_thread"),
        (json!({ "op": "items", "thread": thread, "after": "nothere" }), 404, "unknown_item"),
        (json!({ "op": "threads", "after": "nothere" }), 404, "unknown_thread"),
        (json!({ "op": "messages", "thread": "thr_nothere" }), 404, "unknown_thread"),
        (json!({ "op": "rename", "thread": "thr_nothere", "title": "x" }), 404, "unknown_thread"),
        (json!({ "op": "rename", "thread": thread, "title": " " }), 400, "invalid_request"),
        (json!({ "op": "rename", "thread": thread, "title": "x".repeat(201) }), 400, "invalid_request"),
        (json!({ "op": "feedback", "thread": "thr_nothere", "items": [] }), 404, "unknown_thread"),
        (json!({ "op": "feedback", "thread": thread, "items": ["nothere"] }), 404, "unknown_item"),
        (json!({ "op": "act", "thread": thread, "action": "none" }), 404, "unknown_action"),
        (json!({ "op": "attach" }), 404, "no_attachments"),
        (json!({ "op": "detach", "attachment": "atc_1" }), 404, "unknown_attachment"),
        (json!({ "op": "transcribe" }), 404, "no_dictation"),
    ];
    for (body, status, code) in cases {
        let refused = talk.ask(&body).await;
        assert_eq!((refused.status, &refused.json()["refused"]), (status, &json!(code)), "{body}: {}", refused.body);
    }
    assert_eq!(talk.items(&thread).await, before);
    let threads = talk.get(&json!({ "op": "threads" })).await;
    assert_eq!(threads["threads"].as_array().unwrap().len(), 1, "no refused request leaves a thread");
}

#[tokio::test]
async fn somebody_elses_thread_looks_exactly_like_an_unknown_one() {
    let talk = Talk::start().await;
    let thread = talk.thread("secret").await;
    let item = talk.kind(&thread, "assistant").await[0]["id"].clone();
    let bodies = |thread: &str| {
        [
            json!({ "thread": thread, "say": "x" }),
            json!({ "thread": thread, "outputs": [{ "output": 1 }] }),
            json!({ "thread": thread, "retry": null }),
            json!({ "thread": thread, "action": "a", "item": item }),
            json!({ "thread": thread, "form": item, "answers": {} }),
            json!({ "op": "thread", "thread": thread }),
            json!({ "op": "items", "thread": thread }),
            json!({ "op": "messages", "thread": thread }),
            json!({ "op": "rename", "thread": thread, "title": "mine" }),
            json!({ "op": "feedback", "thread": thread, "items": [item] }),
            json!({ "op": "delete", "thread": thread }),
            json!({ "op": "stop", "thread": thread }),
            json!({ "op": "resume", "thread": thread }),
            json!({ "op": "threads", "after": thread }),
        ]
    };
    let as_mia = async |body: &Value| {
        let answer = Page::post_with(talk.gateway.addr, MIA, body).await.answer().await;
        (answer.status, answer.body)
    };
    for (theirs, unknown) in bodies(&thread).iter().zip(bodies("thr_nothere").iter()) {
        assert_eq!(as_mia(theirs).await, as_mia(unknown).await, "{theirs}");
    }
    assert_eq!(talk.items(&thread).await.len(), talk.items(&thread).await.len());
    assert_eq!(talk.kind(&thread, "user").await.len(), 1);
    let nobody = Page::post_with(talk.gateway.addr, "", &json!({ "op": "threads" })).await.answer().await;
    assert_eq!(nobody.status, 401);
    // An id that a page makes is its user's own.
    for (user, text) in [(KAZ, "one"), (MIA, "two")] {
        let page =
            Page::post_with(talk.gateway.addr, user, &json!({ "thread": "same", "make": true, "say": text })).await;
        let asked = talk.fake.asked().await;
        assert_eq!(asked.body["messages"], json!([["user", [text]]]));
        asked.answer("text ok\nfinish stop\n").await;
        assert_eq!(page.answer().await.status, 200);
    }
}

#[tokio::test]
async fn paths_below_a_kept_route_are_its_own() {
    let talk = Talk::start().await;
    let request = async |head: &str| {
        let head = format!("{head} HTTP/1.1\r\nhost: localhost\r\n{KAZ}connection: close\r\n\r\n");
        Page::raw(talk.gateway.addr, &head).await.answer().await
    };
    assert_eq!(request("GET /chat/whole").await.status, 200);
    assert_eq!(request("GET /chat/whole?x=1").await.status, 200);
    let wrong = request("DELETE /chat/whole").await;
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("GET, POST, PUT, PATCH, DELETE, OPTIONS")));
    assert_eq!(request("GET /chat").await.status, 405);
    let below = request("GET /chat/a%2Fb/c").await;
    assert_eq!((below.status, &below.json()["why"]), (404, &json!("/a%2Fb/c")), "as it was sent");
    assert_eq!(request("GET /chatter").await.status, 404);
    assert!(request("GET /chatter").await.json()["error"].is_object(), "that is nobody's");
    assert_eq!(request("OPTIONS /chat/whole").await.status, 204);
    let text = "POST /chat HTTP/1.1\r\nhost: localhost\r\nx-user: kaz\r\ncontent-type: text/plain\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
    assert_eq!(Page::raw(talk.gateway.addr, text).await.answer().await.status, 415);
}

#[tokio::test]
async fn a_failure_of_the_model_keeps_the_message_and_says_so_inside() {
    let talk = Talk::start().await;
    let page = Page::post_with(talk.gateway.addr, talk.user, &json!({ "say": "hi" })).await;
    talk.fake.asked().await.refuse("400 Bad Request", "", "{}").await;
    let answer = page.answer().await;
    assert_eq!((answer.status, &answer.end()["event"]), (200, &json!("failed")));
    let thread = crate::talk::id_of(&answer);
    assert_eq!(talk.kind(&thread, "user").await.len(), 1);
    let (again, told) = talk.turn(&json!({ "thread": thread, "retry": null }), "text ok\nfinish stop").await;
    assert_eq!((again.text(), told), ("ok".to_owned(), json!([["user", ["hi"]]])));
}
