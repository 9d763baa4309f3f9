//! Reads the answer of `/v1/messages`: server-sent events, or one JSON message.

use serde_json::{Map, Value};

use super::content::{Content, Piece as Said};
use super::wire::{Line, Message, MessageDelta, StopDetails};
use crate::error::{Failure, FailureKind};
use crate::event::{Event, Finish, FinishReason, StepEnd, Text, Usage, Warning};
use crate::failure;
use crate::order::first_step;
use crate::protocol::{DecodeContext, Decoder, Progress};
use crate::wire::alike::Alike;
use crate::wire::json::Raw;
use crate::wire::sse::{Piece, Reader, excerpt};

/// Turns the bytes of one answer into events.
#[derive(Debug)]
pub(super) struct StreamDecoder {
    reader: Reader,
    step: Step,
}

impl StreamDecoder {
    /// A decoder; `explain` puts the provider's words for a refusal into the answer.
    pub(super) fn new(context: &DecodeContext, explain: bool) -> Self {
        Self { reader: Reader::new(context.limits.line), step: Step::new(context, explain) }
    }
}

impl Decoder for StreamDecoder {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<Event>) {
        let step = &mut self.step;
        if step.ended {
            return;
        }
        if let Err(failure) = self.reader.feed(bytes, |piece| step.piece(piece, out)) {
            step.fail(*failure, out);
        }
    }

    fn finish(&mut self, out: &mut Vec<Event>) {
        let step = &mut self.step;
        if step.ended {
            return;
        }
        match self.reader.finish(|piece| step.piece(piece, out)) {
            Ok(()) => step.body_ended(out),
            Err(failure) => step.fail(*failure, out),
        }
    }

    fn progress(&self) -> Progress {
        match (self.step.ended, &self.step.stop) {
            (true, _) => Progress::Ended,
            (false, Some(_)) => Progress::Finishing,
            (false, None) => Progress::Open,
        }
    }
}

/// The model call as far as it has come.
#[derive(Debug)]
struct Step {
    content: Content,
    alike: Alike<Said>,
    explain: bool,
    response: Option<Text>,
    model: Option<Text>,
    usage: Map<String, Value>,
    stop: Option<Text>,
    refusal: Option<Refusal>,
    /// Something of a message has come.
    seen: bool,
    /// The first event has been given.
    started: bool,
    ended: bool,
}

/// Why the provider refused.
#[derive(Debug)]
struct Refusal {
    category: Option<Text>,
    explanation: Option<String>,
}

impl Step {
    fn new(context: &DecodeContext, explain: bool) -> Self {
        Self {
            content: Content::new(context),
            alike: Alike::default(),
            explain,
            response: None,
            model: None,
            usage: Map::new(),
            stop: None,
            refusal: None,
            seen: false,
            started: false,
            ended: false,
        }
    }

    fn piece(&mut self, piece: Piece<'_>, out: &mut Vec<Event>) {
        if self.ended {
            return;
        }
        let result = match piece {
            Piece::Event { name, data, terminated } => self.event(name, data, terminated, out),
            Piece::Document(text) => self.document(text, out),
            Piece::Field { name: "error", value } => Err(error_line(value)),
            Piece::Field { .. } | Piece::Comment => Ok(()),
        };
        if let Err(failure) = result {
            self.fail(*failure, out);
        }
    }

