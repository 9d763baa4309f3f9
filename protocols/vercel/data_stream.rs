//! Data stream lines: what AI SDK 3.4 and 4 read (AI SDK wire notes 1; checked against `ai` 3.4.33, 4.0.0 and 4.3.19
//! and assistant-stream 0.3.44).
//!
//! Each part is one line: a code, a colon, JSON. What one event becomes is whole lines, for a reader waits until the
//! bytes end with a newline.
//!
//! Decisions where the wire leaves a choice:
//! - `e` is held back until the next step or the end, so that results of gateway-run tools, which come behind the
//!   model's own end, stand in the step that called them. AI SDK 3.4 refuses them anywhere else.
//! - A failure ends with `3` alone. The SDK's own server sends `e` and `d` behind it, which no client reads, and two
//!   ends are one too many.
//! - A call with unusable arguments gets no `9` if the page would run it, because `9` is what makes a page run it. Its
//!   card ends with an error result instead.
//! - Somebody's stop has no code of its own: the answer ends with `d` and the reason `other`, behind an empty step if
//!   calls were interrupted; else a page with automatic steps would take their results as a reason to ask again.

use bytes::{BufMut, BytesMut};
use serde_json::{Map, Value, json};

use crate::calls::{EndedCall, OpenCalls, UNUSABLE};
use crate::error::FailureKind;
use crate::event::{
    BlockId, BlockKind, CancelledBy, Citation, Data, Event, File, FileSource, FinishReason, Mark, StepEnd, Text,
    ToolAwait, ToolCall, ToolKind, ToolOutcome, ToolResult, ToolSays, TurnEnd, Usage, Wants,
};
use crate::protocol::{Document, Encoder, ReplyContext};
use crate::wire::json::{write_escaping_separators, write_string, write_value};

/// How many different sources of one answer are shown.
const MAX_SOURCES: usize = 1024;

/// The vocabulary of the lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Level {
    /// What AI SDK 3.4 and 4.0 know: no steps, reasoning, sources and files.
    Three,
    /// What AI SDK 4.1.63 and later know.
    #[default]
    Four,
}

impl Level {
    /// Reads the route's option.
    pub(super) fn read(name: Option<&str>) -> Self {
        if name == Some("3") { Self::Three } else { Self::Four }
    }
}

/// The answer's headers.
pub(super) fn headers() -> Vec<(&'static str, String)> {
    vec![
        ("content-type", "text/plain; charset=utf-8".to_owned()),
        ("x-vercel-ai-data-stream", "v1".to_owned()),
        ("cache-control", "no-cache, no-transform".to_owned()),
        ("x-accel-buffering", "no".to_owned()),
    ]
}

/// What a page gets that wants to resume where nothing runs: such a page takes a 204 for an error (AI SDK wire notes
/// 1.4).
pub(super) const fn idle() -> Document {
    Document { status: 200, content_type: "text/plain; charset=utf-8", body: String::new() }
}

/// The SDK's word for why a model stopped (AI SDK wire notes 1.2).
pub(super) const fn finish_name(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop => "stop",
        FinishReason::ToolCalls => "tool-calls",
        FinishReason::Length => "length",
        FinishReason::ContentFilter => "content-filter",
        FinishReason::Error => "error",
        FinishReason::Pause | FinishReason::Other => "other",
    }
}

/// The value that stands for a result: the output, or an object with an `error` (AI SDK wire notes 1.3: this wire has
/// no code for a tool's error).
pub(super) fn result_value(result: &ToolResult) -> Value {
    match result.outcome {
        ToolOutcome::Ok => result.output.clone(),
        ToolOutcome::Error | ToolOutcome::Denied | ToolOutcome::Interrupted => json!({ "error": result.output }),
    }
}

/// Writes the lines of one answer.
pub(super) struct DataStream {
    level: Level,
    message: Text,
    model: Text,
    annotated: bool,
    in_step: bool,
    open: Vec<OpenBlock>,
    calls: OpenCalls,
    /// Calls that got their result from here, because their arguments could not be used.
    lost: Vec<Text>,
    /// Calls shown in this step; at level 3 a result of any other call is refused by the page.
    shown: Vec<Text>,
    interrupted: Vec<ToolResult>,
    held_end: Option<(FinishReason, Tokens)>,
    /// The step's reasoning has an open text on the page.
    thinking: bool,
    sources: Vec<String>,
}

struct OpenBlock {
    block: BlockId,
    kind: Kind,
}

enum Kind {
    /// Text, and refusals in the model's own words.
    Text,
    Reasoning {
        /// Nothing of this block has been written.
        fresh: bool,
        signature: String,
    },
    Tool,
    File,
}

