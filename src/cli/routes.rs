//! `chatwire routes`: what is served where, as a table.

use std::process::ExitCode;

use super::{ConfigArgs, load, print};
use crate::config::pattern;
use crate::config::plan::{Plan, Route};

const HEADINGS: [&str; 6] = ["METHOD", "PATH", "PROTOCOL", "MODEL", "TARGET", "TOOLS"];
const NOTHING: &str = "-";

/// Prints the table.
pub fn run(args: &ConfigArgs) -> ExitCode {
    match load(args) {
        Ok(plan) => print(&table(&plan)),
        Err(code) => code,
    }
}

/// The routes of a plan, one per line, in columns.
pub fn table(plan: &Plan) -> String {
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    rows.extend(plan.routes.iter().map(|route| row(route)));
    if let Some(facts) = &plan.facts {
        for (method, below) in [("GET", ""), ("POST", "/{id}/save"), ("POST", "/{id}/discard")] {
            rows.push(
                [method, &format!("{}{below}", facts.path), "facts", NOTHING, NOTHING, NOTHING].map(str::to_owned),
            );
        }
    }
    if let Some(inspect) = &plan.inspect {
        for below in ["/tools", "/servers"] {
            rows.push(
                ["GET", &format!("{}{below}", inspect.path), "inspect", NOTHING, NOTHING, NOTHING].map(str::to_owned),
            );
        }
    }
    for path in ["/health", "/ready"] {
        rows.push(["GET", path, "built in", NOTHING, NOTHING, NOTHING].map(str::to_owned));
    }
    align(&rows)
}

fn row(route: &Route) -> [String; 6] {
    let brought = route.layers.iter().flat_map(|layer| layer.tools()).copied();
    let own = route.tools.iter().map(|tool| tool.name.clone());
    let of_servers = route.mcp.iter().map(ToString::to_string);
    let tools: Vec<String> = own.chain(of_servers).chain(brought.map(str::to_owned)).collect();
    [
        "POST".to_owned(),
        route.path.clone(),
        route.protocol.name.to_owned(),
        model(route),
        target(route),
        if tools.is_empty() { NOTHING.to_owned() } else { tools.join(",") },
    ]
}

fn model(route: &Route) -> String {
    let own = match &route.model {
        Some(model) if route.force_model => return format!("{} (always)", model.name),
        Some(model) => &model.name,
        None => "(the page's)",
    };
    let patterns = route.models.keys().filter(|name| pattern::prefix(name).is_some());
    std::iter::once(own).chain(patterns.map(String::as_str)).collect::<Vec<_>>().join(",")
}

/// The first target of the route's model, and how many more there are.
fn target(route: &Route) -> String {
    let targets = route.model.as_ref().map_or(&[][..], |model| &model.targets);
    match targets {
        [] => NOTHING.to_owned(),
        [only] => format!("{}/{}", only.provider.name, only.model),
        [first, rest @ ..] => format!("{}/{} (+{})", first.provider.name, first.model, rest.len()),
    }
}

fn align(rows: &[[String; 6]]) -> String {
    let mut widths = [0; 6];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}