    fn event(&mut self, name: &str, data: &str, terminated: bool, out: &mut Vec<Event>) -> Result<(), Box<Failure>> {
        if let Some((said, text)) = self.alike.read(name, data) {
            return self.content.grow(said, text, out);
        }
        self.alike.forget();
        if is_heartbeat(name, data) {
            return Ok(());
        }
        match serde_json::from_str::<Line<'_>>(data) {
            Ok(line) => self.line(&line, name, data, out),
            Err(_) if !terminated => {
                self.seen = true;
                Ok(())
            }
            Err(_) => Err(protocol(format!("an event that is no JSON object: {}", excerpt(data.as_bytes())))),
        }
    }

    /// The kind of an event is in its JSON; its name counts only where that says nothing (corner cases 8 and 9).
    fn line(&mut self, line: &Line<'_>, name: &str, data: &str, out: &mut Vec<Event>) -> Result<(), Box<Failure>> {
        let kind = line.kind.str().filter(|kind| !kind.is_empty());
        match kind.as_deref().unwrap_or(name) {
            "content_block_delta" => {
                self.start(out);
                let said = self.content.delta(line.index.count(), line.delta, out)?;
                if let Some((said, text)) = said {
                    self.alike.learn(name, data, said, text, &[]);
                }
                Ok(())
            }
            "content_block_start" => {
                self.start(out);
                self.content.start(line.index.count(), line.content_block, out)
            }
            "content_block_stop" => self.content.stop(line.index.count(), out),
            "message_start" => self.message_start(line.message, out),
            "message_delta" => {
                self.start(out);
                let delta: MessageDelta<'_> = line.delta.parse().unwrap_or_default();
                self.count(line.usage);
                self.stopped(delta.stop_reason, delta.stop_details, out);
                Ok(())
            }
            "message_stop" => self.complete(out),
            "message" => self.message(data, out),
            "error" => Err(reported(data)),
            _ if !line.error.is_null() => Err(reported(data)),
            _ => Ok(()),
        }
    }

    fn document(&mut self, text: &str, out: &mut Vec<Event>) -> Result<(), Box<Failure>> {
        match serde_json::from_str::<Line<'_>>(text) {
            Ok(line) if line.kind.str().as_deref() == Some("message") => self.message(text, out),
            Ok(line) if !line.error.is_null() => Err(reported(text)),
            Err(error) if error.is_eof() => {
                self.seen = true;
                Ok(())
            }
            _ => Err(protocol(format!("a document that is no message: {}", excerpt(text.as_bytes())))),
        }
    }

    /// A whole message: the answer of a server that does not stream (corner case 72).
    fn message(&mut self, text: &str, out: &mut Vec<Event>) -> Result<(), Box<Failure>> {
        self.message_start(Raw::new(text), out)?;
        self.complete(out)
    }

    /// A second start is another answer in the same body, unless it repeats the first before any block (corner case
    /// 19).
    fn message_start(&mut self, raw: Raw<'_>, out: &mut Vec<Event>) -> Result<(), Box<Failure>> {
        let message: Message<'_> = raw.parse().unwrap_or_default();
        if self.started {
            let repeated = message.id.text() == self.response && self.stop.is_none() && !self.content.has_begun();
            return if repeated { Ok(()) } else { Err(protocol("another message started while this one was open")) };
        }
        self.response = message.id.text();
        self.model = message.model.text();
        self.start(out);
        self.count(message.usage);
        for (index, block) in (0..).zip(message.content.parse::<Vec<Raw<'_>>>().unwrap_or_default()) {
            self.content.start(Some(index), block, out)?;
            self.content.stop(Some(index), out)?;
        }
        self.stopped(message.stop_reason, message.stop_details, out);
        Ok(())
    }

    fn start(&mut self, out: &mut Vec<Event>) {
        if !self.started {
            self.started = true;
            out.push(first_step(self.response.clone(), self.model.clone()));
        }
    }

    /// The counts are totals: members that are there replace the earlier ones, `null` says nothing (corner cases 117
    /// and 121).
    fn count(&mut self, usage: Raw<'_>) {
        for (key, count) in usage.value::<Map<String, Value>>().unwrap_or_default() {
            if !count.is_null() {
                self.usage.insert(key, count);
            }
        }
    }

    fn stopped(&mut self, reason: Raw<'_>, details: Raw<'_>, out: &mut Vec<Event>) {
        if !reason.is_null() {
            let reason = reason.str().map_or_else(|| Text::from(reason.get()), Text::from);
            self.content.settle(!is_cut(reason_of(&reason)), out);
            self.stop = Some(reason);
        }
        if let Some(details) = details.parse::<StopDetails<'_>>() {
            self.refusal =
                Some(Refusal { category: details.category.text(), explanation: details.explanation.owned() });
        }
    }

    fn complete(&mut self, out: &mut Vec<Event>) -> Result<(), Box<Failure>> {
        self.start(out);
        let reason = self.stop.as_deref().map_or(FinishReason::Stop, reason_of);
        self.content.close(!is_cut(reason), out)?;
        self.explain_refusal(out)?;
        let end = self.end(reason.with_calls(self.content.has_calls()));
        out.push(Event::StepEnd(Box::new(end)));
        self.ended = true;
        Ok(())
    }

    fn explain_refusal(&mut self, out: &mut Vec<Event>) -> Result<(), Box<Failure>> {
        let Some(refusal) = self.refusal.take() else { return Ok(()) };
        let category = refusal.category.as_deref().unwrap_or("none given");
        out.push(Warning::event("refused", format!("the provider refused to answer; category: {category}")));
        match refusal.explanation {
            Some(explanation) if self.explain => self.content.refuse(&explanation, out),
            _ => Ok(()),
        }
    }

    /// The body is over: as it should be, or too early. A stop reason is as good as an end (corner case 23).
    fn body_ended(&mut self, out: &mut Vec<Event>) {
        if self.ended {
            return;
        }
        let failure = if self.stop.is_some() {
            match self.complete(out) {
                Ok(()) => return,
                Err(failure) => *failure,
            }
        } else if self.seen || self.started {
            Failure::new(FailureKind::Cut, "the stream stopped before the end of its message")
        } else {
            Failure::new(FailureKind::Empty, "the stream has no message")
        };
        self.fail(failure, out);
    }

    fn fail(&mut self, mut failure: Failure, out: &mut Vec<Event>) {
        if self.ended {
            return;
        }
        self.start(out);
        self.content.abandon(out);
        failure.step = Some(Box::new(self.end(FinishReason::Error)));
        out.push(Event::Failed(Box::new(failure)));
        self.ended = true;
    }

    fn end(&self, reason: FinishReason) -> StepEnd {
        StepEnd {
            finish: Finish { reason, raw: self.stop.clone() },
            usage: usage(&self.usage),
            response: self.response.clone(),
            model: self.model.clone(),
        }
    }
}

