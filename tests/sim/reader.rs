//! What a page understands of an answer. Written from the dialects' documents, and not with our code.

use serde_json::Value;

/// How an answer ends, as its page sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Finish,
    Error,
    Stopped,
}

/// What a page was told.
#[derive(Clone, Debug, Default)]
pub struct Told {
    pub text: String,
    pub ends: Vec<End>,
    /// What breaks the dialect's own rules.
    pub wrong: Vec<String>,
    /// Items that are said to be done: their ids and texts.
    pub done: Vec<(String, String)>,
}

/// Finish reasons that say that it is not one.
const BAD: [&str; 7] = ["error", "unknown", "other", "failed", "incomplete", "aborted", "interrupted"];

/// Reads what has come so far; `over` is how the body ended, if it has.
pub fn read(dialect: &str, bytes: &[u8], over: Option<End>) -> Told {
    let mut told = Told::default();
    let Ok(text) = std::str::from_utf8(bytes) else {
        told.wrong.push("no UTF-8".to_owned());
        return told;
    };
    match dialect {
        "vercel-data-stream" => lines(text, &mut told, |value| value.as_str().map(str::to_owned)),
        "vercel-typed-lines" => lines(text, &mut told, |value| value["textDelta"].as_str().map(str::to_owned)),
        "vercel-ui-stream" => ui(text, &mut told),
        "vercel-text" => {
            told.text = text.to_owned();
            told.ends.extend(over);
            return told;
        }
        "callback-sse" => callback(text, &mut told),
        "agent-sse" => agent(text, &mut told),
        "chatkit" => {
            chatkit(text, &mut told);
            if told.ends.is_empty() && over == Some(End::Finish) {
                told.ends.push(End::Finish);
            }
        }
        other => told.wrong.push(format!("nobody reads {other}")),
    }
    if over == Some(End::Error) {
        told.wrong.push("the body breaks off".to_owned());
    }
    told
}

impl Told {
    /// Something comes: nothing may behind the end.
    fn more(&mut self, what: &str) {
        if !self.ends.is_empty() {
            self.wrong.push(format!("{what} behind the end"));
        }
    }

    fn json(&mut self, text: &str) -> Value {
        serde_json::from_str(text).unwrap_or_else(|error| {
            self.wrong.push(format!("{error}: {text}"));
            Value::Null
        })
    }
}

/// `CODE:JSON` lines.
fn lines(text: &str, told: &mut Told, delta: impl Fn(&Value) -> Option<String>) {
    if !text.is_empty() && !text.ends_with('\n') {
        told.wrong.push("half a line".to_owned());
    }
    let mut failed = false;
    for line in text.split('\n').filter(|line| !line.is_empty()) {
        let Some((code, rest)) = line.split_once(':') else {
            told.wrong.push(format!("no code: {line}"));
            continue;
        };
        let value = told.json(rest);
        let bad = value["finishReason"].as_str().is_some_and(|reason| BAD.contains(&reason));
        match code {
            "3" => {
                told.more("an error");
                told.ends.push(End::Error);
                failed = true;
            }
            "d" | "e" if failed && bad => {}
            "d" => {
                told.more("a finish");
                told.ends.push(if bad { End::Error } else { End::Finish });
            }
            "0" => {
                told.more("text");
                match delta(&value) {
                    Some(text) => told.text.push_str(&text),
                    None => told.wrong.push(format!("no text: {line}")),
                }
            }
            code if code.len() == 1 => told.more(code),
            code => told.wrong.push(format!("code {code}")),
        }
    }
}

/// The data of each event; comments are passed over.
fn events<'a>(text: &'a str, told: &mut Told) -> Vec<&'a str> {
    if !text.is_empty() && !text.ends_with("\n\n") {
        told.wrong.push("half an event".to_owned());
    }
    let mut data = Vec::new();
    for block in text.split("\n\n").filter(|block| !block.is_empty()) {
        if block.lines().count() != 1 {
            told.wrong.push(format!("more than a line: {block}"));
        }
        match block.strip_prefix("data: ") {
            Some(line) => data.push(line),
            None if block.starts_with(':') => {}
            None => told.wrong.push(format!("no event: {block}")),
        }
    }
    data
}