/// The two counts that this wire knows; `None` if the provider said neither.
type Tokens = Option<(Option<u64>, Option<u64>)>;

impl DataStream {
    /// An encoder for one answer.
    pub(super) fn new(level: Level, context: &ReplyContext) -> Self {
        Self {
            level,
            message: context.message.clone(),
            model: context.model.clone(),
            annotated: false,
            in_step: false,
            open: Vec::new(),
            calls: OpenCalls::default(),
            lost: Vec::new(),
            shown: Vec::new(),
            interrupted: Vec::new(),
            held_end: None,
            thinking: false,
            sources: Vec::new(),
        }
    }

    /// Whether the model's name and the detailed usage go to the page as a message annotation.
    #[must_use]
    pub(super) const fn annotated(mut self, annotated: bool) -> Self {
        self.annotated = annotated;
        self
    }
}

impl Encoder for DataStream {
    fn event(&mut self, event: &Event, out: &mut BytesMut) {
        match event {
            Event::BlockDelta { block, text } => self.delta(*block, text, out),
            Event::BlockStart { block, kind } => self.block_start(*block, kind, out),
            Event::BlockMark { block, mark } => self.mark(*block, mark, out),
            Event::BlockEnd { block, whole } => self.block_end(*block, *whole, out),
            Event::StepStart(_) => self.step_start(out),
            Event::StepEnd(end) => self.step_end(end),
            Event::ToolResult(result) => {
                self.result(result, out);
                result.files.iter().for_each(|file| self.file(file, out));
            }
            Event::ToolProgress(says) => progress(says, out),
            Event::ToolAwait(wait) => approval(wait, out),
            Event::Data(data) => data_line(data, out),
            Event::TurnEnd(end) => self.turn_end(end, out),
            Event::Failed(failure) => self.failed(failure.safe_text(), out),
            Event::Cancelled { by } => self.cancelled(*by, out),
            // No place on this wire: output as it streams, and what is for the operator alone.
            Event::TurnStart { .. }
            | Event::ToolStart { .. }
            | Event::ToolDelta(_)
            | Event::Spent(_)
            | Event::Warning(_)
            | Event::Now { .. } => {}
        }
    }

    /// The only line that every release ignores is an empty one (AI SDK wire notes 1.1).
    fn keep_alive(&mut self, out: &mut BytesMut) {
        out.put_u8(b'\n');
    }
}

impl DataStream {
    fn delta(&mut self, block: BlockId, text: &str, out: &mut BytesMut) {
        let level = self.level;
        match self.open.iter_mut().rev().find(|open| open.block == block).map(|open| &mut open.kind) {
            Some(Kind::Text) => string_line(b'0', text, out),
            Some(Kind::Reasoning { fresh, .. }) if level == Level::Four => {
                // The page shows the thoughts of a step as one text, so a blank line parts them (corner case 112).
                if std::mem::take(fresh) && std::mem::replace(&mut self.thinking, true) {
                    string_line(b'g', "\n\n", out);
                }
                string_line(b'g', text, out);
            }
            Some(Kind::Tool) => {
                if let Some(call) = self.calls.push(block, text)
                    && call.kind != ToolKind::Custom
                {
                    arguments_line(&call.id, text, out);
                }
            }
            Some(Kind::Reasoning { .. } | Kind::File) | None => {}
        }
    }

    fn block_start(&mut self, block: BlockId, kind: &BlockKind, out: &mut BytesMut) {
        let kind = match kind {
            BlockKind::Text | BlockKind::Refusal => Kind::Text,
            BlockKind::Reasoning { .. } => Kind::Reasoning { fresh: true, signature: String::new() },
            BlockKind::ToolInput(call) => {
                self.calls.start(block, call);
                self.shown.push(call.id.clone());
                call_line(b'b', call, None, out);
                Kind::Tool
            }
            BlockKind::File(file) => {
                self.file(file, out);
                Kind::File
            }
        };
        self.open.push(OpenBlock { block, kind });
    }

    fn mark(&mut self, block: BlockId, mark: &Mark, out: &mut BytesMut) {
        match mark {
            Mark::Citation(citation) => self.citation(citation, out),
            Mark::Signature { signature: piece } => {
                if let Some(open) = self.open.iter_mut().find(|open| open.block == block)
                    && let Kind::Reasoning { signature, .. } = &mut open.kind
                {
                    signature.push_str(piece);
                }
            }
            Mark::Redacted { data } if self.level == Level::Four => {
                self.thinking = false;
                value_line(b'i', &json!({ "data": data }), out);
            }
            Mark::Redacted { .. } | Mark::Opaque { .. } => {}
        }
    }

