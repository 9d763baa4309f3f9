//! Questions to the user, asked by the model through a tool of the kind `form`.

use serde_json::{Value, json};

use crate::Folder;
use crate::binary::Gateway;
use crate::client_tools::{results, went_well};
use crate::page::{Heard, get, listed, post, say, send};
use crate::provider::Provider;
use crate::restarted::config;

struct Asked {
    provider: Provider,
    gateway: Gateway,
    thread: String,
    /// The form as the page was shown it.
    form: Value,
    _folder: Folder,
}

fn questions() -> Value {
    json!({"questions": [
        {"id": "tea", "question": "Which tea?", "options": ["green", "black"]},
        {"id": "with", "question": "What with it?", "options": ["milk", "sugar", "lemon"], "multiple": true},
        {"id": "name", "question": "Your name?", "description": "For the cup."},
    ]})
}

impl Asked {
    /// A thread whose model has asked.
    fn start() -> Self {
        let provider = Provider::start();
        let folder = Folder::with(&config(&provider));
        let gateway = folder.gateway();
        provider.calls(&[("call_1", "ask", questions())]);
        let events = went_well(&send(&gateway.address, &say(None, "Tea, please")));
        provider.told();
        let form = events.last().unwrap()["item"].clone();
        let thread = events[0]["thread"]["id"].as_str().unwrap().to_owned();
        Self { provider, gateway, thread, form, _folder: folder }
    }

    fn answer(&self, input: &Value) -> Heard {
        let params = json!({"thread_id": self.thread, "item_id": self.form["id"], "input": input});
        send(&self.gateway.address, &json!({"type": "threads.add_structured_input", "params": params}))
    }

    fn kept(&self) -> Value {
        let items = listed(&self.gateway.address, "items.list", Some(&self.thread));
        items.into_iter().find(|item| item["type"] == "structured_input").unwrap()
    }
}

fn answers(form: &Value) -> Vec<Value> {
    form["inputs"].as_array().unwrap().iter().map(|input| input["answer"].clone()).collect()
}

fn given(values: &[&str]) -> Value {
    json!({"values": values, "skipped": values.is_empty()})
}

#[test]
fn what_the_user_answers_is_told_to_the_model() {
    let both: &[&str] = &["milk", "lemon"];
    // What the page sends; the answers as they are kept.
    let cases: [(Value, &str, [&[&str]; 3]); 8] = [
        (
            json!({"answers": {"tea": {"values": ["green"]}, "with": {"values": both}, "name": {"values": ["Kaz"]}}}),
            "answered",
            [&["green"], both, &["Kaz"]],
        ),
        (
            json!({"status": "answered", "answers": {"tea": {"values": ["black", "green"]}}}),
            "answered",
            [&["black"], &[], &[]],
        ),
        (json!({"answers": {"tea": {"values": ["green"], "skipped": true}}}), "answered", [&[], &[], &[]]),
        (json!({"answers": {"with": {"values": both, "skipped": false}, "tea": {}}}), "answered", [&[], both, &[]]),
        (json!({"answers": {"tea": null, "with": {"values": null}}}), "answered", [&[], &[], &[]]),
        (json!({"answers": {"nobody": {"values": ["asked"]}}}), "answered", [&[], &[], &[]]),
        (json!({}), "answered", [&[], &[], &[]]),
        (json!({"status": "skipped", "answers": {"tea": {"values": ["green"]}}}), "skipped", [&[], &[], &[]]),
    ];
    for (input, status, expected) in cases {
        let asked = Asked::start();
        assert_eq!((&asked.form["type"], &asked.form["status"]), (&json!("structured_input"), &json!("pending")));
        assert_eq!(asked.form, asked.kept());
        assert_eq!(answers(&asked.form), [Value::Null, Value::Null, Value::Null]);
        asked.provider.says("Here you are.");
        let events = went_well(&asked.answer(&input));
        let replaced = events.iter().find(|event| event["type"] == "thread.item.replaced");
        assert_eq!(replaced.map(|event| &event["item"]), Some(&asked.kept()), "{input}");
        assert_eq!((&asked.kept()["status"], answers(&asked.kept())), (&json!(status), expected.map(given).to_vec()));
        let told = asked.provider.told();
        let told: Value = serde_json::from_str(results(&told)[0].1).unwrap();
        assert_eq!(told["status"], status);
        let values = told["answers"].as_array().unwrap().iter().map(|answer| answer["values"].clone());
        assert_eq!(values.collect::<Vec<_>>(), expected.map(|values| json!(values)), "{input}: {told}");
        // A form takes one answer.
        let late = asked.answer(&input);
        assert_eq!((late.status, &late.json()["error"]["code"]), (409, &json!("not_pending")));
    }
}

