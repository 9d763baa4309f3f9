//! Configurations, wrong and right: each wrong one of `fixtures/config` gives exactly the report beside it. With
//! `BLESS=1` the reports are written anew.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod protocols;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chatwire::config::pattern;
use chatwire::config::plan::{Origins, Plan, Source, ToolKind};
use chatwire::config::{Report, Surroundings, parse_in};
use chatwire::tools::Permission;
use chatwire_protocols::chat::Effort;
use chatwire_protocols::protocol::{AnswerHead, Protocol, Upstream};

fn environment(name: &str) -> Option<String> {
    let value = match name {
        "A_KEY" => "CANARY-A\n",
        "BLANK_API_KEY" => "  ",
        "BROKEN_API_KEY" => "CANARY\nCANARY",
        "TENANT" => "CANARY-TENANT",
        _ => return None,
    };
    Some(value.to_owned())
}

fn parse_with(protocols: &'static [&'static Protocol], name: &str, text: &str) -> Result<Plan, Report> {
    parse_in(name, text, Surroundings { protocols, env: &environment, folder: Path::new("fixtures/config") })
}

fn good(text: &str) -> Plan {
    parse_with(protocols::STAND_INS, "gateway.toml", text).unwrap_or_else(|report| panic!("{report}"))
}

fn bad(text: &str) -> String {
    match parse_with(protocols::STAND_INS, "gateway.toml", text) {
        Ok(_) => panic!("no mistake was found in\n{text}"),
        Err(report) => report.to_string(),
    }
}

fn fixtures() -> Vec<PathBuf> {
    let files = fs::read_dir("fixtures/config").unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect();
    files.sort();
    files
}

#[test]
fn every_wrong_configuration_gives_its_report() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = Vec::new();
    for path in fixtures() {
        let text = fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        let report = parse_with(protocols::STAND_INS, name, &text).err();
        let report = report.unwrap_or_else(|| panic!("no mistake was found in {name}")).to_string();
        let beside = path.with_extension("txt");
        if bless {
            fs::write(&beside, &report).unwrap();
        } else if fs::read_to_string(&beside).unwrap_or_default() != report {
            wrong.push(format!("{name} gives\n{report}"));
        }
    }
    assert!(wrong.is_empty(), "{}\nBLESS=1 takes these as right", wrong.join("\n"));
}

#[test]
fn no_report_shows_a_secret() {
    let mut seen = 0;
    for path in fixtures() {
        let text = fs::read_to_string(&path).unwrap();
        let Err(report) = parse_with(protocols::STAND_INS, "gateway.toml", &text) else { continue };
        seen += usize::from(text.contains("CANARY"));
        for shown in [report.render(false), report.render(true), format!("{report:?}")] {
            assert!(!shown.contains("CANARY"), "{}:\n{shown}", path.display());
        }
    }
    assert!(seen >= 2, "the fixtures with secrets are gone");
}

#[test]
fn files_of_users_have_bounds_and_who_writes_down_what_is_spoken_is_looked_up() {
    let text = r#"
        [attachments]
        path = "/files"
        url = "https://chat.example.com/"
        folder = "uploads"
        max_size = "1MiB"
        types = ["image/*"]
        unused = "2h"
        cors = { origins = ["https://page.example.com"] }

        [providers.ears]
        protocol = "openai-chat"
        base_url = "http://ears/v1"
        api_key = { env = "NOT_THERE" }
        [[routes]]
        path = "/chat"
        protocol = "vercel-auto"
        transcription = "ears/whisper"
    "#;
    let missing = bad_of_all(text);
    assert!(missing.contains("NOT_THERE") && missing.contains("`transcription`"), "{missing}");
    let plan = good_of_all(&text.replace("NOT_THERE", "A_KEY"));
    let files = plan.attachments.unwrap();
    assert_eq!(files.url.as_deref(), Some("https://chat.example.com"));
    assert_eq!(files.folder.as_deref(), Some(Path::new("fixtures/config/uploads")));
    assert_eq!((files.max_size, files.max_per_user, files.max_total), (1 << 20, 1 << 30, 10 << 30));
    assert_eq!((files.types.allow("image/avif"), files.types.allow("text/plain")), (true, false));
    assert_eq!((files.unused, files.timeout), (Duration::from_secs(7200), Duration::from_secs(300)));
    let transcription = plan.routes[0].transcription.as_ref().unwrap();
    assert_eq!((transcription.provider.name.as_str(), transcription.model.as_str()), ("ears", "whisper"));
}

