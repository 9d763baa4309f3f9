//! What happens in a turn, in words of no wire format.
//!
//! A provider's bytes become events in a decoder, a page's bytes are made from events in an encoder, and
//! everything between (the turn, tools, facts, caches) reads and writes events only. A **turn** is one
//! answer to one user; it has one or more **steps** (model calls); a step has **blocks** (text, reasoning,
//! a tool call's input, a file). Blocks may be open side by side.
//!
//! The legal order of events is written down in [`crate::order`].

mod tool;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cost::Cost;
use crate::error::Failure;
pub use tool::{Runs, ToolAwait, ToolCall, ToolKind, ToolOutcome, ToolResult, ToolSays, Wants, output_text};

/// A short string, stored inline up to 24 bytes: nearly every delta of a real stream fits.
pub type Text = CompactString;

/// A protocol's name, as the registry has it.
pub type ProtocolName = &'static str;

/// Names a block within its turn. Dense: the first block of a turn is 0, the next 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct BlockId(pub u32);

/// Something that happened in a turn.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The turn begins. Comes from the turn, never from a decoder.
    TurnStart {
        /// The turn's id, made by the gateway.
        turn: Text,
    },
    /// A model call answers. First event of every decoder.
    StepStart(Box<StepStart>),
    /// A block begins.
    BlockStart {
        /// The new block.
        block: BlockId,
        /// What it holds.
        kind: BlockKind,
    },
    /// More of a block: a piece of text, or for [`BlockKind::ToolInput`] a piece of raw argument text. Never empty.
    BlockDelta {
        /// The open block.
        block: BlockId,
        /// The piece, in the provider's own bytes.
        text: Text,
    },
    /// Something about an open block that is not its text.
    BlockMark {
        /// The open block.
        block: BlockId,
        /// What is said of it.
        mark: Box<Mark>,
    },
    /// A block is over.
    BlockEnd {
        /// The block, closed from here on.
        block: BlockId,
        /// False when the answer was cut before the block's own end: a tool call like that must never run.
        whole: bool,
    },
    /// A tool begins to run (in the gateway or at the provider).
    ToolStart {
        /// The call's id.
        call: Text,
    },
    /// Output of a running tool, as it comes.
    ToolDelta(Box<ToolSays>),
    /// A running tool says how far it is, in a line for the user.
    ToolProgress(Box<ToolSays>),
    /// A call waits for somebody outside: the page must run it, or a person must approve it.
    ToolAwait(Box<ToolAwait>),
    /// A call has its result.
    ToolResult(Box<ToolResult>),
    /// Data beside the answer, named by the application.
    Data(Box<Data>),
    /// What a model call beside the turn's own has cost: one for a tool's text, or for the summary of a result. Comes
    /// from the turn, never from a decoder.
    Spent(Box<Spent>),
    /// What this protocol or dialect has no place for: it is left out, and said so.
    Warning(Box<Warning>),
    /// What time it is, for whoever keeps what follows or shows when it was. Comes from a turn that is kept, never from
    /// a decoder.
    Now {
        /// Milliseconds since 1970, UTC.
        ms: u64,
    },
    /// The model call is over. Last event of a decoder, unless it ends with [`Event::Failed`].
    StepEnd(Box<StepEnd>),
    /// The turn is over and whole.
    TurnEnd(Box<TurnEnd>),
    /// The turn failed; what came before stays valid as a partial answer.
    Failed(Box<Failure>),
    /// Somebody ended the turn.
    Cancelled {
        /// Who did.
        by: CancelledBy,
    },
}

impl Event {
    /// True for the three events that end a turn.
    pub const fn is_terminal(&self) -> bool {
        matches!(self, Self::TurnEnd(_) | Self::Failed(_) | Self::Cancelled { .. })
    }
}

/// How a model call presents itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StepStart {
    /// 0 for the first model call of the turn. Decoders leave it 0; the turn counts.
    pub step: u32,
    /// The provider's id of its answer, if it has said one yet.
    pub response: Option<Text>,
    /// The model that answers, as the provider names it, if it has said so yet.
    pub model: Option<Text>,
}

/// How a model call ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StepEnd {
    /// Why the model stopped.
    pub finish: Finish,
    /// What the call cost in tokens.
    pub usage: Usage,
    /// The provider's id of its answer.
    pub response: Option<Text>,
    /// The model that answered.
    pub model: Option<Text>,
}

/// What a model call beside the turn's own has cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Spent {
    /// The model, by its name in the gateway.
    pub model: Text,
    /// What it cost. Nothing is known of a call that was broken off.
    pub usage: Usage,
}

