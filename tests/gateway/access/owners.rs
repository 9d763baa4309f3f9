//! Whose things are: two keys never see each other's.

use serde_json::{Value, json};

use super::{ANN, BOB, BOB_NEW, keys, plan, send, send_with, start};
use crate::support::Gateway;

/// What Ann has made: how it is asked for, and what is answered to her.
struct Made {
    method: &'static str,
    path: String,
    body: String,
}

fn get(path: String) -> Made {
    Made { method: "GET", path, body: String::new() }
}

async fn made(gateway: &Gateway) -> Vec<Made> {
    let mut all = Vec::new();
    let say = json!({"type": "threads.create", "params": {"input": {
        "content": [{"type": "input_text", "text": "My name is Kaz"}], "attachments": [], "inference_options": {}}}});
    let thread = send(gateway, "POST", "/chatkit", ANN, &say.to_string()).await;
    let thread = thread.body.split("\"id\":\"thr_").nth(1).unwrap().split('"').next().unwrap().to_owned();
    for operation in ["threads.get_by_id", "items.list"] {
        let body = json!({"type": operation, "params": {"thread_id": format!("thr_{thread}")}}).to_string();
        all.push(Made { method: "POST", path: "/chatkit".to_owned(), body });
    }
    let fact = send(gateway, "GET", "/facts", ANN, "").await.json();
    let fact = fact["facts"][0]["id"].as_str().unwrap().to_owned();
    for what in ["save", "discard"] {
        all.push(Made { method: "POST", path: format!("/facts/{fact}/{what}"), body: String::new() });
    }
    let form = "--XX\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\
        content-type: text/plain\r\n\r\ntea\r\n--XX--\r\n";
    let head = format!(
        "POST /attachments HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx-api-key: {ANN}\r\n\
         content-type: multipart/form-data; boundary=XX\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    );
    let file = crate::support::page::Page::raw(gateway.addr, &head).await.answer().await.json();
    all.push(get(format!("/attachments/{}", file["id"].as_str().unwrap())));
    let session = send(gateway, "POST", "/agents/sessions", ANN, "").await.json();
    let session = session["session_id"].as_str().unwrap().to_owned();
    all.push(Made { method: "POST", path: format!("/agents/sessions/{session}/clear"), body: String::new() });
    all.push(get(format!("/agents/sessions/{session}")));
    let chat = send(gateway, "POST", "/agent-chat/api/chats", ANN, "{}").await.json();
    all.push(get(format!("/agent-chat/api/chats/{}", chat["id"].as_str().unwrap())));
    let kept = json!({"id": "c1", "message": {"id": "u1", "role": "user", "parts": [{"type": "text", "text": "Hi"}]}});
    assert_eq!(send(gateway, "POST", "/api/memory", ANN, &kept.to_string()).await.status, 200);
    all.push(get("/api/memory/c1/messages".to_owned()));
    all
}

#[tokio::test]
async fn another_key_deletes_nothing() {
    let gateway = start(plan(&[], &keys())).await;
    let Made { method, path, body } = made(&gateway).await.remove(0);
    let delete = body.replace("threads.get_by_id", "threads.delete");
    // What is not there need not be deleted, so this is no error.
    assert_eq!(send(&gateway, method, &path, BOB, &delete).await.status, 200);
    assert_eq!(send(&gateway, method, &path, ANN, &body).await.status, 200);
    assert_eq!(send(&gateway, method, &path, ANN, &delete).await.status, 200);
    assert_eq!(send(&gateway, method, &path, ANN, &body).await.status, 404);
}

#[tokio::test]
async fn what_one_key_has_made_is_not_there_for_another() {
    let gateway = start(plan(&[], &keys())).await;
    for Made { method, path, body } in made(&gateway).await {
        for key in [BOB, BOB_NEW] {
            let answer = send(&gateway, method, &path, key, &body).await;
            assert_eq!(answer.status, 404, "{method} {path} {body}: {}", answer.body);
        }
        let own = send(&gateway, method, &path, ANN, &body).await;
        assert_eq!(own.status, 200, "{method} {path} {body}: {}", own.body);
    }
    let facts = send(&gateway, "GET", "/facts", BOB, "").await.json();
    assert_eq!(facts["facts"], json!([]));
}

/// How many facts this caller has.
async fn facts(gateway: &Gateway, headers: &str) -> usize {
    let answer = send_with(gateway, "GET", "/facts", headers, "").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["facts"].as_array().map_or(0, Vec::len)
}

#[tokio::test]
async fn several_values_of_a_key_are_one_owner() {
    let gateway = start(plan(&[], &keys())).await;
    let body = json!({"messages": [{"role": "user", "content": "My name is Kaz"}]}).to_string();
    assert_eq!(send(&gateway, "POST", "/ai/v4", BOB, &body).await.status, 200);
    for (key, expected) in [(BOB, 1), (BOB_NEW, 1), (ANN, 0)] {
        assert_eq!(facts(&gateway, &format!("x-api-key: {key}\r\n")).await, expected, "{key}");
    }
}

#[tokio::test]
async fn a_header_names_the_owner_only_where_no_key_does() {
    let keys = keys().replace("[auth.keys.bob]\n", "[auth.keys.bob]\nowner = \"kaz\"\n");
    let header = [("# [owner]\n# header = \"x-user-id\"", "[owner]\nheader = \"x-user-id\"")];
    let gateway = start(plan(&header, &keys)).await;
    let body = json!({"messages": [{"role": "user", "content": "My name is Kaz"}]}).to_string();
    let (ann, bob) = (format!("x-api-key: {ANN}\r\n"), format!("x-api-key: {BOB}\r\n"));
    let user = |key: &str, name: &str| format!("{key}x-user-id: {name}\r\n");
    assert_eq!(send_with(&gateway, "POST", "/ai/v4", &user(&bob, "mia"), &body).await.status, 200);
    for (headers, expected) in
        [(bob.clone(), 1), (user(&bob, "mia"), 1), (user(&ann, "kaz"), 1), (user(&ann, "mia"), 0)]
    {
        assert_eq!(facts(&gateway, &headers).await, expected, "{headers}");
    }
    for headers in [ann.clone(), user(&ann, "key:bob"), format!("{}x-user-id: kaz\r\n", user(&ann, "mia"))] {
        let answer = send_with(&gateway, "GET", "/facts", &headers, "").await;
        assert_eq!((answer.status, answer.json()["detail"].is_string()), (401, true), "{headers}");
    }
    let _: Value = send_with(&gateway, "GET", "/api/tools", &ann, "").await.json();
}