/// Signs of life in the clothes of data (upstream notes 1.3), and an end that belongs to another protocol (corner
/// case 24).
fn is_heartbeat(name: &str, data: &str) -> bool {
    let data = data.trim();
    name == "ping" || data.is_empty() || data.starts_with(':') || data == "[DONE]"
}

/// The words of upstream notes 6.1.
fn reason_of(raw: &str) -> FinishReason {
    match raw {
        "end_turn" | "stop_sequence" => FinishReason::Stop,
        "tool_use" => FinishReason::ToolCalls,
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "refusal" => FinishReason::ContentFilter,
        "pause_turn" => FinishReason::Pause,
        _ => FinishReason::Other,
    }
}

/// True if the last call of an answer that ended like this may be half of one.
const fn is_cut(reason: FinishReason) -> bool {
    matches!(reason, FinishReason::Length | FinishReason::ContentFilter)
}

/// The table of upstream notes 6.2: what is read from or written to a cache is not part of `input_tokens` here.
fn usage(raw: &Map<String, Value>) -> Usage {
    let number = |value: Option<&Value>| value.and_then(|value| Raw::new(&value.to_string()).count());
    let count = |key: &str| number(raw.get(key));
    let (cached, written) = (count("cache_read_input_tokens"), count("cache_creation_input_tokens"));
    let input = [count("input_tokens"), cached, written].into_iter().flatten().reduce(u64::saturating_add);
    let output = count("output_tokens");
    Usage {
        input,
        cached_input: cached,
        cache_write_input: written,
        output,
        reasoning: number(raw.get("output_tokens_details").and_then(|details| details.get("thinking_tokens"))),
        total: input.zip(output).map(|(input, output)| input.saturating_add(output)),
        raw: (!raw.is_empty()).then(|| Box::new(Value::Object(raw.clone()))),
        ..Usage::default()
    }
}

fn protocol(message: impl Into<String>) -> Box<Failure> {
    Box::new(Failure { type_: Some("protocol".to_owned()), ..Failure::new(FailureKind::Malformed, message) })
}

/// An error that the provider reports inside its answer.
fn reported(text: &str) -> Box<Failure> {
    let value: Value = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
    let status = value.pointer("/error/type").and_then(Value::as_str).and_then(status_of);
    let mut failure = failure::from_value(&value, status);
    failure.status = None;
    Box::new(failure)
}

/// Some proxies report a failure in an SSE field of its own (corner case 13).
fn error_line(value: &str) -> Box<Failure> {
    if value.trim_start().starts_with('{') { reported(value) } else { Failure::boxed(FailureKind::Server, value) }
}

/// The status that this type of error has when it comes before the stream (upstream notes 4.2).
fn status_of(kind: &str) -> Option<u16> {
    Some(match kind {
        "invalid_request_error" => 400,
        "authentication_error" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" => 404,
        "request_too_large" => 413,
        "rate_limit_error" => 429,
        "api_error" => 500,
        "timeout_error" => 504,
        "overloaded_error" => 529,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
