//! What models cost.

use std::collections::BTreeMap;

use chatwire_protocols::cost;

use super::{Resolver, entries, value};
use crate::config::file::{self, Optional};
use crate::config::pattern::{self, ANY};
use crate::config::plan::Prices;
use crate::config::prices::Price;
use crate::config::read::{Entry, Named};
use crate::config::report::Problem;

impl Resolver<'_> {
    /// The prices of each provider.
    pub fn prices<'a>(
        &mut self,
        file: &'a Optional<Named<Price>>,
        providers: &Optional<Named<file::Provider>>,
    ) -> BTreeMap<&'a str, Prices> {
        let mut prices = BTreeMap::<_, Prices>::new();
        for entry in entries(file) {
            let name = &entry.name;
            let Some((provider, model)) = name.value.split_once('/').filter(|(_, model)| !model.is_empty()) else {
                let title = format!("`{}` names no provider and model", name.value);
                self.problem(Problem::new(name.span.clone(), title).help("write \"provider/model\""));
                continue;
            };
            if pattern::prefix(model).unwrap_or(model).contains(ANY) {
                let problem = Problem::new(name.span.clone(), "a `*` stands at the end of a model's name, or nowhere");
                self.problem(problem);
            }
            let known = || entries(providers).iter().map(|provider| provider.name.value.as_str());
            if self.complete && !known().any(|known| known == provider) {
                let problem =
                    Problem::new(self.part(name, 0..provider.len()), format!("unknown provider `{provider}`"));
                self.problem(problem.suggest(provider, "known providers", known()));
            }
            if let Some(price) = price(entry) {
                prices.entry(provider).or_default().add(model, price);
            }
        }
        prices
    }
}

fn price(entry: &Entry<Price>) -> Option<cost::Price> {
    let file = entry.value.as_ref()?;
    Some(cost::Price {
        input: file.input.0.as_ref()?.value.0,
        output: file.output.0.as_ref()?.value.0,
        cached_input: value(&file.cached_input).map(|rate| rate.0),
        cache_write: value(&file.cache_write).map(|rate| rate.0),
    })
}