fn good_of_all(text: &str) -> Plan {
    parse_with(chatwire_protocols::PROTOCOLS, "gateway.toml", text).unwrap_or_else(|report| panic!("{report}"))
}

fn bad_of_all(text: &str) -> String {
    parse_with(chatwire_protocols::PROTOCOLS, "gateway.toml", text).err().expect("a mistake").to_string()
}

#[test]
fn an_empty_file_is_a_gateway_without_routes() {
    let plan = good("");
    assert_eq!(plan.server.listen, "127.0.0.1:8000".parse().unwrap());
    assert_eq!((plan.server.max_body, plan.server.max_head, plan.server.max_connections), (1 << 20, 64 << 10, 1024));
    assert_eq!(plan.server.max_turns, 1024);
    assert!(plan.routes.is_empty() && plan.models.is_empty());
}

const FULL: &str = r#"
[server]
listen = "[::1]:0"
max_body = "2MiB"
max_head = 4096
head_timeout = "500ms"
body_timeout = "1m30s"
write_timeout = "45s"
drain = "0s"
max_connections = 7
max_turns = 9

[store]
path = "kept.db"

[owner]
header = "X-User"

[facts]
path = "/facts"
cors = { origins = "*" }

[providers.openai]
protocol = "openai-compatible"
api_key = { env = "A_KEY" }
headers = { X-Tenant = { env = "TENANT" }, x-plain = "plain" }
timeouts = { connect = "1s", first_byte = "2s" }
options = { preset = "deepseek", strict = true, retries = 3 }

[providers.unused]
protocol = "anthropic"
api_key = { env = "NOT_SET" }

[providers.replay]
protocol = "anthropic"
replay = { folder = ".", pace = "0ms" }

[models.chat-model]
targets = ["openai/vendor/gpt-4o", "replay/claude"]
aliases = ["gpt-4o"]
defaults = { max_tokens = 100, temperature = 1, reasoning = "off" }
extra = { seed = 7, nested = { list = [1, 2.5, true, "x"] } }

[models.other]
targets = ["replay/other"]

[tools.get_weather]
description = "The weather."
parameters = { type = "object", properties = { zone = {}, area = {} } }
permission = "ask"
fixed = { result = { temperature = 21 } }

[tools.get_location]
page = {}

[[routes]]
path = "/api/chat"
protocol = "vercel-auto"
model = "gpt-4o"
models = ["other"]
force_model = true
tools = ["get_location", "get_weather"]
max_steps = 3
system = "Be brief."
keep_alive = false
turn_timeout = "1m"
layers = ["facts"]
cors = { origins = ["https://Chat.Example.com/", "http://localhost:3000"], credentials = true, exposed = ["X-Turn"] }

[[routes]]
path = "/plain"
protocol = "callback-sse"
"#;

