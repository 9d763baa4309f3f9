//! What a page of each dialect sends, and how it reads what it gets.

use serde_json::{Value, json};

/// A dialect as its pages speak it.
pub struct Dialect {
    pub name: &'static str,
    /// Where a message is sent, below the route.
    pub path: &'static str,
    pub body: &'static str,
    /// The frames of a body.
    pub frames: fn(&str) -> Vec<Value>,
    /// The text that a frame brings.
    pub text: fn(&Value) -> Option<&str>,
    /// Whether a frame ends the answer, and if so whether it says that all went well.
    pub end: fn(&Value) -> Option<bool>,
    /// How a body ends.
    pub last: &'static str,
    /// True if the body's own end says that all went well.
    pub quiet: bool,
}

const MESSAGES: &str = r#"{"id":"c1","messages":[{"role":"user","content":"Hi"}]}"#;
const PARTS: &str = r#"{"id":"c1","trigger":"submit-message","messages":[{"id":"m1","role":"user","parts":[{"type":"text","text":"Hi"}]}]}"#;

const UI_STREAM: Dialect = Dialect {
    name: "vercel-ui-stream",
    path: "",
    body: PARTS,
    frames: events,
    text: ui_text,
    end: ui_end,
    last: "data: [DONE]\n\n",
    quiet: false,
};

/// Those of the registry; a dialect that is missing here fails the test.
pub const DIALECTS: &[Dialect] = &[
    Dialect { name: "vercel-auto", ..UI_STREAM },
    UI_STREAM,
    Dialect {
        name: "vercel-data-stream",
        path: "",
        body: MESSAGES,
        frames: coded,
        text: |frame| frame["0"].as_str(),
        end: |frame| match (&frame["3"], &frame["d"]["finishReason"]) {
            (Value::String(_), _) => Some(false),
            // What stands behind an error, and says so.
            (_, Value::String(reason)) => (reason != "error").then_some(true),
            _ => None,
        },
        last: "\n",
        quiet: false,
    },
    Dialect {
        name: "vercel-text",
        path: "",
        body: MESSAGES,
        frames: |body| vec![json!(body)],
        text: Value::as_str,
        end: |_| None,
        last: "",
        quiet: true,
    },
    Dialect {
        name: "vercel-typed-lines",
        path: "",
        body: MESSAGES,
        frames: coded,
        text: |frame| frame["0"]["textDelta"].as_str(),
        end: |frame| match (&frame["3"], &frame["d"]) {
            (Value::Object(_), _) => Some(false),
            (_, Value::Object(_)) => Some(true),
            _ => None,
        },
        last: "\n",
        quiet: false,
    },
    Dialect {
        name: "callback-sse",
        path: "",
        body: r#"{"session_id":"s1","messages":[{"role":"user","content":"Hi"}]}"#,
        frames: events,
        text: |frame| typed(frame, "chunk")?["data"]["content"].as_str(),
        end: |frame| ends(frame, "complete", "error"),
        last: "\n\n",
        quiet: false,
    },
    Dialect {
        name: "agent-sse",
        path: "/agent/query-stream-delta",
        body: r#"{"message":"Hi"}"#,
        frames: events,
        text: |frame| typed(frame, "text_delta")?["delta"].as_str(),
        end: |frame| ends(frame, "final", "error"),
        last: ": done\n\n",
        quiet: false,
    },
    Dialect {
        name: "chatkit",
        path: "",
        body: r#"{"type":"threads.create","params":{"input":{"content":[{"type":"input_text","text":"Hi"}],"attachments":[],"inference_options":{}}}}"#,
        frames: events,
        text: |frame| typed(frame, "thread.item.updated")?["update"]["delta"].as_str(),
        end: |frame| typed(frame, "error").map(|_| false),
        last: "\n\n",
        quiet: true,
    },
    Dialect {
        name: "agent-ws",
        path: "/ws/chat",
        body: r#"{"type":"chat","chat_id":"CHAT","content":"Hi"}"#,
        frames: |body| body.lines().map(parsed).collect(),
        text: |frame| typed(frame, "text_delta")?["delta"].as_str(),
        end: |frame| ends(frame, "result", "error"),
        last: "}\n",
        quiet: false,
    },
];

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Server-sent events: their data.
fn events(body: &str) -> Vec<Value> {
    body.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]").map(parsed).collect()
}

/// Lines of a code, a colon and a value.
fn coded(body: &str) -> Vec<Value> {
    let line = |line: &str| {
        let (code, value) = line.split_once(':').unwrap_or_else(|| panic!("a line without a code: {line}"));
        json!({ code: parsed(value) })
    };
    body.lines().filter(|line| !line.is_empty()).map(line).collect()
}

fn typed<'a>(frame: &'a Value, name: &str) -> Option<&'a Value> {
    (frame["type"] == name).then_some(frame)
}

fn ends(frame: &Value, good: &str, bad: &str) -> Option<bool> {
    typed(frame, good).map(|_| true).or_else(|| typed(frame, bad).map(|_| false))
}

fn ui_text(frame: &Value) -> Option<&str> {
    typed(frame, "text-delta")?["delta"].as_str()
}

fn ui_end(frame: &Value) -> Option<bool> {
    match typed(frame, "finish") {
        // What stands behind an error, and says so.
        Some(finish) if finish["finishReason"] == "error" => None,
        Some(_) => Some(true),
        None => typed(frame, "error").map(|_| false),
    }
}
