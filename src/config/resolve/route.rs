//! Routes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chatwire_protocols::protocol::{Habits, Keeps, Protocol};

use super::mcp::Offered;
use super::names::Names;
use super::provider::Side;
use super::{Resolver, items, limits, value};
use crate::config::file::{self, List, OriginList};
use crate::config::pattern;
use crate::config::plan::{Cors, Memory, Model, Origins, OwnProviders, Provider, Route};
use crate::config::read::{At, Section};
use crate::config::report::{Problem, Span};
use crate::config::values::Switch;
use crate::path::RoutePath;
use crate::tools::Summaries;
use crate::tools::fence::Fence;
use crate::turn::{Busy, Leaving};

/// Paths that the gateway answers itself.
const BUILT_IN: [&str; 2] = ["/health", "/ready"];
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const TURN_TIMEOUT: Duration = Duration::from_secs(600);
const MAX_STEPS: u32 = 16;
const HISTORY: u32 = 400;
const CORS_MAX_AGE: Duration = Duration::from_secs(600);
/// What a page needs for a login. Any page may send a body.
const CORS_HEADERS: [&str; 1] = ["authorization"];

/// What all routes share.
pub struct Shared<'a> {
    pub summaries: Option<Arc<Summaries>>,
    pub fence: &'a Fence,
}

