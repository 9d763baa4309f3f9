//! Models.

use std::sync::Arc;

use super::limits::concurrency;
use super::names::Names;
use super::provider::Users;
use super::{Resolver, entries, items, value};
use crate::config::file::{self, Defaults, List, Optional};
use crate::config::pattern::{self, ANY};
use crate::config::plan::{Model, ModelDefaults, ModelTarget, Provider, RetryPlan};
use crate::config::read::{At, Entry, Named, Section};
use crate::config::report::Problem;

/// Which providers are used, each with the first that does.
pub fn users<'a>(models: &'a Optional<Named<file::Model>>, routes: &'a List<file::Route>) -> Users<'a> {
    let mut users = Users::new();
    for spoken in items(routes).iter().filter_map(|route| route.value.transcription.as_ref()) {
        if let Some((provider, _)) = spoken.value.split_once('/') {
            users.entry(provider).or_insert_with(|| ("`transcription`".to_owned(), spoken.span.clone()));
        }
    }
    for entry in entries(models) {
        for target in entry.value.iter().flat_map(targets).filter_map(|target| target.name.as_ref()) {
            if let Some((provider, _)) = target.value.split_once('/') {
                users.entry(provider).or_insert_with(|| (format!("model `{}`", entry.name.value), target.span.clone()));
            }
        }
    }
    users
}

fn targets(model: &file::Model) -> &[file::TargetText] {
    model.targets.0.as_ref().map_or(&[], |targets| &targets.value)
}

impl Resolver<'_> {
    /// The models, under their names and aliases.
    pub fn models(&mut self, file: &Optional<Named<file::Model>>, providers: &Names<Provider>) -> Names<Model> {
        let mut names = Names::new(self.complete || file.is_some());
        let models: Vec<_> = entries(file).iter().map(|entry| (entry, self.model(entry, providers))).collect();
        for (entry, model) in &models {
            self.check_pattern(&entry.name);
            let _ = names.add(&entry.name, model.clone());
        }
        for (entry, model) in &models {
            for alias in entry.value.iter().flat_map(|model| items(&model.aliases)) {
                self.check_pattern(alias);
                if let Err(earlier) = names.add(alias, model.clone()) {
                    let title = format!("a model of the name `{}` is there already", alias.value);
                    self.problem(Problem::new(alias.span.clone(), title).also(earlier, "here"));
                }
            }
        }
        names
    }

    fn model(&mut self, entry: &Entry<file::Model>, providers: &Names<Provider>) -> Option<Arc<Model>> {
        let file = entry.value.as_ref()?;
        let given = file.targets.0.as_ref()?;
        if given.value.is_empty() && file.is_sound() {
            self.problem(Problem::new(given.span.clone(), format!("model `{}` needs a target", entry.name.value)));
        }
        self.check_rest(entry, file);
        if let (Some(hedge), [_]) = (&file.hedge, &given.value[..]) {
            let title = format!("model `{}` has no second target to ask", entry.name.value);
            self.problem(Problem::new(hedge.span.clone(), title).help("add a target, or leave out `hedge`"));
        }
        let extra = value(&file.extra).map(|extra| extra.to_map()).unwrap_or_default();
        let targets = given.value.iter().filter_map(|target| {
            let (provider, model) = self.target(target.name.as_ref()?, providers)?;
            // Within the bounds of the file.
            let weight = value(&target.weight).map(|weight| u32::try_from(weight.0).unwrap_or(u32::MAX));
            let concurrency = concurrency(&target.max_concurrent, &target.max_queue, &target.queue_timeout);
            Some(ModelTarget { provider, model, extra: extra.clone(), weight, concurrency })
        });
        let targets: Vec<_> = targets.collect();
        let usual = RetryPlan::default();
        Some(Arc::new(Model {
            name: entry.name.value.clone(),
            targets,
            defaults: defaults(&file.defaults),
            retry: RetryPlan {
                more: value(&file.retries).map_or(usual.more, |more| u32::try_from(more.0).unwrap_or(u32::MAX)),
                max_wait: value(&file.max_retry_wait).map_or(usual.max_wait, |wait| wait.0),
            },
            hedge: value(&file.hedge).map(|hedge| hedge.0),
        }))
    }

    fn check_pattern(&mut self, name: &At<String>) {
        if pattern::prefix(&name.value).unwrap_or(&name.value).contains(ANY) {
            let problem = Problem::new(name.span.clone(), "a `*` stands at the end of a model's name, or nowhere");
            self.problem(problem);
        }
    }

    /// Where a target takes the rest of a name, every name of the model must have a rest.
    fn check_rest(&mut self, entry: &Entry<file::Model>, file: &file::Model) {
        let open = |target: &&At<String>| target.value.split_once('/').is_some_and(|(_, model)| model.trim() == ANY);
        let mut names = targets(file).iter().filter_map(|target| target.name.as_ref());
        let Some(target) = names.find(open) else { return };
        let whole = |name: &&At<String>| pattern::prefix(&name.value).is_none();
        let names = std::iter::once(&entry.name).chain(items(&file.aliases));
        for name in names.filter(whole) {
            let title = format!("`{}` leaves nothing over for `{}`", name.value, target.value);
            let problem = Problem::new(name.span.clone(), title).also(target.span.clone(), "needs the rest of a name");
            self.problem(problem.help("let the name end in `*`, or name the provider's model"));
        }
    }

    pub fn target(&mut self, target: &At<String>, providers: &Names<Provider>) -> Option<(Arc<Provider>, String)> {
        match target.value.split_once('/') {
            Some((_, model)) if model.trim() != ANY && model.contains(ANY) => {
                let title = format!("`{}` mixes a `*` with other characters", target.value);
                self.problem(Problem::new(target.span.clone(), title).help("write \"provider/*\""));
                None
            }
            Some((provider, model)) if !provider.is_empty() && !model.trim().is_empty() => {
                let span = self.part(target, 0..provider.len());
                let found = self.look_up(providers, provider, span, "provider")?;
                Some((found, model.trim().to_owned()))
            }
            _ => {
                let title = format!("`{}` names no provider and model", target.value);
                self.problem(Problem::new(target.span.clone(), title).help("write \"provider/model\""));
                None
            }
        }
    }
}

fn defaults(file: &Optional<Defaults>) -> ModelDefaults {
    let Some(file) = value(file) else { return ModelDefaults::default() };
    ModelDefaults {
        max_tokens: value(&file.max_tokens).map(|number| number.0),
        temperature: value(&file.temperature).map(|number| number.0),
        reasoning: value(&file.reasoning).map(|effort| effort.0),
    }
}
