//! A provider's answer, streamed or whole, as events.
//!
//! One tolerant decoder for all servers (upstream notes 2.2 to 2.6): this file knows the stream as a whole: what is
//! an event, what is an error, and how it ends. What one delta says is [`Spoken`]'s.

use super::plain;
use super::quirks::ThinkTags;
use super::spoken::Spoken;
use super::usage;
use super::wire::{Choice, Chunk, Groq, read};
use crate::error::{Failure, FailureKind};
use crate::event::{Event, Finish, FinishReason, StepEnd, Text, Usage};
use crate::failure;
use crate::order::first_step;
use crate::protocol::{DecodeContext, Decoder, Progress};
use crate::wire::alike::Alike;
use crate::wire::json::Raw;
use crate::wire::sse::{Piece, Reader, excerpt};

/// Decodes one answer.
pub(super) struct ChatDecoder {
    reader: Reader,
    answer: Answer,
}

impl ChatDecoder {
    /// A decoder at the start of an answer. `restore` gives a tool's own name for the one that the provider knows.
    pub fn new(context: &DecodeContext, tags: ThinkTags, restore: fn(&str) -> Text) -> Self {
        Self {
            reader: Reader::new(context.limits.line),
            answer: Answer { spoken: Spoken::new(context, tags, restore), ..Answer::default() },
        }
    }
}

impl Decoder for ChatDecoder {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<Event>) {
        let Self { reader, answer } = self;
        if answer.ended {
            return;
        }
        if let Err(failure) = reader.feed(bytes, |piece| answer.piece(piece, out)) {
            answer.fail(*failure, out);
        }
    }

    fn finish(&mut self, out: &mut Vec<Event>) {
        let Self { reader, answer } = self;
        if answer.ended {
            return;
        }
        if let Err(failure) = reader.finish(|piece| answer.piece(piece, out)) {
            answer.fail(*failure, out);
        }
        answer.end_of_body(out);
    }

    fn progress(&self) -> Progress {
        match &self.answer {
            answer if answer.ended => Progress::Ended,
            answer if answer.finish.is_some() => Progress::Finishing,
            _ => Progress::Open,
        }
    }
}

/// What is known of the answer so far.
#[derive(Default)]
struct Answer {
    spoken: Spoken,
    /// True for reasoning, false for content.
    alike: Alike<bool>,
    begun: bool,
    ended: bool,
    /// Any data has come at all, readable or not.
    data: bool,
    /// Any choice has come.
    choice: bool,
    /// The provider's finish reason; a later one replaces it.
    finish: Option<Text>,
    /// The last usage object as it stood; empty if there was none.
    usage: String,
    response: Option<Text>,
    model: Option<Text>,
}

type Outcome = Result<(), Box<Failure>>;

impl Answer {
    fn piece(&mut self, piece: Piece<'_>, out: &mut Vec<Event>) {
        if self.ended {
            return;
        }
        let outcome = match piece {
            Piece::Event { name, data, terminated } => self.event(name, data, terminated, out),
            Piece::Field { name: "error", value } => Err(error_line(value)),
            Piece::Document(document) => self.document(document, out),
            Piece::Comment | Piece::Field { .. } => Ok(()),
        };
        if let Err(failure) = outcome {
            self.fail(*failure, out);
        }
    }

