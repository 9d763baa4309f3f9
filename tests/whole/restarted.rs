//! A conversation of ten turns that outlives the process, and is read in another dialect.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::Folder;
use crate::page::{get, listed, say, send};
use crate::provider::Provider;

pub fn config(provider: &Provider) -> String {
    let address = &provider.address;
    format!(
        r#"
[providers.p]
protocol = "openai-chat"
base_url = "{address}"

[models.m]
targets = ["p/any"]

[tools.clock]
description = "The time."
fixed = {{ result = "noon" }}

[tools.a]
page = {{}}

[tools.b]
page = {{}}

[tools.c]
page = {{}}

[tools.ask]
form = {{}}

[[routes]]
path = "/chatkit"
protocol = "chatkit"
model = "m"
tools = ["clock", "a", "b", "c", "ask"]

[[routes]]
path = "/ai"
protocol = "vercel-auto"
model = "m"
memory = true
tools = ["clock", "a", "b", "c", "ask"]
"#
    )
}

fn said(role: &str, text: &str) -> Value {
    json!({"role": role, "content": text})
}

/// The text of an item, or of a message in an AI SDK page.
fn words(value: &Value) -> String {
    let parts = value["content"].as_array().or_else(|| value["parts"].as_array()).unwrap();
    parts.iter().filter_map(|part| part["text"].as_str()).collect()
}

#[test]
fn ten_turns_with_a_kill_between_them_are_one_conversation() {
    let provider = Provider::start();
    let folder = Folder::with(&config(&provider));
    let mut gateway = folder.gateway();
    let (mut thread, mut expected, mut shown) = (None::<String>, Vec::new(), Vec::new());
    for number in 0..10 {
        if number == 5 {
            gateway.kill();
            gateway = folder.gateway();
        }
        let (question, answer) = (format!("message {number}"), format!("answer {number}"));
        // Some turns call a tool, under the same id each time.
        let calls = number % 3 == 1;
        if calls {
            provider.calls(&[("call_1", "clock", json!({}))]);
        }
        provider.says(&answer);
        let heard = send(&gateway.address, &say(thread.as_deref(), &question));
        assert_eq!((heard.status, heard.whole), (200, true), "{}", heard.body);
        let events = heard.events();
        if thread.is_none() {
            assert_eq!(events[0]["type"], "thread.created");
            thread = events[0]["thread"]["id"].as_str().map(str::to_owned);
        }
        let done = events.iter().filter(|event| event["type"] == "thread.item.done");
        shown.extend(done.map(|event| event["item"].clone()));
        expected.push(said("user", &question));
        assert_eq!(provider.told(), expected, "turn {number}");
        if calls {
            let mut told = provider.told();
            let (result, call) = (told.pop().unwrap(), told.pop().unwrap());
            assert_eq!(told, expected, "turn {number}");
            assert_eq!((&result["role"], &result["content"]), (&json!("tool"), &json!("noon")));
            assert_eq!(call["tool_calls"][0]["id"], result["tool_call_id"]);
            assert_eq!(call["tool_calls"][0]["function"]["name"], "clock");
            expected.extend([call, result]);
        }
        expected.push(said("assistant", &answer));
    }
    assert!(provider.is_idle());
    let thread = thread.unwrap();
    let items = listed(&gateway.address, "items.list", Some(&thread));
    assert_eq!(items, shown, "what is kept is what the page was shown, in its order");
    let ids: BTreeSet<&str> = items.iter().map(|item| item["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), items.len(), "no id is given twice");
    let talk = |kinds: [&str; 2]| {
        (0..10).flat_map(|at| [(kinds[0], "message", at), (kinds[1], "answer", at)]).map(own).collect::<Vec<_>>()
    };
    let own_items = items.iter().filter(|item| item["type"] != "end_of_turn");
    let of_items: Vec<_> = own_items.map(|item| (item["type"].as_str().unwrap().to_owned(), words(item))).collect();
    assert_eq!(of_items, talk(["user_message", "assistant_message"]));

    // Another dialect shows the same, and goes on with it.
    let read = |address: &str| {
        let messages = get(address, &format!("/ai/{thread}/messages"))["messages"].as_array().unwrap().clone();
        messages
            .iter()
            .map(|message| (message["role"].as_str().unwrap().to_owned(), words(message)))
            .collect::<Vec<_>>()
    };
    assert_eq!(read(&gateway.address), talk(["user", "assistant"]));
    provider.says("answer 10");
    let message = json!({"id": "u10", "role": "user", "parts": [{"type": "text", "text": "message 10"}]});
    let body = json!({"id": thread, "trigger": "submit-message", "message": message});
    let heard = crate::page::post(&gateway.address, "/ai", &body);
    assert_eq!((heard.status, heard.whole), (200, true), "{}", heard.body);
    expected.push(said("user", "message 10"));
    assert_eq!(provider.told(), expected);
    let items = listed(&gateway.address, "items.list", Some(&thread));
    let last: Vec<_> = items.iter().filter(|item| item["type"] != "end_of_turn").map(words).collect();
    assert_eq!(last[20..], ["message 10", "answer 10"]);
}

fn own((kind, what, at): (&str, &str, usize)) -> (String, String) {
    (kind.to_owned(), format!("{what} {at}"))
}