#[test]
fn a_full_configuration_resolves_providers_and_models() {
    let plan = good(FULL);
    assert_eq!(plan.models.keys().collect::<Vec<_>>(), ["chat-model", "gpt-4o", "other"]);
    let model = &plan.models["gpt-4o"];
    assert_eq!(model.name, "chat-model");
    assert_eq!((model.defaults.max_tokens, model.defaults.temperature), (Some(100), Some(1.0)));
    assert_eq!(model.defaults.reasoning, Some(Effort::Off));
    let [first, second] = model.targets.as_slice() else { panic!("two targets") };
    assert_eq!((first.model.as_str(), second.model.as_str()), ("vendor/gpt-4o", "claude"));
    assert_eq!(serde_json::to_string(&first.extra).unwrap(), r#"{"seed":7,"nested":{"list":[1,2.5,true,"x"]}}"#);
    let provider = &first.provider;
    assert_eq!((provider.name.as_str(), provider.protocol.name), ("openai", "openai-chat"));
    assert!(matches!(&provider.source, Source::Http(url) if url == "https://api.openai.example/v1"));
    assert_eq!(provider.keys[0].expose(), "CANARY-A", "blanks around a key are dropped");
    let headers: Vec<_> = provider.headers.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
    assert_eq!(headers, [("x-tenant", "CANARY-TENANT"), ("x-plain", "plain")]);
    assert_eq!(provider.timeouts.connect, Duration::from_secs(1));
    assert_eq!(provider.timeouts.idle, Duration::from_secs(60));
    assert!(matches!(&second.provider.source, Source::Replay { folder: Some(_), pace: Some(Duration::ZERO) }));
}

#[test]
fn what_holds_when_targets_fail_is_resolved() {
    let plan = good(
        r#"
        [providers.a]
        protocol = "openai-chat"
        api_keys = [{ env = "A_KEY" }, { env = "TENANT" }]
        max_concurrent = 8
        max_queue = 0
        queue_timeout = "2s"
        circuit_breaker = { failures = 3, cool_down = "2s" }
        timeouts = { first_byte = "10m", total = "20m" }
        [providers.b]
        protocol = "anthropic"
        circuit_breaker = false
        [models.m]
        targets = [{ target = "a/one", weight = 3, max_concurrent = 2, queue_timeout = "3s" }, "b/two"]
        retries = 0
        max_retry_wait = "1s"
        hedge = "800ms"
        [models.n]
        targets = ["b/two"]
        [[routes]]
        path = "/chat"
        protocol = "vercel-auto"
        attempts_header = true
        "#,
    );
    let model = &plan.models["m"];
    assert_eq!(model.targets.iter().map(|target| target.weight).collect::<Vec<_>>(), [Some(3), None]);
    assert_eq!((model.retry.more, model.retry.max_wait), (0, Duration::from_secs(1)));
    assert_eq!(model.hedge, Some(Duration::from_millis(800)));
    let [a, b] = [0, 1].map(|at| &model.targets[at].provider);
    assert_eq!(a.keys.iter().map(|key| key.expose()).collect::<Vec<_>>(), ["CANARY-A", "CANARY-TENANT"]);
    assert_eq!((a.concurrency.most, a.concurrency.queue, a.concurrency.wait), (8, 0, Duration::from_secs(2)));
    let own = [0, 1].map(|at| model.targets[at].concurrency.map(|own| (own.most, own.queue, own.wait)));
    assert_eq!(own, [Some((2, 100, Duration::from_secs(3))), None]);
    let breaker = a.breaker.unwrap();
    assert_eq!(
        (breaker.failures, breaker.cool_down, breaker.max_cool_down),
        (3, Duration::from_secs(2), breaker.cool_down)
    );
    assert_eq!((a.timeouts.progress, a.timeouts.total), (Duration::from_secs(600), Some(Duration::from_secs(1200))));
    assert_eq!((b.timeouts.progress, b.timeouts.total), (Duration::from_secs(300), None));
    assert!(b.breaker.is_none() && b.keys.is_empty() && b.concurrency.most > 1_000_000);
    let usual = &plan.models["n"];
    assert_eq!((usual.retry.more, usual.retry.max_wait, usual.hedge), (2, Duration::from_secs(5), None));
    assert!(plan.routes[0].attempts_header);
}

#[test]
fn a_full_configuration_resolves_server_routes_and_tools() {
    let plan = good(FULL);
    assert_eq!(plan.server.listen, "[::1]:0".parse().unwrap());
    assert_eq!(plan.server.body_timeout, Duration::from_secs(90));
    assert_eq!(plan.server.write_timeout, Duration::from_secs(45));
    assert_eq!((plan.server.drain, plan.server.max_connections, plan.server.max_turns), (Duration::ZERO, 7, 9));
    let [route, plain] = plan.routes.as_slice() else { panic!("two routes") };
    assert_eq!((route.path.as_str(), route.protocol.name), ("/api/chat", "vercel-auto"));
    assert!(route.force_model && route.keep_alive.is_none());
    assert_eq!(route.model.as_ref().unwrap().name, "chat-model");
    assert_eq!(route.models.keys().collect::<Vec<_>>(), ["gpt-4o", "other"], "the default may be asked for");
    assert_eq!((route.max_steps, route.system.as_deref()), (3, Some("Be brief.")));
    assert!(matches!(&route.cors.origins, Origins::List(list)
        if list == &["https://chat.example.com", "http://localhost:3000"]));
    assert_eq!((route.cors.credentials, route.cors.exposed.clone()), (true, vec!["x-turn".to_owned()]));
    assert_eq!(route.cors.headers, ["authorization"]);
    let [location, weather] = route.tools.as_slice() else { panic!("two tools") };
    assert!(matches!(location.kind, ToolKind::Page) && location.permission == Permission::Allow);
    assert!(
        matches!(&weather.kind, ToolKind::Fixed(result) if result["temperature"] == 21)
            && weather.permission == Permission::Ask
    );
    assert_eq!(
        weather.arguments.schema().to_string(),
        r#"{"type":"object","properties":{"zone":{},"area":{}}}"#,
        "a schema keeps the order of the file"
    );
    assert_eq!(plain.models.len(), 3);
    assert_eq!((plain.keep_alive, plain.max_steps), (Some(Duration::from_secs(15)), 16));
    assert!(matches!(plain.cors.origins, Origins::None));
}

const PATTERNS: &str = r#"
[providers.a]
protocol = "anthropic"
replay = {}

[models."a/*"]
targets = ["a/*"]
extra = { seed = 1 }

[models."a/fast-*"]
targets = ["a/*", "a/spare"]

[models."a/fast-one"]
targets = ["a/the-one"]
aliases = ["one*"]

[[routes]]
path = "/all"
protocol = "callback-sse"
model = "a/x"

[[routes]]
path = "/some"
protocol = "callback-sse"
models = ["a/fast-*", "a/y"]
"#;

#[test]
fn a_name_that_ends_in_a_star_stands_for_all_that_begin_like_it() {
    let plan = good(PATTERNS);
    let targets = |route: usize, name: &str| -> Option<String> {
        let model = pattern::find(&plan.routes[route].models, name)?;
        let targets = model.targets.iter().map(|target| target.model.as_str());
        Some(format!("{}: {}", model.name, targets.collect::<Vec<_>>().join(" ")))
    };
    let cases = [
        ("a/big/one", Some("a/big/one: big/one")),
        ("a/fast-two", Some("a/fast-two: two spare")),
        ("a/fast-one", Some("a/fast-one: the-one")),
        ("one-of-many", Some("one-of-many: the-one")),
        ("a/*", Some("a/*: *")),
        ("a/", None),
        ("a/ ", None),
        ("a/b\nc", None),
        ("b/c", None),
        ("", None),
    ];
    for (name, expected) in cases {
        assert_eq!(targets(0, name).as_deref(), expected, "{name:?}");
    }
    assert_eq!(targets(0, &format!("a/{}", "x".repeat(600))), None);
    assert_eq!(targets(1, "a/y").as_deref(), Some("a/y: y"));
    assert_eq!(targets(1, "a/fast-z").as_deref(), Some("a/fast-z: z spare"));
    assert_eq!(targets(1, "a/x"), None, "not listed for this route");
    let own = plan.routes[0].model.as_ref().unwrap();
    assert_eq!((own.targets[0].model.as_str(), own.targets[0].extra["seed"].as_i64()), ("x", Some(1)));
}

#[test]
fn a_full_configuration_resolves_what_is_kept_and_whose_it_is() {
    let plan = good(FULL);
    assert_eq!(plan.store.as_deref(), Some(Path::new("fixtures/config/kept.db")), "beside the file");
    assert_eq!(plan.owner.as_deref(), Some("x-user"));
    let facts = plan.facts.as_ref().unwrap();
    assert!(facts.path == "/facts" && matches!(facts.cors.origins, Origins::Any));
    let layers: Vec<Vec<&str>> =
        plan.routes.iter().map(|route| route.layers.iter().map(|layer| layer.name()).collect()).collect();
    assert_eq!(layers, [vec!["facts"], vec![]]);
    let plan = good("");
    assert!(plan.store.is_none() && plan.owner.is_none() && plan.facts.is_none());
}

#[test]
fn options_reach_the_protocol() {
    let plan = good(FULL);
    let targets = &plan.models["chat-model"].targets;
    // A stand-in tells its options as the text of its failures.
    let options_of = |upstream: &dyn Upstream| upstream.failure(&AnswerHead::default(), b"").message;
    let given = options_of(&*targets[0].provider.upstream);
    assert!(["deepseek", "strict", "retries"].iter().all(|word| given.contains(word)), "{given}");
    let given = options_of(&*targets[1].provider.upstream);
    assert!(!given.contains("deepseek"), "{given}");
}

#[test]
fn a_key_comes_from_a_file_beside_the_configuration() {
    let folder = std::env::temp_dir().join(format!("chatwire-config-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("key"), "from-file\n").unwrap();
    let text = "[providers.a]\nprotocol = \"anthropic\"\napi_key = { file = \"key\" }\n\
                [models.m]\ntargets = [\"a/b\"]";
    let surroundings = Surroundings { protocols: protocols::STAND_INS, env: &environment, folder: &folder };
    let plan = parse_in("gateway.toml", text, surroundings);
    fs::remove_dir_all(&folder).unwrap();
    let plan = plan.unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(plan.models["m"].targets[0].provider.keys[0].expose(), "from-file");
}

#[test]
fn a_mistake_at_the_end_of_a_file_without_a_newline_is_shown() {
    let report = bad("[server]\nlisten =");
    assert!(report.contains("gateway.toml:2:"), "{report}");
}

#[test]
fn the_default_configuration_is_right_and_uses_no_real_provider() {
    let text = fs::read_to_string("gateway.toml").unwrap();
    let plan =
        parse_with(chatwire_protocols::PROTOCOLS, "gateway.toml", &text).unwrap_or_else(|report| panic!("{report}"));
    for model in plan.models.values() {
        assert!(model.targets.iter().all(|target| matches!(target.provider.source, Source::Replay { .. })));
    }
    let expected = fs::read_to_string("fixtures/config/gateway.routes").unwrap_or_default();
    let table = chatwire::cli::routes::table(&plan);
    if std::env::var_os("BLESS").is_some() {
        fs::write("fixtures/config/gateway.routes", &table).unwrap();
    } else {
        assert_eq!(table, expected);
    }
}

#[test]
fn every_target_that_the_default_configuration_proposes_is_right() {
    let text = fs::read_to_string("gateway.toml").unwrap();
    let replayed = text.lines().filter(|line| !line.starts_with("targets = "));
    let mut proposed = BTreeSet::new();
    for line in replayed.clone().filter_map(|line| line.strip_prefix("# targets = ")) {
        proposed.insert(line.to_owned());
    }
    assert!(proposed.len() >= 4, "{proposed:?}");
    for targets in proposed {
        let text = text.replacen("targets = [\"replay-openai/gpt-4o\"]", &format!("targets = {targets}"), 1);
        let surroundings = Surroundings {
            protocols: chatwire_protocols::PROTOCOLS,
            env: &|_| Some("key".to_owned()),
            folder: Path::new(""),
        };
        let plan = parse_in("gateway.toml", &text, surroundings).unwrap_or_else(|report| panic!("{report}"));
        assert!(
            plan.models["chat-model"].targets.iter().all(|target| matches!(target.provider.source, Source::Http(_)))
        );
    }
}

#[test]
fn any_damage_to_a_file_gives_a_plan_or_a_report() {
    let default = fs::read_to_string("gateway.toml").unwrap();
    damage(&default, chatwire_protocols::PROTOCOLS);
    damage(FULL, protocols::STAND_INS);
}

fn damage(text: &str, protocols: &'static [&'static Protocol]) {
    let try_it = |text: &str| {
        if let Err(report) = parse_with(protocols, "gateway.toml", text) {
            assert!(!report.is_empty());
            let shown = report.to_string();
            assert!(shown.contains("error: ") && shown.contains("gateway.toml:"), "{shown}");
        }
    };
    for place in (0..text.len()).step_by(31) {
        try_it(text.get(..place).unwrap_or_default());
        for damage in ["\"", "=", "\u{e9}", "]", "\n", "\r", "\'\'\'", "\u{0}", "{"] {
            if let (Some(before), Some(behind)) = (text.get(..place), text.get(place + 1..)) {
                try_it(&format!("{before}{damage}{behind}"));
            }
        }
    }
}

#[test]
fn prices_summaries_and_brought_providers_are_what_the_file_says() {
    let text = r#"
        [providers.p]
        protocol = "openai-chat"
        base_url = "https://p.example.com"
        [prices."p/large"]
        input = 3
        output = 15.0
        cached_input = 0.3
        [prices."p/*"]
        input = 0.000001
        output = 0
        [models.m]
        targets = ["p/large"]
        [summaries]
        model = "m"
        above = "1KiB"
        [tools.f]
        fixed = { result = 1 }
        summarise = false
        [[routes]]
        path = "/a"
        protocol = "vercel-auto"
        model = "m"
        tools = ["f"]
        allow_base_urls = ["https://API.example.com:443/"]
        "#;
    let plan = good(text);
    let provider = &plan.models["m"].targets[0].provider;
    let large = provider.prices.of("large").unwrap();
    assert_eq!((large.input, large.cached_input, large.cache_write), ("3".parse().unwrap(), "0.3".parse().ok(), None));
    assert_eq!(provider.prices.of("small").unwrap().input, "0.000001".parse().unwrap());
    let route = &plan.routes[0];
    let summaries = route.summaries.as_ref().unwrap();
    assert_eq!((summaries.model.name.as_str(), summaries.above, summaries.max_kept), ("m", 1024, 256 << 10));
    assert!(!route.tools[0].summarise);
    assert_eq!(route.own_providers.as_ref().unwrap().origins, ["https://api.example.com"]);
}
