//! The UI message stream of AI SDK 5, 6 and 7 (AI SDK wire notes 3), in the vocabulary of the release that the route
//! names.

pub(super) mod blocks;
pub(super) mod calls;
mod chunk;
pub(super) mod sources;

use bytes::{BufMut, BytesMut};
use serde_json::{Map, Value, json};

use self::blocks::Prose;
use self::calls::Calls;
use self::chunk::Chunk;
use self::sources::Sources;
use crate::chat::ChatRequest;
use crate::error::FailureKind;
use crate::event::{BlockId, BlockKind, CancelledBy, Event, File, FinishReason, Mark, Text, TurnEnd, Usage, Warning};
use crate::options::Options;
use crate::protocol::{Document, Encoder, ReplyContext};

/// The vocabulary: which chunks and members the page's release knows (AI SDK wire notes 3.5). Releases until late in
/// each major refuse what they do not know, so the oldest is the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// What 5.0.0 knows.
    Floor,
    /// What 5.0.92 knows: refused arguments, previews, the finish reason.
    Five,
    /// What 6.0.0 knows: approvals and denials.
    Six,
    /// What 7.0.0 knows: the reason of an abort.
    Seven,
}

/// A route's settings of this wire.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) level: Level,
    pub(super) dynamic: bool,
    usage: bool,
    warnings: bool,
}

impl Settings {
    /// Reads the route's options.
    pub(super) fn read(options: &Options) -> Self {
        Self {
            level: match options.text("ui_level") {
                Some("5") => Level::Five,
                Some("6") => Level::Six,
                Some("7") => Level::Seven,
                _ => Level::Floor,
            },
            dynamic: options.flag("dynamic_tools").unwrap_or(false),
            usage: options.flag("usage_metadata").unwrap_or(true),
            warnings: options.flag("warnings").unwrap_or(false),
        }
    }
}

