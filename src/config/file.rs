//! What the user writes: the sections of `gateway.toml`. Their documentation is that of the JSON Schema too.

mod model;
mod provider;
mod route;
mod server;

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use toml::Spanned;
use toml::de::DeValue;

use super::auth::Auth;
use super::limits::{Cache, LimitRules};
use super::mcp::McpServer;
use super::placed::Placed;
use super::prices::Price;
use super::read::{At, Named, Read, Required, read_section, section};
use super::report::{Problem, Problems};
use super::tool_kinds::{Http, Weather, Write};
use super::values::{Deadline, Free, Hidden, Size, Word};
use super::workspace::{Fence, Workspace};
use crate::tools::Permission;
use crate::tools::workspace::Part;

pub use self::model::{Defaults, Model, TargetText};
pub use self::provider::{CircuitBreaker, Provider, Replay, Timeouts};
pub use self::route::{Cors, OriginList, Route};
pub use self::server::{Server, Tls, WebSocket};

/// A key that may be left out.
pub type Optional<T> = Option<At<T>>;
/// A list that may be left out, with the place of each item.
pub type List<T> = Option<At<Vec<At<T>>>>;

section! {
    /// The configuration of a Chatwire gateway.
    Gateway, "the file" {
        /// The listener and its limits.
        server: Optional<Server>,
        /// Model providers, by names of your choice.
        providers: Optional<Named<Provider>>,
        /// Models, by the names that pages ask for. A name that ends in `*` stands for all that begin like it and are
        /// not named themselves.
        models: Optional<Named<Model>>,
        /// What providers' models cost, by "provider/model". A name that ends in `*` stands for all that begin like it and
        /// are not named themselves. The cost of other models is not known.
        prices: Optional<Named<Price>>,
        /// Tools that models may call, by the names that models see.
        tools: Optional<Named<Tool>>,
        /// Which results of tools are summarised before models read them. Default: none.
        summaries: Optional<Summaries>,
        /// MCP servers, by names of your choice. Routes offer their tools as "mcp:NAME".
        mcp: Optional<Named<McpServer>>,
        /// The routes that pages call.
        routes: List<Route>,
        /// How much may be asked for. Default: as much as anybody likes.
        limits: Optional<LimitRules>,
        /// Answers that are kept to be given again. Routes say whether theirs are.
        cache: Optional<Cache>,
        /// Where facts, conversations and usage are kept. Default: in memory.
        store: Optional<Store>,
        /// Whose the requests are. Default: all are one user's, or with `[auth]` each key's own.
        owner: Optional<Owner>,
        /// Who may call. Default: everybody.
        auth: Optional<Auth>,
        /// The REST interface of facts. Default: none.
        facts: Optional<Facts>,
        /// Where the tools and the MCP servers are shown. Default: nowhere.
        inspect: Optional<Inspect>,
        /// Files that users upload. Default: none.
        attachments: Optional<Attachments>,
        /// The folders that the tools of the workspace work in.
        workspace: Optional<Workspace>,
        /// Where requests to addresses that a page or a model names may go. Default: the public internet.
        fence: Optional<Fence>,
    }
}

section! {
    /// Files that users upload.
    Attachments, "[attachments]" {
        /// The path that they are sent to. Each file stands below it.
        path: Required<String>,
        /// Where pages find the gateway, such as "https://chat.example.com". Default: the host that a page calls, with
        /// https if its connection is encrypted, or a trusted proxy says so.
        url: Optional<String>,
        /// The folder of their bytes, relative to this file; made if it is not there. Default: the store's file with
        /// `.files` behind its name, or without a store one that is gone when the gateway stops.
        folder: Optional<String>,
        /// Largest file. Default: "20MiB".
        max_size: Optional<Size>,
        /// Most bytes of all files of a user. Default: "1GiB".
        max_per_user: Optional<Size>,
        /// Most bytes of all files. Default: "10GiB".
        max_total: Optional<Size>,
        /// The media types that are taken: whole ones, "image/*" and the like, or "*/*". Default: the usual pictures,
        /// PDF, JSON, and plain, CSV and Markdown texts.
        types: List<String>,
        /// How long sending a file may take. Default: "5m".
        timeout: Optional<Deadline>,
        /// How long a file is kept that no message names. Default: "1d".
        unused: Optional<Deadline>,
        /// How long the signed addresses of files are good for. Default: "1d".
        url_lifetime: Optional<Deadline>,
        /// Whether files may be sent without a credential where there is `[auth]`. Default: false.
        anonymous: Optional<bool>,
        /// Pages of which other origins may send files. Default: none.
        cors: Optional<Cors>,
    }
}

section! {
    /// Where facts, conversations and usage are kept.
    Store, "[store]" {
        /// The file, relative to this one; made if it is not there.
        path: Required<String>,
    }
}

section! {
    /// Whose the requests are.
    Owner, "[owner]" {
        /// The request header that names the user. Whoever can send it can be anybody: put a proxy in front that sets it.
        header: Required<String>,
    }
}

section! {
    /// The REST interface of facts.
    Facts, "[facts]" {
        /// The path of the list. What is done with one fact stands below it.
        path: Required<String>,
        /// Whether it may be called without a credential where there is `[auth]`. Default: false.
        anonymous: Optional<bool>,
        /// Pages of which other origins may call it. Default: none.
        cors: Optional<Cors>,
    }
}

