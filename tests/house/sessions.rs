//! The sessions of the agent's session server.

use serde_json::{Value, json};

use crate::House;

async fn house() -> House {
    House::start("agent-sse", "/", json!({})).await
}

fn question(session: &str, text: &str) -> Value {
    json!({ "message": text, "session_id": session })
}

#[tokio::test]
async fn a_session_is_made_shown_listed_emptied_and_deleted() {
    let house = house().await;
    let made = house.ask("POST", "/sessions", r#"{"system_prompt":"Be brief."}"#).await.json();
    let id = made["session_id"].as_str().unwrap().to_owned();
    assert!(made["created_at"].as_str().unwrap().ends_with('Z'));
    let (_, told) = house.turn("/agent/query", &question(&id, "hi"), "text hello\nfinish stop").await;
    assert_eq!(told, json!([["system", ["Be brief."]], ["user", ["hi"]]]));
    let shown = house.ask("GET", &format!("/sessions/{id}"), "").await.json();
    assert_eq!((&shown["message_count"], &shown["created_at"]), (&json!(2), &made["created_at"]));
    let other = house.ask("POST", "/sessions", "").await.json();
    let list = house.ask("GET", "/sessions", "").await.json();
    let ids: Vec<_> = list["sessions"].as_array().unwrap().iter().map(|session| &session["session_id"]).collect();
    assert_eq!(ids, [&other["session_id"], &json!(id)]);
    assert_eq!(list["sessions"][1], shown);
    let cleared = house.ask("POST", &format!("/sessions/{id}/clear"), "").await;
    assert_eq!(cleared.json(), json!({ "session_id": id, "cleared": true }));
    let shown = house.ask("GET", &format!("/sessions/{id}"), "").await.json();
    assert_eq!((&shown["message_count"], &shown["usage"]["total_tokens"]), (&json!(0), &json!(5)), "what is spent is");
    let (_, told) = house.turn("/agent/query", &question(&id, "anew"), "text ok\nfinish stop").await;
    assert_eq!(told, json!([["system", ["Be brief."]], ["user", ["anew"]]]), "it is forgotten, but for the prompt");
    let deleted = house.ask("DELETE", &format!("/sessions/{id}"), "").await;
    assert_eq!(deleted.json(), json!({ "deleted": true, "session_id": id }));
    for (method, path) in [
        ("GET", format!("/sessions/{id}")),
        ("DELETE", format!("/sessions/{id}")),
        ("POST", format!("/sessions/{id}/clear")),
        ("GET", format!("/agent/usage/{id}")),
    ] {
        let answer = house.ask(method, &path, "").await;
        let unknown = json!({ "detail": "Session not found" });
        assert_eq!((answer.status, answer.json()), (404, unknown), "{method} {path}");
    }
    house.turn("/agent/query", &question(&id, "back"), "text ok\nfinish stop").await;
    let usage = house.ask("GET", &format!("/agent/usage/{id}"), "").await.json();
    assert_eq!(usage["usage"]["total_tokens"], 5, "a session of a deleted one's id begins at nothing");
}

#[tokio::test]
async fn a_full_house_takes_nobody_in_and_throws_nobody_out() {
    let house = House::start("agent-sse", "/agents", json!({ "max_sessions": 2 })).await;
    house.turn("/agents/agent/query", &question("a", "hi"), "text ok\nfinish stop").await;
    assert_eq!(house.ask("POST", "/agents/sessions", "").await.status, 200);
    for (path, body) in [
        ("/agents/sessions", "{}".to_owned()),
        ("/agents/agent/query", question("c", "hi").to_string()),
        ("/agents/agent/query-stream", question("c", "hi").to_string()),
        ("/agents/agent/query-stream-delta", r#"{"message":"hi"}"#.to_owned()),
    ] {
        let answer = house.ask("POST", path, &body).await;
        assert!(answer.json()["detail"].as_str().unwrap().contains("sessions"), "{path}: {}", answer.body);
        assert_eq!(answer.status, 503, "{path}");
    }
    assert_eq!(house.ask("GET", "/agents/sessions/c", "").await.status, 404, "nothing of it is kept");
    let (answer, _) = house.turn("/agents/agent/query", &question("a", "still"), "text here\nfinish stop").await;
    assert_eq!(answer.json()["response"], "here");
    house.ask("DELETE", "/agents/sessions/a", "").await;
    assert_eq!(house.ask("POST", "/agents/sessions", "").await.status, 200, "there is room again");
}

#[tokio::test]
async fn health_counts_the_sessions_at_the_route_and_the_gateways_own_stays() {
    let house = house().await;
    house.ask("POST", "/sessions", "").await;
    let health = house.ask("GET", "/health", "").await.json();
    let expected = json!({ "status": "healthy", "version": env!("CARGO_PKG_VERSION"), "active_sessions": 1 });
    assert_eq!(health, expected);
    assert_eq!(house.ask("POST", "/health", "").await.status, 405);
    let below = House::start("agent-sse", "/agents", json!({})).await;
    assert_eq!(below.ask("GET", "/health", "").await.json(), json!({ "status": "ok" }));
    assert_eq!(below.ask("GET", "/agents/health", "").await.json()["active_sessions"], 0);
}

#[tokio::test]
async fn users_see_their_own_sessions_alone() {
    let owner = |setup: &mut crate::support::Setup| setup.owner = Some("x-user".to_owned());
    let house = House::with("agent-sse", "/", json!({}), owner, crate::support::memory()).await;
    let (kaz, mia) = ("x-user: kaz\r\n", "x-user: mia\r\n");
    let made = house.open_as(kaz, "POST", "/sessions", "{}").await.answer().await.json();
    let path = format!("/sessions/{}", made["session_id"].as_str().unwrap());
    assert_eq!(house.open_as(kaz, "GET", &path, "").await.answer().await.status, 200);
    for (method, path) in [("GET", path.clone()), ("DELETE", path.clone()), ("POST", format!("{path}/clear"))] {
        assert_eq!(house.open_as(mia, method, &path, "").await.answer().await.status, 404, "{method}");
    }
    assert_eq!(house.open_as(mia, "GET", "/sessions", "").await.answer().await.json(), json!({ "sessions": [] }));
    let nobody = house.ask("GET", "/sessions", "").await;
    assert!(nobody.status >= 400 && nobody.json()["detail"].is_string());
    assert_eq!(house.ask("GET", "/health", "").await.json()["active_sessions"], 1, "watchers have no name");
}
