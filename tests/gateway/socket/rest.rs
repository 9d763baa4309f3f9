//! Chats over REST.

use serde_json::json;

use super::{Socket, chat, rest, start};

#[tokio::test]
async fn chats_are_made_named_listed_by_their_activity_found_and_deleted() {
    let (fake, gateway) = start().await;
    let addr = gateway.addr;
    let old = chat(addr).await;
    let (status, new) = rest(addr, "POST", "/api/chats", Some(&json!({"title": " Zürich "}))).await;
    assert_eq!((status, &new["title"]), (201, &json!("Zürich")));
    let new = new["id"].as_str().unwrap().to_owned();
    let mut socket = Socket::open(addr).await;
    socket.say(&old, "Grüezi mitenand").await;
    fake.asked().await.answer("text Ein \"ZITAT\"\nfinish stop\n").await;
    socket.until(&["result"]).await;
    let ids = |list: &serde_json::Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|chat| chat["id"].as_str().unwrap().to_owned()).collect()
    };
    let (status, list) = rest(addr, "GET", "/api/chats", None).await;
    assert_eq!((status, ids(&list)), (200, vec![old.clone(), new.clone()]));
    for (query, found) in [
        ("GR%C3%9CEZI", vec![&old]),
        ("%22zitat%22", vec![&old]),
        ("z%C3%BCrich", vec![&new]),
        ("text", vec![]),
        ("gr%C3%BCezi+mit", vec![&old]),
    ] {
        let (_, list) = rest(addr, "GET", &format!("/api/chats/search?q={query}"), None).await;
        assert_eq!(ids(&list).iter().collect::<Vec<_>>(), found, "{query}");
    }
    for method in ["PUT", "PATCH"] {
        let (status, named) = rest(addr, method, &format!("/api/chats/{new}"), Some(&json!({"title": method}))).await;
        assert_eq!((status, &named["title"]), (200, &json!(method)));
    }
    assert_eq!(ids(&rest(addr, "GET", "/api/chats", None).await.1)[0], new);
    let path = format!("/api/chats/{old}");
    assert_eq!(rest(addr, "DELETE", &path, None).await, (200, json!({"success": true})));
    for (method, path) in [("GET", path.clone()), ("DELETE", path.clone()), ("GET", format!("{path}/messages"))] {
        let (status, body) = rest(addr, method, &path, None).await;
        assert!(status == 404 && body["error"].is_string(), "{method} {path}: {status} {body}");
    }
}

#[tokio::test]
async fn mistakes_have_their_status_and_words() {
    let (_fake, gateway) = start().await;
    let id = chat(gateway.addr).await;
    let path = format!("/api/chats/{id}");
    for (method, path, body, status) in [
        ("GET", "/api", None, 404),
        ("GET", "/nothing", None, 404),
        ("PUT", "/api/chats", None, 405),
        ("POST", path.as_str(), None, 405),
        ("GET", "/api/chats/search", None, 400),
        ("GET", "/api/chats/search?q=%20", None, 400),
        ("GET", "/api/chats/search?q=%f", None, 400),
        ("PUT", path.as_str(), Some(json!({})), 400),
        ("PUT", path.as_str(), Some(json!({"title": ""})), 400),
        ("PUT", path.as_str(), Some(json!({"title": 5})), 400),
        ("POST", "/api/chats", Some(json!({"title": "x".repeat(500)})), 400),
        ("GET", "/ws/chat", None, 426),
    ] {
        let (got, answer) = rest(gateway.addr, method, path, body.as_ref()).await;
        assert_eq!(got, status, "{method} {path} {answer}");
        assert!(answer["error"].is_string(), "{method} {path} {answer}");
    }
}
