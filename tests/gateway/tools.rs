//! The tool loop: calls of the gateway run, their results go back to the model, until it answers.

use std::sync::{Arc, Mutex};

use chatwire::config::plan::ToolKind;
use chatwire::tools::{Speaker, Tool, ToolFuture, ToolInput, ToolOutput};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::support::fake::Fake;
use crate::support::page::{Answer, Page};
use crate::support::{Setup, fixed, tool};

fn results(answer: &Answer) -> Vec<(String, String, Value)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let events = answer.events();
    let results = events.iter().filter(|event| event["event"] == "tool_result");
    results.map(|event| (text(&event["call"]), text(&event["outcome"]), event["output"].clone())).collect()
}

/// Finishes when the test says so.
#[derive(Debug)]
struct Waits(Mutex<Option<oneshot::Receiver<Value>>>);

fn waits() -> (oneshot::Sender<Value>, ToolKind) {
    let (sender, receiver) = oneshot::channel();
    (sender, ToolKind::Code(Arc::new(Waits(Mutex::new(Some(receiver))))))
}

impl Tool for Waits {
    fn run(&self, _: ToolInput, _: Speaker) -> ToolFuture {
        let receiver = self.0.lock().unwrap().take().unwrap();
        Box::pin(async move { ToolOutput::ok(receiver.await.unwrap()) })
    }
}

#[tokio::test]
async fn calls_run_side_by_side_and_their_results_keep_the_order_of_the_calls() {
    let fake = Fake::start().await;
    let ((first, slow), (second, quick)) = (waits(), waits());
    let mut setup = Setup::new(&[fake.addr]);
    setup.tools = vec![tool("slow", slow), tool("quick", quick)];
    let gateway = setup.start().await;
    let mut page = Page::post(gateway.addr, &json!({"user": "hi"})).await;
    let asked = fake.asked().await;
    assert_eq!(asked.body["tools"], json!(["slow", "quick"]));
    asked.answer("text so\ncall a slow {\"x\":1}\ncall b quick {}\nfinish tool_calls\n").await;
    page.until("\"event\":\"tool_start\",\"call\":\"b\"").await;
    second.send(json!(2)).unwrap();
    first.send(json!({"one": 1})).unwrap();
    let asked = fake.asked().await;
    let said = [
        json!(["user", ["hi"]]),
        json!(["assistant", ["so", "call a {\"x\":1}", "call b {}"]]),
        json!(["tool", ["result a Ok {\"one\":1}", "result b Ok 2"]]),
    ];
    assert_eq!(asked.body["messages"], json!(said));
    asked.answer("text done\nfinish stop\n").await;
    let answer = page.answer().await;
    let calls: Vec<String> = results(&answer).into_iter().map(|(call, _, _)| call).collect();
    assert_eq!(calls, ["a", "b"]);
    assert_eq!(answer.text(), "so{\"x\":1}{}done");
    assert_eq!(answer.end()["usage"]["input"], 6, "usage is summed over the steps");
    let steps: Vec<u64> = answer.events().iter().filter_map(|event| event["step"].as_u64()).collect();
    assert_eq!(steps, [0, 1]);
}

#[tokio::test]
async fn a_call_of_the_page_ends_the_turn_behind_the_gateways_own_results() {
    let fake = Fake::start().await;
    let mut setup = Setup::new(&[fake.addr]);
    setup.tools = vec![fixed("ours", json!("sunny"))];
    let gateway = setup.start().await;
    let page = Page::post(gateway.addr, &json!({"user": "hi", "tools": ["theirs"]})).await;
    let asked = fake.asked().await;
    assert_eq!(asked.body["tools"], json!(["theirs", "ours"]));
    asked.answer("call a theirs {}\ncall b ours {}\nfinish tool_calls\n").await;
    let answer = page.answer().await;
    assert_eq!(results(&answer), [("b".to_owned(), "ok".to_owned(), json!("sunny"))]);
    assert!(answer.names().contains(&"tool_await".to_owned()));
    let end = answer.end();
    assert_eq!((&end["event"], &end["finish"]["reason"]), (&json!("turn_end"), &json!("tool_calls")));
}

