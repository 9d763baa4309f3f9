//! Routes.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use toml::Spanned;
use toml::de::DeValue;

use super::{List, Optional};
use crate::config::limits::{Limits, RouteCache};
use crate::config::read::{At, Named, Read, Required, section};
use crate::config::report::{Problem, Problems};
use crate::config::values::{Deadline, FreeTable, Period, Switch, Whole, Word};
use crate::turn::{Busy, Leaving};

section! {
    /// A route that pages call.
    Route, "a route" {
        /// Its path, exactly.
        path: Required<String>,
        /// The protocol that its pages speak.
        protocol: Required<String>,
        /// The model when the page names none.
        model: Optional<String>,
        /// The models that pages may ask for. Default: all.
        models: List<String>,
        /// Whether the model that a page names is ignored. Default: false.
        force_model: Optional<bool>,
        /// The tools offered to the model: names of `[tools]`, "mcp:NAME" for all of an MCP server, and "mcp:NAME/TOOL"
        /// for one of them.
        tools: List<String>,
        /// What is done with a request before the model is asked: "facts" tells the model what the user wants
        /// remembered, and lets it save more.
        layers: List<String>,
        /// Most model calls in a turn. Default: 16.
        max_steps: Optional<Whole<1, 100>>,
        /// A system message in front of every conversation.
        system: Optional<String>,
        /// Whether the gateway keeps the conversations, so that pages need to send only what is new. Default: false,
        /// but for protocols whose pages hold none.
        memory: Optional<bool>,
        /// What becomes of a turn when its page leaves: "cancel", or "finish", so that the page can come back to it.
        /// Default: what the protocol's pages are used to, else "cancel".
        on_disconnect: Optional<Word<Leaving>>,
        /// What becomes of a message while a turn of its thread runs: "wait" for its end, "refuse", or "interrupt" it.
        /// Default: what the protocol's pages are used to, else "wait".
        when_busy: Optional<Word<Busy>>,
        /// Most items of a kept conversation that the model is told. Default: 400.
        history: Optional<Whole<1, 100_000>>,
        /// The model that names new threads. Default: they are called by their first message.
        title_model: Optional<String>,
        /// What happens when a user does something with a widget, by the actions' names.
        actions: Optional<Named<Action>>,
        /// Origins of providers that requests may bring themselves where their protocol has a place for that, such as
        /// ["https://api.example.com"]. The conversation goes there, and no key of the configuration. They must be on
        /// the public internet, or in `[fence]` too. Default: none.
        allow_base_urls: List<String>,
        /// What writes down what users speak, as "provider/model". Default: nothing does.
        transcription: Optional<String>,
        /// After how much silence a keep-alive goes out; `false` for never. Default: "15s".
        keep_alive: Optional<Switch<Deadline>>,
        /// How long a whole turn may take. Default: "10m".
        turn_timeout: Optional<Deadline>,
        /// What all its requests together may ask for. Default: as much as they like.
        limits: Optional<Limits>,
        /// Whether answers of models are given again when exactly the same is asked: `{}` for as the defaults say.
        /// Default: no.
        cache: Optional<RouteCache>,
        /// Whether it may be called without a credential where there is `[auth]`. Default: false.
        anonymous: Optional<bool>,
        /// Whether replies say in the header `x-chatwire-attempts` which targets were tried, and what came of it: good for
        /// finding faults, and tells pages which providers there are. Default: false.
        attempts_header: Optional<bool>,
        /// Pages of which other origins may call it. Default: none.
        cors: Optional<Cors>,
        /// Options of its protocol.
        options: Optional<FreeTable>,
    }
}

section! {
    /// What happens when a user does something with a widget.
    Action, "an action" {
        /// The tool that is run, with what comes with the action as its arguments. The widget that it makes takes the
        /// place of the one that was used. The model need not be offered the tool.
        tool: Required<String>,
        /// Whether the model is told and answers. Default: false.
        say: Optional<bool>,
    }
}

section! {
    /// Pages of which other origins may call a route.
    Cors, "`cors`" {
        /// The origins, such as ["https://chat.example.com"], or "*" for any.
        origins: Required<OriginList>,
        /// Whether cookies and the like may come along. Default: false.
        credentials: Optional<bool>,
        /// Request headers that a page may send, beside `content-type`. Default: ["authorization"].
        headers: List<String>,
        /// Reply headers that a page may read, beside those of the protocol.
        exposed: List<String>,
        /// How long a browser may remember the permission. Default: "10m".
        max_age: Optional<Period>,
    }
}

/// Origins that may call a route.
pub enum OriginList {
    /// `"*"`.
    Any,
    /// These.
    List(Vec<At<String>>),
}

impl Read for OriginList {
    fn read(value: &Spanned<DeValue<'_>>, problems: &mut Problems) -> Option<Self> {
        match value.get_ref() {
            DeValue::String(text) if text == "*" => Some(Self::Any),
            DeValue::String(_) => {
                let problem = Problem::new(value.span(), "origins are a list");
                problems.push(problem.help("write [\"https://chat.example.com\"], or \"*\" for any origin"));
                None
            }
            _ => Vec::read(value, problems).map(Self::List),
        }
    }
}

impl JsonSchema for OriginList {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "OriginList".into()
    }
    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "const": "*" }, { "type": "array", "items": { "type": "string" } }] })
    }
}
