//! What a tool is given, what it says while it runs, and what stops it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chatwire::config::plan::{ToolKind, ToolPlan};
use chatwire::tools::{Arguments, Permission, Speaker, Tool, ToolFuture, ToolInput, ToolOutput};
use chatwire_protocols::event::Data;
use serde_json::{Value, json};

use crate::support::fake::Fake;
use crate::support::page::{Answer, Page};
use crate::support::{Setup, fixed, tool};

/// Runs a closure as a tool.
struct Code<F>(F);

impl<F> fmt::Debug for Code<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Code")
    }
}

impl<F: Fn(ToolInput, Speaker) -> ToolFuture + Send + Sync> Tool for Code<F> {
    fn run(&self, input: ToolInput, speaker: Speaker) -> ToolFuture {
        (self.0)(input, speaker)
    }
}

fn code(name: &str, code: impl Fn(ToolInput, Speaker) -> ToolFuture + Send + Sync + 'static) -> ToolPlan {
    tool(name, ToolKind::Code(Arc::new(Code(code))))
}

fn strict(mut tool: ToolPlan) -> ToolPlan {
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    tool.arguments = Arguments::new(schema).unwrap();
    tool
}

/// One turn in which the model makes this call and then says that it is done.
async fn turn(tool: ToolPlan, call: &str) -> (Answer, Value) {
    let fake = Fake::start().await;
    let mut setup = Setup::new(&[fake.addr]);
    setup.tools = vec![tool];
    let gateway = setup.start().await;
    let page = Page::post(gateway.addr, &json!({"user": "hi"})).await;
    fake.asked().await.answer(&format!("call {call}\nfinish tool_calls\n")).await;
    let asked = fake.asked().await;
    let told = asked.body["messages"][2].clone();
    asked.answer("text done\nfinish stop\n").await;
    (page.answer().await, told)
}

fn result(answer: &Answer) -> Value {
    answer.events().into_iter().find(|event| event["event"] == "tool_result").unwrap()
}

#[tokio::test]
async fn what_a_tool_says_reaches_the_page_in_order_and_the_model_gets_the_result_alone() {
    let talks = code("talks", |input, speaker| {
        Box::pin(async move {
            speaker.progress("half way").await;
            speaker.output("one ").await;
            let value = json!({"for": input.arguments["x"]});
            speaker.data(Data { name: "card".into(), id: Some(input.call), value, keep: true, ask: None }).await;
            speaker.output("two").await;
            ToolOutput::ok(json!("all"))
        })
    });
    let (answer, told) = turn(talks, "c talks {\"x\":7}").await;
    let names = answer.names();
    let start = names.iter().position(|name| name == "tool_start").unwrap();
    let expected = ["tool_start", "tool_progress", "tool_delta", "data", "tool_delta", "tool_result", "step_end"];
    assert_eq!(names[start..start + expected.len()], expected);
    let events = answer.events();
    let data = events.iter().find(|event| event["event"] == "data").unwrap();
    assert_eq!((&data["name"], &data["id"], &data["value"]), (&json!("card"), &json!("c"), &json!({"for": 7})));
    assert_eq!(told, json!(["tool", ["result c Ok \"all\""]]));
}

#[tokio::test]
async fn arguments_that_do_not_fit_go_back_to_the_model_and_nothing_runs() {
    let never = strict(code("never", |_, _| panic!("it was run")));
    let (answer, told) = turn(never, "c never {\"city\":7}").await;
    let told = told.to_string();
    assert!(told.contains("result c Error") && told.contains("/city") && told.contains("string"), "{told}");
    assert!(!answer.names().contains(&"tool_start".to_owned()));
    assert_eq!(result(&answer)["outcome"], "error");
}

#[tokio::test]
async fn a_page_is_not_asked_to_run_what_does_not_fit_the_operators_schema() {
    let (answer, told) = turn(strict(tool("page", ToolKind::Page)), "c page {}").await;
    assert!(told.to_string().contains("required"), "{told}");
    assert!(!answer.names().contains(&"tool_await".to_owned()));
}

#[tokio::test]
async fn nobody_is_asked_to_allow_what_could_not_run_and_a_page_cannot_change_what_was_allowed_into_it() {
    let mut asks = strict(fixed("asks", json!(1)));
    asks.permission = Permission::Ask;
    let (answer, _) = turn(asks.clone(), "c asks {}").await;
    assert!(!answer.names().contains(&"tool_await".to_owned()));

    let fake = Fake::start().await;
    let mut setup = Setup::new(&[fake.addr]);
    setup.tools = vec![asks];
    let gateway = setup.start().await;
    let calls = json!([{"id": "a", "name": "asks", "arguments": "{\"city\":1}", "approved": true}]);
    let page = Page::post(gateway.addr, &json!({"user": "hi", "calls": calls})).await;
    fake.asked().await.answer("text done\nfinish stop\n").await;
    assert_eq!(result(&page.answer().await)["outcome"], "error");
}

#[tokio::test]
async fn a_tool_out_of_time_is_dropped_and_the_model_goes_on() {
    let mut slow = code("slow", |_, _| Box::pin(std::future::pending()));
    slow.timeout = Duration::from_millis(30);
    let (answer, told) = turn(slow, "c slow {}").await;
    assert!(told.to_string().contains("longer than 30ms"), "{told}");
    assert_eq!(answer.end()["event"], "turn_end");
}

#[tokio::test]
async fn a_tool_that_panics_costs_its_call_alone() {
    let (answer, told) = turn(code("broken", |_, _| panic!("on purpose")), "c broken {}").await;
    assert!(told.to_string().contains("result c Error"), "{told}");
    assert_eq!((answer.text().as_str(), &answer.end()["event"]), ("{}done", &json!("turn_end")));
}

#[tokio::test]
async fn output_is_cut_for_page_and_model_and_the_cut_is_said() {
    let mut long = code("long", |_, speaker| {
        Box::pin(async move {
            for _ in 0..10 {
                speaker.output("abcd").await;
            }
            ToolOutput::ok(json!("x".repeat(100)))
        })
    });
    long.max_output = 10;
    let (answer, told) = turn(long, "c long {}").await;
    let events = answer.events();
    let pieces = events.iter().filter(|event| event["event"] == "tool_delta");
    let streamed: String = pieces.filter_map(|event| event["text"].as_str()).collect();
    assert_eq!(streamed, "abcdabcdab\n[The rest is not shown.]");
    let cut = "xxxxxxxxxx\n[Cut: the first 10 of 100 bytes are shown.]";
    assert_eq!(result(&answer)["output"], cut);
    assert!(told.to_string().contains("first 10 of 100"), "{told}");
}
