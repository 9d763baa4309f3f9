//! Providers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chatwire_protocols::options::{OptionSpec, Options};
use chatwire_protocols::protocol::Protocol;
use http::{HeaderName, Uri};
use serde_json::Map;

use super::limits::concurrency;
use super::names::Names;
use super::secret::Need;
use super::{Resolver, entries, items, value};
use crate::config::file::{self, HeaderText, Optional};
use crate::config::mask::credentials;
use crate::config::plan::{BreakerPlan, Prices, Provider, Source, Timeouts};
use crate::config::read::{At, Entry, Named};
use crate::config::report::{Problem, Span};
use crate::config::suggest::closest;
use crate::config::values::{Deadline, FreeTable, Switch};
use crate::secret::Secret;

/// Who uses a provider: a model's name and the place where it says so.
pub type Users<'a> = BTreeMap<&'a str, (String, Span)>;

/// Which side of a protocol is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// What pages speak.
    Page,
    /// What providers speak.
    Provider,
}

impl Side {
    const fn is_of(self, protocol: &Protocol) -> bool {
        match self {
            Self::Page => protocol.frontend.is_some(),
            Self::Provider => protocol.upstream.is_some(),
        }
    }

    const fn speakers(self) -> &'static str {
        match self {
            Self::Page => "pages",
            Self::Provider => "providers",
        }
    }
}