    fn event(&mut self, name: &str, data: &str, terminated: bool, out: &mut Vec<Event>) -> Outcome {
        let data = data.trim();
        if let Some((reasoning, text)) = self.alike.read(name, data) {
            return self.spoken.text(reasoning, text, out);
        }
        self.alike.forget();
        match data.as_bytes() {
            b"[DONE]" => {
                self.done(out);
                Ok(())
            }
            [b'{', ..] => match serde_json::from_str(data) {
                Ok(chunk) => {
                    if let Some((reasoning, text)) = plain::only_text(&chunk) {
                        self.alike.learn(name, data, reasoning, text, &[chunk.obfuscation, chunk.p]);
                    }
                    self.chunk(&chunk, data, name, out)
                }
                Err(error) => self.unreadable(terminated, not_json(data, &error), out),
            },
            _ if is_heartbeat(name, data) => Ok(()),
            _ => match Raw::new(data).parse::<Vec<Raw<'_>>>() {
                Some(items) => items
                    .into_iter()
                    .filter_map(|item| Some((item, item.parse::<Chunk<'_>>()?)))
                    .try_for_each(|(item, chunk)| self.chunk(&chunk, item.get(), name, out)),
                None => self.unreadable(terminated, plain_text(data), out),
            },
        }
    }

    /// Data that is no JSON ends the answer, unless it is the cut end of the body or the answer is there already.
    fn unreadable(&mut self, terminated: bool, failure: Box<Failure>, out: &mut Vec<Event>) -> Outcome {
        self.data = true;
        if self.finish.is_some() {
            self.spoken.warn("unreadable-data", "data behind the end of the answer could not be read", out);
            return Ok(());
        }
        if terminated { Err(failure) } else { Ok(()) }
    }

    /// The body is JSON and no stream: a whole answer, an error, or chunks line by line (corner cases 49 and 72).
    fn document(&mut self, document: &str, out: &mut Vec<Event>) -> Outcome {
        let items = serde_json::Deserializer::from_str(document).into_iter::<Raw<'_>>();
        for item in items {
            let Ok(item) = item else {
                self.data = true;
                return Ok(());
            };
            self.event("", item.get(), true, out)?;
        }
        if !self.choice {
            let message = format!("a document that is no answer: {}", excerpt(document.as_bytes()));
            return Err(Failure::boxed(FailureKind::Malformed, message));
        }
        self.done(out);
        Ok(())
    }

    fn chunk(&mut self, chunk: &Chunk<'_>, json: &str, name: &str, out: &mut Vec<Event>) -> Outcome {
        self.about(chunk);
        self.data = self.data || !chunk.choices.is_empty();
        if !chunk.choices.is_empty() || self.response.is_some() {
            self.begin(out);
        }
        self.spoken.sources(chunk.citations, chunk.search_results, out);
        for choice in chunk.choices.iter().filter(|choice| choice.given) {
            self.choice(choice, out)?;
        }
        if is_error(chunk, name) { Err(Box::new(stream_error(json))) } else { Ok(()) }
    }

    /// Who answers, and what it costs.
    fn about(&mut self, chunk: &Chunk<'_>) {
        if self.response.is_none() {
            self.response = chunk.id.text();
        }
        if let Some(model) = chunk.model.str().filter(|model| !model.is_empty())
            && self.model.as_deref() != Some(&*model)
        {
            self.model = Some(Text::from(model));
        }
        let in_choice = chunk.choices.first.as_ref().map(|choice| choice.usage).unwrap_or_default();
        let groq: Groq<'_> = read(chunk.x_groq);
        let usage = [chunk.usage, groq.usage, in_choice].into_iter().find(|usage| usage.get().len() > 2);
        if let Some(usage) = usage.filter(|usage| usage.is_object()) {
            self.usage.clear();
            self.usage.push_str(usage.get());
        }
    }

    fn choice(&mut self, choice: &Choice<'_>, out: &mut Vec<Event>) -> Outcome {
        self.choice = true;
        if choice.index.count().is_some_and(|index| index > 0) {
            self.spoken.warn("second-choice", "the provider sent more than one answer; the first is used", out);
            return Ok(());
        }
        if choice.delta.given {
            self.spoken.delta(&choice.delta, out)?;
        } else if choice.message.is_object() {
            self.spoken.message(&read(choice.message), out)?;
        }
        self.finish_reason(choice.finish_reason);
        if is_set(choice.error) {
            return Err(Box::new(stream_error(&format!("{{\"error\":{}}}", choice.error.get()))));
        }
        Ok(())
    }

    fn finish_reason(&mut self, raw: Raw<'_>) {
        let word = match raw.string() {
            Some(_) => raw.text(),
            None if raw.is_null() => None,
            None => Some(raw.get().into()),
        };
        if word.is_some() {
            self.finish = word;
        }
    }

    fn begin(&mut self, out: &mut Vec<Event>) {
        if !self.begun {
            self.begun = true;
            out.push(first_step(self.response.clone(), self.model.clone()));
        }
    }

    /// The body is over. A finish reason makes the answer whole, nothing else does (upstream notes 1.5).
    fn end_of_body(&mut self, out: &mut Vec<Event>) {
        if self.ended {
            return;
        }
        if self.finish.is_some() {
            self.done(out);
        } else if self.data {
            let message = "the stream ended without a finish reason";
            self.fail(Failure::new(FailureKind::Cut, message), out);
        } else {
            self.fail(Failure::new(FailureKind::Empty, "the stream held no answer"), out);
        }
    }

    /// The protocol's own end.
    fn done(&mut self, out: &mut Vec<Event>) {
        if !self.choice {
            return self.fail(Failure::new(FailureKind::Empty, "the stream held no answer"), out);
        }
        self.begin(out);
        let raw = self.finish.take();
        let reason = raw.as_deref().map_or(FinishReason::Stop, usage::finish_reason);
        match self.spoken.end(reason == FinishReason::Length, out) {
            Ok(calls) => {
                let end = self.step_end(Finish { reason: reason.with_calls(calls), raw });
                self.ended = true;
                out.push(Event::StepEnd(Box::new(end)));
            }
            Err(failure) => self.fail(*failure, out),
        }
    }

    fn fail(&mut self, mut failure: Failure, out: &mut Vec<Event>) {
        if self.ended {
            return;
        }
        self.begin(out);
        self.spoken.fail(out);
        let finish = Finish { reason: FinishReason::Error, raw: self.finish.take() };
        failure.step = Some(Box::new(self.step_end(finish)));
        self.ended = true;
        out.push(Event::Failed(Box::new(failure)));
    }

    fn step_end(&mut self, finish: Finish) -> StepEnd {
        let usage = if self.usage.is_empty() { Usage::default() } else { usage::usage(&self.usage) };
        StepEnd { finish, usage, response: self.response.take(), model: self.model.take() }
    }
}

/// True for `error` members that say something.
fn is_set(error: Raw<'_>) -> bool {
    !error.is_null() && !matches!(error.get(), "false" | "\"\"" | "{}" | "[]")
}

/// An error has an `error` member, also beside choices; or no choices, and the looks of an error (upstream notes 2.4).
fn is_error(chunk: &Chunk<'_>, name: &str) -> bool {
    let looks = || {
        name == "error"
            || [chunk.object.get(), chunk.kind.get()].contains(&"\"error\"")
            || (chunk.message.string().is_some() && !chunk.code.is_null())
            || is_set(chunk.detail)
    };
    is_set(chunk.error) || (chunk.choices.is_empty() && chunk.usage.is_null() && looks())
}

fn stream_error(json: &str) -> Failure {
    match serde_json::from_str(json) {
        Ok(value) => failure::from_value(&value, None),
        Err(_) => Failure::new(FailureKind::Server, excerpt(json.as_bytes())),
    }
}

/// A line of the form `error: …`: the stream dies with it, and it says why (corner case 13).
fn error_line(value: &str) -> Box<Failure> {
    let told = stream_error(value);
    Box::new(Failure { kind: FailureKind::Cut, ..told })
}

fn plain_text(data: &str) -> Box<Failure> {
    let text = excerpt(data.as_bytes());
    let kind = failure::classify(None, "", "", &text);
    Failure::boxed(kind, text)
}

fn not_json(data: &str, error: &serde_json::Error) -> Box<Failure> {
    let message = format!("data that is no JSON ({error}): {}", excerpt(data.as_bytes()));
    Failure::boxed(FailureKind::Malformed, message)
}

/// Signs of life in the clothes of data (upstream notes 1.3, rule 11).
fn is_heartbeat(name: &str, data: &str) -> bool {
    const WORDS: [&str; 7] = ["ping", "pong", "keepalive", "keep-alive", "keep_alive", "heartbeat", "null"];
    let word = data.trim_matches('"').to_ascii_lowercase();
    data.is_empty() || data.starts_with(':') || WORDS.contains(&word.as_str()) || WORDS.contains(&name)
}