/// How a turn ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TurnEnd {
    /// Why the last model call stopped.
    pub finish: Finish,
    /// The sum over all model calls of the turn, those beside it too.
    pub usage: Usage,
}

/// What a block holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum BlockKind {
    /// The answer's text.
    Text,
    /// The model's thoughts.
    Reasoning {
        /// True for a provider-written summary of thoughts, false for the thoughts themselves.
        summary: bool,
    },
    /// The model declines, in its own words.
    Refusal,
    /// A tool call; its deltas are the argument text.
    ToolInput(Box<ToolCall>),
    /// A file or image made by the model; whole at its start, it has no deltas.
    File(Box<File>),
}

/// Something about a block that is not its text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "mark", rename_all = "snake_case")]
pub enum Mark {
    /// A source the text rests on.
    Citation(Citation),
    /// The provider's signature of a reasoning block; several in one block are joined.
    Signature {
        /// Goes back to the provider byte for byte.
        signature: Text,
    },
    /// Reasoning that the provider shows to nobody, as opaque data.
    Redacted {
        /// Goes back to the provider byte for byte.
        data: String,
    },
    /// An opaque value that goes back only to the protocol that made it (an item id, a reasoning item, a phase).
    Opaque {
        /// The protocol's name in the registry.
        #[serde(deserialize_with = "crate::read_name")]
        protocol: ProtocolName,
        /// The key within that protocol's own vocabulary.
        key: Text,
        /// The value.
        value: Value,
    },
}

/// A source that a piece of text rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Citation {
    /// The provider's word for this sort of citation (`url_citation`, `char_location`, `url`).
    #[serde(rename = "citation_kind")]
    pub kind: Text,
    /// Where the source is.
    pub url: Option<String>,
    /// What it is called.
    pub title: Option<String>,
    /// The provider's id of a cited file.
    pub file: Option<Text>,
    /// First character of the citing text, as the provider counts.
    pub start: Option<u64>,
    /// One behind its last character.
    pub end: Option<u64>,
    /// The words that are cited.
    pub quote: Option<String>,
}

/// A file or image made by the model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Its media type, for example `image/png`.
    pub media_type: Text,
    /// Where its bytes are.
    pub source: FileSource,
    /// Its name, if it has one.
    pub name: Option<String>,
}

/// Where a file's bytes are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileSource {
    /// A link.
    Url(String),
    /// The bytes, in standard base64.
    Base64(String),
    /// The id of a file that the provider keeps.
    Provider(String),
}

impl FileSource {
    /// Reads a link or a `data:` URL; gives the media type that a `data:` URL names.
    pub fn from_url(url: &str) -> (Option<&str>, Self) {
        if let Some((head, data)) = url.strip_prefix("data:").and_then(|rest| rest.split_once(','))
            && let Some(media_type) = head.strip_suffix(";base64")
        {
            let media_type = media_type.split(';').next().filter(|name| !name.is_empty());
            return (media_type, Self::Base64(data.to_owned()));
        }
        (None, Self::Url(url.to_owned()))
    }

    /// The link, or a `data:` URL around the bytes. A provider's file id has none.
    pub fn to_url(&self, media_type: &str) -> Option<String> {
        match self {
            Self::Url(url) => Some(url.clone()),
            Self::Base64(data) => Some(format!("data:{media_type};base64,{data}")),
            Self::Provider(_) => None,
        }
    }
}

/// Data beside the answer, named by the application: facts, widgets, client effects, notices.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Data {
    /// The application's name for it.
    pub name: Text,
    /// With an id, a later one of the same name and id replaces this.
    pub id: Option<Text>,
    /// The data.
    pub value: Value,
    /// True if it belongs to the stored message, false if it is for this moment only.
    pub keep: bool,
    /// What a page whose dialect has page-run calls is asked to do with it. There the turn pauses behind the step until
    /// the page has answered; other pages get the data alone and the turn goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ask: Option<Box<PageCall>>,
}

/// Something that a page is asked to run because of what a tool did, not because the model asked for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PageCall {
    /// The page's name for it.
    pub name: Text,
    /// The arguments: an object.
    pub arguments: Value,
}

/// Something that could not be carried over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// A short stable word for what was lost (`setting-dropped`, `second-choice`).
    pub code: &'static str,
    /// A sentence for the operator; holds no text of the conversation and no secret.
    pub message: String,
}

