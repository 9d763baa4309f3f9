//! Three calls that the page runs, in one answer: whatever comes of them, and in whatever order, the turn ends well.

use serde_json::{Value, json};

use crate::Folder;
use crate::page::{Heard, listed, post, say, send};
use crate::provider::Provider;
use crate::restarted::config;

const CALLS: [(&str, &str); 3] = [("call_a", "a"), ("call_b", "b"), ("call_c", "c")];

fn call_all(provider: &Provider) {
    provider.calls(&CALLS.map(|(id, name)| (id, name, json!({}))));
}

/// The results in what a model is told, by their calls.
pub fn results(told: &[Value]) -> Vec<(&str, &str)> {
    let results = told.iter().filter(|message| message["role"] == "tool");
    results.map(|row| (row["tool_call_id"].as_str().unwrap(), row["content"].as_str().unwrap())).collect()
}

pub fn went_well(heard: &Heard) -> Vec<Value> {
    assert_eq!((heard.status, heard.whole), (200, true), "{}", heard.body);
    let events = heard.events();
    assert!(!heard.body.contains(r#""type":"error""#), "{}", heard.body);
    events
}

/// The calls that a thread shows, and how they stand.
fn shown(address: &str, thread: &str) -> Vec<(String, String)> {
    let items = listed(address, "items.list", Some(thread));
    let calls = items.iter().filter(|item| item["type"] == "client_tool_call");
    calls.map(|call| (call["name"].as_str().unwrap().into(), call["status"].as_str().unwrap().into())).collect()
}

fn pairs(calls: &[(&str, &str)]) -> Vec<(String, String)> {
    calls.iter().map(|&(name, status)| (name.to_owned(), status.to_owned())).collect()
}

fn give(address: &str, thread: &str, result: &str) -> Heard {
    let params = json!({"thread_id": thread, "result": result});
    send(address, &json!({"type": "threads.add_client_tool_output", "params": params}))
}

/// A ChatKit thread whose model has called all three.
fn asked(address: &str, provider: &Provider) -> String {
    call_all(provider);
    let events = went_well(&send(address, &say(None, "hi")));
    provider.told();
    let last = events.iter().rev().find(|event| event["type"] == "thread.item.done").unwrap();
    assert_eq!((&last["item"]["name"], &last["item"]["status"]), (&json!("a"), &json!("pending")));
    events[0]["thread"]["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_chatkit_page_runs_them_one_after_the_other() {
    let provider = Provider::start();
    let folder = Folder::with(&config(&provider));
    let mut gateway = folder.gateway();
    let thread = asked(&gateway.address, &provider);
    assert_eq!(shown(&gateway.address, &thread), pairs(&[("a", "pending")]));
    let events = went_well(&give(&gateway.address, &thread, "1"));
    assert_eq!(events.last().unwrap()["item"]["name"], "b", "{events:?}");
    // What waits for a page waits through a restart.
    gateway.kill();
    gateway = folder.gateway();
    assert_eq!(shown(&gateway.address, &thread), pairs(&[("a", "completed"), ("b", "pending")]));
    went_well(&give(&gateway.address, &thread, "2"));
    assert!(provider.is_idle(), "the model waits for all of them");
    provider.says("thanks");
    let events = went_well(&give(&gateway.address, &thread, "3"));
    assert_eq!(results(&provider.told()), [("call_a", "1"), ("call_b", "2"), ("call_c", "3")]);
    assert!(events.iter().any(|event| event["item"]["content"][0]["text"] == "thanks"), "{events:?}");
    let all = [("a", "completed"), ("b", "completed"), ("c", "completed")];
    assert_eq!(shown(&gateway.address, &thread), pairs(&all));
    assert_eq!(give(&gateway.address, &thread, "4").status, 409, "nothing waits any more");
}

#[test]
fn a_chatkit_page_that_never_answers_one_may_go_on_talking() {
    let provider = Provider::start();
    let folder = Folder::with(&config(&provider));
    let gateway = folder.gateway();
    let thread = asked(&gateway.address, &provider);
    went_well(&give(&gateway.address, &thread, "1"));
    provider.says("never mind");
    went_well(&send(&gateway.address, &say(Some(&thread), "forget it")));
    let told = provider.told();
    let results = results(&told);
    assert_eq!((results.len(), results[0]), (3, ("call_a", "1")), "each call has a result: {told:?}");
    assert_eq!(told.last().unwrap()["content"], "forget it");
    assert_eq!(shown(&gateway.address, &thread), pairs(&[("a", "completed")]), "nothing waits any more");
    assert_eq!(give(&gateway.address, &thread, "2").status, 409, "too late");
    assert!(provider.is_idle());
}

/// An AI SDK page's chat.
struct Chat<'a> {
    address: &'a str,
    provider: &'a Provider,
    message: String,
}

impl<'a> Chat<'a> {
    /// A chat whose model has called all three.
    fn asked(address: &'a str, provider: &'a Provider) -> Self {
        call_all(provider);
        let part = json!({"type": "text", "text": "hi"});
        let heard = Self::post(address, &json!({"id": "u1", "role": "user", "parts": [part]}));
        provider.told();
        let events = went_well_ai(&heard);
        let waiting = events.iter().filter(|event| event["type"] == "tool-input-available");
        let names: Vec<_> = waiting.map(|event| event["toolName"].as_str().unwrap()).collect();
        assert_eq!(names, ["a", "b", "c"]);
        let message = events[0]["messageId"].as_str().unwrap().to_owned();
        Self { address, provider, message }
    }

    fn post(address: &str, message: &Value) -> Heard {
        post(address, "/ai", &json!({"id": "chat", "trigger": "submit-message", "message": message}))
    }

    /// Sends the message as it stands with these outputs: all calls are in it, as pages send them.
    fn give(&self, outputs: [Option<&str>; 3]) -> Vec<Value> {
        let parts = CALLS.iter().zip(outputs).map(|((id, name), output)| {
            let mut part =
                json!({"type": format!("tool-{name}"), "toolCallId": id, "state": "input-available", "input": {}});
            if let Some(output) = output {
                part["state"] = "output-available".into();
                part["output"] = output.into();
            }
            part
        });
        let message = json!({"id": self.message, "role": "assistant", "parts": parts.collect::<Vec<_>>()});
        went_well_ai(&Self::post(self.address, &message))
    }
}

fn went_well_ai(heard: &Heard) -> Vec<Value> {
    assert_eq!((heard.status, heard.whole), (200, true), "{}", heard.body);
    let mut frames: Vec<&str> = heard.body.split("\n\n").filter(|frame| frame.starts_with("data: ")).collect();
    assert_eq!(frames.pop(), Some("data: [DONE]"), "{}", heard.body);
    let events: Vec<Value> = frames.iter().map(|frame| serde_json::from_str(&frame[6..]).unwrap()).collect();
    assert!(events.iter().all(|event| event["type"] != "error"), "{}", heard.body);
    assert_eq!(events.last().unwrap()["type"], "finish", "{}", heard.body);
    events
}

#[test]
fn an_ai_sdk_page_answers_in_any_order() {
    let provider = Provider::start();
    let folder = Folder::with(&config(&provider));
    let gateway = folder.gateway();
    let chat = Chat::asked(&gateway.address, &provider);
    chat.give([None, None, Some("3")]);
    chat.give([Some("1"), None, Some("3")]);
    assert!(provider.is_idle(), "the model waits for all of them");
    chat.provider.says("thanks");
    let events = chat.give([Some("1"), Some("2"), Some("3")]);
    assert!(events.iter().any(|event| event["delta"] == "thanks"), "{events:?}");
    assert_eq!(results(&provider.told()), [("call_a", "1"), ("call_b", "2"), ("call_c", "3")], "in the calls' order");
    // Sent again, it changes nothing.
    chat.give([Some("1"), Some("2"), Some("3")]);
    assert!(provider.is_idle());
}

#[test]
fn an_ai_sdk_page_that_never_answers_one_may_go_on_talking() {
    let provider = Provider::start();
    let folder = Folder::with(&config(&provider));
    let gateway = folder.gateway();
    let chat = Chat::asked(&gateway.address, &provider);
    chat.give([None, None, Some("3")]);
    provider.says("never mind");
    let part = json!({"type": "text", "text": "forget it"});
    went_well_ai(&Chat::post(&gateway.address, &json!({"id": "u2", "role": "user", "parts": [part]})));
    let told = provider.told();
    let results = results(&told);
    assert_eq!((results.len(), results[2]), (3, ("call_c", "3")), "each call has a result: {told:?}");
    assert_eq!(told.last().unwrap()["content"], "forget it");
}
