//! What the AI SDK's own clients make of the UI message stream. They are not part of this repository.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod vercel_ui;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use bytes::BytesMut;
use chatwire_protocols::chat::{CallPart, ChatRequest, Part, ResultPart};
use chatwire_protocols::protocol::{ReplyContext, RequestHead};
use serde_json::{Value, json};
use vercel_ui::scenarios::{Turn, turn};
use vercel_ui::{TURNS, encode, frontend, level, ordered};

/// What a page shows in the end. `aui` (assistant-ui's decoder) has words of its own for some of it.
fn shown(name: &str, aui: bool) -> Value {
    let tools = |phases: &[(&str, &str)]| -> Value {
        phases.iter().map(|(tool, phase)| json!({"toolName": tool, "phase": phase})).collect()
    };
    let (status, text, calls): (_, _, &[_]) = match name {
        "text" => ("ready", "Hello, Grüße 👋🏽 \"quoted\"\n2nd\u{2028}line", &[]),
        "reasoning" | "redacted" => ("ready", "42", &[]),
        "refusal" => ("ready", "I cannot.", &[]),
        "empty" => ("ready", "", &[]),
        "length" => ("ready", "so far", &[]),
        "tool" => ("ready", "Looking. It is 7 °C.", &[("weather", "output-available")]),
        "parallel" => ("ready", "done", &[("weather", "output-available"), ("clock", "output-available")]),
        "tool-fails" => ("ready", "sorry", &[("weather", "output-error")]),
        "provider-tool" => ("ready", "found", &[("web_search", "output-available")]),
        "custom-tool" => ("ready", "patched", &[("patch", "output-available")]),
        "progress" => ("ready", "built", &[("build", "output-available")]),
        "client-tool" => ("ready", "", &[("askColor", "input-available")]),
        "bad-arguments" => ("ready", "sorry", &[("pay", "output-error")]),
        "cut-call" => ("error", "", &[("pay", "output-error")]),
        "approval" => ("ready", "", &[("pay", "")]),
        "sources" => ("ready", "see", &[]),
        "file" => ("ready", "drawn", &[]),
        "data" => ("ready", "x", &[]),
        "failed" => ("error", "I was about", &[]),
        "failed-early" => ("error", "", &[]),
        "failed-between" => ("error", "", &[("weather", "output-error")]),
        "cancelled" => ("ready", "I was", &[]),
        "shutdown" => ("error", "I was", &[]),
        other => panic!("no turn named {other}"),
    };
    let mut shown = json!({"status": status, "text": text, "assistantMessages": 1});
    if !(aui || name == "failed-early") {
        shown["messageId"] = "msg-1".into();
    }
    // assistant-ui orders calls by their ends.
    let unordered = aui && name == "parallel";
    if name != "approval" && !unordered {
        shown["tools"] = tools(calls);
    }
    if !aui {
        shown["unfinishedParts"] = 0.into();
        match name {
            "sources" => {
                shown["sources"] = json!([{"url": "https://a/1"}, {"url": "https://a/2"}, {"title": "Report"}])
            }
            "file" => shown["files"] = json!([{"mediaType": "image/png"}]),
            "reasoning" => shown["reasoning"] = "let me think".into(),
            "data" => shown["data"] = json!([{"type": "data-status", "data": {"step": 2}}]),
            "length" => {
                shown["metadata"] = json!({"model": "m", "finishReason": "length", "usage": {"outputTokens": 7}})
            }
            _ => {}
        }
    }
    shown
}

/// The folder with the clients; without it these tests say so and pass.
fn clients() -> Option<PathBuf> {
    let folder = std::env::var_os("AI_SDK_CLIENTS").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: AI_SDK_CLIENTS names no folder with the AI SDK's clients");
    }
    folder
}

