//! A response's bytes to events.
//!
//! Events are told apart by their JSON `type`, with the `event:` line as a fallback (corner cases 8 and 9). Only
//! `response.completed` and its kin end an answer; an end of the body without one is a cut, whatever text arrived.

use serde_json::Value;

use super::items::{Family, Items, TextKey, difference};
use super::text::{Channel, Done};
use super::wire;
use crate::error::{Failure, FailureKind};
use crate::event::{Event, Finish, FinishReason, StepEnd, Text, Usage};
use crate::order::first_step;
use crate::protocol::{DecodeContext, Decoder, Progress};
use crate::wire::alike::Alike;
use crate::wire::json::Raw;
use crate::wire::sse::{Piece, Reader, excerpt};

/// Decodes one response.
pub(super) struct ResponsesDecoder {
    reader: Reader,
    answer: Answer,
}

impl ResponsesDecoder {
    pub(super) fn new(context: &DecodeContext) -> Self {
        Self { reader: Reader::new(context.limits.line), answer: Answer::new(context) }
    }
}

impl Decoder for ResponsesDecoder {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<Event>) {
        if self.answer.ended {
            return;
        }
        let answer = &mut self.answer;
        if let Err(failure) = self.reader.feed(bytes, |piece| answer.piece(piece, out)) {
            answer.fail(failure, out);
        }
    }

    fn finish(&mut self, out: &mut Vec<Event>) {
        if self.answer.ended {
            return;
        }
        let answer = &mut self.answer;
        if let Err(failure) = self.reader.finish(|piece| answer.piece(piece, out)) {
            answer.fail(failure, out);
        }
        answer.body_over(out);
    }

    fn progress(&self) -> Progress {
        match (self.answer.ended, &self.answer.failure) {
            (true, _) => Progress::Ended,
            (false, Some(_)) => Progress::Finishing,
            (false, None) => Progress::Open,
        }
    }
}

/// What has been read of the response.
struct Answer {
    items: Items,
    alike: Alike<TextKey>,
    response: Option<Text>,
    model: Option<Text>,
    started: bool,
    /// The stream began in the middle: a background response that is read on (corner case 137).
    resumed: bool,
    /// Told by an `error` event. Waits for the `response.failed` behind it, which says usage (corner case 53).
    failure: Option<Box<Failure>>,
    ended: bool,
}

impl Answer {
    fn new(context: &DecodeContext) -> Self {
        Self {
            items: Items::new(context),
            alike: Alike::default(),
            response: None,
            model: None,
            started: false,
            resumed: false,
            failure: None,
            ended: false,
        }
    }

    fn piece(&mut self, piece: Piece<'_>, out: &mut Vec<Event>) {
        if self.ended {
            return;
        }
        let done = match piece {
            Piece::Event { name, data, terminated } => self.event(name, data.trim(), terminated, out),
            Piece::Document(text) => self.document(text.trim(), out),
            Piece::Field { name: "error", value } => Err(told(value)),
            Piece::Field { .. } | Piece::Comment => Ok(()),
        };
        if let Err(failure) = done {
            self.fail(failure, out);
        }
    }

