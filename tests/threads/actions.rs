//! What users do with widgets.

use std::sync::Arc;

use chatwire::config::plan::{ActionPlan, ActionTool, ToolKind, ToolPlan};
use chatwire::tools::{Arguments, Speaker, Tool, ToolFuture, ToolInput, ToolOutput};
use chatwire_protocols::event::Data;
use serde_json::{Value, json};

use crate::support::memory;
use crate::talk::{Talk, opening};

/// Shows a card with what it is given, and fails where that is "fail".
#[derive(Debug)]
struct Card;

impl Tool for Card {
    fn run(&self, input: ToolInput, speaker: Speaker) -> ToolFuture {
        Box::pin(async move {
            let text = input.arguments["text"].clone();
            if text == "fail" {
                return ToolOutput::error("The service is down.");
            }
            let value = json!({ "widget": { "type": "Card", "value": text, "none": null }, "copy_text": "card" });
            let data = |name: &str, value, keep| Data { name: name.into(), id: None, value, keep, ask: None };
            speaker.data(data("card", value, true)).await;
            speaker.data(data("effect", json!({ "name": "flash" }), false)).await;
            ToolOutput::ok(json!("shown"))
        })
    }
}

fn card() -> ToolPlan {
    let schema = json!({ "type": "object", "properties": { "text": { "type": "string" } }, "required": ["text"] });
    ToolPlan { arguments: Arguments::new(schema).unwrap(), ..ToolPlan::new("card", ToolKind::Code(Arc::new(Card))) }
}

async fn with_card() -> Talk {
    Talk::with(|setup| {
        let mut memory = memory();
        for (name, say) in [("card.quiet", false), ("card.say", true)] {
            let tool = ActionTool::Plan(Arc::new(card()));
            memory.actions.insert(name.to_owned(), ActionPlan { tool, say });
        }
        setup.memory = Some(memory);
        setup.page_calls = true;
        setup.tools = vec![card()];
    })
    .await
}

/// A thread with a widget, and the widget.
async fn with_widget(talk: &Talk) -> (String, Value) {
    let page = crate::support::page::Page::post_with(talk.gateway.addr, talk.user, &json!({ "say": "card" })).await;
    talk.fake.asked().await.answer("call c card {\"text\": \"one\"}\nfinish tool_calls\n").await;
    talk.fake.asked().await.answer("text there\nfinish stop\n").await;
    let thread = crate::talk::id_of(&page.answer().await);
    let widget = talk.kind(&thread, "widget").await.pop().unwrap();
    (thread, widget)
}

#[tokio::test]
async fn an_action_changes_the_widget_in_its_place() {
    let talk = with_card().await;
    let (thread, widget) = with_widget(&talk).await;
    let before = talk.items(&thread).await;
    let body = json!({ "thread": thread, "action": "card.quiet", "item": widget["id"], "payload": { "text": "two" } });
    let answer = talk.ask(&body).await;
    let replaced = opening(&answer)["replaced"][0].clone();
    assert_eq!((&replaced["id"], &replaced["created"]), (&widget["id"], &widget["created"]));
    assert_eq!(replaced["body"]["root"], json!({ "type": "Card", "value": "two" }));
    assert!(answer.body.contains("flash"), "what is for the moment goes along: {}", answer.body);
    let after = talk.items(&thread).await;
    assert_eq!(after.len(), before.len());
    assert_eq!(talk.kind(&thread, "widget").await, [replaced]);
    let data = talk.kind(&thread, "data").await;
    assert_eq!(
        (data.len(), &data[0]["body"]["value"]["widget"]["value"]),
        (1, &json!("two")),
        "other dialects see it too"
    );
}

#[tokio::test]
async fn an_action_that_the_page_waits_for_gives_the_widget() {
    let talk = with_card().await;
    let (thread, widget) = with_widget(&talk).await;
    let body = |payload: Value| json!({ "op": "act", "thread": thread, "action": "card.quiet", "item": widget["id"], "payload": payload });
    let updated = talk.get(&body(json!({ "text": "three" }))).await;
    assert_eq!(updated["item"]["body"]["root"]["value"], "three");
    for (payload, status, code) in [
        (json!({ "text": 7 }), 400, "invalid_request"),
        (json!(null), 400, "invalid_request"),
        (json!([1]), 400, "invalid_request"),
        (json!({ "text": "fail" }), 409, "action_failed"),
    ] {
        let refused = talk.ask(&body(payload)).await;
        assert_eq!((refused.status, &refused.json()["refused"]), (status, &json!(code)), "{}", refused.body);
    }
    assert_eq!(talk.kind(&thread, "widget").await[0]["body"]["root"]["value"], "three");
}

#[tokio::test]
async fn a_model_that_is_told_of_an_action_answers() {
    let talk = with_card().await;
    let (thread, widget) = with_widget(&talk).await;
    let body = json!({ "thread": thread, "action": "card.say", "item": widget["id"], "payload": { "text": "two" } });
    let (answer, told) = talk.turn(&body, "text I see\nfinish stop").await;
    assert_eq!(answer.text(), "I see");
    assert_eq!(opening(&answer)["replaced"][0]["body"]["root"]["value"], "two");
    let last = told.as_array().unwrap().last().unwrap().to_string();
    assert!(last.contains("card.say") && last.contains("two") && last.contains("shown"), "{last}");
    let shown = talk.get(&json!({ "op": "items", "thread": thread })).await.to_string();
    assert!(!shown.contains("card.say"), "no page is shown the note");
}

#[tokio::test]
async fn an_action_that_fails_leaves_the_widget_and_says_why() {
    let talk = with_card().await;
    let (thread, widget) = with_widget(&talk).await;
    let body = json!({ "thread": thread, "action": "card.quiet", "item": widget["id"], "payload": { "text": "fail" } });
    let answer = talk.ask(&body).await;
    assert!(answer.body.contains("notice") && answer.body.contains("The service is down."), "{}", answer.body);
    assert_eq!(talk.kind(&thread, "widget").await, [widget]);
}
