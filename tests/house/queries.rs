//! Questions to the agent's session server: one document, or a stream.

use serde_json::{Value, json};

use crate::support::fake::Fake;
use crate::support::{LONG, fixed, memory, model_at, summaries};
use crate::{House, frames, types};

async fn house() -> House {
    House::start("agent-sse", "/", json!({})).await
}

fn question(session: &str, text: &str) -> Value {
    json!({ "message": text, "session_id": session })
}

#[tokio::test]
async fn a_question_is_answered_with_one_document() {
    let house = house().await;
    let body = json!({ "message": "hi", "stream": true });
    let (answer, _) = house.turn("/agent/query", &body, "text hello\nfinish stop").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let answer = answer.json();
    assert_eq!(answer["response"], "hello");
    assert_eq!(answer["usage"]["total_tokens"], 5);
    let session = answer["session_id"].as_str().unwrap();
    let (_, told) = house.turn("/agent/query", &question(session, "more"), "text ok\nfinish stop").await;
    assert_eq!(told, json!([["user", ["hi"]], ["assistant", ["hello"]], ["user", ["more"]]]));
}

#[tokio::test]
async fn texts_are_whole_or_come_as_they_are_said() {
    let tools = |setup: &mut crate::support::Setup| setup.tools = vec![fixed("weather", json!("fog"))];
    let house = House::with("agent-sse", "/", json!({}), tools, memory()).await;
    let steps = [
        "step_start",
        "text",
        "tool_call",
        "tool_result",
        "step_complete",
        "step_start",
        "text",
        "step_complete",
        "final",
        "usage",
    ];
    for (path, text) in [("/agent/query-stream", "text"), ("/agent/query-stream-delta", "text_delta")] {
        let page = house.open("POST", path, &question("own id/1", "weather?").to_string()).await;
        house
            .fake
            .asked()
            .await
            .answer("text Let me see.\ncall c1 weather {\"city\":\"Bern\"}\nfinish tool_calls\n")
            .await;
        house.fake.asked().await.answer("text Fog.\nfinish stop\n").await;
        let answer = page.answer().await;
        assert_eq!(answer.header("content-type"), Some("text/event-stream; charset=utf-8"));
        assert!(answer.body.ends_with("\n\n: done\n\n"), "{}", answer.body);
        let said = frames(&answer);
        let expected: Vec<_> = steps.iter().map(|kind| if *kind == "text" { text } else { *kind }).collect();
        assert_eq!(types(&said), expected);
        assert_eq!((&said[2]["tool"], &said[2]["args"]), (&json!("weather"), &json!({ "city": "Bern" })));
        assert_eq!((&said[3]["result"], &said[3]["is_error"]), (&json!("fog"), &json!(false)));
        assert_eq!(said[8]["content"], "Fog.");
        assert_eq!(said[9]["session_id"], "own id/1");
        assert!(said[0]["timestamp"].as_str().unwrap().ends_with('Z'));
    }
    let usage = house.ask("GET", "/agent/usage/own%20id%2F1", "").await.json();
    assert_eq!(usage["usage"]["by_model"]["m"]["invocations"], 4);
    assert_eq!(usage["usage"]["total_tokens"], 20);
}

#[tokio::test]
async fn the_cost_of_a_session_adds_up_and_is_the_same_everywhere() {
    let house = house().await;
    let query = "/agent/query-stream-delta";
    let (_, _) = house.turn(query, &question("s", "one"), "text a\nfinish stop").await;
    let (answer, _) = house.turn(query, &question("s", "two"), "text b\nfinish stop").await;
    let streamed = frames(&answer).pop().unwrap()["usage"].clone();
    assert_eq!((&streamed["total_tokens"], &streamed["by_model"]["m"]["invocations"]), (&json!(10), &json!(2)));
    assert_eq!(house.ask("GET", "/agent/usage/s", "").await.json()["usage"], streamed);
    assert_eq!(house.ask("GET", "/sessions/s", "").await.json()["usage"], streamed);
    let (document, _) = house.turn("/agent/query", &question("s", "three"), "text c\nfinish stop").await;
    assert_eq!(document.json()["usage"]["total_tokens"], 15);
}

#[tokio::test]
async fn what_other_models_write_for_a_session_is_counted_with_their_names() {
    let (writer, namer) = (Fake::start().await, Fake::start().await);
    let mut kept = memory();
    kept.title_model = Some(model_at(namer.addr, "namer"));
    let change = |setup: &mut crate::support::Setup| {
        setup.tools = vec![fixed("f", json!("x".repeat(100)))];
        setup.summaries = Some(summaries(writer.addr));
    };
    let house = House::with("agent-sse", "/", json!({}), change, kept).await;
    let page = house.open("POST", "/agent/query-stream", &question("s", "hi").to_string()).await;
    house.fake.asked().await.answer("call c f {}\nfinish tool_calls\n").await;
    writer.asked().await.answer("text short\nfinish stop\n").await;
    house.fake.asked().await.answer("text done\nfinish stop\n").await;
    let usage = frames(&page.answer().await).pop().unwrap()["usage"].clone();
    assert_eq!((&usage["total_tokens"], &usage["by_model"]["small"]["invocations"]), (&json!(15), &json!(1)));
    assert_eq!(house.ask("GET", "/agent/usage/s", "").await.json()["usage"], usage, "the store says the same");
    // A title may come when the turn is long over: it is the session's, not the turn's.
    namer.asked().await.answer("text A name\nfinish stop\n").await;
    let named = async {
        loop {
            let usage = house.ask("GET", "/agent/usage/s", "").await.json()["usage"].clone();
            if usage["by_model"]["namer"]["total_tokens"] == 5 {
                return usage;
            }
        }
    };
    let usage = tokio::time::timeout(LONG, named).await.expect("it is counted");
    assert_eq!(usage["total_tokens"], 20);
}