impl Resolver<'_> {
    pub fn providers(
        &mut self,
        file: &Optional<Named<file::Provider>>,
        users: &Users<'_>,
        mut prices: BTreeMap<&str, Prices>,
    ) -> Names<Provider> {
        let mut names = Names::new(self.complete || file.is_some());
        for entry in entries(file) {
            if entry.name.value.is_empty() || entry.name.value.contains('/') {
                let problem = Problem::new(entry.name.span.clone(), "a provider's name has no slash and is not empty");
                self.problem(problem.help("targets are written \"provider/model\", cut at the first slash"));
            }
            let name = entry.name.value.as_str();
            let prices = prices.remove(name).unwrap_or_default();
            let provider = self.provider(entry, users.get(name)).map(|provider| Provider { prices, ..provider });
            // TOML has no key twice, so no name is added twice.
            let _ = names.add(&entry.name, provider.map(Arc::new));
        }
        names
    }

    fn provider(&mut self, entry: &Entry<file::Provider>, user: Option<&(String, Span)>) -> Option<Provider> {
        let (name, file) = (&entry.name.value, entry.value.as_ref()?);
        let need = |at: &Span| Need {
            at: at.clone(),
            who: format!("provider `{name}`"),
            user: user.map(|(user, span)| (user.as_str(), span.clone())),
            instead: "let another provider answer",
        };
        let protocol = file.protocol.0.as_ref().and_then(|protocol| self.protocol(protocol, Side::Provider));
        let source = self.source(file, protocol);
        let keys = self.keys(file, &need);
        let headers = entries(&file.headers).iter();
        let headers = headers.filter_map(|header| self.header(&header.name, header.value.as_ref()?, &need)).collect();
        let (protocol, upstream) = protocol.and_then(|protocol| Some((protocol, protocol.upstream.as_ref()?)))?;
        let options = self.options(upstream.options, file.options.as_ref(), protocol);
        Some(Provider {
            name: name.clone(),
            protocol,
            upstream: (upstream.make)(&options?),
            source: source?,
            keys,
            brought: false,
            headers,
            http2: value(&file.http2).copied().unwrap_or_default(),
            timeouts: timeouts(&file.timeouts),
            concurrency: concurrency(&file.max_concurrent, &file.max_queue, &file.queue_timeout).unwrap_or_default(),
            breaker: self.breaker(&file.circuit_breaker),
            prices: Prices::default(),
        })
    }

    fn keys<'a>(&mut self, file: &file::Provider, need: &dyn Fn(&Span) -> Need<'a>) -> Vec<Secret> {
        match (&file.api_key, &file.api_keys) {
            (Some(key), Some(keys)) => {
                let problem = Problem::new(keys.span.clone(), "a provider has either `api_key` or `api_keys`");
                self.problem(problem.also(key.span.clone(), "this is another key"));
            }
            (None, Some(keys)) if keys.value.is_empty() => {
                self.problem(Problem::new(keys.span.clone(), "`api_keys` is empty").help("leave it out, or add a key"));
            }
            _ => {}
        }
        let given = file.api_key.iter().chain(items(&file.api_keys));
        given.filter_map(|key| self.secret(&key.value.0, &need(&key.span))).collect()
    }

    fn breaker(&mut self, file: &Optional<Switch<file::CircuitBreaker>>) -> Option<BreakerPlan> {
        let usual = BreakerPlan::default();
        let file = match value(file) {
            None => return Some(usual),
            Some(Switch::Off) => return None,
            Some(Switch::On(file)) => file,
        };
        let cool_down = value(&file.cool_down).map_or(usual.cool_down, |time| time.0);
        let max_cool_down = value(&file.max_cool_down).map_or(usual.max_cool_down.max(cool_down), |time| time.0);
        if let Some(most) = file.max_cool_down.as_ref().filter(|most| most.value.0 < cool_down) {
            self.problem(Problem::new(most.span.clone(), "`max_cool_down` is shorter than `cool_down`"));
        }
        let failures = value(&file.failures).and_then(|number| u32::try_from(number.0).ok());
        Some(BreakerPlan { failures: failures.unwrap_or(usual.failures), cool_down, max_cool_down })
    }

    /// Looks a protocol up, and sees to it that it has the side that is needed.
    pub fn protocol(&mut self, name: &At<String>, side: Side) -> Option<&'static Protocol> {
        let registry = self.surroundings.protocols.iter().copied();
        let word = name.value.as_str();
        let known = registry.clone().filter(|protocol| side.is_of(protocol));
        let suggestion = format!("protocols that {} speak", side.speakers());
        let problem = match registry.clone().find(|protocol| protocol.name == word || protocol.aliases.contains(&word))
        {
            Some(protocol) if side.is_of(protocol) => return Some(protocol),
            Some(_) => {
                let title = format!("`{word}` is not a protocol that {} speak", side.speakers());
                let known: Vec<_> = known.map(|protocol| protocol.name).collect();
                Problem::new(name.span.clone(), title).help(format!("{suggestion}: {}", known.join(", ")))
            }
            None => {
                let names: Vec<_> = known.clone().flat_map(|protocol| protocol.aliases).copied().collect();
                let aliases = closest(word, &names).into_iter();
                let problem = Problem::new(name.span.clone(), format!("unknown protocol `{word}`"));
                let known = known.map(|protocol| protocol.name);
                let known: Vec<_> = known.chain(aliases).collect();
                problem.suggest(word, &suggestion, known)
            }
        };
        self.problem(problem);
        None
    }

    /// Checks options against their protocol's table. Nothing if one is wrong, which has been noted.
    pub fn options(
        &mut self,
        specs: &'static [OptionSpec],
        given: Option<&At<FreeTable>>,
        protocol: &Protocol,
    ) -> Option<Options> {
        let Some(given) = given else { return Some(Options::default()) };
        let before = self.problems.len();
        for entry in &given.value.0 {
            let single = Map::from_iter([(entry.key.value.clone(), entry.value.value.clone())]);
            let Err(error) = Options::read(specs, &single) else { continue };
            let problem = if error.unknown {
                let title = format!("unknown option `{}` of protocol `{}`", error.name, protocol.name);
                Problem::new(entry.key.span.clone(), title).suggest(&error.name, "options", error.allowed)
            } else {
                let word = entry.value.value.as_str().and_then(|word| closest(word, &error.allowed));
                let problem = Problem::new(entry.value.span.clone(), error.message);
                word.into_iter().fold(problem, |problem, word| problem.help(format!("did you mean `{word}`?")))
            };
            self.problem(problem);
        }
        (self.problems.len() == before).then(|| Options::read(specs, &given.value.to_map()).ok()).flatten()
    }

    fn source(&mut self, file: &file::Provider, protocol: Option<&Protocol>) -> Option<Source> {
        match (&file.base_url, &file.replay) {
            (Some(url), Some(replay)) => {
                let problem = Problem::new(url.span.clone(), "a provider has either `base_url` or `replay`");
                self.problem(problem.label("this asks a provider").also(replay.span.clone(), "this asks nobody"));
                None
            }
            (Some(url), None) => self.base_url(url).map(Source::Http),
            (None, Some(replay)) => self.replay(&replay.value),
            (None, None) => Some(Source::Http(protocol?.upstream.as_ref()?.base_url.to_owned())),
        }
    }

    /// Checks the address that paths are put behind.
    pub fn base_url(&mut self, url: &At<String>) -> Option<String> {
        let wrong = |help: &str| Problem::new(url.span.clone(), "not a base URL").help(help);
        let text = url.value.trim();
        let problem = match text.parse::<Uri>() {
            _ if credentials(text).is_some() => wrong("credentials belong into `api_key` or `headers`"),
            _ if text.contains('#') => wrong("leave out the part from `#` on"),
            Ok(uri) if !matches!(uri.scheme_str(), Some("http" | "https")) => {
                wrong("it begins with https:// or http://, as in \"https://api.example.com/v1\"")
            }
            Ok(uri) if has_host(&uri) => return Some(text.to_owned()),
            _ => wrong("write a scheme, a host and perhaps a port and a path: \"https://api.example.com/v1\""),
        };
        self.problem(problem);
        None
    }

    fn replay(&mut self, replay: &file::Replay) -> Option<Source> {
        let folder = replay.folder.as_ref().map(|folder| {
            let full = self.surroundings.folder.join(&folder.value);
            if !full.is_dir() {
                self.problem(Problem::new(folder.span.clone(), format!("`{}` is not a folder", folder.value)));
            }
            full
        });
        Some(Source::Replay { folder, pace: value(&replay.pace).map(|pace| pace.0) })
    }

    /// A header of a request that the gateway makes.
    pub fn header<'a>(
        &mut self,
        name: &At<String>,
        value: &At<HeaderText>,
        need: &dyn Fn(&Span) -> Need<'a>,
    ) -> Option<(String, Secret)> {
        let span = &name.span;
        let name = self.header_name(name)?;
        if OWN_HEADERS.contains(&name.as_str()) {
            let title = format!("header `{name}` is the gateway's own");
            self.problem(Problem::new(span.clone(), title));
            return None;
        }
        let secret = match &value.value {
            HeaderText::Plain(text) => {
                self.sendable(text.0.expose(), &value.span, &format!("the value of header `{name}`"))?
            }
            HeaderText::From(source) => self.secret(source, &need(&value.span))?,
        };
        Some((name, secret))
    }

    /// The name of a header in lower case.
    pub fn header_name(&mut self, name: &At<String>) -> Option<String> {
        let lower = HeaderName::from_bytes(name.value.as_bytes()).ok().map(|name| name.as_str().to_owned());
        if lower.is_none() {
            self.problem(Problem::new(name.span.clone(), "not the name of a header"));
        }
        lower
    }
}

/// Headers of the request to a provider that the configuration cannot set.
const OWN_HEADERS: [&str; 6] = ["connection", "content-length", "content-type", "host", "te", "transfer-encoding"];

fn has_host(uri: &Uri) -> bool {
    let port = uri.authority().is_some_and(|authority| match authority.as_str().rsplit_once(':') {
        Some((_, port)) if !port.ends_with(']') => port.parse::<u16>().is_ok_and(|port| port > 0),
        _ => true,
    });
    port && uri.host().is_some_and(|host| !host.is_empty())
}

fn timeouts(file: &Optional<file::Timeouts>) -> Timeouts {
    let file = value(file);
    let or = |given: Option<&Deadline>, usual| given.map_or(usual, |given| given.0);
    let minute = Duration::from_secs(60);
    let first_byte = or(file.and_then(|file| value(&file.first_byte)), minute);
    let idle = or(file.and_then(|file| value(&file.idle)), minute);
    Timeouts {
        connect: or(file.and_then(|file| value(&file.connect)), Duration::from_secs(10)),
        first_byte,
        idle,
        progress: or(file.and_then(|file| value(&file.progress)), first_byte.max(idle).max(5 * minute)),
        total: file.and_then(|file| value(&file.total)).map(|total| total.0),
    }
}