impl Resolver<'_> {
    pub fn routes(
        &mut self,
        file: &List<file::Route>,
        providers: &Names<Provider>,
        models: &Names<Model>,
        tools: &Offered<'_>,
        shared: &Shared<'_>,
    ) -> Vec<Arc<Route>> {
        let mut taken = BTreeMap::new();
        let mut routes = Vec::new();
        for route in items(file) {
            if let Some(path) = &route.value.path.0 {
                self.check_path(path, &mut taken);
            }
            let spoken = route.value.transcription.as_ref();
            let transcription = spoken.and_then(|target| self.transcription(target, providers));
            let own_providers = self.own_providers(&route.value.allow_base_urls, shared.fence);
            if let Some(resolved) = self.route(&route.value, models, tools) {
                let summaries = shared.summaries.clone();
                routes.push(Arc::new(Route { transcription, summaries, own_providers, ..resolved }));
            }
        }
        routes
    }

    fn route(&mut self, file: &file::Route, models: &Names<Model>, tools: &Offered<'_>) -> Option<Route> {
        let protocol = file.protocol.0.as_ref().and_then(|protocol| self.protocol(protocol, Side::Page));
        let model = file.model.as_ref().and_then(|model| self.own_model(model, models));
        let offered = self.offered(file, models, model.as_ref());
        self.check_force_model(file);
        let all = tools.tools;
        let (tools, mcp) = self.offered_tools(&file.tools, tools);
        let layers = self.layers(&file.layers, &tools);
        let cors = file.cors.as_ref().map(|cors| self.cors(&cors.value)).unwrap_or_default();
        let memory = self
            .memory(file, protocol, models)
            .map(|memory| Memory { actions: self.actions(file, &layers, all), ..memory });
        let (protocol, frontend) = protocol.and_then(|protocol| Some((protocol, protocol.frontend.as_ref()?)))?;
        let options = self.options(frontend.options, file.options.as_ref(), protocol)?;
        let frontend = (frontend.make)(&options);
        let memory = memory.map(|memory| used_to(memory, file, frontend.habits()));
        Some(Route {
            path: file.path.0.as_ref()?.value.clone(),
            protocol,
            frontend,
            model,
            force_model: value(&file.force_model).copied().unwrap_or_default(),
            models: offered,
            tools,
            mcp,
            layers,
            max_steps: value(&file.max_steps).and_then(|steps| u32::try_from(steps.0).ok()).unwrap_or(MAX_STEPS),
            system: value(&file.system).cloned(),
            anonymous: value(&file.anonymous).copied().unwrap_or_default(),
            cors,
            keep_alive: match value(&file.keep_alive) {
                Some(Switch::Off) => None,
                Some(Switch::On(silence)) => Some(silence.0),
                None => Some(KEEP_ALIVE),
            },
            turn_timeout: value(&file.turn_timeout).map_or(TURN_TIMEOUT, |timeout| timeout.0),
            memory,
            transcription: None,
            summaries: None,
            own_providers: None,
            limits: limits::limits(&file.limits).unwrap_or_default(),
            cache: limits::cache(&file.cache),
            attempts_header: value(&file.attempts_header).copied().unwrap_or(false),
        })
    }

    fn own_providers(&mut self, file: &List<String>, fence: &Fence) -> Option<OwnProviders> {
        let origins = self.web_origins(items(file));
        (!origins.is_empty()).then(|| OwnProviders { origins, fence: fence.clone() })
    }

    /// How the conversations are kept: as the protocol must, or as the file says.
    fn memory(
        &mut self,
        file: &file::Route,
        protocol: Option<&'static Protocol>,
        models: &Names<Model>,
    ) -> Option<Memory> {
        let keeps = protocol?.frontend.as_ref()?.keeps;
        let title_model = file.title_model.as_ref().and_then(|model| self.own_model(model, models));
        match (keeps, file.memory.as_ref()) {
            (Keeps::Never, Some(memory)) if memory.value => {
                self.problem(Problem::new(memory.span.clone(), "the pages of this protocol hold their conversations"));
            }
            (Keeps::Always, Some(memory)) if !memory.value => {
                let problem = Problem::new(memory.span.clone(), "the pages of this protocol hold no conversations");
                self.problem(problem.help("leave `memory` out, or set it to `true`"));
            }
            _ => {}
        }
        let kept = keeps == Keeps::Always || value(&file.memory).copied().unwrap_or_default();
        if !kept {
            let keys = [
                ("on_disconnect", file.on_disconnect.as_ref().map(|key| &key.span)),
                ("when_busy", file.when_busy.as_ref().map(|key| &key.span)),
                ("history", file.history.as_ref().map(|key| &key.span)),
                ("title_model", file.title_model.as_ref().map(|key| &key.span)),
                ("actions", file.actions.as_ref().map(|key| &key.span)),
            ];
            for (name, span) in keys.into_iter().filter_map(|(name, span)| Some((name, span?.clone()))) {
                let problem = Problem::new(span, format!("`{name}` is for routes whose conversations are kept"));
                self.problem(problem.help("add `memory = true`"));
            }
            return None;
        }
        Some(Memory {
            leaving: value(&file.on_disconnect).map_or(Leaving::Cancel, |word| word.0),
            busy: value(&file.when_busy).map_or(Busy::Wait, |word| word.0),
            history: value(&file.history).and_then(|most| u32::try_from(most.0).ok()).unwrap_or(HISTORY),
            title_model,
            actions: BTreeMap::new(),
        })
    }

    pub fn check_path<'a>(&mut self, path: &'a At<String>, taken: &mut BTreeMap<&'a str, Span>) {
        let text = path.value.as_str();
        let wrong = |title: &str| Problem::new(path.span.clone(), title);
        let special = |character: char| !character.is_ascii_graphic() || "?#{}*\"<>\\^`|".contains(character);
        if !text.starts_with('/') {
            self.problem(wrong("a path begins with a slash").help(format!("did you mean `/{text}`?")));
        } else if text.contains(special) {
            self.problem(wrong("a path is matched exactly and has no patterns, blanks or query"));
        } else if RoutePath::new(text).is_none() {
            let help = "write it without empty or dot segments, without `;`, and percent-encoded only where it must be";
            self.problem(wrong("requests for this path are refused").help(help));
        } else if BUILT_IN.contains(&text) {
            self.problem(wrong(&format!("`{text}` is answered by the gateway itself")).help("choose another path"));
        } else if let Some(earlier) = taken.get(text) {
            self.problem(wrong(&format!("a second route for `{text}`")).also(earlier.clone(), "the first is here"));
        }
        taken.entry(text).or_insert_with(|| path.span.clone());
    }

    pub fn own_model(&mut self, name: &At<String>, models: &Names<Model>) -> Option<Arc<Model>> {
        let model = self.named_model(name, models)?;
        if model.targets.iter().any(|target| target.model == pattern::ANY) {
            let problem = Problem::new(name.span.clone(), "a route's own model must have a whole name");
            self.problem(problem.help("say what stands at the place of the `*`"));
            return None;
        }
        Some(model)
    }

    pub fn named_model(&mut self, name: &At<String>, models: &Names<Model>) -> Option<Arc<Model>> {
        if models.get(&name.value).is_none()
            && let Some(model) = pattern::find(&models.found(), &name.value)
        {
            return Some(model);
        }
        self.look_up(models, &name.value, name.span.clone(), "model")
    }

    /// The models that a page may ask for: those listed and the default, or all.
    fn offered(
        &mut self,
        file: &file::Route,
        models: &Names<Model>,
        default: Option<&Arc<Model>>,
    ) -> BTreeMap<String, Arc<Model>> {
        if file.models.is_none() {
            return models.found();
        }
        let mut offered = BTreeMap::new();
        for name in items(&file.models) {
            if let Some(model) = self.named_model(name, models) {
                offered.insert(name.value.clone(), model);
            }
        }
        if let (Some(name), Some(model)) = (&file.model, default) {
            offered.insert(name.value.clone(), Arc::clone(model));
        }
        offered
    }

    fn check_force_model(&mut self, file: &file::Route) {
        if let Some(forced) = file.force_model.as_ref().filter(|forced| forced.value)
            && file.model.is_none()
            && file.is_sound()
        {
            let problem = Problem::new(forced.span.clone(), "`force_model` without a `model`");
            self.problem(problem.help("say which: `model = \"…\"`"));
        }
    }

    pub fn cors(&mut self, file: &file::Cors) -> Cors {
        let origins = match file.origins.0.as_ref().map(|origins| (&origins.value, &origins.span)) {
            None => Origins::None,
            Some((OriginList::Any, span)) => {
                if let Some(credentials) = file.credentials.as_ref().filter(|credentials| credentials.value) {
                    let problem = Problem::new(span.clone(), "\"*\" and credentials do not go together");
                    let problem = problem.also(credentials.span.clone(), "browsers refuse this with any origin");
                    self.problem(problem.help("list the origins that may send credentials"));
                }
                Origins::Any
            }
            Some((OriginList::List(list), _)) => {
                Origins::List(list.iter().filter_map(|origin| self.origin(origin)).collect())
            }
        };
        let headers = match &file.headers {
            None => CORS_HEADERS.map(str::to_owned).to_vec(),
            Some(_) => self.header_names(&file.headers),
        };
        Cors {
            origins,
            credentials: value(&file.credentials).copied().unwrap_or_default(),
            headers,
            exposed: self.header_names(&file.exposed),
            max_age: value(&file.max_age).map_or(CORS_MAX_AGE, |age| age.0),
        }
    }

    fn header_names(&mut self, names: &List<String>) -> Vec<String> {
        items(names).iter().filter_map(|name| self.header_name(name)).collect()
    }

    /// An origin as browsers send it: scheme, host and port, in lower case and without a slash.
    pub fn origin(&mut self, origin: &At<String>) -> Option<String> {
        let text = origin.value.trim_end_matches('/').to_ascii_lowercase();
        let (scheme, authority) = text.split_once("://").unwrap_or_default();
        let fits = !authority.is_empty()
            && scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.chars().all(|character| character.is_ascii_alphanumeric() || "+-.".contains(character))
            && authority.chars().all(|character| character.is_ascii_alphanumeric() || "-._:[]".contains(character));
        if !fits {
            let problem = Problem::new(origin.span.clone(), "not an origin");
            let help = match origin.value.as_str() {
                "*" => "for any origin write `origins = \"*\"`, without the list",
                _ => "write scheme, host and perhaps a port, and each one out: \"https://chat.example.com\"",
            };
            self.problem(problem.help(help));
        }
        fits.then_some(text)
    }
}

/// What the pages are used to, where the file does not say otherwise.
fn used_to(memory: Memory, file: &file::Route, habits: Habits) -> Memory {
    Memory {
        leaving: if habits.finish && file.on_disconnect.is_none() { Leaving::Finish } else { memory.leaving },
        busy: if habits.interrupt && file.when_busy.is_none() { Busy::Interrupt } else { memory.busy },
        ..memory
    }
}
