//! A page that reads a turn's stream and a page that loads its kept messages hold the same: every turn at every level,
//! against the reading rules of the AI SDK (AI SDK wire notes 3.3).

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod vercel_ui;

use chatwire_protocols::event::Event;
use chatwire_protocols::items::{Change, Folder, Item, Style};
use chatwire_protocols::operation::Answer;
use serde_json::{Map, Value, json};
use vercel_ui::{TURNS, encode, frontend, level, ordered, scenarios};

/// The parts that a page holds behind this stream. Members of a part that are not known are not there.
fn streamed(stream: &str) -> Vec<Value> {
    let mut parts: Vec<Value> = Vec::new();
    for frame in stream.split_terminator("\n\n") {
        let Ok(chunk) = serde_json::from_str::<Map<String, Value>>(frame.strip_prefix("data: ").unwrap()) else {
            continue;
        };
        take(&chunk, &mut parts);
    }
    for part in &mut parts {
        // Only to find the part again.
        part.as_object_mut().unwrap().retain(|name, _| !name.starts_with('#'));
    }
    parts
}

fn take(chunk: &Map<String, Value>, parts: &mut Vec<Value>) {
    let kind = chunk["type"].as_str().unwrap();
    let call = |parts: &mut Vec<Value>| parts.iter().rposition(|part| part["toolCallId"] == chunk["toolCallId"]);
    match kind {
        "start-step" => parts.push(json!({"type": "step-start"})),
        "text-start" | "reasoning-start" => {
            let kind = kind.strip_suffix("-start").unwrap();
            parts.push(json!({"type": kind, "text": "", "state": "streaming", "#id": chunk["id"]}));
        }
        "text-delta" | "reasoning-delta" | "text-end" | "reasoning-end" => {
            let part = parts.iter_mut().rfind(|part| part["#id"] == chunk["id"]).unwrap();
            if let Some(delta) = chunk.get("delta") {
                part["text"] = format!("{}{}", part["text"].as_str().unwrap(), delta.as_str().unwrap()).into();
            } else {
                part["state"] = "done".into();
            }
            if let Some(metadata) = chunk.get("providerMetadata") {
                part["providerMetadata"] = metadata.clone();
            }
        }
        "tool-input-start" => {
            let mut part = json!({"toolCallId": chunk["toolCallId"], "state": "input-streaming"});
            if chunk.contains_key("dynamic") {
                part["type"] = "dynamic-tool".into();
                part["toolName"] = chunk["toolName"].clone();
            } else {
                part["type"] = format!("tool-{}", chunk["toolName"].as_str().unwrap()).into();
            }
            if chunk.contains_key("providerExecuted") {
                part["providerExecuted"] = true.into();
            }
            parts.push(part);
        }
        "tool-input-available" | "tool-input-error" | "tool-output-available" | "tool-output-error" => {
            let Some(at) = call(parts) else {
                // An approval asked for as a call has no stream of its input.
                let mut start = chunk.clone();
                start["type"] = "tool-input-start".into();
                take(&start, parts);
                return take(chunk, parts);
            };
            let part = &mut parts[at];
            if chunk.get("preliminary").is_some() {
                return;
            }
            let error = kind == "tool-input-error";
            part["state"] = if error { "output-error" } else { kind.strip_prefix("tool-").unwrap() }.into();
            for name in ["input", "output", "errorText"] {
                if let Some(value) = chunk.get(name) {
                    part[if error && name == "input" { "rawInput" } else { name }] = value.clone();
                }
            }
        }
        "tool-approval-request" => {
            let at = call(parts).unwrap();
            parts[at]["state"] = "approval-requested".into();
            parts[at]["approval"] = json!({"id": chunk["approvalId"]});
        }
        "tool-output-denied" => {
            let at = call(parts).unwrap();
            parts[at]["state"] = "output-denied".into();
        }
        "source-url" | "source-document" | "file" => parts.push(Value::Object(chunk.clone())),
        "finish-step" | "tool-input-delta" | "start" | "finish" | "error" | "abort" => {}
        data => {
            assert!(data.starts_with("data-"), "{data}");
            let same =
                |part: &&mut Value| chunk.contains_key("id") && part["type"] == data && part["id"] == chunk["id"];
            if chunk.contains_key("transient") {
            } else if let Some(part) = parts.iter_mut().find(same) {
                part["data"] = chunk["data"].clone();
            } else {
                parts.push(Value::Object(chunk.clone()));
            }
        }
    }
}

/// The items of a turn, in the order in which a store has them.
fn kept(name: &str) -> Vec<Item> {
    let mut folder = Folder::new("msg-1".into(), Style::default());
    let mut changes = Vec::new();
    let mut step = 0;
    for mut event in ordered(scenarios::turn(name).events, &[]) {
        if let Event::StepStart(start) = &mut event {
            start.step = step;
            step += 1;
        }
        folder.event(&event, &mut changes);
    }
    let mut items: Vec<Item> = Vec::new();
    for change in changes {
        match change {
            Change::Finished(item) => items.push(*item),
            Change::Replaced(item) => {
                let old = items.iter_mut().find(|old| old.id == item.id).unwrap();
                *old = *item;
            }
            _ => {}
        }
    }
    items
}

fn messages(options: &Value, items: Vec<Item>, wire: &'static str) -> Vec<Value> {
    let document = frontend(options).answer(&Answer::Messages { thread: "chat".into(), items, wire });
    assert_eq!((document.status, document.content_type), (200, "application/json"));
    let mut body: Value = serde_json::from_str(&document.body).unwrap();
    body["messages"].take().as_array().unwrap().clone()
}

fn loaded(name: &str, options: &Value) -> Vec<Value> {
    match messages(options, kept(name), "ui").as_slice() {
        [] => Vec::new(),
        [message] => {
            assert_eq!((&message["id"], &message["role"]), (&json!("msg-1"), &json!("assistant")));
            message["parts"].as_array().unwrap().clone()
        }
        more => panic!("one message: {more:?}"),
    }
}

/// What is known to differ: what was cut or said nothing is not kept, and data from before the first step stands in it.
fn differs(name: &str) -> bool {
    ["cut-call", "bad-arguments", "empty", "failed-early", "data"].contains(&name)
}

#[test]
fn a_loaded_message_is_what_the_stream_made() {
    for name in TURNS.iter().filter(|name| !differs(name)) {
        for options in
            [level("floor"), level("5"), level("6"), level("7"), json!({"ui_level": "6", "dynamic_tools": true})]
        {
            let (streamed, loaded) = (streamed(&encode(name, &options)), loaded(name, &options));
            let lines = |parts: &[Value]| parts.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
            assert_eq!(streamed, loaded, "{name} {options}\n{}\n--\n{}", lines(&streamed), lines(&loaded));
        }
    }
}
