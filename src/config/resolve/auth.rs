//! Who may call.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;

use super::limits::limits;
use super::names::Names;
use super::secret::{Found, Need};
use super::{Resolver, entries, items, value};
use crate::access::{ALGORITHMS, ApiKey, Auth, Jwt, KeyHash, KeySet, Keys, Patterns, algorithm};
use crate::config::auth as file;
use crate::config::file::{Gateway, SecretSource};
use crate::config::plan::Model;
use crate::config::read::{At, Entry, Section};
use crate::config::report::Problem;
use crate::config::values::Texts;
use crate::config::{mask, pattern};
use crate::store::Owner;

/// Shorter keys can be guessed.
const SHORTEST: usize = 16;

/// Shortest secret of HS256 (RFC 7518, 3.2).
const SHORTEST_SECRET: usize = 32;

/// Longest name of a key: an owner's name is made of it.
const LONGEST_NAME: usize = 100;

/// Largest file of public keys.
const LARGEST_SET: u64 = 256 << 10;

const REFRESH: Duration = Duration::from_secs(60 * 60);
const LEEWAY: Duration = Duration::from_secs(60);

impl Resolver<'_> {
    pub fn auth(&mut self, gateway: &Gateway, models: &Names<Model>) -> Option<Auth> {
        let section = gateway.auth.as_ref()?;
        let auth = &section.value;
        let mounts = mounts(gateway);
        let mut keys: Vec<Arc<ApiKey>> = Vec::new();
        for entry in entries(&auth.keys) {
            if let Some(key) = self.api_key(entry, &mounts, models) {
                self.check_twice(entry, &key, &keys);
                keys.push(Arc::new(key));
            }
        }
        if auth.is_sound() && entries(&auth.keys).is_empty() && auth.jwt.is_none() {
            let problem = Problem::new(section.span.clone(), "[auth] without keys and tokens: nobody could call");
            self.problem(problem.help("add a key, which `chatwire key` makes, or `[auth.jwt]`"));
        }
        let jwt = auth.jwt.as_ref().and_then(|jwt| self.jwt(jwt));
        Some(Auth { keys, jwt })
    }

    fn api_key(&mut self, entry: &Entry<file::ApiKey>, mounts: &[&str], models: &Names<Model>) -> Option<ApiKey> {
        let (name, key) = (&entry.name, entry.value.as_ref()?);
        if name.value.len() > LONGEST_NAME || Owner::new(&name.value).is_err() {
            self.problem(Problem::new(name.span.clone(), "a key is named by 1 to 100 visible characters"));
        }
        let mut hashes = self.hashes(key.sha256.as_ref());
        let (env, path) = (key.env.clone(), key.file.clone());
        if env.is_some() || path.is_some() {
            let source = SecretSource::of(env, path);
            let (at, who) = (name.span.clone(), format!("API key `{}`", name.value));
            let user = Some(("[auth]", name.span.clone()));
            let need = Need { at, who, user, instead: "leave the key out" };
            hashes.extend(self.secret_text(&source, &need).map(|found| self.hashed(&found)).unwrap_or_default());
        } else if key.sha256.is_none() && key.is_sound() {
            let problem = Problem::new(name.span.clone(), format!("API key `{}` has no value", name.value));
            self.problem(problem.help("write its hash, `sha256 = \"…\"`: `chatwire key` makes a key and shows it"));
        }
        let owner = key.owner.as_ref().and_then(|owner| self.key_owner(owner));
        Some(ApiKey {
            name: name.value.clone(),
            hashes,
            owner,
            routes: key.routes.is_some().then(|| self.key_routes(items(&key.routes), mounts)),
            models: key.models.is_some().then(|| self.key_models(items(&key.models), models)),
            expires: value(&key.expires).map(|moment| moment.0),
            limits: limits(&key.limits),
        })
    }

    fn hashes(&mut self, texts: Option<&At<Texts>>) -> Vec<KeyHash> {
        let mut hashes = Vec::new();
        for text in texts.iter().flat_map(|texts| &texts.value.0) {
            match KeyHash::from_hex(&text.value) {
                Some(hash) => hashes.push(hash),
                None => {
                    let problem = Problem::new(text.span.clone(), "not a SHA-256 in 64 hexadecimal digits");
                    self.problem(
                        problem.help("the key itself does not belong into the file: `chatwire key` shows the hash"),
                    );
                }
            }
        }
        hashes
    }

    /// The hashes of what is written somewhere, with blanks between.
    fn hashed(&mut self, found: &Found) -> Vec<KeyHash> {
        let values = || found.text.expose().split_whitespace();
        if values().next().is_none() || values().any(|value| value.len() < SHORTEST) {
            let title = format!("{} holds no key of at least {SHORTEST} characters", found.place);
            self.problem(Problem::new(found.span.clone(), title).help("`chatwire key` makes a good one"));
        }
        values().map(|value| KeyHash::of(value.as_bytes())).collect()
    }

    fn check_twice(&mut self, entry: &Entry<file::ApiKey>, key: &ApiKey, earlier: &[Arc<ApiKey>]) {
        if let Some(same) = earlier.iter().find(|other| key.hashes.iter().any(|hash| other.has(hash))) {
            let title = format!("API keys `{}` and `{}` have the same value", same.name, key.name);
            self.problem(Problem::new(entry.name.span.clone(), title).help("give each its own, or keep one of them"));
        }
    }

    fn key_owner(&mut self, owner: &At<String>) -> Option<Owner> {
        let read = Owner::new(&owner.value);
        if let Err(error) = &read {
            self.problem(Problem::new(owner.span.clone(), error.to_string()));
        }
        read.ok()
    }

    fn key_routes(&mut self, names: &[At<String>], mounts: &[&str]) -> Patterns {
        for name in names {
            let one = Patterns(vec![name.value.clone()]);
            if self.complete && !mounts.iter().any(|path| one.fit(path)) {
                let problem = Problem::new(name.span.clone(), format!("there is nothing at `{}`", name.value));
                self.problem(problem.suggest(&name.value, "paths", mounts.iter().copied()));
            }
        }
        Patterns(names.iter().map(|name| name.value.clone()).collect())
    }

    fn key_models(&mut self, names: &[At<String>], models: &Names<Model>) -> Patterns {
        let mut patterns = Vec::new();
        for name in names {
            match pattern::prefix(&name.value) {
                None => patterns.extend(self.named_model(name, models).map(|model| model.name.clone())),
                Some(prefix) => {
                    let found = models.found();
                    let fitting: Vec<_> = found.iter().filter(|(known, _)| known.starts_with(prefix)).collect();
                    if fitting.is_empty() && models.get(&name.value).is_none() {
                        self.look_up(models, &name.value, name.span.clone(), "model");
                    }
                    // One that is found by another name is meant too.
                    patterns.extend(fitting.into_iter().map(|(_, model)| model.name.clone()));
                    patterns.push(name.value.clone());
                }
            }
        }
        patterns.sort();
        patterns.dedup();
        Patterns(patterns)
    }

    fn jwt(&mut self, jwt: &At<file::Jwt>) -> Option<Jwt> {
        let (span, jwt) = (&jwt.span, &jwt.value);
        let secret = jwt.secret.as_ref().and_then(|key| {
            let (at, user) = (key.span.clone(), Some(("[auth]", key.span.clone())));
            let need = Need { at, who: "[auth.jwt]".to_owned(), user, instead: "leave `secret` out" };
            let secret = self.secret(&key.value.0, &need)?;
            if secret.expose().len() < SHORTEST_SECRET {
                let title = format!("a secret of fewer than {SHORTEST_SECRET} bytes can be guessed from any token");
                self.problem(Problem::new(key.span.clone(), title));
            }
            Some(secret)
        });
        let keys = jwt.jwks.as_ref().and_then(|jwks| self.key_set(jwks));
        if jwt.jwks.is_none() && jwt.secret.is_none() && jwt.is_sound() {
            let problem = Problem::new(span.clone(), "[auth.jwt] has nothing to check tokens with");
            self.problem(problem.help("say where the public keys are: `jwks = { url = \"https://…\" }`"));
        }
        let mut algorithms = Vec::new();
        for name in items(&jwt.algorithms) {
            match algorithm(&name.value) {
                Some(jsonwebtoken::Algorithm::HS256) if jwt.secret.is_none() => {
                    let problem = Problem::new(name.span.clone(), "HS256 needs a `secret`");
                    self.problem(problem.help("its secret is never one of the public keys"));
                }
                Some(algorithm) => algorithms.push(algorithm),
                None => {
                    let problem = Problem::new(name.span.clone(), format!("unknown algorithm `{}`", name.value));
                    self.problem(problem.suggest(&name.value, "known ones", ALGORITHMS.map(|(name, _)| name)));
                }
            }
        }
        if jwt.algorithms.is_none() {
            algorithms = Jwt::usual_algorithms(jwt.jwks.is_some(), jwt.secret.is_some());
        }
        Some(Jwt {
            keys,
            secret,
            algorithms,
            issuers: self.some(jwt.issuer.0.as_ref()?),
            audiences: self.some(jwt.audience.0.as_ref()?),
            owner_claim: value(&jwt.owner_claim).cloned().unwrap_or_else(|| "sub".to_owned()),
            leeway: value(&jwt.leeway).map_or(LEEWAY, |leeway| leeway.0),
        })
    }

    /// The texts of a list that may not be empty: the library would take any token then.
    fn some(&mut self, texts: &At<Texts>) -> Vec<String> {
        let all: Vec<String> = texts.value.0.iter().map(|text| text.value.clone()).collect();
        if all.is_empty() || all.iter().any(String::is_empty) {
            self.problem(Problem::new(texts.span.clone(), "this must say something"));
        }
        all
    }

    fn key_set(&mut self, jwks: &At<file::Jwks>) -> Option<Keys> {
        match (&jwks.value.file, &jwks.value.url) {
            (Some(path), None) => self.key_file(path).map(Keys::Set),
            (None, Some(url)) => {
                if !is_safe(&url.value) {
                    let problem = Problem::new(url.span.clone(), "public keys are fetched with https");
                    self.problem(
                        problem.help("write https://…, without a user; http only from 127.0.0.1 and the like"),
                    );
                    return None;
                }
                Some(Keys::Url(url.value.clone(), value(&jwks.value.refresh).map_or(REFRESH, |time| time.0)))
            }
            _ if !jwks.value.is_sound() => None,
            _ => {
                let problem = Problem::new(jwks.span.clone(), "public keys come from one place");
                self.problem(problem.help("write either `{ file = \"path\" }` or `{ url = \"https://…\" }`"));
                None
            }
        }
    }

    fn key_file(&mut self, path: &At<String>) -> Option<KeySet> {
        let full = self.surroundings.folder.join(&path.value);
        let read = self.files.read(&full, LARGEST_SET);
        let set = read.and_then(|text| KeySet::parse(&text).map_err(str::to_owned));
        if let Err(why) = &set {
            let title = format!("cannot read public keys from `{}`", path.value);
            self.problem(Problem::new(path.span.clone(), title).label(why.clone()));
        }
        set.ok()
    }
}

/// The paths of all mounts, as they stand in the file.
fn mounts(gateway: &Gateway) -> Vec<&str> {
    let routes = items(&gateway.routes).iter().map(|route| &route.value.path);
    let facts = value(&gateway.facts).map(|facts| &facts.path);
    let inspect = value(&gateway.inspect).map(|inspect| &inspect.path);
    let attachments = value(&gateway.attachments).map(|attachments| &attachments.path);
    let all = routes.chain(facts).chain(inspect).chain(attachments);
    all.filter_map(|path| Some(path.0.as_ref()?.value.as_str())).collect()
}

/// Whether nobody between can change what is fetched.
fn is_safe(url: &str) -> bool {
    let Ok(parsed) = Url::parse(url) else { return false };
    let host = parsed.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    mask::credentials(url).is_none() && (parsed.scheme() == "https" || (parsed.scheme() == "http" && here))
}
