//! What a conversation that the gateway keeps is made of, in words of no frontend: every dialect is a view of the same
//! items, so a thread that one page began can be read and continued by another.
//!
//! ```text
//! events of a turn ──▶ Folder ──▶ changes ──▶ encoder of a dialect that shows items
//!                                    └──────▶ finished items ──▶ store ──▶ messages() ──▶ the next model call
//! ```
//!
//! What the model reads comes from [`Body::User`], [`Body::Assistant`], [`Body::File`], [`Body::Workflow`],
//! [`Body::ToolCall`], [`Body::Form`] and [`Body::Note`]; a [`Body::PageCall`] or [`Body::Widget`] is only what a page
//! shows of it.

mod fold;
mod form;
mod input;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use fold::{Change, Folder, ItemId, Style, note_of};
pub(crate) use input::as_said;
pub use input::{Pasted, form_output, messages};

use crate::chat::{CallPart, ResultPart};
use crate::event::{self, Mark, Runs, Text, ToolOutcome, ToolResult};

/// Something in a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// Its id, unique within its thread. The page's own for a user's message where the page makes ids.
    pub id: Text,
    /// When it began, in milliseconds since 1970.
    pub created: u64,
    /// True if no list of items shows it: context for the model, calls that the gateway ran, calls that wait for
    /// their turn to be shown.
    pub hidden: bool,
    /// What made it; nothing for what a page said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// What it is.
    pub body: Body,
}

/// What made an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The turn.
    pub turn: Text,
    /// The assistant's message that a dialect with messages shows it in. Turns that continue each other share it.
    pub message: Text,
    /// The model call within the turn, from 0.
    pub step: u32,
}

/// The sorts of item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Body {
    /// The user said something.
    User(UserMessage),
    /// The assistant said something.
    Assistant(AssistantMessage),
    /// The model made a file or an image.
    File(MadeFile),
    /// What the model thought and the provider did for it, shown as steps.
    Workflow(Workflow),
    /// The model called a tool: the truth for the model. Hidden; dialects with tool parts show it all the same.
    ToolCall(KeptCall),
    /// A page is asked to run something: what a dialect with one call at a time shows.
    PageCall(PageRun),
    /// A widget.
    Widget(Widget),
    /// Questions to the user with fields for the answers.
    Form(Form),
    /// Data of the application that belongs to the answer.
    Data(KeptData),
    /// Context for the model that no page is shown. Always hidden.
    Note(Note),
    /// The assistant's turn is over: for pages that draw a line there.
    EndOfTurn,
}

impl Body {
    /// The sort of item as one word.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Assistant(_) => "assistant",
            Self::File(_) => "file",
            Self::Workflow(_) => "workflow",
            Self::ToolCall(_) => "tool_call",
            Self::PageCall(_) => "page_call",
            Self::Widget(_) => "widget",
            Self::Form(_) => "form",
            Self::Data(_) => "data",
            Self::Note(_) => "note",
            Self::EndOfTurn => "end_of_turn",
        }
    }
}

/// A message of the user.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UserMessage {
    /// What was said, in order.
    pub content: Vec<Said>,
    /// Uploaded files that belong to it.
    pub attachments: Vec<Attachment>,
    /// What the user quotes.
    pub quoted: Option<String>,
    /// The entry that the user chose in the page's model menu: a name of the page's, mapped by the route.
    pub model: Option<Text>,
    /// The same of the page's tool menu.
    pub tool: Option<Text>,
    /// Members of the page's own message that have no place above, kept as they came.
    pub extra: Map<String, Value>,
}

