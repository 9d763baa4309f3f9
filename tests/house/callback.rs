//! Sessions of the typed-callback dialect.

use chatwire::turn::Leaving;
use serde_json::{Value, json};

use crate::support::{fixed, memory};
use crate::{House, frames, types};

async fn house() -> House {
    House::start("callback-sse", "/api/chat", json!({})).await
}

fn message(session: &str, content: &str) -> Value {
    json!({ "session_id": session, "content": content })
}

#[tokio::test]
async fn a_session_is_made_kept_and_told_to_the_model() {
    let house = house().await;
    let (answer, told) = house.turn("/api/chat/stream", &message("../s/1", "one"), "text first\nfinish stop").await;
    assert_eq!(told, json!([["user", ["one"]]]));
    let said = frames(&answer);
    assert_eq!(types(&said), ["chunk", "complete"]);
    assert_eq!(said[1]["data"]["message"]["content"], "first");
    let (_, told) = house.turn("/api/chat/stream", &message("../s/1", "two"), "text second\nfinish stop").await;
    assert_eq!(told, json!([["user", ["one"]], ["assistant", ["first"]], ["user", ["two"]]]));
    let (_, told) = house.turn("/api/chat/stream", &message("other", "three"), "text x\nfinish stop").await;
    assert_eq!(told, json!([["user", ["three"]]]), "sessions are apart");
}

#[tokio::test]
async fn messages_that_stand_for_themselves_leave_nothing_behind() {
    let house = house().await;
    let direct = json!({ "session_id": "s", "messages": [
        { "role": "system", "content": "Be brief." },
        { "role": "user", "content": "alone" },
    ] });
    let (answer, told) = house.turn("/api/chat/stream/direct", &direct, "text direct\nfinish stop").await;
    assert_eq!(told, json!([["system", ["Be brief."]], ["user", ["alone"]]]));
    assert_eq!(types(&frames(&answer)), ["chunk", "complete"]);
    let (_, told) = house.turn("/api/chat/stream", &message("s", "kept"), "text ok\nfinish stop").await;
    assert_eq!(told, json!([["user", ["kept"]]]), "neither the messages nor the answer were kept");
    let (_, told) = house.turn("/api/chat/stream/direct", &direct, "text direct\nfinish stop").await;
    assert_eq!(told, json!([["system", ["Be brief."]], ["user", ["alone"]]]), "and exactly these are told");
}