    fn block_end(&mut self, block: BlockId, whole: bool, out: &mut BytesMut) {
        let Some(at) = self.open.iter().position(|open| open.block == block) else { return };
        match self.open.swap_remove(at).kind {
            Kind::Reasoning { fresh, signature } => self.signature(fresh, &signature, out),
            Kind::Tool => {
                if let Some(ended) = self.calls.end(block, whole) {
                    self.call(&ended, out);
                }
            }
            Kind::Text | Kind::File => {}
        }
    }

    /// A signature belongs to the text before it; thoughts that the provider shows to nobody get an empty one to
    /// hold it (corner case 108).
    fn signature(&mut self, fresh: bool, signature: &str, out: &mut BytesMut) {
        if signature.is_empty() || self.level == Level::Three {
            return;
        }
        if fresh {
            if self.thinking {
                return;
            }
            self.thinking = true;
            string_line(b'g', "", out);
        }
        value_line(b'j', &json!({ "signature": signature }), out);
    }

    fn call(&mut self, ended: &EndedCall, out: &mut BytesMut) {
        if ended.is_lost() {
            self.lost.push(ended.call.id.clone());
            result_line(&ended.call.id, &json!({ "error": UNUSABLE }), out);
        } else {
            call_line(b'9', &ended.call, Some(ended.object()), out);
        }
    }

    fn result(&mut self, result: &ToolResult, out: &mut BytesMut) {
        let refused = self.level == Level::Three && !self.shown.contains(&result.call);
        if !result.last || refused || self.lost.contains(&result.call) {
            return;
        }
        if result.outcome == ToolOutcome::Interrupted {
            self.interrupted.push(result.clone());
        } else {
            result_line(&result.call, &result_value(result), out);
        }
    }

    fn step_start(&mut self, out: &mut BytesMut) {
        self.close_step(out);
        self.in_step = true;
        if self.level == Level::Four {
            value_line(b'f', &json!({ "messageId": self.message }), out);
        }
    }

    fn step_end(&mut self, end: &StepEnd) {
        self.held_end = Some((end.finish.reason, tokens(&end.usage)));
    }

    /// Writes the held `e`, if a step has ended.
    fn close_step(&mut self, out: &mut BytesMut) {
        if let Some((reason, tokens)) = self.held_end.take() {
            end_line(b'e', reason, tokens, out);
            self.in_step = false;
            self.thinking = false;
            self.shown.clear();
        }
    }

    fn turn_end(&mut self, end: &TurnEnd, out: &mut BytesMut) {
        self.flush_interrupted(out);
        self.close_step(out);
        if self.annotated {
            value_line(b'8', &json!([{ "model": self.model, "usage": usage_details(&end.usage) }]), out);
        }
        end_line(b'd', end.finish.reason, tokens(&end.usage), out);
    }

    fn failed(&mut self, text: &str, out: &mut BytesMut) {
        self.flush_interrupted(out);
        self.close_step(out);
        string_line(b'3', text, out);
    }

    fn cancelled(&mut self, by: CancelledBy, out: &mut BytesMut) {
        if by == CancelledBy::Shutdown {
            return self.failed(FailureKind::Shutdown.safe_text(), out);
        }
        let interrupted = !self.interrupted.is_empty();
        match self.level {
            Level::Four => self.flush_interrupted(out),
            // Without steps, only a missing result keeps such a page from asking again.
            Level::Three => self.interrupted.clear(),
        }
        if self.in_step && self.held_end.is_none() {
            self.held_end = Some((FinishReason::Other, None));
        }
        self.close_step(out);
        if interrupted && self.level == Level::Four {
            self.step_start(out);
            self.held_end = Some((FinishReason::Other, None));
            self.close_step(out);
        }
        end_line(b'd', FinishReason::Other, None, out);
    }

    fn flush_interrupted(&mut self, out: &mut BytesMut) {
        for result in self.interrupted.drain(..) {
            result_line(&result.call, &result_value(&result), out);
        }
    }

    fn citation(&mut self, citation: &Citation, out: &mut BytesMut) {
        let Some(url) = citation.url.as_ref().filter(|_| self.level == Level::Four) else { return };
        if self.sources.len() >= MAX_SOURCES || self.sources.contains(url) {
            return;
        }
        self.sources.push(url.clone());
        let mut source = Map::new();
        source.insert("sourceType".to_owned(), "url".into());
        source.insert("id".to_owned(), format!("source-{}", self.sources.len()).into());
        source.insert("url".to_owned(), url.as_str().into());
        if let Some(title) = &citation.title {
            source.insert("title".to_owned(), title.as_str().into());
        }
        value_line(b'h', &source, out);
    }

