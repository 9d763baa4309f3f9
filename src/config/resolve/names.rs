//! Names that other places of the file refer to.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Resolver;
use crate::config::read::At;
use crate::config::report::{Problem, Span};

/// Everything that has a name in one section. What is there but has mistakes of its own is known all the same, so
/// that a reference to it is no second mistake.
pub struct Names<T>(BTreeMap<String, (Span, Option<Arc<T>>)>);

impl<T> Names<T> {
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Adds a name. Returns the place of an earlier one.
    pub fn add(&mut self, name: &At<String>, value: Option<Arc<T>>) -> Result<(), Span> {
        if let Some((span, _)) = self.0.get(&name.value) {
            return Err(span.clone());
        }
        self.0.insert(name.value.clone(), (name.span.clone(), value));
        Ok(())
    }

    /// What stands under a name: `None` if nobody knows it, `Some(None)` if it has mistakes.
    pub fn get(&self, name: &str) -> Option<Option<&Arc<T>>> {
        self.0.get(name).map(|(_, value)| value.as_ref())
    }

    pub fn known(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// All that has no mistakes.
    pub fn found(&self) -> BTreeMap<String, Arc<T>> {
        let found = self.0.iter().filter_map(|(name, (_, value))| Some((name.clone(), Arc::clone(value.as_ref()?))));
        found.collect()
    }

    pub fn into_found(self) -> BTreeMap<String, Arc<T>> {
        self.0.into_iter().filter_map(|(name, (_, value))| Some((name, value?))).collect()
    }
}

impl Resolver<'_> {
    /// Looks a name up; notes it if nobody knows it.
    pub fn look_up<T>(&mut self, names: &Names<T>, word: &str, span: Span, what: &str) -> Option<Arc<T>> {
        if let Some(found) = names.get(word) {
            return found.cloned();
        }
        let problem = Problem::new(span, format!("unknown {what} `{word}`"));
        self.problem(problem.suggest(word, &format!("known {what}s"), names.known()));
        None
    }
}
