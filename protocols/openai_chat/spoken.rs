//! What the deltas of an answer say, in the order of the wire: reasoning, content, refusal, then all else.

use serde_json::Value;

use super::calls::Calls;
use super::details::{self, Details};
use super::quirks::ThinkTags;
use super::talk::{Talk, Voice, has_text};
use super::wire::{Audio, CallPiece, Delta, Function, Part, read};
use crate::blocks::Blocks;
use crate::error::Failure;
use crate::event::{BlockKind, Data, Event, File, FileSource, Mark, Text, Warning};
use crate::protocol::{DecodeContext, Limits};
use crate::wire::json::Raw;
use crate::wire::think::ThinkSplit;

/// The content of one answer.
pub(super) struct Spoken {
    blocks: Blocks,
    talk: Talk,
    calls: Calls,
    warned: Vec<&'static str>,
    /// A delta has said something.
    by_delta: bool,
    /// A `message` instead of a delta has come.
    by_message: bool,
    /// What it has said so far: such servers repeat it from its beginning.
    snapshot: String,
}

type Outcome = Result<(), Box<Failure>>;

impl Default for Spoken {
    fn default() -> Self {
        Self::new(&DecodeContext::default(), ThinkTags::Off, |name| name.into())
    }
}

impl Spoken {
    /// Nothing has been said.
    pub fn new(context: &DecodeContext, tags: ThinkTags, restore: fn(&str) -> Text) -> Self {
        let Limits { line, .. } = context.limits;
        let splitter = match tags {
            ThinkTags::Off => None,
            ThinkTags::Auto => Some(ThinkSplit::new()),
            ThinkTags::Open => Some(ThinkSplit::assuming_open()),
        };
        Self {
            blocks: Blocks::new(context),
            talk: Talk::new(splitter, Details::new(line)),
            calls: Calls::new(&context.limits, restore),
            warned: Vec::new(),
            by_delta: false,
            by_message: false,
            snapshot: String::new(),
        }
    }

    /// Takes a piece of the answer.
    ///
    /// # Errors
    /// When a bound is broken.
    pub fn delta(&mut self, delta: &Delta<'_>, out: &mut Vec<Event>) -> Outcome {
        self.by_delta = self.by_delta || says_something(delta);
        self.reasoning(delta, out)?;
        self.content(delta, out)?;
        self.rest(delta, out)
    }

    /// Takes a piece that is only text.
    ///
    /// # Errors
    /// When a bound is broken.
    pub fn text(&mut self, reasoning: bool, text: Raw<'_>, out: &mut Vec<Event>) -> Outcome {
        if reasoning {
            return self.voice(Voice::Reasoning, text, out);
        }
        if has_text(text) {
            self.calls.settle(&mut self.blocks, out)?;
        }
        self.talk.content(text, &mut self.blocks, out)
    }

    /// Takes an answer as a whole. Some servers send it again and again, longer each time; some send it once, behind
    /// the deltas.
    ///
    /// # Errors
    /// When a bound is broken.
    pub fn message(&mut self, message: &Delta<'_>, out: &mut Vec<Event>) -> Outcome {
        if self.by_delta {
            return Ok(());
        }
        let again = std::mem::replace(&mut self.by_message, true);
        let text = message.content.get().strip_suffix('"').unwrap_or_default();
        let more = text.strip_prefix(self.snapshot.as_str()).filter(|_| again).map(|more| format!("\"{more}\""));
        if !text.is_empty() {
            self.snapshot.clear();
            self.snapshot.push_str(text);
        }
        if again {
            self.talk.content(Raw::new(more.as_deref().unwrap_or_default()), &mut self.blocks, out)?;
            return if self.calls.any_open() { Ok(()) } else { self.tool_calls(message, out) };
        }
        self.reasoning(message, out)?;
        self.content(message, out)?;
        self.rest(message, out)
    }

    /// Takes the sources of a chunk.
    pub fn sources(&mut self, citations: Raw<'_>, results: Raw<'_>, out: &mut Vec<Event>) {
        if !citations.is_null() {
            self.talk.sources.list(citations, results);
            self.talk.cite(&self.blocks, out);
        }
    }

