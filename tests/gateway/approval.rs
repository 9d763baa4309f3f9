//! Calls that a person must allow.

use chatwire::tools::Permission;
use serde_json::{Value, json};

use crate::support::fake::Fake;
use crate::support::page::{Answer, Page};
use crate::support::{Gateway, Setup, fixed};

async fn start(fake: &Fake) -> Gateway {
    let mut setup = Setup::new(&[fake.addr]);
    let mut tool = fixed("delete", json!("deleted"));
    tool.permission = Permission::Ask;
    setup.tools = vec![tool, fixed("list", json!("listed"))];
    setup.start().await
}

fn names_with_call(answer: &Answer) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let events = answer.events();
    let about = events.iter().filter(|event| event["call"].is_string());
    about.map(|event| (text(&event["event"]), text(&event["call"]))).collect()
}

#[tokio::test]
async fn a_call_that_needs_an_approval_waits_and_the_turn_ends() {
    let fake = Fake::start().await;
    let gateway = start(&fake).await;
    let page = Page::post(gateway.addr, &json!({"user": "hi"})).await;
    fake.asked().await.answer("call a delete {}\ncall b list {}\nfinish tool_calls\n").await;
    let answer = page.answer().await;
    let seen = names_with_call(&answer);
    let expected = [("tool_await", "a"), ("tool_start", "b"), ("tool_result", "b")];
    assert_eq!(seen, expected.map(|(name, call)| (name.to_owned(), call.to_owned())));
    let wait = answer.events().into_iter().find(|event| event["event"] == "tool_await").unwrap();
    assert_eq!(wait["wants"], json!({"approval": "approval_a"}));
    assert_eq!(answer.end()["finish"]["reason"], "tool_calls");
}

#[tokio::test]
async fn an_approved_call_runs_and_a_denied_one_does_not_before_the_model_goes_on() {
    let fake = Fake::start().await;
    let gateway = start(&fake).await;
    let calls = json!([
        {"id": "a", "name": "delete", "arguments": "{}", "approved": true},
        {"id": "b", "name": "delete", "arguments": "{}", "approved": false, "reason": "not that one"},
        {"id": "c", "name": "list", "arguments": "{}", "result": "known"},
    ]);
    let page = Page::post(gateway.addr, &json!({"user": "hi", "calls": calls})).await;
    let asked = fake.asked().await;
    let told = asked.body["messages"].to_string();
    for text in ["result a Ok \\\"deleted\\\"", "result b Denied \\\"not that one\\\"", "result c Ok \\\"known\\\""] {
        assert!(told.contains(text), "{text} in {told}");
    }
    asked.answer("text done\nfinish stop\n").await;
    let answer = page.answer().await;
    let names = answer.names();
    assert_eq!(names[..5], ["turn_start", "tool_start", "tool_result", "tool_result", "step_start"]);
    assert_eq!(answer.end()["finish"]["reason"], "stop");
}

#[tokio::test]
async fn while_one_approval_is_not_answered_the_model_is_not_asked() {
    let fake = Fake::start().await;
    let gateway = start(&fake).await;
    let calls = json!([
        {"id": "a", "name": "delete", "arguments": "{}", "approved": true},
        {"id": "b", "name": "delete", "arguments": "{}", "approved": null},
    ]);
    let page = Page::post(gateway.addr, &json!({"user": "hi", "calls": calls})).await;
    let answer = page.answer().await;
    let seen: Vec<String> = answer.names();
    assert_eq!(seen, ["turn_start", "tool_start", "tool_result", "turn_end"]);
}

#[tokio::test]
async fn arguments_that_are_wrong_are_not_run_even_if_approved() {
    let fake = Fake::start().await;
    let gateway = start(&fake).await;
    let calls = json!([{"id": "a", "name": "delete", "arguments": "{\"x\":", "approved": true}]);
    let page = Page::post(gateway.addr, &json!({"user": "hi", "calls": calls})).await;
    fake.asked().await.answer("text done\nfinish stop\n").await;
    let answer = page.answer().await;
    let result = answer.events().into_iter().find(|event| event["event"] == "tool_result").unwrap();
    assert_eq!(result["outcome"], "error");
}

#[tokio::test]
async fn what_the_operator_denies_does_not_run_even_if_the_page_says_that_it_was_approved() {
    let fake = Fake::start().await;
    let mut setup = Setup::new(&[fake.addr]);
    let mut tool = fixed("delete", json!("deleted"));
    tool.permission = Permission::Deny;
    setup.tools = vec![tool];
    let gateway = setup.start().await;
    let calls = json!([{"id": "a", "name": "delete", "arguments": "{}", "approved": true}]);
    let page = Page::post(gateway.addr, &json!({"user": "hi", "calls": calls})).await;
    fake.asked().await.answer("call b delete {}\nfinish tool_calls\n").await;
    fake.asked().await.answer("text done\nfinish stop\n").await;
    let answer = page.answer().await;
    let outcomes = answer.events().into_iter().filter(|event| event["event"] == "tool_result");
    assert_eq!(outcomes.map(|event| event["outcome"].clone()).collect::<Vec<_>>(), ["denied", "denied"]);
}
