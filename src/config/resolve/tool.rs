//! Tools.

use std::sync::Arc;

use super::names::Names;
use super::{Resolver, entries, value};
use crate::config::file::{self, Optional};
use crate::config::placed::Placed;
use crate::config::plan::{ToolKind, ToolPlan};
use crate::config::read::{At, Entry, Named, Section};
use crate::config::report::Problem;
use crate::tools::Arguments;

/// Longest name of a tool: OpenAI takes 64 characters of these, and nobody less.
const LONGEST_NAME: usize = 64;

impl Resolver<'_> {
    pub fn tools(&mut self, file: &Optional<Named<file::Tool>>) -> Names<ToolPlan> {
        let mut names = Names::new(self.complete || file.is_some());
        for entry in entries(file) {
            let tool = self.tool(entry);
            // TOML has no key twice, so no name is added twice.
            let _ = names.add(&entry.name, tool.map(Arc::new));
        }
        names
    }

    fn tool(&mut self, entry: &Entry<file::Tool>) -> Option<ToolPlan> {
        self.check_tool_name(&entry.name);
        let file = entry.value.as_ref()?;
        let name = &entry.name.value;
        let mut plan = ToolPlan::new(name, self.tool_kind(&entry.name, file)?);
        plan.description = value(&file.description).cloned();
        if let Some(parameters) = &file.parameters {
            plan.arguments = self.parameters(parameters)?;
        }
        plan.approval = value(&file.approval).copied().unwrap_or_default();
        plan.timeout = value(&file.timeout).map_or(plan.timeout, |time| time.0);
        plan.max_output = value(&file.max_output).map_or(plan.max_output, |size| size.0);
        Some(plan)
    }

    fn check_tool_name(&mut self, name: &At<String>) {
        let fits = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
        if name.value.is_empty() || name.value.len() > LONGEST_NAME || !name.value.chars().all(fits) {
            let problem = Problem::new(name.span.clone(), "a name that models cannot call a tool by");
            self.problem(problem.help(format!("use at most {LONGEST_NAME} letters, digits, `_` and `-`")));
        }
    }

    /// Providers take a schema only if it is one of an object.
    fn parameters(&mut self, schema: &At<Placed>) -> Option<Arguments> {
        let kind = schema.value.json.get("type");
        if kind.is_none_or(|kind| kind != "object") {
            let problem = Problem::new(schema.value.place("/type"), "the parameters of a tool are an object");
            self.problem(problem.help("write `type = \"object\"`, and each argument under `properties`"));
            return None;
        }
        let arguments = Arguments::new(schema.value.json.clone());
        if let Err(error) = &arguments {
            let problem = Problem::new(schema.value.place(&error.place), "not a JSON Schema");
            self.problem(problem.label(error.what.as_str()));
        }
        arguments.ok()
    }

    fn tool_kind(&mut self, name: &At<String>, file: &file::Tool) -> Option<ToolKind> {
        match (&file.fixed, &file.page) {
            (Some(fixed), None) => Some(ToolKind::Fixed(fixed.value.result.0.as_ref()?.value.0.clone())),
            (None, Some(_)) => Some(ToolKind::Page),
            (Some(fixed), Some(page)) => {
                let problem = Problem::new(page.span.clone(), format!("tool `{}` is run in two ways", name.value));
                self.problem(problem.also(fixed.span.clone(), "the other way"));
                None
            }
            (None, None) if !file.is_sound() => None,
            (None, None) => {
                let title = format!("nothing says how tool `{}` is run", name.value);
                let problem = Problem::new(name.span.clone(), title);
                self.problem(problem.help("add `fixed = { result = … }`, or `page = {}` if the page runs it"));
                None
            }
        }
    }
}
