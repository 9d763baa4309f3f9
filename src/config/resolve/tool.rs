//! Tools.

use std::sync::Arc;

use serde_json::{Value, json};

use super::names::Names;
use super::{Resolver, entries, value};
use crate::config::file::{self, Optional};
use crate::config::plan::{ToolKind, ToolPlan};
use crate::config::read::{At, Entry, Named, Section};
use crate::config::report::Problem;
use crate::config::values::FreeTable;

/// Longest name of a tool: OpenAI takes 64 characters of these, and nobody less.
const LONGEST_NAME: usize = 64;

impl Resolver<'_> {
    pub fn tools(&mut self, file: &Optional<Named<file::Tool>>) -> Names<ToolPlan> {
        let mut names = Names::new();
        for entry in entries(file) {
            let tool = self.tool(entry);
            // TOML has no key twice, so no name is added twice.
            let _ = names.add(&entry.name, tool.map(Arc::new));
        }
        names
    }

    fn tool(&mut self, entry: &Entry<file::Tool>) -> Option<ToolPlan> {
        self.check_tool_name(&entry.name);
        let file = &entry.value;
        let parameters = match &file.parameters {
            Some(parameters) => self.parameters(parameters),
            None => Some(json!({ "type": "object", "properties": {} })),
        };
        Some(ToolPlan {
            name: entry.name.value.clone(),
            description: value(&file.description).cloned(),
            parameters: parameters?,
            approval: value(&file.approval).copied().unwrap_or_default(),
            kind: self.tool_kind(entry)?,
        })
    }

    fn check_tool_name(&mut self, name: &At<String>) {
        let fits = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
        if name.value.is_empty() || name.value.len() > LONGEST_NAME || !name.value.chars().all(fits) {
            let problem = Problem::new(name.span.clone(), "a name that models cannot call a tool by");
            self.problem(problem.help(format!("use at most {LONGEST_NAME} letters, digits, `_` and `-`")));
        }
    }

    /// Providers take a schema only if it is one of an object.
    fn parameters(&mut self, schema: &At<FreeTable>) -> Option<Value> {
        let kind = schema.value.0.iter().find(|entry| entry.key.value == "type");
        if kind.is_some_and(|kind| kind.value.value == "object") {
            return Some(Value::Object(schema.value.to_map()));
        }
        let span = kind.map_or(&schema.span, |kind| &kind.value.span);
        let problem = Problem::new(span.clone(), "the parameters of a tool are an object");
        self.problem(problem.help("write `type = \"object\"`, and each argument under `properties`"));
        None
    }

    fn tool_kind(&mut self, entry: &Entry<file::Tool>) -> Option<ToolKind> {
        let (file, name) = (&entry.value, &entry.name);
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