impl UserMessage {
    /// All its texts, joined.
    pub fn text(&self) -> String {
        let texts = self.content.iter().filter_map(|said| match said {
            Said::Text { text } => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }
}

/// A piece of a user's message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "said", rename_all = "snake_case")]
pub enum Said {
    /// Text.
    Text {
        /// The text.
        text: String,
    },
    /// Something the user mentions by choosing it.
    Tag(Tag),
    /// A file inside the message.
    File(event::File),
    /// Data of the application.
    Data(KeptData),
}

/// Something the user mentions by choosing it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tag {
    /// The page's id of it.
    pub id: String,
    /// How it reads in the message.
    pub text: String,
    /// What the page knows of it.
    pub data: Map<String, Value>,
    /// A heading of the page's menu.
    pub group: Option<String>,
    /// Whether the page lets the user open it.
    pub interactive: bool,
}

/// An uploaded file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Its id, unguessable.
    pub id: Text,
    /// The name that the user's file had.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// Its bytes, as announced or as received.
    pub size: u64,
    /// The thread whose message names it.
    pub thread: Option<Text>,
    /// True once the bytes are there.
    pub uploaded: bool,
    /// When it was announced, in milliseconds since 1970.
    pub created: u64,
    /// Where a page finds its picture; put in on the way to a page, for it does not last.
    #[serde(skip)]
    pub preview: Option<String>,
}

impl Attachment {
    /// True for what pages show as a picture.
    pub fn is_image(&self) -> bool {
        self.media_type.starts_with("image/")
    }
}

/// A text of the assistant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AssistantMessage {
    /// The text.
    pub text: String,
    /// Citations and what goes back to the provider.
    pub marks: Vec<Mark>,
    /// True if the model declined, in these words.
    pub refusal: bool,
    /// False if the turn ended before the text did.
    pub whole: bool,
}

/// A file or an image that the model made, or a tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeFile {
    /// The file.
    pub file: event::File,
    /// The call whose result it is of: this is a view of it then, and the model reads the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<Text>,
}

/// What the model thought and the provider did for it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Workflow {
    /// The steps of it.
    pub tasks: Vec<Task>,
    /// How long it took, in milliseconds.
    pub duration: u64,
}

/// A step of a workflow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "snake_case")]
pub enum Task {
    /// A thought.
    Thought {
        /// The thought; empty where the provider shows none.
        text: String,
        /// True for a provider-written summary of thoughts.
        summary: bool,
        /// What goes back to the provider.
        marks: Vec<Mark>,
    },
    /// A tool that the provider ran.
    Call(Box<KeptCall>),
}

impl Task {
    /// True if there is something for the user to see: a thought may be nothing but what goes back to the provider.
    pub fn is_shown(&self) -> bool {
        match self {
            Self::Thought { text, .. } => !text.trim().is_empty(),
            Self::Call(_) => true,
        }
    }
}

/// A call of a tool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeptCall {
    /// The call, with what was asked and said about its approval.
    pub call: CallPart,
    /// Its result; nothing while somebody outside is waited for.
    pub result: Option<ResultPart>,
    /// The whole of what came out, where the result is a summary or cut. No page and no model is given it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full: Option<Box<Value>>,
}

impl KeptCall {
    /// True for a call of the provider whose input was cut: it is shown, but no model reads it again.
    pub fn is_cut(&self) -> bool {
        let interrupted = |result: &ResultPart| result.outcome == ToolOutcome::Interrupted && result.output.is_null();
        self.call.runs == Runs::Provider && self.result.as_ref().is_some_and(interrupted)
    }

    /// Puts a result to the call.
    pub fn answer(&mut self, result: &ToolResult) {
        self.result = Some(ResultPart {
            call: self.call.id.clone(),
            name: self.call.name.clone(),
            outcome: result.outcome,
            output: result.output.clone(),
            files: result.files.clone(),
            runs: self.call.runs,
        });
        self.full = result.full.clone().map(Box::new);
    }
}

/// The name of the [`PageRun`] by which a page with page-run calls is asked whether a call may run. Its `call` is the
/// approval's id, its arguments are `{"approval_id", "tool_call_id", "tool", "arguments"}`, and its output is
/// `{"approved": bool, "reason"?: str}`, or a bare boolean.
pub const REQUEST_APPROVAL: &str = "request_approval";

