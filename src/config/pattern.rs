//! Model names that end in `*`: one entry for every model of a provider.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::plan::{Model, ModelTarget};

/// What stands for the rest of a name.
pub const ANY: &str = "*";

/// Longest name that a pattern takes: names of models are short, and this one comes from the page.
const LONGEST: usize = 512;

/// What stands before the `*` of a pattern; `None` for a plain name.
pub fn prefix(name: &str) -> Option<&str> {
    name.strip_suffix(ANY)
}

/// The model of this name: the one that is called so, else the one whose pattern has the longest fitting prefix.
pub fn find(models: &BTreeMap<String, Arc<Model>>, name: &str) -> Option<Arc<Model>> {
    if prefix(name).is_none()
        && let Some(model) = models.get(name)
    {
        return Some(Arc::clone(model));
    }
    if name.len() > LONGEST || name.chars().any(char::is_control) {
        return None;
    }
    let fitting = models.iter().filter_map(|(pattern, model)| {
        let rest = name.strip_prefix(prefix(pattern)?)?;
        Some((rest, model)).filter(|_| !rest.trim().is_empty())
    });
    fitting.min_by_key(|(rest, _)| rest.len()).map(|(rest, model)| Arc::new(filled(model, name, rest)))
}

/// A pattern's model under the name that was asked for.
fn filled(model: &Model, name: &str, rest: &str) -> Model {
    let fill = |target: &ModelTarget| ModelTarget {
        provider: Arc::clone(&target.provider),
        model: if target.model == ANY { rest.to_owned() } else { target.model.clone() },
        extra: target.extra.clone(),
        weight: target.weight,
        concurrency: target.concurrency,
    };
    Model {
        name: name.to_owned(),
        targets: model.targets.iter().map(fill).collect(),
        defaults: model.defaults.clone(),
        retry: model.retry,
        hedge: model.hedge,
    }
}