#[test]
fn a_message_instead_of_answers_skips_the_form() {
    let asked = Asked::start();
    asked.provider.says("Fine.");
    let events = went_well(&send(&asked.gateway.address, &say(Some(&asked.thread), "Forget the tea")));
    assert!(events.iter().any(|event| event["type"] == "thread.item.replaced"), "{events:?}");
    let told = asked.provider.told();
    assert_eq!((results(&told).len(), &told.last().unwrap()["content"]), (1, &json!("Forget the tea")));
    assert_eq!((&asked.kept()["status"], answers(&asked.kept())), (&json!("skipped"), vec![given(&[]); 3]));
    assert_eq!(asked.answer(&json!({})).status, 409);
}

#[test]
fn what_is_no_answer_is_refused_and_changes_nothing() {
    let asked = Asked::start();
    for input in [
        json!(null),
        json!("green"),
        json!({"status": "maybe"}),
        json!({"answers": ["green"]}),
        json!({"answers": {"tea": {"values": "green"}}}),
    ] {
        let refused = asked.answer(&input);
        assert_eq!(
            (refused.status, refused.json()["error"]["code"].is_string()),
            (400, true),
            "{input}: {}",
            refused.body
        );
    }
    assert_eq!(asked.kept(), asked.form);
    // The model is told of arguments that ask nothing, and the page is shown no form.
    asked.provider.calls(&[("call_2", "ask", json!({"questions": []}))]);
    asked.provider.says("Sorry.");
    went_well(&send(&asked.gateway.address, &say(Some(&asked.thread), "Ask again")));
    asked.provider.told();
    let told = asked.provider.told();
    assert_eq!(results(&told).len(), 2, "{told:?}");
    let items = listed(&asked.gateway.address, "items.list", Some(&asked.thread));
    assert_eq!(items.iter().filter(|item| item["type"] == "structured_input").count(), 1);
}

/// A page without forms sees a call that it runs itself, and its output answers the form.
#[test]
fn an_ai_sdk_page_answers_with_an_output() {
    let asked = Asked::start();
    let messages = get(&asked.gateway.address, &format!("/ai/{}/messages", asked.thread));
    let message = messages["messages"].as_array().unwrap().last().unwrap().clone();
    let part = message["parts"].as_array().unwrap().iter().find(|part| part["type"] == "tool-ask").unwrap().clone();
    assert_eq!((&part["state"], &part["input"]), (&json!("input-available"), &questions()));
    let mut answered = part;
    answered["state"] = "output-available".into();
    answered["output"] = json!({"answers": [{"id": "tea", "values": ["green"]}]});
    let message = json!({"id": message["id"], "role": "assistant", "parts": [answered]});
    asked.provider.says("Here you are.");
    let body = json!({"id": asked.thread, "trigger": "submit-message", "message": message});
    let heard = post(&asked.gateway.address, "/ai", &body);
    assert!(heard.whole && heard.body.contains("Here you are."), "{}", heard.body);
    assert_eq!(results(&asked.provider.told()).len(), 1);
    let expected = vec![given(&["green"]), given(&[]), given(&[])];
    assert_eq!((&asked.kept()["status"], answers(&asked.kept())), (&json!("answered"), expected));
}
