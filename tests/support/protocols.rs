//! Two trivial protocols. A provider of `lines` answers with one word a line (`text WORDS`, `open WORDS`,
//! `call ID NAME ARGUMENTS`, `finish REASON`, `fail WORDS`); a page of `events` gets every event as a line of JSON.

use std::sync::Arc;

use bytes::BytesMut;
use chatwire_protocols::chat::{Approval, CallPart, ChatRequest, Message, Part, ResultPart, Role, ToolSpec};
use chatwire_protocols::error::{CallerError, Failure, FailureKind, Refusal};
use chatwire_protocols::event::{
    BlockId, BlockKind, Event, Finish, FinishReason, Runs, StepEnd, ToolCall, ToolKind, ToolOutcome, Usage, Warning,
};
use chatwire_protocols::protocol::{
    AnswerHead, DecodeContext, Decoder, Document, Encoder, Frontend, FrontendSpec, Keeps, Progress, Protocol, Reply,
    ReplyContext, RequestHead, Target, Upstream, UpstreamRequest, UpstreamSpec,
};
use chatwire_protocols::wire::body;
use serde_json::{Value, json};

pub static LINES: Protocol = Protocol {
    name: "lines",
    aliases: &[],
    about: "",
    frontend: None,
    upstream: Some(UpstreamSpec { options: &[], make: |_| Arc::new(Lines), base_url: "" }),
};

pub static EVENTS: Protocol = Protocol {
    name: "events",
    aliases: &[],
    about: "",
    frontend: Some(FrontendSpec { options: &[], make: |_| Arc::new(Events), keeps: Keeps::Never, page_calls: false }),
    upstream: None,
};

pub struct Lines;

impl Upstream for Lines {
    fn transcription(&self, base_url: &str) -> Option<String> {
        Some(format!("{base_url}audio/transcriptions"))
    }

    fn request(&self, chat: &ChatRequest, target: &Target<'_>) -> Result<UpstreamRequest, CallerError> {
        if chat.messages.iter().any(|message| message.joined_text() == "unsayable") {
            return Err(CallerError::invalid("user", "cannot be said"));
        }
        let body = json!({
            "model": target.model,
            "max_tokens": chat.settings.max_tokens,
            "tools": chat.tools.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>(),
            "tool_choice": chat.tool_choice,
            "messages": chat.messages.iter().map(said).collect::<Vec<_>>(),
        });
        let warned = chat.messages.iter().any(|message| message.joined_text() == "warn me");
        Ok(UpstreamRequest {
            url: target.url("lines"),
            headers: vec![("x-lines", "1".to_owned())],
            body: body.to_string().into_bytes(),
            warnings: warned.then(|| Warning { code: "test", message: "lost".to_owned() }).into_iter().collect(),
        })
    }

    fn decoder(&self, context: DecodeContext) -> Box<dyn Decoder> {
        Box::new(LineDecoder {
            next: context.first_block,
            partial: String::new(),
            begun: false,
            finish: None,
            ended: false,
        })
    }

    fn failure(&self, answer: &AnswerHead<'_>, body: &[u8]) -> Failure {
        chatwire_protocols::failure::from_body(answer, body)
    }
}

fn said(message: &Message) -> Value {
    let parts = message.parts.iter().map(|part| match part {
        Part::ToolCall(call) => format!("call {} {}", call.id, call.arguments),
        Part::ToolResult(result) => {
            let files: String = result.files.iter().map(|file| format!(" and {}", file.media_type)).collect();
            format!("result {} {:?} {}{files}", result.call, result.outcome, result.output)
        }
        other => other.as_text().unwrap_or("?").to_owned(),
    });
    json!([message.role, parts.collect::<Vec<_>>()])
}

struct LineDecoder {
    next: u32,
    partial: String,
    begun: bool,
    finish: Option<FinishReason>,
    ended: bool,
}

impl LineDecoder {
    fn block(&mut self, kind: BlockKind, text: &str, out: &mut Vec<Event>) {
        let block = BlockId(self.next);
        self.next += 1;
        out.push(Event::BlockStart { block, kind });
        out.push(Event::BlockDelta { block, text: text.into() });
        out.push(Event::BlockEnd { block, whole: true });
    }

    fn line(&mut self, line: &str, out: &mut Vec<Event>) {
        if self.ended {
            return;
        }
        if !self.begun && !line.starts_with(':') {
            self.begun = true;
            out.push(Event::StepStart(Box::default()));
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "text" => self.block(BlockKind::Text, rest, out),
            "open" => {
                let block = BlockId(self.next);
                self.next += 1;
                out.push(Event::BlockStart { block, kind: BlockKind::Text });
                out.push(Event::BlockDelta { block, text: rest.into() });
            }
            "call" => {
                let mut words = rest.splitn(3, ' ');
                let mut word = || words.next().unwrap_or_default();
                let (id, name, arguments) = (word(), word(), word());
                let kind = ToolKind::Function;
                let call = ToolCall { id: id.into(), name: name.into(), kind, runs: Runs::Page, index: 0 };
                self.block(BlockKind::ToolInput(Box::new(call)), arguments, out);
            }
            "finishing" => self.finish = Some(FinishReason::Stop),
            "finish" => {
                self.finish = Some(match rest {
                    "length" => FinishReason::Length,
                    "pause" => FinishReason::Pause,
                    "tool_calls" => FinishReason::ToolCalls,
                    _ => FinishReason::Stop,
                });
                self.end(out);
            }
            "fail" => self.failed(FailureKind::Server, rest, out),
            "panic" => panic!("on purpose"),
            word if word.starts_with('<') => self.failed(FailureKind::Malformed, "a page instead of a stream", out),
            _ => {}
        }
    }