    /// Says once that something is not carried over.
    pub fn warn(&mut self, code: &'static str, message: &str, out: &mut Vec<Event>) {
        if !self.warned.contains(&code) {
            self.warned.push(code);
            out.push(Warning::event(code, message));
        }
    }

    /// Ends all that is open. With `cut`, a limit has ended the answer. True if the answer has calls.
    ///
    /// # Errors
    /// When a bound is broken.
    pub fn end(&mut self, cut: bool, out: &mut Vec<Event>) -> Result<bool, Box<Failure>> {
        self.talk.end(&mut self.blocks, out)?;
        if self.calls.end(cut, &mut self.blocks, out)? > 0 {
            self.warn("call-without-name", "a tool call without a name was left out", out);
        }
        Ok(self.calls.any_open())
    }

    /// Ends all that is open as cut, after a failure. What was held back is said; a bound that breaks now breaks
    /// nothing any more.
    pub fn fail(&mut self, out: &mut Vec<Event>) {
        let _ = self.talk.release(&mut self.blocks, out);
        let _ = self.calls.settle(&mut self.blocks, out);
        self.blocks.end_all(false, out);
    }

    /// One source of reasoning per delta: they repeat one another (upstream notes 9.1, corner case 101).
    fn reasoning(&mut self, delta: &Delta<'_>, out: &mut Vec<Event>) -> Outcome {
        let named = [delta.reasoning_content, delta.reasoning].into_iter().find(|raw| has_text(*raw));
        if let Some(reasoning) = named {
            self.voice(Voice::Reasoning, reasoning, out)?;
        }
        for detail in details::each(delta.reasoning_details) {
            let text = if detail.text.is_null() { detail.summary } else { detail.text };
            if named.is_none() {
                self.voice(Voice::Reasoning, text, out)?;
            }
            // Only Anthropic's own signatures mean anything outside of this protocol.
            let own = detail.format.str().is_some_and(|format| format.starts_with("anthropic"));
            if let Some(signature) = detail.signature.text().filter(|_| own) {
                self.talk.mark(Mark::Signature { signature }, &mut self.blocks, out)?;
            }
            if !detail.data.is_null() && self.talk.voice().is_none() && !self.calls.any_open() {
                self.talk.block(Voice::Reasoning, &mut self.blocks, out)?;
            }
        }
        if delta.reasoning_details.is_array() {
            self.talk.details.add(delta.reasoning_details)?;
        }
        Ok(())
    }