    fn event(&mut self, name: &str, data: &str, terminated: bool, out: &mut Vec<Event>) -> Done {
        if let Some((key, text)) = self.alike.read(name, data) {
            return self.items.text(key, text, out);
        }
        self.alike.forget();
        if data == "[DONE]" {
            return self.sentinel(out);
        }
        if !data.starts_with('{') {
            // A heartbeat in data clothes (corner case 36).
            return Ok(());
        }
        match serde_json::from_str::<wire::Event<'_>>(data) {
            Ok(event) => {
                let kind = event.kind.str();
                let kind = kind.as_deref().unwrap_or(name);
                self.dispatch(kind, &event, data, out)?;
                if let Some(channel) = channel(kind).filter(|_| self.failure.is_none()) {
                    let free = [event.sequence_number, event.obfuscation];
                    self.alike.learn(name, data, TextKey::of(&event, channel), event.delta, &free);
                }
                Ok(())
            }
            Err(_) if !terminated => Ok(()),
            Err(error) => Err(Failure::boxed(
                FailureKind::Malformed,
                format!("an event that is not valid JSON ({error}): {}", excerpt(data.as_bytes())),
            )),
        }
    }

    fn dispatch(&mut self, kind: &str, event: &wire::Event<'_>, data: &str, out: &mut Vec<Event>) -> Done {
        match kind {
            "response.created" if !self.items.is_empty() => {
                let message = "another response began inside this one";
                return Err(Failure::boxed(FailureKind::Malformed, message));
            }
            "response.created" | "response.in_progress" | "response.queued" => {
                self.name(&event.response.parse().unwrap_or_default());
                self.begin(out);
                return Ok(());
            }
            "response.completed" | "response.done" => return self.terminal("completed", event, out),
            "response.incomplete" => return self.terminal("incomplete", event, out),
            "response.failed" => return self.terminal("failed", event, out),
            "response.cancelled" => return self.terminal("cancelled", event, out),
            "error" => return self.error(data),
            _ if !kind.starts_with("response.") => {
                return if event.error.is_null() { Ok(()) } else { self.error(data) };
            }
            _ => {}
        }
        if self.failure.is_some() {
            return Ok(());
        }
        self.resumed |= !self.started;
        self.begin(out);
        self.content(kind, event, out)
    }

    fn content(&mut self, kind: &str, event: &wire::Event<'_>, out: &mut Vec<Event>) -> Done {
        let (items, none) = (&mut self.items, Raw::default());
        if let Some(channel) = channel(kind) {
            return items.text(TextKey::of(event, channel), event.delta, out);
        }
        match kind {
            "response.function_call_arguments.delta" => items.input(event, Family::Call, false, out),
            "response.custom_tool_call_input.delta" => items.input(event, Family::Call, true, out),
            "response.mcp_call_arguments.delta" | "response.code_interpreter_call_code.delta" => {
                items.input(event, Family::Hosted, false, out)
            }
            "response.output_text.done" => items.text_done(event, Channel::Text, event.text, none, out),
            "response.reasoning_summary_text.done" => items.text_done(event, Channel::Summary, event.text, none, out),
            "response.reasoning_text.done" => items.text_done(event, Channel::Thought, event.text, none, out),
            "response.refusal.done" => items.text_done(event, Channel::Refusal, event.refusal, none, out),
            "response.function_call_arguments.done" => items.input_done(event, Family::Call, event.arguments, out),
            "response.custom_tool_call_input.done" => items.input_done(event, Family::Call, event.input, out),
            "response.mcp_call_arguments.done" => items.input_done(event, Family::Hosted, event.arguments, out),
            "response.code_interpreter_call_code.done" => items.input_done(event, Family::Hosted, event.code, out),
            "response.output_text.annotation.added" => items.cite(event, out),
            "response.content_part.done" | "response.reasoning_part.done" | "response.reasoning_summary_part.done" => {
                part_done(items, event, out)
            }
            "response.output_item.added" => items.added(event, out),
            "response.output_item.done" => items.done(event, out),
            _ => {
                if let Some(state) = state(kind) {
                    items.progress(event, state, out);
                }
                Ok(())
            }
        }
    }

    fn terminal(&mut self, said: &str, event: &wire::Event<'_>, out: &mut Vec<Event>) -> Done {
        let response: wire::Response<'_> = event.response.parse().unwrap_or_default();
        self.close(said, &response, out)
    }

    /// A body that is one document: a whole response, or an error under status 200 (corner cases 49 and 144).
    fn document(&mut self, text: &str, out: &mut Vec<Event>) -> Done {
        let response: wire::Response<'_> = match serde_json::from_str(text) {
            Ok(response) => response,
            Err(error) if error.is_eof() => {
                return Err(Failure::boxed(FailureKind::Cut, "the answer is one document, and it is cut"));
            }
            Err(error) => {
                let message = format!("the answer is no response object ({error}): {}", excerpt(text.as_bytes()));
                return Err(Failure::boxed(FailureKind::Malformed, message));
            }
        };
        let is_response = response.output.is_array() || &*wire::word(response.object) == "response";
        match &*wire::word(response.status) {
            _ if !is_response => Err(told(text)),
            "queued" | "in_progress" => {
                Err(Failure::boxed(FailureKind::Cut, "the answer is one document, and the response still runs"))
            }
            _ => self.close("completed", &response, out),
        }
    }

    /// `[DONE]` in place of an end: the answer is whole if every item is (corner case 32).
    fn sentinel(&mut self, out: &mut Vec<Event>) -> Done {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        if self.items.is_empty() {
            return Err(empty());
        }
        if !self.items.all_done() {
            return Err(Failure::boxed(FailureKind::Cut, "the stream ended before its items did"));
        }
        let finish = Finish { reason: FinishReason::Stop, raw: None };
        self.end(finish, Usage::default(), true, out)
    }

    /// The response has ended. Its own status decides, where it has one that is an end.
    fn close(&mut self, said: &str, response: &wire::Response<'_>, out: &mut Vec<Event>) -> Done {
        self.name(response);
        self.begin(out);
        let status = wire::word(response.status);
        let status = match &*status {
            "completed" | "incomplete" | "failed" | "cancelled" => &*status,
            _ => said,
        };
        let usage = wire::usage(response.usage).unwrap_or_default();
        if let Some(failure) = self.failure.take() {
            return Err(self.failed(failure, status, usage));
        }
        match status {
            "failed" => Err(self.failed(told(response.error.get()), status, usage)),
            "cancelled" => {
                let failure = Failure::boxed(FailureKind::Server, "the provider cancelled the response");
                Err(self.failed(failure, status, usage))
            }
            "incomplete" => {
                self.items.all(response.output, false, self.resumed, out)?;
                self.end(incomplete(response.incomplete_details), usage, false, out)
            }
            _ => {
                self.items.all(response.output, true, self.resumed, out)?;
                let finish = Finish { reason: FinishReason::Stop, raw: Some("completed".into()) };
                self.end(finish, usage, true, out)
            }
        }
    }

    fn end(&mut self, mut finish: Finish, usage: Usage, whole: bool, out: &mut Vec<Event>) -> Done {
        self.items.end(whole, out)?;
        if self.items.take_differs() && !self.resumed {
            out.push(difference());
        }
        finish.reason = finish.reason.with_calls(self.items.has_calls());
        self.ended = true;
        out.push(Event::StepEnd(Box::new(self.step(finish, usage))));
        Ok(())
    }

    /// An `error` event. Its failure is held back for the `response.failed` that usually follows.
    fn error(&mut self, data: &str) -> Done {
        self.failure.get_or_insert_with(|| told(data));
        Ok(())
    }

    fn failed(&self, mut failure: Box<Failure>, status: &str, usage: Usage) -> Box<Failure> {
        let finish = Finish { reason: FinishReason::Error, raw: Some(status.into()) };
        failure.step = Some(Box::new(self.step(finish, usage)));
        failure
    }

    fn step(&self, finish: Finish, usage: Usage) -> StepEnd {
        StepEnd { finish, usage, response: self.response.clone(), model: self.model.clone() }
    }

    fn fail(&mut self, failure: Box<Failure>, out: &mut Vec<Event>) {
        if !self.ended {
            self.begin(out);
            self.items.cut(out);
            self.ended = true;
            out.push(Event::Failed(failure));
        }
    }

    fn body_over(&mut self, out: &mut Vec<Event>) {
        let failure = match self.failure.take() {
            Some(failure) => failure,
            None if self.started => Failure::boxed(FailureKind::Cut, "the stream ended before the response did"),
            None => empty(),
        };
        self.fail(failure, out);
    }

    /// The first id counts, for some servers change it; the last model does (corner case 135).
    fn name(&mut self, response: &wire::Response<'_>) {
        if self.response.is_none() {
            self.response = response.id.text();
        }
        if let Some(model) = response.model.text() {
            self.model = Some(model);
        }
    }

    fn begin(&mut self, out: &mut Vec<Event>) {
        if !self.started {
            self.started = true;
            out.push(first_step(self.response.clone(), self.model.clone()));
        }
    }
}

