//! What users send beside text: files, and what they speak.

use std::time::Duration;

use super::names::Names;
use super::store::taken;
use super::{Resolver, items, value};
use crate::config::file::{self, List};
use crate::config::plan::{Attachments, Provider, Source, Transcription};
use crate::config::read::At;
use crate::config::report::Problem;
use crate::config::values::Size;
use crate::uploads::media::Types;

impl Resolver<'_> {
    pub fn attachments(&mut self, gateway: &file::Gateway) -> Option<Attachments> {
        let file = value(&gateway.attachments)?;
        let cors = file.cors.as_ref().map(|cors| self.cors(&cors.value)).unwrap_or_default();
        let types = self.types(&file.types);
        let url = file.url.as_ref().and_then(|url| self.public_url(url));
        if let Some(folder) = file.folder.as_ref().filter(|folder| folder.value.is_empty()) {
            self.problem(Problem::new(folder.span.clone(), "a folder needs a name"));
        }
        let path = file.path.0.as_ref()?;
        let mut taken = taken(&gateway.routes);
        if let Some(facts) = value(&gateway.facts).and_then(|facts| facts.path.0.as_ref()) {
            taken.insert(facts.value.as_str(), facts.span.clone());
        }
        self.check_path(path, &mut taken);
        if path.value.ends_with('/') {
            let problem = Problem::new(path.span.clone(), "the path of attachments ends without a slash");
            self.problem(problem.help("each file stands below it, as in `/attachments/ID`"));
        }
        let usual = Attachments::new(&path.value);
        let bytes = |size: Option<&Size>, usual: u64| size.map_or(usual, |size| size.0 as u64);
        let time = |deadline: Option<Duration>, usual: Duration| deadline.unwrap_or(usual);
        Some(Attachments {
            url,
            folder: value(&file.folder).map(|folder| self.surroundings.folder.join(folder)),
            max_size: bytes(value(&file.max_size), usual.max_size),
            max_per_user: bytes(value(&file.max_per_user), usual.max_per_user),
            max_total: bytes(value(&file.max_total), usual.max_total),
            types: types.unwrap_or_default(),
            timeout: time(value(&file.timeout).map(|time| time.0), usual.timeout),
            unused: time(value(&file.unused).map(|time| time.0), usual.unused),
            url_lifetime: time(value(&file.url_lifetime).map(|time| time.0), usual.url_lifetime),
            anonymous: value(&file.anonymous).copied().unwrap_or_default(),
            cors,
            ..usual
        })
    }

    fn types(&mut self, names: &List<String>) -> Option<Types> {
        names.as_ref()?;
        for name in items(names) {
            if Types::new(std::slice::from_ref(&name.value)).is_none() {
                let problem = Problem::new(name.span.clone(), "not a media type");
                self.problem(problem.help("write one such as \"image/png\", all of a sort as \"image/*\", or \"*/*\""));
            }
        }
        Types::new(&items(names).iter().map(|name| name.value.clone()).collect::<Vec<_>>())
    }

    /// Where pages find the gateway, without a slash at its end.
    fn public_url(&mut self, url: &At<String>) -> Option<String> {
        let text = url.value.trim_end_matches('/');
        let parsed = text.parse::<http::Uri>().ok();
        let fits = parsed.is_some_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
                && uri.query().is_none()
        });
        if !fits || text.contains('#') {
            let problem = Problem::new(url.span.clone(), "not an address of the gateway");
            self.problem(problem.help("write scheme and host, as in \"https://chat.example.com\""));
            return None;
        }
        Some(text.to_owned())
    }

    /// What writes down what users speak.
    pub fn transcription(&mut self, target: &At<String>, providers: &Names<Provider>) -> Option<Transcription> {
        let (provider, model) = self.target(target, providers)?;
        let url = match &provider.source {
            Source::Http(base_url) | Source::Brought(base_url, _) => provider.upstream.transcription(base_url),
            Source::Replay { .. } | Source::StandIn(_) => Some(String::new()),
        };
        if url.is_none() {
            let title = format!("protocol `{}` has no transcription", provider.protocol.name);
            let problem = Problem::new(target.span.clone(), title);
            self.problem(problem.help("name a provider of `openai-chat` or `openai-responses`"));
            return None;
        }
        Some(Transcription { provider, model })
    }
}
