//! What is kept: where, whose it is, what is done with it on a route, and where it is shown.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Resolver, items, value};
use crate::config::file::{self, List, Optional};
use crate::config::plan::{FactsMount, ToolPlan};
use crate::config::report::{Problem, Span};
use crate::layers::{LAYERS, Layer};

impl Resolver<'_> {
    pub fn store(&mut self, file: &Optional<file::Store>) -> Option<PathBuf> {
        let path = value(file)?.path.0.as_ref()?;
        if path.value.is_empty() {
            self.problem(Problem::new(path.span.clone(), "a file needs a name"));
        }
        Some(self.surroundings.folder.join(&path.value))
    }

    pub fn owner(&mut self, file: &Optional<file::Owner>) -> Option<String> {
        self.header_name(value(file)?.header.0.as_ref()?)
    }

    pub fn facts(&mut self, file: &Optional<file::Facts>, routes: &List<file::Route>) -> Option<FactsMount> {
        let file = value(file)?;
        let cors = file.cors.as_ref().map(|cors| self.cors(&cors.value)).unwrap_or_default();
        let path = file.path.0.as_ref()?;
        self.check_path(path, &mut taken(routes));
        if path.value.ends_with('/') {
            let problem = Problem::new(path.span.clone(), "the path of facts ends without a slash");
            self.problem(problem.help("what is done with one fact stands below it, as in `/facts/ID/save`"));
        }
        let anonymous = value(&file.anonymous).copied().unwrap_or_default();
        Some(FactsMount { path: path.value.clone(), anonymous, cors })
    }

    /// The layers of a route, in the order of the list of all, whatever the file's.
    pub fn layers(&mut self, names: &List<String>, tools: &[Arc<ToolPlan>]) -> Vec<&'static dyn Layer> {
        let mut wanted: Vec<&str> = Vec::new();
        for name in items(names) {
            let Some(layer) = LAYERS.iter().find(|layer| layer.name() == name.value) else {
                let problem = Problem::new(name.span.clone(), format!("unknown layer `{}`", name.value));
                self.problem(problem.suggest(&name.value, "known layers", LAYERS.iter().map(|layer| layer.name())));
                continue;
            };
            if wanted.contains(&layer.name()) {
                self.problem(Problem::new(name.span.clone(), format!("layer `{}` is listed twice", name.value)));
            }
            if let Some(tool) = tools.iter().find(|tool| layer.tools().contains(&tool.name.as_str())) {
                let title = format!("layer `{}` has a tool `{}` of its own", name.value, tool.name);
                let problem = Problem::new(name.span.clone(), title);
                self.problem(problem.help("leave that name out of the route's `tools`, or the layer out"));
            }
            wanted.push(layer.name());
        }
        LAYERS.iter().copied().filter(|layer| wanted.contains(&layer.name())).collect()
    }
}

/// The paths of the routes.
pub fn taken(routes: &List<file::Route>) -> BTreeMap<&str, Span> {
    let paths = items(routes).iter().filter_map(|route| route.value.path.0.as_ref());
    paths.map(|path| (path.value.as_str(), path.span.clone())).collect()
}