    fn content(&mut self, delta: &Delta<'_>, out: &mut Vec<Event>) -> Outcome {
        if delta.content.string().is_some() {
            return self.text(false, delta.content, out);
        }
        if delta.content.is_array() {
            let has_reasoning = [delta.reasoning_content, delta.reasoning].into_iter().any(has_text);
            for part in read::<Vec<Raw<'_>>>(delta.content) {
                self.part(part, has_reasoning, out)?;
            }
        } else if delta.content.is_object() {
            self.part(delta.content, false, out)?;
        }
        Ok(())
    }

    /// A part of a content list (Mistral; corner case 66).
    fn part(&mut self, raw: Raw<'_>, has_reasoning: bool, out: &mut Vec<Event>) -> Outcome {
        if raw.string().is_some() {
            return self.talk.content(raw, &mut self.blocks, out);
        }
        let part: Part<'_> = read(raw);
        match part.kind.str().as_deref() {
            Some("text" | "output_text") => self.talk.content(part.text, &mut self.blocks, out),
            Some("thinking" | "reasoning") if has_reasoning => Ok(()),
            Some("thinking" | "reasoning") => self.thinking(&part, out),
            Some("refusal") => self.voice(Voice::Refusal, part.refusal, out),
            Some("image_url" | "image") => self.image(&part, out),
            Some("reference") => Ok(()),
            _ => {
                self.warn("content-part-dropped", "the provider sent a content part of an unknown type", out);
                Ok(())
            }
        }
    }

    fn thinking(&mut self, part: &Part<'_>, out: &mut Vec<Event>) -> Outcome {
        if !part.thinking.is_array() {
            let text = if part.thinking.is_null() { part.text } else { part.thinking };
            return self.voice(Voice::Reasoning, text, out);
        }
        for piece in read::<Vec<Part<'_>>>(part.thinking) {
            self.voice(Voice::Reasoning, piece.text, out)?;
        }
        Ok(())
    }

    fn rest(&mut self, delta: &Delta<'_>, out: &mut Vec<Event>) -> Outcome {
        self.voice(Voice::Refusal, delta.refusal, out)?;
        if !delta.annotations.is_null() {
            self.talk.sources.annotations(delta.annotations);
            self.talk.cite(&self.blocks, out);
        }
        if delta.images.is_array() {
            for image in read::<Vec<Part<'_>>>(delta.images) {
                self.image(&image, out)?;
            }
        }
        if delta.audio.is_object() {
            self.audio(&read(delta.audio), out)?;
        }
        if delta.executed_tools.is_array() {
            executed_tools(delta.executed_tools, out);
        }
        if delta.tool_calls.is_empty() && delta.function_call.is_null() { Ok(()) } else { self.tool_calls(delta, out) }
    }

    /// Text that a new call interrupts ends; when it resumes it is a new block (corner case 75). Text between the
    /// pieces of a call goes on.
    fn tool_calls(&mut self, delta: &Delta<'_>, out: &mut Vec<Event>) -> Outcome {
        let function: Function<'_> = read(delta.function_call);
        let opens = |piece: &CallPiece<'_>| has_text(piece.function.name) || piece.custom.is_object();
        if function.given || delta.tool_calls.iter().any(opens) {
            self.talk.release(&mut self.blocks, out)?;
            self.talk.close(&mut self.blocks, out);
        }
        if !delta.tool_calls.is_empty() {
            self.calls.list(&delta.tool_calls, &mut self.blocks, out)?;
        }
        if function.given {
            self.calls.function_call(&function, &mut self.blocks, out)?;
        }
        Ok(())
    }

    fn voice(&mut self, voice: Voice, piece: Raw<'_>, out: &mut Vec<Event>) -> Outcome {
        if has_text(piece) {
            self.calls.settle(&mut self.blocks, out)?;
        }
        self.talk.say(voice, piece, &mut self.blocks, out)
    }

    fn image(&mut self, image: &Part<'_>, out: &mut Vec<Event>) -> Outcome {
        let nested: Part<'_> = read(image.image_url);
        let url = [nested.url, image.image_url, image.url].into_iter().find_map(Raw::owned);
        let Some(url) = url else { return Ok(()) };
        let (media_type, source) = FileSource::from_url(&url);
        let media_type = media_type.unwrap_or("image/png").into();
        self.talk.close(&mut self.blocks, out);
        let file = File { media_type, source, name: None };
        let block = self.blocks.start(BlockKind::File(Box::new(file)), out)?;
        self.blocks.end(block, true, out);
        Ok(())
    }

    /// The words of spoken output are text; its sound has no place in an answer.
    fn audio(&mut self, audio: &Audio<'_>, out: &mut Vec<Event>) -> Outcome {
        if has_text(audio.data) {
            self.warn("audio-dropped", "the sound of a spoken answer is not carried over", out);
        }
        self.talk.content(audio.transcript, &mut self.blocks, out)
    }
}

fn says_something(delta: &Delta<'_>) -> bool {
    let texts = [delta.content, delta.reasoning_content, delta.reasoning, delta.refusal];
    texts.into_iter().any(has_text) || delta.content.is_array() || !delta.tool_calls.is_empty()
}

/// Groq's own tools: shown, never executed. A later one of the same index replaces (corner cases 99 and 100).
fn executed_tools(raw: Raw<'_>, out: &mut Vec<Event>) {
    let Some(Value::Array(tools)) = raw.value() else { return };
    for (at, value) in tools.into_iter().enumerate() {
        let index = value.get("index").and_then(Value::as_u64).unwrap_or(at as u64);
        let id = Some(compact_str::format_compact!("{index}"));
        out.push(Event::Data(Box::new(Data { name: "executed_tools".into(), id, value, keep: true, ask: None })));
    }
}