    /// `k` holds bytes alone; a link becomes an annotation of the message, at both levels.
    fn file(&self, file: &File, out: &mut BytesMut) {
        match &file.source {
            FileSource::Base64(data) if self.level == Level::Four => {
                out.put_slice(b"k:{\"data\":");
                write_string(out, data);
                out.put_slice(b",\"mimeType\":");
                write_string(out, &file.media_type);
                out.put_slice(b"}\n");
            }
            FileSource::Url(url) => {
                value_line(b'8', &json!([{ "type": "file", "url": url, "mimeType": file.media_type }]), out);
            }
            FileSource::Base64(_) | FileSource::Provider(_) => {}
        }
    }
}

fn progress(says: &ToolSays, out: &mut BytesMut) {
    let data = json!({ "toolCallId": says.call, "text": says.text });
    value_line(b'2', &json!([{ "type": "tool-progress", "data": data }]), out);
}

/// Approvals have no place on this wire (AI SDK wire notes 1.3); the page's own code may look for this.
fn approval(wait: &ToolAwait, out: &mut BytesMut) {
    if let Wants::Approval(approval) = &wait.wants {
        let data = json!({ "approvalId": approval, "toolCallId": wait.call });
        value_line(b'2', &json!([{ "type": "tool-approval-request", "data": data }]), out);
    }
}

fn data_line(data: &Data, out: &mut BytesMut) {
    out.put_slice(b"2:[{\"type\":");
    write_string(out, &data.name);
    if let Some(id) = &data.id {
        out.put_slice(b",\"id\":");
        write_string(out, id);
    }
    out.put_slice(b",\"data\":");
    write_value(out, &data.value);
    out.put_slice(b"}]\n");
}

fn string_line(code: u8, text: &str, out: &mut BytesMut) {
    out.reserve(text.len() + 5);
    out.put_u8(code);
    out.put_u8(b':');
    write_string(out, text);
    out.put_u8(b'\n');
}

fn value_line(code: u8, value: &impl serde::Serialize, out: &mut BytesMut) {
    out.put_u8(code);
    out.put_u8(b':');
    write_value(out, value);
    out.put_u8(b'\n');
}

fn arguments_line(call: &str, piece: &str, out: &mut BytesMut) {
    out.put_slice(b"c:{\"toolCallId\":");
    write_string(out, call);
    out.put_slice(b",\"argsTextDelta\":");
    write_string(out, piece);
    out.put_slice(b"}\n");
}

fn call_line(code: u8, call: &ToolCall, arguments: Option<&str>, out: &mut BytesMut) {
    out.put_u8(code);
    out.put_slice(b":{\"toolCallId\":");
    write_string(out, &call.id);
    out.put_slice(b",\"toolName\":");
    write_string(out, call.label());
    if let Some(arguments) = arguments {
        out.put_slice(b",\"args\":");
        write_escaping_separators(out, arguments);
    }
    out.put_slice(b"}\n");
}

fn result_line(call: &str, value: &Value, out: &mut BytesMut) {
    out.put_slice(b"a:{\"toolCallId\":");
    write_string(out, call);
    out.put_slice(b",\"result\":");
    write_value(out, value);
    out.put_slice(b"}\n");
}

fn end_line(code: u8, reason: FinishReason, tokens: Tokens, out: &mut BytesMut) {
    let mut end = Map::new();
    end.insert("finishReason".to_owned(), finish_name(reason).into());
    if let Some((input, output)) = tokens {
        end.insert("usage".to_owned(), json!({ "promptTokens": input, "completionTokens": output }));
    }
    if code == b'e' {
        end.insert("isContinued".to_owned(), false.into());
    }
    value_line(code, &end, out);
}

const fn tokens(usage: &Usage) -> Tokens {
    match (usage.input, usage.output) {
        (None, None) => None,
        counts => Some(counts),
    }
}

/// All counts that are known, under the names of later releases of the SDK.
fn usage_details(usage: &Usage) -> Map<String, Value> {
    [
        ("inputTokens", usage.input),
        ("outputTokens", usage.output),
        ("totalTokens", usage.total),
        ("reasoningTokens", usage.reasoning),
        ("cachedInputTokens", usage.cached_input),
    ]
    .into_iter()
    .filter_map(|(name, count)| Some((name.to_owned(), count?.into())))
    .collect()
}

#[cfg(test)]
mod tests;