/// The answer's headers (AI SDK wire notes 3.1).
pub(super) fn headers() -> Vec<(&'static str, String)> {
    [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-cache, no-transform"),
        ("x-vercel-ai-ui-message-stream", "v1"),
        ("x-accel-buffering", "no"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .to_vec()
}

/// What a page gets that wants to resume where nothing runs (AI SDK wire notes 3.9).
pub(super) const fn idle() -> Document {
    Document { status: 204, content_type: "text/plain", body: String::new() }
}

/// What stands in the events of a stream: chunks, as they were written, and nothing for its end.
pub(super) fn chunks(stream: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    // JSON has no line breaks of its own here, so a blank line is the end of an event.
    let events = stream.split(|&byte| byte == b'\n').filter_map(|line| line.strip_prefix(b"data: "));
    events.map(|data| Some(data).filter(|data| *data != b"[DONE]"))
}

/// Writes the stream.
pub(super) struct UiStream {
    settings: Settings,
    message: Text,
    model: Text,
    begun: bool,
    ended: bool,
    step: Step,
    prose: Vec<Prose>,
    calls: Calls,
    sources: Sources,
}

/// Where the page is among the steps. The end of a step is written late, so that the results of its calls, which
/// come behind the model's own end, still stand inside it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    None,
    Open,
    Over,
}

impl UiStream {
    /// An encoder for one answer. A continued message keeps its id: any other makes a second bubble on the page.
    pub(super) fn new(settings: Settings, chat: &ChatRequest, context: &ReplyContext) -> Self {
        Self {
            settings,
            message: chat.continues.clone().unwrap_or_else(|| context.message.clone()),
            model: context.model.clone(),
            begun: false,
            ended: false,
            step: Step::None,
            prose: Vec::new(),
            calls: Calls::new(settings),
            sources: Sources::new(context.turn.clone()),
        }
    }

    fn begin(&mut self, out: &mut BytesMut) {
        self.begun = true;
        let message = Some(self.message.as_str()).filter(|id| !id.is_empty());
        Chunk::new(out, "start").maybe("messageId", message).end();
    }

    fn block(&mut self, block: BlockId, kind: &BlockKind, out: &mut BytesMut) {
        match kind {
            BlockKind::Text | BlockKind::Refusal => self.prose.push(Prose::text(block)),
            BlockKind::Reasoning { .. } => self.prose.push(Prose::reasoning(block)),
            BlockKind::ToolInput(call) => self.calls.start(block, call, out),
            BlockKind::File(file) => self.file(file, out),
        }
    }

    fn delta(&mut self, block: BlockId, text: &str, out: &mut BytesMut) {
        match self.prose.iter_mut().find(|prose| prose.block == block) {
            Some(prose) => prose.delta(text, out),
            None => self.calls.delta(block, text, out),
        }
    }

    fn mark(&mut self, block: BlockId, mark: &Mark, out: &mut BytesMut) {
        if let Mark::Citation(citation) = mark {
            self.sources.cite(citation, out);
        } else if let Some(prose) = self.prose.iter_mut().find(|prose| prose.block == block) {
            prose.mark(mark);
        }
    }

    fn end_block(&mut self, block: BlockId, whole: bool, out: &mut BytesMut) {
        match self.prose.iter().position(|prose| prose.block == block) {
            Some(at) => self.prose.remove(at).end(out),
            None => self.calls.end(block, whole, out),
        }
    }

    fn file(&self, file: &File, out: &mut BytesMut) {
        match file.source.to_url(&file.media_type) {
            Some(url) => Chunk::new(out, "file").text("url", &url).text("mediaType", &file.media_type).end(),
            None => self.warn("file-dropped", "a file that only the provider can read was not shown", out),
        }
    }

    fn warn(&self, code: &str, message: &str, out: &mut BytesMut) {
        if self.settings.warnings {
            let warning = json!({"code": code, "message": message});
            Chunk::new(out, "data-warning").value("data", &warning).flag("transient", true).end();
        }
    }

    /// A tool's words while it runs are for the moment: they are never part of the message.
    fn tool_says(name: &str, says: &crate::event::ToolSays, out: &mut BytesMut) {
        let said = json!({"toolCallId": says.call, "text": says.text});
        Chunk::named(out, "data-", name).value("data", &said).flag("transient", true).end();
    }

    fn start_step(&mut self, model: Option<&Text>, out: &mut BytesMut) {
        self.close_step(out);
        self.step = Step::Open;
        if let Some(model) = model.filter(|_| self.model.is_empty()) {
            self.model = model.clone();
        }
        Chunk::new(out, "start-step").end();
    }

    /// Writes the end of a step that is over; approvals that the release has no chunk for are asked in a step of their
    /// own, because pages look at the last step alone when they decide whether to go on.
    fn close_step(&mut self, out: &mut BytesMut) {
        if self.step == Step::Over {
            Chunk::new(out, "finish-step").end();
            if self.calls.asks() {
                Chunk::new(out, "start-step").end();
                self.calls.ask(out);
                Chunk::new(out, "finish-step").end();
            }
            self.step = Step::None;
        }
    }

    fn finish(&mut self, end: &TurnEnd, out: &mut BytesMut) {
        if self.step == Step::Open {
            self.step = Step::Over;
        }
        self.close_step(out);
        let reason = finish_reason(end.finish.reason);
        let mut chunk = Chunk::new(out, "finish");
        if self.settings.level >= Level::Five {
            chunk = chunk.text("finishReason", reason);
        }
        if self.settings.usage {
            chunk = chunk.value("messageMetadata", &metadata(&self.model, reason, &end.usage));
        }
        chunk.end();
        self.done(out);
    }

    fn error(&mut self, text: &str, out: &mut BytesMut) {
        self.close_step(out);
        Chunk::new(out, "error").text("errorText", text).end();
        self.done(out);
    }

    /// An abort does nothing on the page, so it stands only for what the user knows of. A gateway that goes away is
    /// an error: a broken answer must not look finished.
    fn cancel(&mut self, by: CancelledBy, out: &mut BytesMut) {
        let reason = match by {
            CancelledBy::User => "user",
            CancelledBy::NewerTurn => "newer_turn",
            CancelledBy::Shutdown => return self.error(FailureKind::Shutdown.safe_text(), out),
        };
        self.close_step(out);
        let reason = Some(reason).filter(|_| self.settings.level >= Level::Seven);
        Chunk::new(out, "abort").maybe("reason", reason).end();
        self.done(out);
    }

    fn done(&mut self, out: &mut BytesMut) {
        out.put_slice(b"data: [DONE]\n\n");
        self.ended = true;
    }
}

impl Encoder for UiStream {
    fn event(&mut self, event: &Event, out: &mut BytesMut) {
        if self.ended {
            return;
        }
        if !self.begun {
            self.begin(out);
        }
        match event {
            Event::BlockDelta { block, text } => self.delta(*block, text, out),
            Event::BlockStart { block, kind } => self.block(*block, kind, out),
            Event::BlockMark { block, mark } => self.mark(*block, mark, out),
            Event::BlockEnd { block, whole } => self.end_block(*block, *whole, out),
            Event::StepStart(start) => self.start_step(start.model.as_ref(), out),
            Event::StepEnd(_) => self.step = Step::Over,
            Event::ToolDelta(says) => Self::tool_says("tool-output", says, out),
            Event::ToolProgress(says) => Self::tool_says("tool-progress", says, out),
            Event::ToolAwait(wait) => self.calls.wait(wait, out),
            Event::ToolResult(result) => {
                self.calls.result(result, out);
                result.files.iter().for_each(|file| self.file(file, out));
            }
            Event::Data(data) => Chunk::named(out, "data-", &data.name)
                .maybe("id", data.id.as_deref())
                .value("data", &data.value)
                .flag("transient", !data.keep)
                .end(),
            Event::Warning(warning) => {
                let Warning { code, message } = &**warning;
                self.warn(code, message, out);
            }
            Event::TurnEnd(end) => self.finish(end, out),
            Event::Failed(failure) => self.error(failure.safe_text(), out),
            Event::Cancelled { by } => self.cancel(*by, out),
            Event::TurnStart { .. } | Event::ToolStart { .. } | Event::Spent(_) | Event::Now { .. } => {}
        }
    }

    fn keep_alive(&mut self, out: &mut BytesMut) {
        if !self.ended {
            out.put_slice(b": keep-alive\n\n");
        }
    }
}

/// The words that every release with this member takes (AI SDK wire notes 3.2).
const fn finish_reason(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop => "stop",
        FinishReason::ToolCalls => "tool-calls",
        FinishReason::Length => "length",
        FinishReason::ContentFilter => "content-filter",
        FinishReason::Error => "error",
        FinishReason::Pause | FinishReason::Other => "other",
    }
}

/// This wire has no place of its own for the model, the usage and, at the floor, the finish reason.
fn metadata(model: &str, reason: &str, usage: &Usage) -> Value {
    let mut metadata = Map::new();
    if !model.is_empty() {
        metadata.insert("model".to_owned(), model.into());
    }
    metadata.insert("finishReason".to_owned(), reason.into());
    let counts = [
        ("inputTokens", usage.input),
        ("outputTokens", usage.output),
        ("totalTokens", usage.total),
        ("reasoningTokens", usage.reasoning),
        ("cachedInputTokens", usage.cached_input),
    ];
    let mut known: Map<String, Value> =
        counts.iter().filter_map(|(name, count)| Some(((*name).to_owned(), (*count)?.into()))).collect();
    if !known.is_empty() {
        known.extend(usage.cost.map(|cost| ("cost".to_owned(), cost.dollars().into())));
        metadata.insert("usage".to_owned(), known.into());
    }
    Value::Object(metadata)
}