/// Feeds every turn at every level to the SDK's own clients, byte by byte. `AI_SDK_CLIENTS` names a folder with a
/// `consume.mjs` that plays a file to a client and compares what a page would show.
#[test]
fn the_real_clients_show_what_they_should() {
    let Some(clients) = clients() else { return };
    let only = std::env::var("ONLY").unwrap_or_default();
    let folder = std::env::temp_dir().join(format!("chatwire-ui-stream-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (mut table, mut failed) = (Vec::new(), Vec::new());
    let all = &["5-floor", "5", "6-floor", "6", "7-floor", "7", "aui"][..];
    for (options, sdks) in [
        (level("floor"), all),
        (json!({"dynamic_tools": true}), all),
        (level("5"), &all[1..]),
        (level("6"), &all[2..]),
        (level("7"), &all[4..]),
    ] {
        for sdk in sdks {
            let mut passed = 0;
            let turns: Vec<_> = TURNS.iter().filter(|turn| turn.contains(&only)).collect();
            for turn in &turns {
                let (bytes, expected) = (folder.join("answer.txt"), folder.join("expected.json"));
                std::fs::write(&bytes, encode(turn, &options)).unwrap();
                std::fs::write(&expected, shown(turn, *sdk == "aui").to_string()).unwrap();
                let output = Command::new("node")
                    .current_dir(&clients)
                    .args(["consume.mjs", "--sdk", sdk, "--chunk", "byte", "--lint", "--brief", "--file"])
                    .arg(&bytes)
                    .arg("--expect")
                    .arg(&expected)
                    .output()
                    .unwrap();
                if output.status.success() {
                    passed += 1;
                } else {
                    let said = String::from_utf8_lossy(&output.stdout).into_owned();
                    let tail: Vec<_> = said.lines().rev().take_while(|line| *line != "}").collect();
                    failed.push(format!("{turn} with {options}, client {sdk}: {}", tail.join(" | ")));
                }
            }
            table.push(format!("client {sdk:7} {passed} of {} with {options}", turns.len()));
        }
    }
    std::fs::remove_dir_all(&folder).unwrap();
    println!("{}", table.join("\n"));
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// Lets the SDK's own clients talk to a server: the page runs a tool or approves a call, posts again by its own rule,
/// and the answer goes on in the same message.
#[test]
fn the_real_clients_go_on_after_a_tool_or_an_approval() {
    let Some(clients) = clients() else { return };
    let expected = std::env::temp_dir().join(format!("chatwire-ui-loop-{}.json", std::process::id()));
    let (mut passed, mut failed) = (0, Vec::new());
    for (name, sdks, asks) in [
        ("floor", &["5-floor", "5", "6-floor", "6", "7-floor", "7"][..], false),
        ("5", &["5", "6-floor", "6", "7-floor", "7"], false),
        ("6", &["6-floor", "6", "7-floor", "7"], true),
        ("7", &["7-floor", "7"], true),
    ] {
        let url = serve(name);
        let [yes, no] = if asks {
            [["--approve", "all"], ["--approve", "none"]]
        } else {
            [["--tool", "request_approval=true"], ["--tool", "request_approval=false"]]
        };
        let refused = if asks { "output-denied" } else { "output-error" };
        for (path, page, text, phase) in [
            ("client-tool", ["--tool", "askColor=\"blue\""], "You picked \"blue\".", "output-available"),
            ("approval", yes, "Paid.", "output-available"),
            ("approval", no, "Not paid.", refused),
        ] {
            // Below level 6 the question itself is a call too.
            let question = json!({"toolName": "request_approval", "phase": "output-available"});
            let mut tools = vec![json!({"phase": phase})];
            tools.extend((path == "approval" && !asks).then_some(question));
            let shown = json!({
                "status": "ready", "text": text, "assistantMessages": 1, "messageId": "msg-1", "unfinishedParts": 0,
                "tools": tools,
            });
            std::fs::write(&expected, shown.to_string()).unwrap();
            for sdk in sdks {
                let output = Command::new("node")
                    .current_dir(&clients)
                    .args(["consume.mjs", "--sdk", sdk, "--lint", "--say", "Hi", "--url", &format!("{url}/{path}")])
                    .args(page)
                    .arg("--expect")
                    .arg(&expected)
                    .output()
                    .unwrap();
                if output.status.success() {
                    passed += 1;
                } else {
                    let said = String::from_utf8_lossy(&output.stdout).into_owned();
                    let tail: Vec<_> = said.lines().rev().take_while(|line| *line != "}").collect();
                    failed.push(format!("{path} {page:?}, level {name}, client {sdk}: {}", tail.join(" | ")));
                }
            }
        }
    }
    std::fs::remove_file(&expected).unwrap();
    println!("{passed} conversations passed");
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// A server that answers until the test ends, on a free port.
fn serve(name: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            answer(stream.unwrap(), name);
        }
    });
    url
}

fn answer(mut stream: TcpStream, name: &str) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut line, mut length, mut path) = (String::new(), 0, String::new());
    while reader.read_line(&mut line).unwrap() > 2 {
        if let Some(target) = line.strip_prefix("POST ") {
            path = target.split(' ').next().unwrap().to_owned();
        }
        if let Some(count) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = count.trim().parse().unwrap();
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();

    let frontend = frontend(&level(name));
    let chat = frontend.parse(&RequestHead::default(), &body).unwrap();
    let context =
        ReplyContext { turn: "turn".into(), message: "msg-1".into(), model: "m".into(), created: 0, kept: None };
    let mut reply = frontend.open(&chat, &context);
    let mut out = BytesMut::from("HTTP/1.1 200 OK\r\nconnection: close\r\n");
    for (header, value) in &reply.headers {
        out.extend_from_slice(format!("{header}: {value}\r\n").as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    let (turn, resolved) = respond(path.trim_start_matches('/'), &chat);
    for event in ordered(turn.events, resolved) {
        reply.encoder.event(&event, &mut out);
    }
    stream.write_all(&out).unwrap();
}

/// The turn that answers, and the call of an earlier turn that it resolves.
fn respond(path: &str, chat: &ChatRequest) -> (Turn, &'static [&'static str]) {
    if chat.continues.is_none() {
        return (turn(path), &[]);
    }
    let parts: Vec<&Part> = chat.messages.iter().flat_map(|message| &message.parts).collect();
    let approval = parts.iter().find_map(|part| match part {
        Part::ToolCall(CallPart { approval: Some(approval), .. }) => Some(approval),
        _ => None,
    });
    let output = parts.iter().find_map(|part| match part {
        Part::ToolResult(ResultPart { output, .. }) => Some(output),
        _ => None,
    });
    match (approval, output) {
        (Some(approval), None) => (turn(if approval.approved == Some(true) { "approved" } else { "denied" }), &["p1"]),
        (None, Some(output)) => {
            let text = format!("You picked {output}.");
            (Turn::new().step().text(&[&text]).stop(), &[])
        }
        other => panic!("neither approved nor answered: {other:?}"),
    }
}