    fn end(&mut self, out: &mut Vec<Event>) {
        let finish = Finish { reason: self.finish.unwrap_or_default(), raw: None };
        let usage = Usage { input: Some(3), output: Some(2), ..Usage::default() };
        out.push(Event::StepEnd(Box::new(StepEnd { finish, usage, ..StepEnd::default() })));
        self.ended = true;
    }

    fn failed(&mut self, kind: FailureKind, message: &str, out: &mut Vec<Event>) {
        out.push(Event::Failed(Failure::boxed(kind, message)));
        self.ended = true;
    }
}

impl Decoder for LineDecoder {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<Event>) {
        self.partial.push_str(&String::from_utf8_lossy(bytes));
        while let Some(end) = self.partial.find('\n') {
            let line: String = self.partial.drain(..=end).collect();
            self.line(line.trim_end(), out);
        }
    }

    fn finish(&mut self, out: &mut Vec<Event>) {
        if self.ended {
            return;
        }
        match (self.begun, self.finish) {
            (_, Some(_)) => self.end(out),
            (true, None) => self.failed(FailureKind::Cut, "the lines stopped", out),
            (false, None) => self.failed(FailureKind::Empty, "no lines", out),
        }
    }

    fn progress(&self) -> Progress {
        match (self.ended, self.finish) {
            (true, _) => Progress::Ended,
            (false, Some(_)) => Progress::Finishing,
            (false, None) => Progress::Open,
        }
    }
}

pub struct Events;

impl Frontend for Events {
    fn asks_approval(&self, _: &ChatRequest) -> bool {
        true
    }

    fn parse(&self, _: &RequestHead<'_>, bytes: &[u8]) -> Result<ChatRequest, CallerError> {
        let value = Value::Object(body::object(bytes)?);
        let text = |key: &str| value[key].as_str().map(str::to_owned);
        let user = text("user").ok_or_else(|| CallerError::invalid("user", "is missing"))?;
        let mut messages = vec![Message::text(Role::User, user)];
        messages.extend(earlier(&value["calls"]));
        let tools = value["tools"].as_array().into_iter().flatten().map(|name| ToolSpec {
            name: name.as_str().unwrap_or_default().into(),
            description: None,
            parameters: json!({}),
            strict: None,
        });
        Ok(ChatRequest {
            model: text("model").map(Into::into),
            messages,
            tools: tools.collect(),
            stream: value["stream"] != false,
            ..ChatRequest::default()
        })
    }

    fn open(&self, chat: &ChatRequest, _: &ReplyContext) -> Reply {
        let headers = vec![("content-type", "text/event-lines".to_owned()), ("x-event-lines", "v1".to_owned())];
        Reply { status: 200, headers, encoder: Box::new(EventEncoder), whole: !chat.stream }
    }

    fn refuse(&self, refusal: &Refusal<'_>) -> Document {
        let body = json!({"refused": refusal.code(), "why": refusal.safe_text(), "path": refusal.path()});
        Document { status: refusal.status(), content_type: "application/json", body: body.to_string() }
    }
}

/// The calls of the answer before: `[{"id", "name", "arguments", "approved", "result"}]`.
fn earlier(calls: &Value) -> Vec<Message> {
    let calls = calls.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let said = calls.iter().map(|call| {
        let approval = call.get("approved").map(|approved| Approval {
            id: format!("approval_{}", text(&call["id"])).into(),
            approved: approved.as_bool(),
            reason: call["reason"].as_str().map(str::to_owned),
        });
        Part::ToolCall(CallPart {
            id: text(&call["id"]).into(),
            name: text(&call["name"]).into(),
            arguments: text(&call["arguments"]),
            kind: ToolKind::Function,
            runs: Runs::Page,
            approval,
            marks: Vec::new(),
        })
    });
    let results = calls.iter().filter(|call| !call["result"].is_null()).map(|call| {
        Part::ToolResult(ResultPart {
            call: text(&call["id"]).into(),
            name: text(&call["name"]).into(),
            outcome: ToolOutcome::Ok,
            output: call["result"].clone(),
            files: Vec::new(),
            runs: Runs::Page,
        })
    });
    let (said, results): (Vec<_>, Vec<_>) = (said.collect(), results.collect());
    [(Role::Assistant, said), (Role::Tool, results)]
        .into_iter()
        .filter(|(_, parts)| !parts.is_empty())
        .map(|(role, parts)| Message::new(role, parts))
        .collect()
}

pub struct EventEncoder;

impl Encoder for EventEncoder {
    fn event(&mut self, event: &Event, out: &mut BytesMut) {
        // As a page would get it: a failure without the provider's words.
        let line = match event {
            Event::Failed(failure) => {
                json!({"event": "failed", "kind": failure.kind.label(), "text": failure.safe_text()})
            }
            other => serde_json::to_value(other).unwrap(),
        };
        out.extend_from_slice(line.to_string().as_bytes());
        out.extend_from_slice(b"\n");
    }

    fn keep_alive(&mut self, out: &mut BytesMut) {
        out.extend_from_slice(b":\n");
    }
}
