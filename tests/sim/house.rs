//! What all turns of a thread of the simulator share: the resolved configuration, with providers that are code.

use std::collections::BTreeMap;
use std::sync::Arc;

use chatwire::config::plan::{Model, Plan, Route, Source};
use chatwire::upstream::Upstreams;
use compact_str::format_compact;

use crate::provider::{Hub, Slot};
use crate::tools::tools;
use crate::wire::PROTOCOLS;

/// Seconds that a turn may take.
pub const TURN: u64 = 60;
/// Seconds to the first byte of an answer.
pub const FIRST_BYTE: u64 = 20;
/// Seconds between two reads of an answer.
pub const IDLE: u64 = 15;
/// Most model calls of a turn.
pub const STEPS: u32 = 3;

/// The dialects of pages that hold their conversations themselves.
pub const OWN: [&str; 5] =
    ["vercel-data-stream", "vercel-ui-stream", "vercel-text", "vercel-typed-lines", "callback-sse"];

/// The dialects whose conversations can be kept.
pub const KEPT: [&str; 5] = ["vercel-data-stream", "vercel-ui-stream", "callback-sse", "agent-sse", "chatkit"];

/// Most targets of a model.
pub const TARGETS: usize = 3;

pub struct House {
    pub hub: Hub,
    /// What is left of the plan when its models and routes are taken out.
    plan: Plan,
    /// By protocol of the first target and number of targets.
    pub models: BTreeMap<(&'static str, usize), Arc<Model>>,
    /// By dialect and whether it keeps.
    pub routes: BTreeMap<(&'static str, bool), Route>,
}

impl House {
    pub fn new() -> Self {
        let mut text = String::new();
        let mut names = BTreeMap::new();
        for (first, protocol) in PROTOCOLS.iter().enumerate() {
            for count in 1..=TARGETS {
                let targets: Vec<String> = (0..count)
                    .map(|at| {
                        let name = format!("p{first}-{count}-{at}");
                        let protocol = PROTOCOLS[(first + at) % PROTOCOLS.len()];
                        text.push_str(&format!(
                            "[providers.{name}]\nprotocol = \"{protocol}\"\nreplay = {{}}\n\
                             timeouts = {{ first_byte = \"{FIRST_BYTE}s\", idle = \"{IDLE}s\" }}\n"
                        ));
                        format!("\"{name}/m\"")
                    })
                    .collect();
                let name = format!("m{first}-{count}");
                text.push_str(&format!("[models.{name}]\ntargets = [{}]\n", targets.join(", ")));
                names.insert(name, (*protocol, count));
            }
        }
        let route = |path: &str, dialect: &str, keeps: &str| {
            format!(
                "[[routes]]\npath = \"{path}\"\nprotocol = \"{dialect}\"\nmodel = \"m0-1\"\nmax_steps = {STEPS}\n\
                 keep_alive = \"5s\"\nturn_timeout = \"{TURN}s\"\n{keeps}\n"
            )
        };
        OWN.iter().for_each(|dialect| text.push_str(&route(&format!("/own/{dialect}"), dialect, "")));
        KEPT.iter().for_each(|dialect| text.push_str(&route(&format!("/kept/{dialect}"), dialect, "memory = true")));
        let mut plan =
            chatwire::config::parse("sim.toml", &text, &|_| None).unwrap_or_else(|report| panic!("{report}"));
        let mut routes = BTreeMap::new();
        for route in std::mem::take(&mut plan.routes) {
            let mut route = Arc::into_inner(route).expect("nobody else has it");
            let keeps = route.path.starts_with("/kept/");
            let dialect = OWN.iter().chain(&KEPT).copied().find(|name| *name == route.protocol.name);
            (route.model, route.tools) = (None, tools());
            route.models.clear();
            routes.insert((dialect.expect("it is one of them"), keeps), route);
        }
        let hub = Hub::default();
        let models = std::mem::take(&mut plan.models);
        let models = models.into_iter().filter_map(|(name, model)| {
            let mut model = Arc::into_inner(model).expect("nobody else has it");
            for target in &mut model.targets {
                let provider = Arc::get_mut(&mut target.provider).expect("nobody else has it");
                let slot = Slot { hub: hub.clone(), protocol: provider.protocol.name };
                provider.source = Source::StandIn(Arc::new(slot));
            }
            Some((*names.get(&name)?, Arc::new(model)))
        });
        let models = models.collect();
        Self { hub, plan, models, routes }
    }

    /// Where providers are called from by a turn that knows nothing of the turns before it.
    pub fn upstreams(&self) -> Arc<Upstreams> {
        Arc::new(Upstreams::new(&self.plan, None).expect("there is nothing to open"))
    }

    /// The body of a request for a turn.
    pub fn body(dialect: &str, keeps: bool, thread: Option<&str>, text: &str) -> String {
        use serde_json::json;
        let id = format_compact!("u-{}", text.len());
        let body = match (dialect, keeps) {
            ("vercel-ui-stream", true) => {
                let message = json!({ "id": id, "role": "user", "parts": [{ "type": "text", "text": text }] });
                json!({ "id": thread.unwrap_or("c"), "trigger": "submit-message", "message": message })
            }
            ("vercel-ui-stream", false) => {
                let message = json!({ "id": id, "role": "user", "parts": [{ "type": "text", "text": text }] });
                json!({ "id": "c", "trigger": "submit-message", "messages": [message] })
            }
            ("callback-sse", true) => json!({ "session_id": thread.unwrap_or("s"), "content": text }),
            ("callback-sse", false) => {
                json!({ "session_id": "s", "messages": [{ "role": "user", "content": text }] })
            }
            ("agent-sse", _) => match thread {
                Some(thread) => json!({ "message": text, "session_id": thread }),
                None => json!({ "message": text }),
            },
            ("chatkit", _) => {
                let content = json!([{ "type": "input_text", "text": text }]);
                let input = json!({ "content": content, "attachments": [], "inference_options": {} });
                match thread {
                    None => json!({ "type": "threads.create", "params": { "input": input } }),
                    Some(thread) => {
                        let params = json!({ "thread_id": thread, "input": input });
                        json!({ "type": "threads.add_user_message", "params": params })
                    }
                }
            }
            _ => json!({ "id": thread.unwrap_or("c"), "messages": [{ "id": id, "role": "user", "content": text }] }),
        };
        body.to_string()
    }

    /// Where below its route a request for a turn is sent.
    pub fn below(dialect: &str) -> &'static str {
        match dialect {
            "agent-sse" => "/agent/query-stream-delta",
            "callback-sse" => "/stream",
            _ => "",
        }
    }
}