section! {
    /// Where the tools and the MCP servers are shown.
    Inspect, "[inspect]" {
        /// The path above `/tools` and `/servers`.
        path: Required<String>,
        /// Whether it may be called without a credential where there is `[auth]`. Default: false.
        anonymous: Optional<bool>,
        /// Pages of which other origins may call it. Default: none.
        cors: Optional<Cors>,
    }
}

section! {
    /// A tool that models may call.
    Tool, "a tool" {
        /// What it is for, in words for the model.
        description: Optional<String>,
        /// JSON Schema of its arguments, which is one of an object. Default: an object without properties.
        parameters: Optional<Placed>,
        /// Whether its calls run: "allow", "ask" for those that a person allows one by one (on pages that cannot ask,
        /// none runs), or "deny" for none. Default: "allow", and "deny" for tools of the workspace.
        permission: Optional<Word<Permission>>,
        /// How long a call may take. Default: "30s".
        timeout: Optional<Deadline>,
        /// Most text in its output; the rest is cut. Default: "64KiB".
        max_output: Optional<Size>,
        /// Whether its long results are summarised, as `[summaries]` says. Default: true, and false for "Read" of the
        /// workspace.
        summarise: Optional<bool>,
        /// The widget that pages are shown of its result: a `.widget` file, relative to this one.
        widget: Optional<String>,
        /// It always gives the same result.
        fixed: Optional<Fixed>,
        /// The page runs it: `page = {}`.
        page: Optional<Page>,
        /// The user answers the model's questions, in a form where the page has them: `form = {}`. It has its own
        /// `parameters`.
        form: Optional<Form>,
        /// A request to a server of yours for each call.
        http: Optional<Http>,
        /// A model writes its result, which goes to the page as it is written.
        write: Optional<Write>,
        /// It is the weather at a place, with a card for the page: `weather = {}`. It has its own `parameters`.
        weather: Optional<Weather>,
        /// It is one of the workspace: "Bash", "Read", "Write", "Edit", "Glob", "Grep", "WebFetch" or "WebSearch". It has
        /// its own `parameters`.
        workspace: Optional<Word<Part>>,
    }
}

section! {
    /// Results of tools that are too long for a conversation. A model summarises them, and the summary takes their place:
    /// for the model that called the tool and for the page, which is shown it as it is written. Kept conversations keep
    /// the whole result beside it.
    Summaries, "[summaries]" {
        /// The model that writes them.
        model: Required<String>,
        /// Results longer than this are summarised. Default: "16KiB".
        above: Optional<Size>,
        /// What the model is told. It gets the tool's name, the arguments and the result. Default: to keep what the
        /// arguments ask for.
        instructions: Optional<String>,
        /// How long writing a summary may take. A result without one is cut at the tool's `max_output`. Default: "60s".
        timeout: Optional<Deadline>,
        /// Most of a result that the model is given. Default: "256KiB".
        max_read: Optional<Size>,
        /// Most of a whole result that is kept. Default: "256KiB".
        max_kept: Optional<Size>,
    }
}

section! {
    /// A tool that always gives the same result.
    Fixed, "`fixed`" {
        /// The result.
        result: Required<Free>,
    }
}

section! {
    /// A tool that the page runs.
    Page, "`page`" {}
}

section! {
    /// A tool by which the model asks the user.
    Form, "`form`" {}
}

section! {
    /// Where a secret comes from: one of the two.
    SecretSource, "a secret" {
        /// The environment variable that holds it.
        env: Optional<String>,
        /// The file that holds it, relative to this file.
        file: Optional<String>,
    }
}

impl SecretSource {
    /// The places that a section of another sort names.
    pub const fn of(env: Optional<String>, file: Optional<String>) -> Self {
        Self { env, file, sound: true }
    }
}

/// A key: never written into the file itself.
pub struct Key(pub SecretSource);

/// The value of a header: a text, or a secret from elsewhere.
pub enum HeaderText {
    /// The text itself, which may be a secret all the same.
    Plain(Hidden),
    /// From elsewhere.
    From(SecretSource),
}

impl Read for Key {
    fn read(value: &Spanned<DeValue<'_>>, problems: &mut Problems) -> Option<Self> {
        if let DeValue::String(_) = value.get_ref() {
            let problem = Problem::new(value.span(), "a key does not belong into the file");
            problems.push(problem.help("write `{ env = \"NAME_OF_THE_VARIABLE\" }` or `{ file = \"path\" }`"));
            return None;
        }
        read_section(value, problems).map(Self)
    }
}

impl Read for HeaderText {
    fn read(value: &Spanned<DeValue<'_>>, problems: &mut Problems) -> Option<Self> {
        match value.get_ref() {
            DeValue::Table(_) => read_section(value, problems).map(Self::From),
            _ => Hidden::read(value, problems).map(Self::Plain),
        }
    }
}

impl JsonSchema for Key {
    fn schema_name() -> Cow<'static, str> {
        SecretSource::schema_name()
    }
    fn schema_id() -> Cow<'static, str> {
        SecretSource::schema_id()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        SecretSource::json_schema(generator)
    }
}

impl JsonSchema for HeaderText {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "HeaderText".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let source = generator.subschema_for::<SecretSource>();
        json_schema!({ "anyOf": [{ "type": "string" }, source] })
    }
}
