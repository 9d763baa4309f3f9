//! Runs the tool of an action.

use std::sync::Arc;

use chatwire_protocols::chat::ChatRequest;
use chatwire_protocols::event::Data;
use chatwire_protocols::operation::Act;
use serde_json::{Map, Value};

use super::error::invalid;
use super::{Asker, ThreadError, Threads, new_id};
use crate::config::plan::{ActionPlan, ActionTool, ToolPlan};
use crate::tools::{Heard, Running, Said, Scope, ToolInput, ToolOutput};
use crate::turn::apply_layers;

/// Most data that a tool may give in an action; more is left out.
const MOST_DATA: usize = 64;

/// What came of a tool.
#[derive(Debug)]
pub struct Ran {
    /// Its result.
    pub output: ToolOutput,
    /// What it gave the page.
    pub data: Vec<Data>,
}

impl Default for Ran {
    fn default() -> Self {
        Self { output: ToolOutput::ok(Value::Null), data: Vec::new() }
    }
}

impl Threads {
    /// Runs the tool of an action with what came with it as its arguments: untrusted, so they must fit its schema.
    pub(super) async fn run_action(
        &self,
        asker: Asker<'_>,
        thread: &str,
        plan: &ActionPlan,
        act: &Act,
    ) -> Result<Ran, ThreadError> {
        let tool = self.action_tool(asker, &plan.tool).await?;
        let arguments = match &act.payload {
            Value::Null => Value::Object(Map::new()),
            Value::Object(_) => act.payload.clone(),
            _ => return Err(invalid("payload", "must be an object")),
        };
        tool.arguments.check(&arguments).map_err(|why| invalid("payload", why))?;
        let mut running = Running::default();
        let scope = Scope { owner: Some(asker.owner.clone()), thread: Some(thread.into()) };
        running.start(tool, ToolInput { call: new_id("act"), arguments, scope: Arc::new(scope) });
        let mut data = Vec::new();
        loop {
            match std::future::poll_fn(|cx| running.poll_next(cx)).await.1 {
                Heard::Said(Said::Data(said)) if data.len() < MOST_DATA => data.push(*said),
                Heard::Said(_) => {}
                Heard::Finished(output) => return Ok(Ran { output, data }),
            }
        }
    }

    async fn action_tool(&self, asker: Asker<'_>, tool: &ActionTool) -> Result<Arc<ToolPlan>, ThreadError> {
        let name = match tool {
            ActionTool::Plan(tool) => return Ok(Arc::clone(tool)),
            ActionTool::OfLayer(name) => name,
        };
        let mut nothing = ChatRequest::default();
        let tools = apply_layers(&self.means, asker.route, Some(asker.owner), &mut nothing).await;
        let found = tools.into_iter().find(|tool| tool.name == *name);
        found.ok_or_else(|| invalid("action", "cannot be run now"))
    }
}
