//! The tools of a server, as far as they can be offered to a model.

use std::sync::Arc;

use rmcp::RoleClient;
use rmcp::model::{ClientRequest, ListToolsRequest, PaginatedRequestParams, ServerResult, Tool};
use rmcp::service::{Peer, ServiceError};
use serde_json::Value;
use tokio::sync::watch;

use super::call::McpTool;
use super::mask::Mask;
use super::names;
use super::plan::ServerPlan;
use super::state::{Listed, Status};
use crate::config::plan::{ToolKind, ToolPlan};
use crate::tools::Arguments;
use crate::tools::output::floor;

/// Most pages of a list.
const PAGES: usize = 100;

/// Largest schema and longest description of a tool, in bytes: both go to the model with every request.
const SCHEMA: usize = 64 << 10;
const DESCRIPTION: usize = 8 << 10;

/// Makes tools of what a server lists.
pub struct Lister<'a> {
    pub server: &'a ServerPlan,
    pub status: watch::Receiver<Status>,
    pub mask: &'a Mask,
}

impl Lister<'_> {
    /// Asks for the tools.
    pub async fn list(&self, peer: &Peer<RoleClient>) -> Result<Arc<[Listed]>, ServiceError> {
        let mut listed: Vec<Listed> = Vec::new();
        let mut cursor = None;
        for _ in 0..PAGES {
            let params = PaginatedRequestParams::default().with_cursor(cursor.clone());
            let request = ClientRequest::ListToolsRequest(ListToolsRequest::with_param(params));
            let (tools, next) = match peer.send_request(request).await? {
                ServerResult::ListToolsResult(page) => (page.tools, page.next_cursor),
                ServerResult::CustomResult(page) => self.readable(&page.0).ok_or(ServiceError::UnexpectedResponse)?,
                _ => return Err(ServiceError::UnexpectedResponse),
            };
            let count = tools.len();
            for (at, tool) in tools.into_iter().enumerate() {
                if self.server.only.as_ref().is_some_and(|only| !only.iter().any(|name| *name == tool.name)) {
                    continue;
                }
                if listed.len() == self.server.max_tools {
                    self.log_rest(count - at, next.is_some());
                    return Ok(listed.into());
                }
                listed.extend(self.tool(tool, &listed));
            }
            if next.is_none() || next == cursor {
                break;
            }
            cursor = next;
        }
        self.log_missing(&listed);
        Ok(listed.into())
    }

    /// The tools of a page of which not everything can be read.
    fn readable(&self, page: &Value) -> Option<(Vec<Tool>, Option<String>)> {
        let mut tools = Vec::new();
        for tool in page.get("tools")?.as_array()? {
            match serde_json::from_value::<Tool>(tool.clone()) {
                Ok(tool) => tools.push(tool),
                Err(error) => {
                    let name = tool.get("name").and_then(Value::as_str).unwrap_or_default();
                    self.left_out(name, &error.to_string());
                }
            }
        }
        let next = page.get("nextCursor").and_then(Value::as_str).map(str::to_owned);
        Some((tools, next))
    }

    fn tool(&self, tool: Tool, others: &[Listed]) -> Option<Listed> {
        let name = tool.name.into_owned();
        if others.iter().any(|other| other.name == name) {
            self.left_out(&name, "it is listed twice");
            return None;
        }
        let mut schema = Arc::unwrap_or_clone(tool.input_schema);
        // Providers want these, and servers leave them out where there is nothing to say.
        schema.entry("type").or_insert_with(|| "object".into());
        schema.entry("properties").or_insert_with(|| Value::Object(serde_json::Map::new()));
        let arguments = match arguments(Value::Object(schema)) {
            Ok(arguments) => arguments,
            Err(why) => {
                self.left_out(&name, &why);
                return None;
            }
        };
        let offered = names::free(&names::offered(&self.server.prefix, &name), |name| {
            others.iter().any(|other| other.plan.name == name)
        });
        let code = McpTool {
            server: self.server.name.as_str().into(),
            name: name.clone(),
            status: self.status.clone(),
            mask: self.mask.clone(),
        };
        let plan = ToolPlan {
            description: tool.description.map(|text| text.get(..floor(&text, DESCRIPTION)).unwrap_or(&text).to_owned()),
            arguments,
            permission: self.server.permission,
            timeout: self.server.timeout,
            max_output: self.server.max_output,
            ..ToolPlan::new(&offered, ToolKind::Code(Arc::new(code)))
        };
        Some(Listed { name, plan: Arc::new(plan) })
    }

    fn left_out(&self, tool: &str, why: &str) {
        tracing::warn!(
            server = self.server.name,
            tool = self.mask.line(tool, 100),
            why = self.mask.line(why, 300),
            "a tool of an MCP server is left out"
        );
    }

    fn log_rest(&self, rest: usize, more: bool) {
        let left_out = if more { format!("{rest} and more") } else { rest.to_string() };
        tracing::warn!(
            server = self.server.name,
            left_out,
            max_tools = self.server.max_tools,
            "an MCP server has more tools than are taken"
        );
    }

    fn log_missing(&self, listed: &[Listed]) {
        for name in self.server.only.iter().flatten().filter(|name| !listed.iter().any(|tool| tool.name == **name)) {
            tracing::warn!(server = self.server.name, tool = name, "an MCP server has no such tool");
        }
    }
}

fn arguments(schema: Value) -> Result<Arguments, String> {
    if schema["type"] != "object" {
        return Err("its arguments are no object".to_owned());
    }
    let size = schema.to_string().len();
    if size > SCHEMA {
        return Err(format!("its schema has {size} bytes, and {SCHEMA} are the limit"));
    }
    Arguments::new(schema).map_err(|error| format!("its schema is none: at {}: {}", error.place, error.what))
}
