//! A step as the bytes of each provider's protocol, written from the providers' documents and not with our code.

use serde_json::{Value, json};

use crate::script::{End, Said, Step};

pub const PROTOCOLS: [&str; 4] = ["openai-chat", "openai-responses", "anthropic", "ollama"];

/// One event of a provider.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    pub bytes: Vec<u8>,
    /// The text for the user in it.
    pub text: String,
    /// True if the model says something in it.
    pub token: bool,
    /// True if the answer is whole with it.
    pub finish: bool,
}

/// How bytes are written beside what they say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    pub crlf: bool,
}

pub fn frames(protocol: &str, step: &Step, style: Style) -> Vec<Frame> {
    let mut frames = match protocol {
        "openai-chat" => chat(step),
        "openai-responses" => responses(step),
        "anthropic" => anthropic(step),
        _ => ollama(step),
    };
    if style.crlf {
        for frame in &mut frames {
            frame.bytes = frame
                .bytes
                .iter()
                .flat_map(|byte| if *byte == b'\n' { &b"\r\n"[..] } else { std::slice::from_ref(byte) }.to_vec())
                .collect();
        }
    }
    frames
}

/// An error in the stream, as the protocol says it.
pub fn error(protocol: &str) -> Vec<u8> {
    let error = json!({ "type": "overloaded_error", "message": "Overloaded", "code": "server_error" });
    match protocol {
        "anthropic" => named("error", &json!({ "type": "error", "error": error })),
        "openai-responses" => {
            named("error", &json!({ "type": "error", "code": "server_error", "message": "worker died" }))
        }
        "ollama" => format!("{}\n", json!({ "error": "worker died" })).into_bytes(),
        _ => data(&json!({ "error": error })),
    }
}

/// Nothing, said so that the connection stays open.
pub fn heartbeat(protocol: &str) -> Vec<u8> {
    match protocol {
        "anthropic" => named("ping", &json!({ "type": "ping" })),
        "ollama" => b"\n".to_vec(),
        _ => b": ping\n\n".to_vec(),
    }
}

fn data(value: &Value) -> Vec<u8> {
    format!("data: {value}\n\n").into_bytes()
}

fn named(name: &str, value: &Value) -> Vec<u8> {
    format!("event: {name}\ndata: {value}\n\n").into_bytes()
}

fn frame(bytes: Vec<u8>) -> Frame {
    Frame { bytes, ..Frame::default() }
}

fn token(bytes: Vec<u8>, text: &str) -> Frame {
    Frame { bytes, text: text.to_owned(), token: true, finish: false }
}

