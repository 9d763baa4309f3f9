//! What happens when a user does something with a widget.

use std::collections::BTreeMap;

use super::names::Names;
use super::{Resolver, entries, value};
use crate::config::file;
use crate::config::plan::{ActionPlan, ActionTool, ToolPlan};
use crate::config::read::At;
use crate::config::report::Problem;
use crate::layers::Layer;

impl Resolver<'_> {
    /// The actions of a route. Any tool of the file will do, and those that the route's layers bring.
    pub fn actions(
        &mut self,
        file: &file::Route,
        layers: &[&'static dyn Layer],
        tools: &Names<ToolPlan>,
    ) -> BTreeMap<String, ActionPlan> {
        let mut actions = BTreeMap::new();
        for entry in entries(&file.actions) {
            let Some(action) = &entry.value else { continue };
            let Some(tool) = action.tool.0.as_ref().and_then(|tool| self.action_tool(tool, layers, tools)) else {
                continue;
            };
            let say = value(&action.say).copied().unwrap_or_default();
            actions.insert(entry.name.value.clone(), ActionPlan { tool, say });
        }
        actions
    }

    fn action_tool(
        &mut self,
        name: &At<String>,
        layers: &[&'static dyn Layer],
        tools: &Names<ToolPlan>,
    ) -> Option<ActionTool> {
        if tools.get(&name.value).is_none() && layers.iter().any(|layer| layer.tools().contains(&name.value.as_str())) {
            return Some(ActionTool::OfLayer(name.value.clone()));
        }
        let tool = self.look_up(tools, &name.value, name.span.clone(), "tool")?;
        if tool.kind.is_page() {
            let title = format!("tool `{}` is run by the page, and an action by the gateway", name.value);
            self.problem(Problem::new(name.span.clone(), title).help("name a tool that the gateway runs"));
            return None;
        }
        Some(ActionTool::Plan(tool))
    }
}