#[tokio::test]
async fn questions_of_one_session_come_one_after_the_other_and_those_of_two_at_once() {
    let house = house().await;
    let query = "/agent/query-stream-delta";
    let mut first = house.open("POST", query, &question("a", "one").to_string()).await;
    let mut asked = house.fake.asked().await;
    asked.begin().await;
    asked.send("open first\n").await;
    first.until("first").await;
    let second = house.open("POST", query, &question("a", "two").to_string()).await;
    let (other, _) = house.turn(query, &question("b", "three"), "text beside\nfinish stop").await;
    assert_eq!(frames(&other)[1]["delta"], "beside", "another session does not wait");
    asked.send("finish stop\n").await;
    asked.end().await;
    let after = house.fake.asked().await;
    assert_eq!(after.body["messages"], json!([["user", ["one"]], ["assistant", ["first"]], ["user", ["two"]]]));
    after.answer("text second\nfinish stop\n").await;
    assert!(first.answer().await.body.contains("first"));
    assert_eq!(frames(&second.answer().await)[1]["delta"], "second");
}

#[tokio::test]
async fn a_failure_in_a_stream_is_one_error_and_without_one_a_status() {
    let house = house().await;
    for path in ["/agent/query-stream", "/agent/query-stream-delta"] {
        let mut page = house.open("POST", path, &question("s", "hi").to_string()).await;
        let mut asked = house.fake.asked().await;
        asked.begin().await;
        asked.send("text half\nopen more\n").await;
        page.until("step_start").await;
        drop(asked);
        let answer = page.answer().await;
        let said = frames(&answer);
        assert_eq!(*types(&said).last().unwrap(), "error", "{}", answer.body);
        assert!(answer.body.contains("half") && answer.body.ends_with("\n\n: done\n\n"), "{}", answer.body);
    }
    let page = house.open("POST", "/agent/query", &question("s", "hi").to_string()).await;
    house.fake.asked().await.refuse("400 Bad Request", "", "secret words").await;
    let answer = page.answer().await;
    assert!(
        answer.status >= 400 && answer.json()["detail"].is_string() && !answer.body.contains("secret"),
        "{answer:?}"
    );
    let page = house.open("POST", "/agent/query-stream", &question("s", "hi").to_string()).await;
    house.fake.asked().await.refuse("400 Bad Request", "", "secret words").await;
    let answer = page.answer().await;
    assert_eq!((types(&frames(&answer)), answer.body.ends_with("\n\n: done\n\n")), (vec!["error"], true));
}

#[tokio::test]
async fn a_deleted_session_ends_its_stream_and_its_document() {
    let house = house().await;
    for (path, status) in [("/agent/query-stream", 200), ("/agent/query", 503)] {
        let page = house.open("POST", path, &question("s", "hi").to_string()).await;
        let asked = house.fake.asked().await;
        let deleted = house.ask("DELETE", "/sessions/s", "").await;
        assert_eq!((deleted.status, deleted.json()), (200, json!({ "deleted": true, "session_id": "s" })));
        asked.closed().await;
        let answer = page.answer().await;
        assert_eq!(answer.status, status, "{}", answer.body);
        if status == 200 {
            assert_eq!(*types(&frames(&answer)).last().unwrap(), "error");
        } else {
            assert!(answer.json()["detail"].is_string());
        }
    }
    assert_eq!(house.ask("GET", "/sessions/s", "").await.status, 404);
}

#[tokio::test]
async fn what_is_wrong_has_a_detail_with_its_place() {
    let house = house().await;
    for (body, detail) in [
        ("{}", "message: is missing"),
        (r#"{"message":7}"#, "message: must be a string, not a number"),
        (r#"{"message":"  "}"#, "message: must not be empty"),
        (r#"{"message":"a","session_id":[]}"#, "session_id: must be a string"),
        ("nonsense", "not valid JSON"),
    ] {
        for path in ["/agent/query", "/agent/query-stream", "/agent/query-stream-delta"] {
            let answer = house.ask("POST", path, body).await;
            let text = answer.json()["detail"].as_str().unwrap().to_owned();
            assert!(answer.status == 422 && text.contains(detail), "{path} {body}: {answer:?}");
        }
    }
    assert_eq!(house.ask("GET", "/agent/query", "").await.status, 405);
    assert_eq!(house.ask("GET", "/nowhere", "").await.json(), json!({ "detail": "Not Found" }));
}
