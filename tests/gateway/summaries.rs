//! Results that are too long for a conversation.

use std::time::Duration;

use chatwire::config::plan::ToolPlan;
use chatwire::tools::Summaries;
use serde_json::{Value, json};

use crate::support::fake::Fake;
use crate::support::page::{Answer, Page};
use crate::support::{Setup, fixed, summaries};

const LONG: &str = "0123456789012345678901234567890123456789012345678901234567890123456789end";

/// A turn in which the model calls a tool. `write` answers for the model that writes summaries, if it is asked. Gives
/// what the page got, what the model was told, and what the one that writes was asked.
async fn turn(tool: ToolPlan, change: impl FnOnce(&mut Summaries), write: &[&str]) -> (Answer, Value, Vec<Value>) {
    let (fake, writer) = (Fake::start().await, Fake::start().await);
    let mut setup = Setup::new(&[fake.addr]);
    let mut how = Summaries::clone(&summaries(writer.addr));
    change(&mut how);
    setup.summaries = Some(how.into());
    setup.tools = vec![tool];
    let gateway = setup.start().await;
    let page = Page::post(gateway.addr, &json!({"user": "hi"})).await;
    fake.asked().await.answer("call c f {\"q\":1}\nfinish tool_calls\n").await;
    let mut questions = Vec::new();
    for answer in write {
        let asked = writer.asked().await;
        questions.push(asked.body.clone());
        asked.answer(answer).await;
    }
    let asked = fake.asked().await;
    let told = asked.body["messages"][2].clone();
    asked.answer("text done\nfinish stop\n").await;
    (page.answer().await, told, questions)
}

fn of_kind(answer: &Answer, kind: &str) -> Vec<Value> {
    answer.events().into_iter().filter(|event| event["event"] == kind).collect()
}

#[tokio::test]
async fn the_summary_streams_to_the_page_and_takes_the_results_place() {
    let (answer, told, questions) =
        turn(fixed("f", json!(LONG)), |_| {}, &["text it counts, \ntext and ends\nfinish stop\n"]).await;
    let streamed: Vec<Value> = of_kind(&answer, "tool_delta").iter().map(|event| event["text"].clone()).collect();
    let summary = "it counts,and ends\n[This is a summary. The whole result has 73 bytes.]";
    assert_eq!(streamed, ["it counts,", "and ends"]);
    assert_eq!(of_kind(&answer, "tool_result")[0]["output"], json!(summary));
    assert!(told.to_string().contains("it counts,and ends") && !told.to_string().contains("789end"), "{told}");
    assert!(!answer.body.contains("789end"), "the page has no use for it");
    let question = questions[0]["messages"].to_string();
    assert!(question.contains("Be brief.") && question.contains("Arguments: {\\\"q\\\":1}"), "{question}");
    assert!(question.contains("[Cut: the first 60 of 73 bytes are shown.]"), "{question}");
}

#[tokio::test]
async fn a_summary_is_never_longer_than_what_needs_one() {
    let (answer, ..) =
        turn(fixed("f", json!(LONG)), |_| {}, &[&format!("text {}\nfinish stop\n", "é".repeat(100))]).await;
    let output = of_kind(&answer, "tool_result")[0]["output"].as_str().unwrap().to_owned();
    assert_eq!(output.split('\n').next().unwrap(), "é".repeat(20));
}

#[tokio::test]
async fn where_there_is_no_summary_the_result_is_cut_as_ever() {
    for write in ["fail on purpose\n", "finish stop\n", "text half\n"] {
        let tool = ToolPlan { max_output: 50, ..fixed("f", json!(LONG)) };
        let (answer, told, _) = turn(tool, |_| {}, &[write]).await;
        let output = of_kind(&answer, "tool_result")[0]["output"].clone();
        assert_eq!(output, json!(format!("{}\n[Cut: the first 50 of 73 bytes are shown.]", &LONG[..50])), "{write}");
        assert!(told.to_string().contains("[Cut: the first 50 of 73"), "{told}");
        assert_eq!(answer.names().last().map(String::as_str), Some("turn_end"));
    }
}

#[tokio::test]
async fn a_summary_that_takes_too_long_is_given_up() {
    let writer = Fake::start().await;
    let (answer, ..) = turn(
        fixed("f", json!(LONG)),
        |how| {
            how.model = crate::support::model_at(writer.addr, "silent");
            how.timeout = Duration::from_millis(20);
        },
        &[],
    )
    .await;
    assert_eq!(of_kind(&answer, "tool_result")[0]["output"], json!(LONG));
}

#[tokio::test]
async fn short_results_and_those_of_tools_that_want_none_stay_as_they_are() {
    let plain = ToolPlan { summarise: false, ..fixed("f", json!(LONG)) };
    for (tool, output) in [(fixed("f", json!("0123456789012345678901234567890123456789")), None), (plain, Some(LONG))] {
        let (answer, ..) = turn(tool, |_| {}, &[]).await;
        let given = of_kind(&answer, "tool_result")[0]["output"].clone();
        assert!(output.is_none_or(|output| given == output), "{given}");
        assert_eq!(of_kind(&answer, "tool_delta").len(), 0);
    }
}

#[tokio::test]
async fn a_page_with_typed_callbacks_gets_the_summary_as_output_of_the_tool() {
    let (fake, writer) = (Fake::start().await, Fake::start().await);
    let mut setup = Setup::new(&[fake.addr]);
    setup.speaks = Some("callback-sse");
    setup.summaries = Some(summaries(writer.addr));
    setup.tools = vec![fixed("f", json!({"rows": [LONG]}))];
    let gateway = setup.start().await;
    let body = json!({"session_id": "s", "messages": [{"role": "user", "content": "hi"}]});
    let page = Page::post(gateway.addr, &body).await;
    fake.asked().await.answer("call c f {}\nfinish tool_calls\n").await;
    writer.asked().await.answer("text one row\nfinish stop\n").await;
    fake.asked().await.answer("text done\nfinish stop\n").await;
    let body = page.answer().await.body;
    let chunk = r#""tool_stream_chunk","data":{"tool_call_id":"c","content":"one row"}"#;
    let result = r#""tool_result","data":{"tool_call_id":"c","result":"one row"#;
    assert!(body.find(chunk).unwrap() < body.find(result).unwrap(), "{body}");
}