#[tokio::test]
async fn unknown_tools_and_wrong_arguments_are_errors_that_the_model_may_answer() {
    let fake = Fake::start().await;
    let mut setup = Setup::new(&[fake.addr]);
    setup.tools = vec![fixed("ours", json!(1))];
    let gateway = setup.start().await;
    let page = Page::post(gateway.addr, &json!({"user": "hi", "tools": ["theirs"]})).await;
    fake.asked().await.answer("call a nobody {}\ncall b ours {\"x\":\ncall c theirs [1]\nfinish tool_calls\n").await;
    let asked = fake.asked().await;
    let told = asked.body["messages"][2].to_string();
    assert_eq!(told.matches("Error").count(), 3, "{told}");
    asked.answer("text sorry\nfinish stop\n").await;
    let answer = page.answer().await;
    assert!(results(&answer).iter().all(|(_, outcome, _)| outcome == "error"));
    assert_eq!(answer.end()["event"], "turn_end");
}

#[tokio::test]
async fn calls_of_an_answer_that_was_cut_never_run() {
    for finish in ["finish length\n", "fail x\n", ""] {
        let fake = Fake::start().await;
        let (done, kind) = waits();
        let mut setup = Setup::new(&[fake.addr]);
        setup.tools = vec![tool("ours", kind)];
        let gateway = setup.start().await;
        let page = Page::post(gateway.addr, &json!({"user": "hi"})).await;
        fake.asked().await.answer(&format!("call a ours {{}}\n{finish}")).await;
        let answer = page.answer().await;
        assert_eq!(results(&answer)[0].1, "interrupted", "{finish}");
        assert!(!answer.names().contains(&"tool_start".to_owned()), "{finish}");
        assert!(!done.is_closed(), "{finish}");
    }
}

#[tokio::test]
async fn an_id_of_an_earlier_turn_is_not_given_to_another_call() {
    let fake = Fake::start().await;
    let mut setup = Setup::new(&[fake.addr]);
    setup.tools = vec![fixed("ours", json!("sunny"))];
    let gateway = setup.start().await;
    let earlier = json!([{"id": "call_1", "name": "ours", "arguments": "{}", "result": "rainy"}]);
    let page = Page::post(gateway.addr, &json!({"user": "again", "calls": earlier})).await;
    fake.asked().await.answer("call call_1 ours {}\nfinish tool_calls\n").await;
    let asked = fake.asked().await;
    let told = asked.body["messages"].to_string();
    for text in ["result call_1 Ok \\\"rainy\\\"", "call call_1_2 {}", "result call_1_2 Ok \\\"sunny\\\""] {
        assert!(told.contains(text), "{text} in {told}");
    }
    asked.answer("text done\nfinish stop\n").await;
    let answer = page.answer().await;
    assert_eq!(results(&answer), [("call_1_2".to_owned(), "ok".to_owned(), json!("sunny"))]);
}

#[tokio::test]
async fn a_model_that_never_stops_calling_is_stopped() {
    let fake = Fake::start().await;
    let mut setup = Setup::new(&[fake.addr]);
    setup.tools = vec![fixed("ours", json!(1))];
    setup.max_steps = 2;
    let gateway = setup.start().await;
    let page = Page::post(gateway.addr, &json!({"user": "hi"})).await;
    for call in ["a", "b"] {
        fake.asked().await.answer(&format!("call {call} ours {{}}\nfinish tool_calls\n")).await;
    }
    let answer = page.answer().await;
    assert_eq!(answer.end()["event"], "turn_end");
    let warned = answer.events().iter().any(|event| event["code"] == "step-limit");
    assert!(warned, "{}", answer.body);
}

#[tokio::test]
async fn a_provider_that_pauses_its_own_loop_is_asked_to_go_on() {
    let fake = Fake::start().await;
    let gateway = Setup::new(&[fake.addr]).start().await;
    let page = Page::post(gateway.addr, &json!({"user": "hi"})).await;
    fake.asked().await.answer("text one\nfinish pause\n").await;
    let asked = fake.asked().await;
    assert_eq!(asked.body["messages"][1], json!(["assistant", ["one"]]));
    asked.answer("text two\nfinish stop\n").await;
    assert_eq!(page.answer().await.text(), "onetwo");
}

#[tokio::test]
async fn a_failure_in_the_second_step_keeps_the_first() {
    let fake = Fake::start().await;
    let mut setup = Setup::new(&[fake.addr]);
    setup.tools = vec![fixed("ours", json!(1))];
    let gateway = setup.start().await;
    let page = Page::post(gateway.addr, &json!({"user": "hi"})).await;
    fake.asked().await.answer("call a ours {}\nfinish tool_calls\n").await;
    fake.asked().await.refuse("500 Internal Server Error", "", "{}").await;
    let answer = page.answer().await;
    assert_eq!(results(&answer)[0].1, "ok");
    assert_eq!(answer.end()["kind"], "server");
}
