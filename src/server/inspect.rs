//! Which tools and MCP servers there are, and how they are.

use std::collections::BTreeMap;

use http::Response;
use serde_json::{Value, json};

use super::body::Body;
use super::gateway::Gateway;
use super::refuse;
use crate::access::Caller;
use crate::config::plan::ToolPlan;
use crate::telemetry::Record;
use crate::tools::mcp::{Report, State};

/// The methods there.
pub const METHODS: &str = "GET, HEAD, OPTIONS";

/// True if something is at this path below the mount.
pub fn is_at(below: &str) -> bool {
    matches!(below, "/tools" | "/servers")
}

/// Answers a request at a path `below` the mount.
pub fn reply(gateway: &Gateway, below: &str, _caller: &Caller, mut record: Record) -> Response<Body> {
    record.answered(200);
    let body = if below == "/tools" { tools(gateway) } else { servers(&gateway.servers.report()) };
    refuse::json(200, &body)
}

/// The tools of all routes and all servers that can be called now.
fn tools(gateway: &Gateway) -> Value {
    let mut own = BTreeMap::new();
    for tool in gateway.plan.routes.iter().flat_map(|route| &route.tools) {
        own.entry(tool.name.as_str()).or_insert_with(|| to_json(tool, None));
    }
    let mut all: Vec<Value> = own.into_values().collect();
    for server in gateway.servers.report() {
        let tools = server.status.tools.iter();
        all.extend(tools.map(|tool| to_json(&tool.plan, Some(&server.plan.name))));
    }
    json!({ "tools": all })
}

fn to_json(tool: &ToolPlan, server: Option<&str>) -> Value {
    json!({
        "name": tool.name,
        "description": tool.description.as_deref().unwrap_or_default(),
        "input_schema": tool.arguments.schema(),
        "supports_streaming": tool.kind.streams(),
        "server": server,
    })
}

fn servers(reports: &[Report]) -> Value {
    let servers = reports.iter().map(|server| {
        let (status, reason) = match &server.status.state {
            State::Connecting => ("connecting", None),
            State::Connected => ("connected", None),
            State::Failed(reason) => ("failed", Some(reason.as_str())),
            State::Gone => ("failed", Some("it was ended")),
        };
        let tools = server.status.tools.iter().map(|tool| tool.plan.name.as_str());
        json!({
            "name": server.plan.name,
            "transport": server.plan.transport.name(),
            "status": status,
            "reason": reason,
            "tools": tools.collect::<Vec<_>>(),
        })
    });
    json!({ "servers": servers.collect::<Vec<_>>() })
}