#[tokio::test]
async fn a_stop_ends_the_stream_of_either_kind_with_what_was_said() {
    let house = house().await;
    let idle = house.ask("POST", "/api/chat/abort", r#"{"session_id":"s"}"#).await;
    assert_eq!((idle.status, &idle.json()["aborted"]), (200, &json!(false)));
    let direct = json!({ "session_id": "s", "messages": [{ "role": "user", "content": "hi" }] });
    for (path, body) in [("/api/chat/stream", message("s", "hi")), ("/api/chat/stream/direct", direct)] {
        let mut page = house.open("POST", path, &body.to_string()).await;
        let mut asked = house.fake.asked().await;
        asked.begin().await;
        asked.send("open part\n").await;
        page.until("part").await;
        let other = house.ask("POST", "/api/chat/abort?session_id=other", "").await;
        assert_eq!(other.json()["aborted"], false, "another session goes on");
        let stopped = house.ask("POST", "/api/chat/abort?session_id=s", "").await;
        assert_eq!((stopped.status, &stopped.json()["aborted"]), (200, &json!(true)), "{}", stopped.body);
        assert!(stopped.json()["message"].is_string());
        asked.closed().await;
        let said = frames(&page.answer().await);
        assert_eq!(types(&said), ["chunk", "complete"], "{path}");
        let last = &said[1]["data"]["message"];
        assert_eq!((&last["finish_reason"], &last["content"]), (&json!("cancelled"), &json!("part")));
    }
    let (_, told) = house.turn("/api/chat/stream", &message("s", "go on"), "text ok\nfinish stop").await;
    assert_eq!(told[1], json!(["assistant", ["part"]]), "what was said is kept: {told}");
}

#[tokio::test]
async fn tools_run_and_are_kept() {
    let tools = |setup: &mut crate::support::Setup| setup.tools = vec![fixed("weather", json!({ "tempC": 7 }))];
    let house = House::with("callback-sse", "/api/chat", json!({ "legacy_fields": true }), tools, memory()).await;
    let page = house.open("POST", "/api/chat/stream", &message("s", "weather?").to_string()).await;
    house.fake.asked().await.answer("call c1 weather {}\nfinish tool_calls\n").await;
    house.fake.asked().await.answer("text 7 °C\nfinish stop\n").await;
    let said = frames(&page.answer().await);
    assert_eq!(types(&said), ["tool_call", "tool_result", "chunk", "complete", "done"]);
    assert_eq!(said[1]["data"], json!({ "tool_call_id": "c1", "result": "{\"tempC\":7}" }));
    assert_eq!((&said[2]["accumulated"], &said[3]["data"]["final"]), (&json!("7 °C"), &json!(true)));
    assert_eq!(said[3]["data"]["message"]["tool_calls"][0]["tool_name"], "weather");
    let (_, told) = house.turn("/api/chat/stream", &message("s", "and?"), "text ok\nfinish stop").await;
    assert_eq!(told[2], json!(["tool", ["result c1 Ok {\"tempC\":7}"]]));
}

#[tokio::test]
async fn what_is_wrong_is_refused_in_the_dialects_form_and_nothing_is_kept() {
    let house = house().await;
    let long = message(&"x".repeat(257), "hi").to_string();
    for (method, path, body, status, place) in [
        ("POST", "/api/chat/stream", r#"{"session_id":"s","content":""}"#, 400, json!("content")),
        ("POST", "/api/chat/stream", r#"{"session_id":"s"}"#, 400, json!("content")),
        ("POST", "/api/chat/stream", r#"{"content":"a"}"#, 400, json!("session_id")),
        ("POST", "/api/chat/stream", long.as_str(), 400, json!("session_id")),
        ("POST", "/api/chat/stream", "{", 400, Value::Null),
        ("POST", "/api/chat/stream/direct", r#"{"session_id":"s","messages":[]}"#, 400, json!("messages")),
        ("POST", "/api/chat/abort", "{}", 400, json!("session_id")),
        ("GET", "/api/chat/stream", "", 405, Value::Null),
        ("POST", "/api/chat", "{}", 404, Value::Null),
        ("POST", "/api/chat/streams", "{}", 404, Value::Null),
    ] {
        let answer = house.ask(method, path, body).await;
        let error = answer.json();
        assert_eq!((answer.status, &error["type"]), (status, &json!("error")), "{method} {path} {body}: {error}");
        assert!(error["data"]["error"].is_string());
        assert_eq!(error["data"]["path"], place, "{method} {path} {body}: {error}");
    }
    for config in [json!({ "base_url": "http://169.254.169.254/" }), json!({ "api_key": "sk-mine" })] {
        let body = json!({ "session_id": "s", "content": "hi", "model_config": config });
        let answer = house.ask("POST", "/api/chat/stream", &body.to_string()).await;
        assert_eq!((answer.status, &answer.json()["data"]["code"]), (400, &json!("provider_not_allowed")));
        assert!(!answer.body.contains("169.254") && !answer.body.contains("sk-mine"), "{}", answer.body);
    }
    let plain = house.open_as("content-type: text/plain\r\n", "POST", "/api/chat/stream", "").await.answer().await;
    assert_eq!(plain.status, 400);
    let (_, told) = house.turn("/api/chat/stream", &message("s", "hi"), "text ok\nfinish stop").await;
    assert_eq!(told, json!([["user", ["hi"]]]));
}

#[tokio::test]
async fn settings_of_a_request_count_for_it_alone() {
    let house = house().await;
    for spelling in ["model_config", "ai_model_config"] {
        let config = json!({ "model_name": "any/other", "max_tokens": 5, "api_key": "", "base_url": null });
        let body = json!({ "session_id": "s", "content": "hi", spelling: config });
        let page = house.open("POST", "/api/chat/stream", &body.to_string()).await;
        let asked = house.fake.asked().await;
        assert_eq!((&asked.body["model"], &asked.body["max_tokens"]), (&json!("other"), &json!(5)));
        asked.answer("text ok\nfinish stop\n").await;
        assert_eq!(types(&frames(&page.answer().await)), ["chunk", "complete"]);
        let page = house.open("POST", "/api/chat/stream", &message("s", "hi").to_string()).await;
        let asked = house.fake.asked().await;
        assert_eq!((&asked.body["model"], &asked.body["max_tokens"]), (&json!("model-0"), &json!(77)));
        asked.answer("text ok\nfinish stop\n").await;
        page.answer().await;
    }
}

#[tokio::test]
async fn a_failure_is_one_error_and_the_message_stays() {
    let house = house().await;
    let page = house.open("POST", "/api/chat/stream", &message("s", "hi").to_string()).await;
    house.fake.asked().await.refuse("400 Bad Request", "", "secret words").await;
    let answer = page.answer().await;
    assert!(answer.status >= 400 && !answer.body.contains("secret"), "{}", answer.body);
    assert_eq!(answer.json()["type"], "error");
    let mut page = house.open("POST", "/api/chat/stream", &message("s", "again").to_string()).await;
    let mut asked = house.fake.asked().await;
    assert_eq!(asked.body["messages"], json!([["user", ["hi"]], ["user", ["again"]]]));
    asked.begin().await;
    asked.send("open half\n").await;
    page.until("half").await;
    drop(asked);
    assert_eq!(types(&frames(&page.answer().await)), ["chunk", "error"]);
}

#[tokio::test]
async fn a_turn_may_go_on_without_its_page() {
    let mut finish = memory();
    finish.leaving = Leaving::Finish;
    let house = House::with("callback-sse", "/api/chat", json!({}), |_| {}, finish).await;
    let mut page = house.open("POST", "/api/chat/stream", &message("s", "hi").to_string()).await;
    let mut asked = house.fake.asked().await;
    asked.begin().await;
    asked.send("open par\n").await;
    page.until("par").await;
    drop(page);
    asked.send("text tial\nfinish stop\n").await;
    asked.end().await;
    let (_, told) = house.turn("/api/chat/stream", &message("s", "and?"), "text ok\nfinish stop").await;
    assert!(told.to_string().contains("tial"), "{told}");
}
