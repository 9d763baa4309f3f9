//! What the user writes: the sections of `gateway.toml`. Their documentation is that of the JSON Schema too.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use toml::Spanned;
use toml::de::DeValue;

use super::auth::Auth;
use super::limits::{Cache, LimitRules, Limits, RouteCache};
use super::mcp::McpServer;
use super::placed::Placed;
use super::plan::ClientHeader;
use super::prices::Price;
use super::read::{At, Named, Read, Required, read_section, section};
use super::report::{Problem, Problems};
use super::targets::TargetText;
use super::tool_kinds::{Http, Weather, Write};
use super::values::{
    Address, Deadline, Free, FreeTable, Hidden, Period, Reasoning, Size, Switch, Temperature, Whole, Word,
};
use super::workspace::{Fence, Workspace};
use crate::tools::Permission;
use crate::tools::workspace::Part;
use crate::turn::{Busy, Leaving};
use std::borrow::Cow;

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
    /// The listener and its limits.
    Server, "[server]" {
        /// Where to listen. Default: "127.0.0.1:8000".
        listen: Optional<Address>,
        /// Largest request body. Default: "1MiB".
        max_body: Optional<Size>,
        /// Largest request head. Default: "64KiB".
        max_head: Optional<Size>,
        /// How long a request head may take, and the greeting of TLS. Default: "10s".
        head_timeout: Optional<Deadline>,
        /// How long a request body may take. Default: "30s".
        body_timeout: Optional<Deadline>,
        /// How many bytes of a body must come in a second, on average and after its first 5 seconds, or `false`.
        /// Default: 240.
        min_body_rate: Optional<Switch<Size>>,
        /// How long a connection is kept open for its next request. Default: "60s".
        idle_timeout: Optional<Deadline>,
        /// How long a page may leave an answer unread before it is cut. Default: "60s".
        write_timeout: Optional<Deadline>,
        /// How long running answers may go on after a stop signal. Default: "30s".
        drain: Optional<Period>,
        /// Threads that serve connections. Default: one for each processor.
        threads: Optional<Whole<1, 1_024>>,
        /// Most connections at a time. One more takes the place of that which has waited longest for a request. Default:
        /// 1024, or fewer where the system grants too few file descriptors.
        max_connections: Optional<Whole<1, 1_000_000>>,
        /// Most connections of one address at a time, or of one /64 network of IPv6; those of trusted proxies are not
        /// counted. So many of its requests are answered at a time, over all its connections and through trusted proxies.
        /// Default: half of `max_connections`, and no bound for this machine itself.
        max_connections_per_address: Optional<Whole<1, 1_000_000>>,
        /// Most turns at a time. Those of kept conversations wait for their place; others are refused with 503. Default:
        /// as many as `max_connections`, or fewer where the system grants too few file descriptors.
        max_turns: Optional<Whole<1, 1_000_000>>,
        /// Whether this file, and the files of secrets and widgets that it names, are read again when one of them
        /// changes. `SIGHUP` has them read again in any case. Default: true.
        watch: Optional<bool>,
        /// The names that pages may call the gateway by, without a port: "chat.example.com", or "*" for every name. The
        /// names of this machine itself, such as "localhost", are always good. Default: no others where the gateway
        /// listens on loopback only, so that no foreign page reaches it by a name of its own; elsewhere every name.
        hosts: List<String>,
        /// Proxies that are believed who their client is, as addresses or networks: "10.0.0.0/8". Default: none.
        trusted_proxies: List<String>,
        /// The header in which trusted proxies say who their client is. They must set it, or add to it. Default:
        /// "x-forwarded-for".
        client_header: Optional<Word<ClientHeader>>,
        /// Encrypts all connections. Default: none is.
        tls: Optional<Tls>,
        /// What holds on WebSockets.
        websocket: Optional<WebSocket>,
    }
}

section! {
    /// Encrypts all connections. The files are read again when they change.
    Tls, "[server.tls]" {
        /// The PEM file of the certificate and those above it, relative to this file.
        cert: Required<String>,
        /// The PEM file of its private key, relative to this file.
        key: Required<String>,
    }
}

section! {
    /// What holds on WebSockets.
    WebSocket, "[server.websocket]" {
        /// Largest message of a page; a larger one closes the connection. Default: "8MiB".
        max_message: Optional<Size>,
        /// After how much silence a page is asked whether it is there. One that says nothing for as long again is
        /// closed. Default: "30s".
        ping: Optional<Deadline>,
        /// Most messages of a page in a second. What comes faster waits. Default: 50.
        max_rate: Optional<Whole<1, 1_000_000>>,
        /// Most conversations that one connection follows. Default: 256.
        max_subscriptions: Optional<Whole<1, 1_000_000>>,
        /// Most turns that one connection waits for or is shown at a time, beside those of conversations that it
        /// follows. Default: 32.
        max_turns: Optional<Whole<1, 1_000_000>>,
    }
}