impl Warning {
    /// A warning as an event.
    pub fn event(code: &'static str, message: impl Into<String>) -> Event {
        Event::Warning(Box::new(Self { code, message: message.into() }))
    }
}

/// Who ended a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelledBy {
    /// The user pressed stop, or left.
    User,
    /// A newer message of the same thread took its place.
    NewerTurn,
    /// The gateway shuts down.
    Shutdown,
}

/// Why the model stopped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Finish {
    /// The common word.
    pub reason: FinishReason,
    /// The provider's own word.
    pub raw: Option<Text>,
}

/// The common words for why a model stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// It had said what it wanted to say.
    #[default]
    Stop,
    /// It wants results of tool calls.
    ToolCalls,
    /// A token limit cut it.
    Length,
    /// A filter, or the model's own refusal, cut it.
    ContentFilter,
    /// A provider-run tool loop paused; sending the answer back continues it.
    Pause,
    /// The provider says that it failed.
    Error,
    /// Anything else.
    Other,
}

impl FinishReason {
    /// The reason once it is known whether the answer has calls that the provider does not run. Some providers say
    /// `stop` although there are calls, or `tool_calls` although there are none; a limit wins over both (upstream
    /// notes 6.1).
    #[must_use]
    pub const fn with_calls(self, calls: bool) -> Self {
        match (self, calls) {
            (Self::Stop, true) => Self::ToolCalls,
            (Self::ToolCalls, false) => Self::Stop,
            (reason, _) => reason,
        }
    }

    /// The reason as one word, as `--to message` prints it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::ToolCalls => "tool_calls",
            Self::Length => "length",
            Self::ContentFilter => "content_filter",
            Self::Pause => "pause",
            Self::Error => "error",
            Self::Other => "other",
        }
    }
}

/// What a model call cost in tokens. `None` is "not reported", which is not 0.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Usage {
    /// All input: fresh, read from a cache, and written to a cache.
    pub input: Option<u64>,
    /// Of that, read from a cache.
    pub cached_input: Option<u64>,
    /// Of that, written to a cache.
    pub cache_write_input: Option<u64>,
    /// All output, reasoning included.
    pub output: Option<u64>,
    /// Of that, reasoning.
    pub reasoning: Option<u64>,
    /// Input and output.
    pub total: Option<u64>,
    /// What that is in money. Comes from the turn, which knows the prices, never from a decoder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// The provider's own object, for whoever knows it.
    #[serde(skip)]
    pub raw: Option<Box<Value>>,
}

impl Usage {
    /// Adds another call's usage, for the sum over a turn. What neither reported stays unknown; a cost is known only if
    /// both are.
    pub fn add(&mut self, other: &Self) {
        fn sum(left: &mut Option<u64>, right: Option<u64>) {
            if let Some(right) = right {
                *left = Some(left.unwrap_or(0).saturating_add(right));
            }
        }
        sum(&mut self.input, other.input);
        sum(&mut self.cached_input, other.cached_input);
        sum(&mut self.cache_write_input, other.cache_write_input);
        sum(&mut self.output, other.output);
        sum(&mut self.reasoning, other.reasoning);
        sum(&mut self.total, other.total);
        self.cost = self.cost.zip(other.cost).map(|(left, right)| left.plus(right));
        self.raw = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_small() {
        assert!(size_of::<Event>() <= 32, "{}", size_of::<Event>());
    }

    #[test]
    fn data_urls_are_taken_apart() {
        assert_eq!(
            FileSource::from_url("data:image/png;base64,AAAA"),
            (Some("image/png"), FileSource::Base64("AAAA".into()))
        );
        assert_eq!(FileSource::from_url("https://a/b"), (None, FileSource::Url("https://a/b".into())));
    }

    #[test]
    fn usage_of_steps_adds_up() {
        let mut sum = Usage { input: Some(1), ..Usage::default() };
        sum.add(&Usage { input: Some(2), output: Some(3), ..Usage::default() });
        assert_eq!((sum.input, sum.output, sum.total), (Some(3), Some(3), None));
    }

    #[test]
    fn a_sum_with_an_unknown_cost_has_none() {
        let call = |cost: Option<u64>| Usage { cost: cost.map(Cost), ..Usage::default() };
        for (calls, expected) in
            [(vec![], Some(0)), (vec![Some(1), Some(2)], Some(3)), (vec![Some(1), None, Some(2)], None)]
        {
            let mut sum = call(Some(0));
            calls.into_iter().for_each(|cost| sum.add(&call(cost)));
            assert_eq!(sum.cost, expected.map(Cost));
        }
    }
}