fn chat(step: &Step) -> Vec<Frame> {
    let chunk = |delta: Value, finish: Value| {
        let choice = json!({ "index": 0, "delta": delta, "finish_reason": finish });
        data(&json!({ "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice] }))
    };
    let mut frames = vec![frame(chunk(json!({ "role": "assistant", "content": "" }), Value::Null))];
    let mut calls = 0;
    for said in &step.said {
        match said {
            Said::Text(pieces) => {
                frames.extend(pieces.iter().map(|piece| token(chunk(json!({ "content": piece }), Value::Null), piece)))
            }
            Said::Thought(pieces) => frames.extend(
                pieces.iter().map(|piece| token(chunk(json!({ "reasoning_content": piece }), Value::Null), "")),
            ),
            Said::Call { id, tool, arguments } => {
                let call = |value: Value| token(chunk(json!({ "tool_calls": [value] }), Value::Null), "");
                let function = json!({ "name": tool, "arguments": "" });
                let begun = json!({ "index": calls, "id": id, "type": "function", "function": function });
                // A call that has only begun is nothing that a page is told.
                frames.push(Frame { token: false, ..call(begun) });
                for piece in arguments {
                    frames.push(call(json!({ "index": calls, "function": { "arguments": piece } })));
                }
                calls += 1;
            }
        }
    }
    let reason = match step.end {
        End::Stop => "stop",
        End::Calls => "tool_calls",
        End::Length => "length",
    };
    frames.push(Frame { finish: true, ..frame(chunk(json!({}), json!(reason))) });
    let usage = json!({ "prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5 });
    frames.push(frame(data(&json!({ "id": "c", "object": "chat.completion.chunk", "choices": [], "usage": usage }))));
    // Its own end, also where no reason stands in front.
    frames.push(Frame { finish: true, ..frame(b"data: [DONE]\n\n".to_vec()) });
    frames
}

fn responses(step: &Step) -> Vec<Frame> {
    let mut number = 0;
    let mut event = |name: &str, mut members: Value| {
        members["type"] = json!(name);
        members["sequence_number"] = json!(number);
        number += 1;
        named(name, &members)
    };
    let response = |status: &str, output: &[Value], usage: Value, incomplete: Value| {
        json!({ "response": { "id": "r", "object": "response", "created_at": 1, "status": status, "error": null,
            "incomplete_details": incomplete, "model": "m", "output": output, "usage": usage } })
    };
    let none = response("in_progress", &[], Value::Null, Value::Null);
    let mut frames = vec![frame(event("response.created", none.clone())), frame(event("response.in_progress", none))];
    let mut output = Vec::new();
    for (at, said) in step.said.iter().enumerate() {
        match said {
            Said::Text(pieces) => {
                let item = format!("msg_{at}");
                let place = json!({ "item_id": item, "output_index": at, "content_index": 0 });
                let with = |key: &str, value: Value| {
                    let mut members = place.clone();
                    members[key] = value;
                    members
                };
                let part = |text: &str| json!({ "type": "output_text", "text": text, "annotations": [] });
                let message = |status: &str, content: &[Value]| json!({ "id": item, "type": "message", "status": status, "role": "assistant", "content": content });
                let added = json!({ "output_index": at, "item": message("in_progress", &[]) });
                frames.push(frame(event("response.output_item.added", added)));
                frames.push(frame(event("response.content_part.added", with("part", part("")))));
                for piece in pieces {
                    frames.push(token(event("response.output_text.delta", with("delta", json!(piece))), piece));
                }
                let whole = pieces.concat();
                frames.push(frame(event("response.output_text.done", with("text", json!(whole)))));
                frames.push(frame(event("response.content_part.done", with("part", part(&whole)))));
                let done = message("completed", &[part(&whole)]);
                frames.push(frame(event("response.output_item.done", json!({ "output_index": at, "item": done }))));
                output.push(done);
            }
            Said::Thought(pieces) => {
                let item =
                    |summary: &[Value]| json!({ "id": format!("rs_{at}"), "type": "reasoning", "summary": summary });
                let added = json!({ "output_index": at, "item": item(&[]) });
                frames.push(frame(event("response.output_item.added", added)));
                let place = |key: &str, value: Value| {
                    let mut members = json!({ "item_id": format!("rs_{at}"), "output_index": at, "summary_index": 0 });
                    members[key] = value;
                    members
                };
                let part = |text: &str| json!({ "type": "summary_text", "text": text });
                frames.push(frame(event("response.reasoning_summary_part.added", place("part", part("")))));
                for piece in pieces {
                    let delta = event("response.reasoning_summary_text.delta", place("delta", json!(piece)));
                    frames.push(token(delta, ""));
                }
                let whole = pieces.concat();
                frames.push(frame(event("response.reasoning_summary_text.done", place("text", json!(whole)))));
                frames.push(frame(event("response.reasoning_summary_part.done", place("part", part(&whole)))));
                let done = item(&[part(&whole)]);
                frames.push(frame(event("response.output_item.done", json!({ "output_index": at, "item": done }))));
                output.push(done);
            }
            Said::Call { id, tool, arguments } => {
                let item = |status: &str, arguments: &str| {
                    json!({ "id": format!("fc_{at}"), "type": "function_call", "status": status, "call_id": id,
                        "name": tool, "arguments": arguments })
                };
                let place =
                    |key: &str, value: &str| json!({ "item_id": format!("fc_{at}"), "output_index": at, key: value });
                let added = json!({ "output_index": at, "item": item("in_progress", "") });
                frames.push(frame(event("response.output_item.added", added)));
                for piece in arguments {
                    frames.push(token(event("response.function_call_arguments.delta", place("delta", piece)), ""));
                }
                let whole = arguments.concat();
                frames.push(frame(event("response.function_call_arguments.done", place("arguments", &whole))));
                let done = item("completed", &whole);
                frames.push(frame(event("response.output_item.done", json!({ "output_index": at, "item": done }))));
                output.push(done);
            }
        }
    }
    let usage = json!({ "input_tokens": 3, "output_tokens": 2, "total_tokens": 5 });
    let last = match step.end {
        End::Length => {
            let details = json!({ "reason": "max_output_tokens" });
            event("response.incomplete", response("incomplete", &output, usage, details))
        }
        End::Stop | End::Calls => event("response.completed", response("completed", &output, usage, Value::Null)),
    };
    frames.push(Frame { finish: true, ..frame(last) });
    frames
}

fn anthropic(step: &Step) -> Vec<Frame> {
    let event = |value: Value| named(value["type"].as_str().unwrap_or_default(), &value);
    let message = json!({ "id": "m", "type": "message", "role": "assistant", "model": "m", "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": { "input_tokens": 3, "output_tokens": 1 } });
    let mut frames = vec![
        frame(event(json!({ "type": "message_start", "message": message }))),
        frame(event(json!({ "type": "ping" }))),
    ];
    for (at, said) in step.said.iter().enumerate() {
        let start =
            |block: Value| frame(event(json!({ "type": "content_block_start", "index": at, "content_block": block })));
        let delta = |delta: Value, text: &str| {
            token(event(json!({ "type": "content_block_delta", "index": at, "delta": delta })), text)
        };
        match said {
            Said::Text(pieces) => {
                frames.push(start(json!({ "type": "text", "text": "" })));
                for piece in pieces {
                    frames.push(delta(json!({ "type": "text_delta", "text": piece }), piece));
                }
            }
            Said::Thought(pieces) => {
                frames.push(start(json!({ "type": "thinking", "thinking": "", "signature": "" })));
                for piece in pieces {
                    frames.push(delta(json!({ "type": "thinking_delta", "thinking": piece }), ""));
                }
                frames.push(delta(json!({ "type": "signature_delta", "signature": "c2ln" }), ""));
            }
            Said::Call { id, tool, arguments } => {
                frames.push(start(json!({ "type": "tool_use", "id": id, "name": tool, "input": {} })));
                for piece in arguments {
                    frames.push(delta(json!({ "type": "input_json_delta", "partial_json": piece }), ""));
                }
            }
        }
        frames.push(frame(event(json!({ "type": "content_block_stop", "index": at }))));
    }
    let reason = match step.end {
        End::Stop => "end_turn",
        End::Calls => "tool_use",
        End::Length => "max_tokens",
    };
    let ends = json!({ "stop_reason": reason, "stop_sequence": null });
    let last = json!({ "type": "message_delta", "delta": ends, "usage": { "output_tokens": 9 } });
    frames.push(Frame { finish: true, ..frame(event(last)) });
    frames.push(Frame { finish: true, ..frame(event(json!({ "type": "message_stop" }))) });
    frames
}

fn ollama(step: &Step) -> Vec<Frame> {
    let line = |message: Value| {
        let line = json!({ "model": "m", "created_at": "2026-01-01T12:00:00Z", "message": message, "done": false });
        format!("{line}\n").into_bytes()
    };
    let mut frames = Vec::new();
    for said in &step.said {
        match said {
            Said::Text(pieces) => frames.extend(
                pieces.iter().map(|piece| token(line(json!({ "role": "assistant", "content": piece })), piece)),
            ),
            Said::Thought(pieces) => frames.extend(
                pieces
                    .iter()
                    .map(|piece| token(line(json!({ "role": "assistant", "content": "", "thinking": piece })), "")),
            ),
            Said::Call { id, tool, arguments } => {
                let arguments: Value = serde_json::from_str(&arguments.concat()).unwrap_or_default();
                let function = json!({ "name": tool, "arguments": arguments });
                let call = json!({ "id": id, "function": function });
                let message = json!({ "role": "assistant", "content": "", "tool_calls": [call] });
                frames.push(token(line(message), ""));
            }
        }
    }
    let reason = if step.end == End::Length { "length" } else { "stop" };
    let last = json!({ "model": "m", "created_at": "2026-01-01T12:00:00Z", "done": true, "done_reason": reason,
        "message": { "role": "assistant", "content": "" }, "prompt_eval_count": 3, "eval_count": 2 });
    frames.push(Frame { finish: true, ..frame(format!("{last}\n").into_bytes()) });
    frames
}
