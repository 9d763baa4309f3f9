//! Looks everything up once: the file's sections in, the plan out.

mod action;
mod auth;
mod http_tool;
mod limits;
mod mcp;
mod model;
mod names;
mod price;
mod provider;
mod route;
mod secret;
mod server;
mod store;
mod summary;
mod tool;
mod uploads;
mod weather_tool;
mod widget;
mod workspace;

use std::sync::Arc;

use self::mcp::Offered;
use super::file::{Gateway, List, Optional};
use super::plan::Plan;
use super::read::{At, Entry, Named, Section};
use super::report::{Problems, Span};
use super::{Files, Surroundings, report};
use crate::tools::mcp::ServerPlan;

/// Makes a plan. It is of use only if no problem was noted.
pub fn resolve(
    file: &Gateway,
    text: &str,
    surroundings: Surroundings<'_>,
    (problems, files): (&mut Problems, &mut Files),
) -> Plan {
    let mut resolver = Resolver { text, surroundings, problems, files, complete: file.is_sound() };
    let prices = resolver.prices(&file.prices, &file.providers);
    let providers = resolver.providers(&file.providers, &model::users(&file.models, &file.routes), prices);
    let models = resolver.models(&file.models, &providers);
    let parts = workspace::Parts {
        file: &file.workspace,
        workspace: resolver.workspace(&file.workspace),
        fence: resolver.fence(&file.fence),
    };
    let users = tool::users(&file.routes);
    let tools = resolver.tools(&file.tools, &users, &parts, &models);
    let mcp = resolver.mcp(&file.mcp, &users);
    let summaries = resolver.summaries(&file.summaries, &models);
    let shared = route::Shared { summaries, fence: &parts.fence };
    let offered = Offered { tools: &tools, mcp: &mcp };
    let routes = resolver.routes(&file.routes, &providers, &models, &offered, &shared);
    // What no route uses may lack its secrets, so it is not started.
    let used =
        |server: &Arc<ServerPlan>| routes.iter().flat_map(|route| &route.mcp).any(|offer| offer.server == server.name);
    let mcp = mcp.into_found().into_values().filter(used).collect();
    let auth = resolver.auth(file, &models);
    Plan {
        server: resolver.server(&file.server),
        routes,
        models: models.into_found(),
        store: resolver.store(&file.store),
        owner: resolver.owner(&file.owner),
        facts: resolver.facts(&file.facts, &file.routes),
        mcp,
        inspect: resolver.inspect(&file.inspect, file),
        attachments: resolver.attachments(file),
        limits: limits::rules(&file.limits),
        cache_size: limits::cache_size(&file.cache),
        auth,
    }
}

/// What resolving needs at every place.
struct Resolver<'a> {
    text: &'a str,
    surroundings: Surroundings<'a>,
    problems: &'a mut Problems,
    /// Every file that is read goes through them, so that a change of it is seen.
    files: &'a mut Files,
    /// False if the file has mistakes at its top level: a section may have another name.
    complete: bool,
}

impl Resolver<'_> {
    fn problem(&mut self, problem: report::Problem) {
        self.problems.push(problem);
    }

    /// The place of a part of a text value, or of the whole value where escapes hide which part is which.
    fn part(&self, value: &At<String>, part: std::ops::Range<usize>) -> Span {
        let plain = self
            .text
            .get(value.span.clone())
            .is_some_and(|raw| raw.get(1..1 + value.value.len()) == Some(value.value.as_str()));
        if plain { value.span.start + 1 + part.start..value.span.start + 1 + part.end } else { value.span.clone() }
    }
}

fn value<T>(field: &Optional<T>) -> Option<&T> {
    field.as_ref().map(|field| &field.value)
}

fn items<T>(list: &List<T>) -> &[At<T>] {
    list.as_ref().map_or(&[], |list| &list.value)
}

fn entries<T>(named: &Optional<Named<T>>) -> &[Entry<T>] {
    named.as_ref().map_or(&[], |named| &named.value.0)
}