section! {
    /// A model provider.
    Provider, "a provider" {
        /// The protocol that it speaks.
        protocol: Required<String>,
        /// Where it is. Default: the address of the protocol's best-known provider.
        base_url: Optional<String>,
        /// Answer from recorded streams instead of asking anybody: `{}` for the recordings that are built in.
        replay: Optional<Replay>,
        /// Where its key comes from: an environment variable or a file.
        api_key: Optional<Key>,
        /// The same for several keys, in place of `api_key`. They take turns; one that is refused or asks for too much
        /// rests for a while.
        api_keys: List<Key>,
        /// Headers added to every request, as texts or as `{ env = "…" }` or `{ file = "…" }`.
        headers: Optional<Named<At<HeaderText>>>,
        /// Speak HTTP/2 with it where it can, so that many calls share a connection. Without it every running call has a
        /// connection of its own, which costs less time for each piece of an answer. Default: false.
        http2: Optional<bool>,
        /// Its deadlines.
        timeouts: Optional<Timeouts>,
        /// Most calls at a time. Others wait for their place. Default: no limit.
        max_concurrent: Optional<Whole<1, 1_000_000>>,
        /// Most calls that wait for a place; the next target is asked for those beyond, or they are refused with 503.
        /// Default: 100.
        max_queue: Optional<Whole<0, 1_000_000>>,
        /// How long a call waits for a place. Default: "10s".
        queue_timeout: Optional<Deadline>,
        /// When a model of it is left alone because it fails; `false` for never.
        circuit_breaker: Optional<Switch<CircuitBreaker>>,
        /// Options of its protocol.
        options: Optional<FreeTable>,
    }
}

section! {
    /// When a model is left alone because it fails: its calls go to other targets at once, or are refused with 503. Then
    /// single calls try it, until one is answered.
    CircuitBreaker, "`circuit_breaker`" {
        /// After so many failures in 30 seconds, if they are at least half of what calls came to. Default: 5.
        failures: Optional<Whole<1, 32>>,
        /// For how long, at first; each further failure doubles it. Default: "100ms".
        cool_down: Optional<Deadline>,
        /// For how long at most. Default: "1s".
        max_cool_down: Optional<Deadline>,
    }
}

section! {
    /// Recorded streams.
    Replay, "`replay`" {
        /// The folder with the recordings, if not the ones that are built in; relative to the file.
        folder: Optional<String>,
        /// The pause between the pieces of a stream, if not as recorded.
        pace: Optional<Period>,
    }
}

section! {
    /// A provider's deadlines.
    Timeouts, "`timeouts`" {
        /// To make a connection. Default: "10s".
        connect: Optional<Deadline>,
        /// From the request to the first byte of the answer. Default: "60s".
        first_byte: Optional<Deadline>,
        /// Between any two pieces of the answer. Default: "60s".
        idle: Optional<Deadline>,
        /// To the first event of the answer and between any two: comments that only keep the connection alive are none.
        /// Default: "5m", or the longest of the others.
        progress: Optional<Deadline>,
        /// For the whole answer. Default: no limit but the turn's.
        total: Optional<Deadline>,
    }
}

section! {
    /// A model under the name that pages ask for.
    Model, "a model" {
        /// What answers, as "provider/model", tried in this order, or as `{ target = "provider/model", weight = 3 }`, drawn
        /// by weight. As the model of a name that ends in `*`, "provider/*" passes on what stands at the place of the `*`.
        targets: Required<Vec<TargetText>>,
        /// How many more tries there are beside one for each target, as long as nothing of the answer has been passed on.
        /// Default: 2.
        retries: Optional<Whole<0, 10>>,
        /// Longest pause before one. A provider that asks for a longer one is not asked again. Default: "5s".
        max_retry_wait: Optional<Deadline>,
        /// After how much silence the next target is asked as well; the first that says something answers. Costs are those
        /// of both. Default: never.
        hedge: Optional<Deadline>,
        /// Other names that pages may ask for it by.
        aliases: List<String>,
        /// What holds where a page does not say otherwise.
        defaults: Optional<Defaults>,
        /// Members added to every request to the provider, as they are.
        extra: Optional<FreeTable>,
    }
}

section! {
    /// What holds where a page does not say otherwise.
    Defaults, "`defaults`" {
        /// Bound of the answer in tokens.
        max_tokens: Optional<Whole<1, 10_000_000>>,
        /// Sampling temperature.
        temperature: Optional<Temperature>,
        /// How much the model should think.
        reasoning: Optional<Reasoning>,
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

/// Origins that may call a route.
pub enum OriginList {
    /// `"*"`.
    Any,
    /// These.
    List(Vec<At<String>>),
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