/// A call that a page is asked to run. Of several, one is shown at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PageRun {
    /// The id of the model's call. For what a tool asks of the page, an id of its own.
    pub call: Text,
    /// The page's name for it.
    pub name: Text,
    /// The arguments: an object.
    pub arguments: Value,
    /// How far it is.
    pub state: PageRunState,
    /// What the page gave, which may be null.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub output: Option<Value>,
    /// True if the model made the call and waits for the output; false if a tool asks it of the page.
    pub by_model: bool,
}

/// Tells a null that was given from nothing given.
fn given<'de, D: serde::Deserializer<'de>>(reader: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(reader).map(Some)
}

/// How far a page-run call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PageRunState {
    /// Calls before it are not answered yet. Hidden.
    Queued,
    /// The page has been asked.
    Pending,
    /// The page has answered.
    Completed,
    /// The conversation went on without an answer. Hidden.
    Abandoned,
}

/// A widget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Widget {
    /// Its tree, without nulls.
    pub root: Value,
    /// The same in words, for the clipboard and for people who cannot see it.
    pub copy_text: Option<String>,
    /// The name of the data that it was made from.
    pub name: Text,
}

/// Questions to the user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Form {
    /// How far it is.
    pub state: FormState,
    /// The call of the model that asks; its result is the answers.
    pub call: Text,
    /// The questions.
    pub questions: Vec<Question>,
}

/// How far a form is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FormState {
    /// The user has been asked.
    Pending,
    /// The user has answered.
    Answered,
    /// The user did not want to answer.
    Skipped,
}

/// A question of a form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// Its id, unique within the form.
    pub id: String,
    /// The question.
    pub question: String,
    /// The answers to choose from; without any, the user writes one.
    pub options: Vec<String>,
    /// Whether several may be chosen.
    pub multiple: bool,
    /// What is said beside the question.
    pub description: Option<String>,
    /// What was answered: nothing yet, or the values, none of them if it was skipped.
    pub answer: Option<Vec<String>>,
}

/// Data of the application that belongs to an answer or a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeptData {
    /// The application's name for it.
    pub name: Text,
    /// Its id, if it has one.
    pub id: Option<Text>,
    /// The data.
    pub value: Value,
}

/// Context for the model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// What the model reads.
    pub text: String,
}

/// A conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Thread {
    /// Its id, unique for its owner.
    pub id: String,
    /// What it is called, if somebody has said so.
    pub title: Option<String>,
    /// Whether it may go on.
    pub status: ThreadStatus,
    /// What a frontend keeps beside it. Never shown.
    pub metadata: Map<String, Value>,
    /// When it began, in milliseconds since 1970.
    pub created: u64,
    /// When it was last changed.
    pub updated: u64,
}

/// Whether a conversation may go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ThreadStatus {
    /// It may.
    #[default]
    Active,
    /// Not now, for this reason.
    Locked(Option<String>),
    /// Never again, for this reason.
    Closed(Option<String>),
}

/// Members of [`Thread::metadata`] that have a meaning of their own.
pub mod metadata {
    /// A text that stands in front of the conversation when the model reads it.
    pub const SYSTEM_PROMPT: &str = "system_prompt";
    /// The path of the route whose session the thread is; see [`Sessions`](crate::protocol::Sessions).
    pub const SESSIONS: &str = "sessions";
}

/// Names of [`event::Data`] that have a meaning of their own.
pub mod data {
    /// The thread has a title now: the value is `{"title": str}`. Not kept as an item.
    pub const THREAD_TITLE: &str = "thread-title";
    /// Something the page should do at once and not answer: the value is `{"name": str, "data": object}`. Not kept.
    pub const EFFECT: &str = "effect";
    /// A message beside the answer: the value is `{"level": "info" | "warning" | "danger", "message": str, "title"?: str}`.
    /// Not kept.
    pub const NOTICE: &str = "notice";
    /// Member of any kept data's value that is a widget's root; `copy_text` may stand beside it. While `streaming`
    /// beside it is true, more of the same name and id will follow.
    pub const WIDGET: &str = "widget";
}