/// The channel that an event continues.
fn channel(kind: &str) -> Option<Channel> {
    match kind {
        "response.output_text.delta" => Some(Channel::Text),
        "response.reasoning_summary_text.delta" => Some(Channel::Summary),
        "response.reasoning_text.delta" => Some(Channel::Thought),
        "response.refusal.delta" => Some(Channel::Refusal),
        _ => None,
    }
}

fn part_done(items: &mut Items, event: &wire::Event<'_>, out: &mut Vec<Event>) -> Done {
    let Some(part) = event.part.parse::<wire::Part<'_>>() else { return Ok(()) };
    let (channel, whole) = match &*wire::word(part.kind) {
        "output_text" => (Channel::Text, part.text),
        "refusal" => (Channel::Refusal, part.refusal),
        "summary_text" => (Channel::Summary, part.text),
        "reasoning_text" => (Channel::Thought, part.text),
        _ => return Ok(()),
    };
    items.text_done(event, channel, whole, part.annotations, out)
}

/// The state in `response.web_search_call.searching`, where it is news: begin and end are told otherwise.
fn state(kind: &str) -> Option<&str> {
    let (call, state) = kind.strip_prefix("response.")?.rsplit_once('.')?;
    let news = !["in_progress", "completed", "failed", "incomplete", "partial_image", "delta", "done"].contains(&state);
    (news && call.ends_with("_call")).then_some(state)
}

fn incomplete(details: Raw<'_>) -> Finish {
    let details: wire::Incomplete<'_> = details.parse().unwrap_or_default();
    let raw = details.reason.text();
    let reason = match raw.as_deref() {
        Some("max_output_tokens") => FinishReason::Length,
        Some("content_filter") => FinishReason::ContentFilter,
        _ => FinishReason::Other,
    };
    Finish { reason, raw: raw.or_else(|| Some("incomplete".into())) }
}

/// Reads an error in whatever shape it has (upstream notes 3.2: nested under `error`, or at top level).
fn told(json: &str) -> Box<Failure> {
    let failure = match serde_json::from_str::<Value>(json) {
        Ok(Value::Null) | Err(_) if json.trim_matches(['n', 'u', 'l']).is_empty() => {
            Failure::new(FailureKind::Server, "the response failed without a reason")
        }
        Ok(value) => crate::failure::from_value(&value, None),
        Err(_) => Failure::new(FailureKind::Server, excerpt(json.as_bytes())),
    };
    Box::new(refine(failure))
}

/// Codes of `response.error` that speak of the request: asking again does not help.
fn refine(mut failure: Failure) -> Failure {
    let code = failure.code.as_ref().and_then(Value::as_str).unwrap_or_default();
    let about_the_request = ["invalid_", "image_", "unsupported_", "empty_image", "failed_to_download_image"];
    if failure.kind == FailureKind::Server && about_the_request.iter().any(|head| code.starts_with(head)) {
        failure.kind = FailureKind::BadRequest;
    }
    failure
}

fn empty() -> Box<Failure> {
    Failure::boxed(FailureKind::Empty, "the stream has no response in it")
}