fn ui(text: &str, told: &mut Told) {
    let mut open: Vec<String> = Vec::new();
    let (mut started, mut done) = (false, false);
    for line in events(text, told) {
        if done {
            told.wrong.push(format!("{line} behind [DONE]"));
        }
        if line == "[DONE]" {
            done = true;
            if told.ends.is_empty() {
                told.wrong.push("[DONE] without an end".to_owned());
            }
            continue;
        }
        let value = told.json(line);
        let kind = value["type"].as_str().unwrap_or_default();
        let id = value["id"].as_str().unwrap_or_default().to_owned();
        told.more(kind);
        match kind {
            "start" if started => told.wrong.push("a second start".to_owned()),
            "start" => started = true,
            "text-start" | "reasoning-start" => open.push(format!("{kind}{id}").replace("-start", "")),
            "text-delta" | "reasoning-delta" => {
                if !open.contains(&format!("{kind}{id}").replace("-delta", "")) {
                    told.wrong.push(format!("{kind} of {id}, which is not open"));
                }
                if kind == "text-delta" {
                    told.text.push_str(value["delta"].as_str().unwrap_or_default());
                }
            }
            "text-end" | "reasoning-end" => {
                let name = format!("{kind}{id}").replace("-end", "");
                match open.iter().position(|known| *known == name) {
                    Some(at) => drop(open.remove(at)),
                    None => told.wrong.push(format!("{kind} of {id}, which is not open")),
                }
            }
            "finish" => {
                let bad = value["messageMetadata"]["finishReason"].as_str().is_some_and(|reason| BAD.contains(&reason));
                told.ends.push(if bad { End::Error } else { End::Finish });
                if !open.is_empty() {
                    told.wrong.push(format!("{open:?} open at the finish"));
                }
            }
            "error" => told.ends.push(End::Error),
            "abort" => told.ends.push(End::Stopped),
            "" => told.wrong.push(format!("no type: {line}")),
            _ => {}
        }
    }
    if !told.ends.is_empty() && !done {
        told.wrong.push("no [DONE]".to_owned());
    }
}

fn callback(text: &str, told: &mut Told) {
    for line in events(text, told) {
        let value = told.json(line);
        let kind = value["type"].as_str().unwrap_or_default();
        told.more(kind);
        match kind {
            "chunk" => told.text.push_str(value["data"]["content"].as_str().unwrap_or_default()),
            "complete" => told.ends.push(match value["data"]["message"]["finish_reason"].as_str() {
                Some("cancelled") => End::Stopped,
                Some(reason) if BAD.contains(&reason) => End::Error,
                _ => End::Finish,
            }),
            "error" => told.ends.push(End::Error),
            "" => told.wrong.push(format!("no type: {line}")),
            _ => {}
        }
    }
}

fn agent(text: &str, told: &mut Told) {
    let done = text.matches("\n\n: done\n\n").count();
    for line in events(text, told) {
        let value = told.json(line);
        match value["type"].as_str().unwrap_or_default() {
            "usage" if told.ends == [End::Finish] => {}
            "final" => {
                told.more("a final");
                told.ends.push(End::Finish);
                let content = value["content"].as_str().unwrap_or_default();
                // A last text of blanks is none.
                if !told.text.trim_end().ends_with(content.trim_end()) {
                    told.wrong.push(format!("the whole text is another: {content:?} of {:?}", told.text));
                }
            }
            "error" => {
                told.more("an error");
                told.ends.push(End::Error);
            }
            "text_delta" => {
                told.more("text");
                told.text.push_str(value["delta"].as_str().unwrap_or_default());
            }
            "" => told.wrong.push(format!("no type: {line}")),
            kind => told.more(kind),
        }
    }
    if done != told.ends.len() || (done > 0 && !text.ends_with(": done\n\n")) {
        told.wrong.push(format!("{done} times done"));
    }
}

fn chatkit(text: &str, told: &mut Told) {
    let mut grown: Vec<(String, String)> = Vec::new();
    for line in events(text, told) {
        let value = told.json(line);
        let kind = value["type"].as_str().unwrap_or_default();
        told.more(kind);
        match kind {
            "thread.item.updated" if value["update"]["type"] == "assistant_message.content_part.text_delta" => {
                let delta = value["update"]["delta"].as_str().unwrap_or_default();
                let item = value["item_id"].as_str().unwrap_or_default();
                told.text.push_str(delta);
                match grown.iter_mut().find(|(id, _)| id == item) {
                    Some((_, text)) => text.push_str(delta),
                    None => grown.push((item.to_owned(), delta.to_owned())),
                }
            }
            "thread.item.done" if value["item"]["type"] == "assistant_message" => {
                let id = value["item"]["id"].as_str().unwrap_or_default().to_owned();
                let content = value["item"]["content"][0]["text"].as_str().unwrap_or_default().to_owned();
                let deltas = grown.iter().find(|(known, _)| *known == id).map_or("", |(_, text)| text);
                if deltas != content {
                    told.wrong.push(format!("{id} is done as {content:?} and was told as {deltas:?}"));
                }
                if told.done.iter().any(|(known, _)| *known == id) {
                    told.wrong.push(format!("{id} is done twice"));
                }
                told.done.push((id, content));
            }
            "error" => told.ends.push(End::Error),
            "" => told.wrong.push(format!("no type: {line}")),
            _ => {}
        }
    }
}
