//! Tools: who runs a call, and the running of those that are the gateway's.

mod arguments;
pub mod fence;
pub mod form;
pub mod http;
pub mod mcp;
mod net;
mod output;
mod running;
mod says;
pub mod weather;
mod widget;
pub mod workspace;
mod write;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use chatwire_protocols::chat::ToolSpec;
use chatwire_protocols::event::{File, Text, ToolOutcome};
use serde_json::Value;

pub use arguments::{Arguments, SchemaError};
pub use net::Net;
pub use output::floor;
pub use running::{Heard, Running};
pub use says::{Said, Speaker};
pub use widget::WidgetTemplate;
pub use write::Writer;

use crate::config::Words;
use crate::config::plan::{ToolKind, ToolPlan};
use crate::store::Owner;

/// Code that is a tool.
pub trait Tool: fmt::Debug + Send + Sync {
    /// Begins a call, whose arguments fit the tool's schema. What the tool has to say before its result goes to the
    /// speaker. The future is dropped when the turn or the tool's time ends before it, and a panic in it is an error
    /// result.
    fn run(&self, input: ToolInput, speaker: Speaker) -> ToolFuture;

    /// True if its output comes in pieces.
    fn streams(&self) -> bool {
        false
    }
}

/// A running call.
pub type ToolFuture = Pin<Box<dyn Future<Output = ToolOutput> + Send>>;

/// What a tool is given.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolInput {
    /// The call's id.
    pub call: Text,
    /// An object for functions, a string for custom tools.
    pub arguments: Value,
    /// Whose conversation the call is of.
    pub scope: Arc<Scope>,
}

/// Whose conversation a turn is of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The user; nothing if the route asks for none.
    pub owner: Option<Owner>,
    /// The id of the conversation, if it has one.
    pub thread: Option<Text>,
}

/// Whether a tool's calls run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Permission {
    /// They run.
    #[default]
    Allow,
    /// Those run that a person allows one by one.
    Ask,
    /// None runs.
    Deny,
}

impl Words for Permission {
    const WHAT: &'static str = "permission";
    const WORDS: &'static [(&'static str, Self)] = &[("allow", Self::Allow), ("ask", Self::Ask), ("deny", Self::Deny)];
}

/// What comes out of a tool.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolOutput {
    /// How it went.
    pub outcome: ToolOutcome,
    /// What came out; a text for people where it did not go well.
    pub output: Value,
    /// Images and files beside it, for models that can see them.
    pub files: Vec<File>,
}

impl ToolOutput {
    /// It went well.
    pub const fn ok(output: Value) -> Self {
        Self { outcome: ToolOutcome::Ok, output, files: Vec::new() }
    }

    /// It did not go well; `why` is for the model and the page.
    pub fn error(why: impl Into<String>) -> Self {
        Self::refused(ToolOutcome::Error, why)
    }

    /// It did not run, or not to its end.
    pub fn refused(outcome: ToolOutcome, why: impl Into<String>) -> Self {
        Self { outcome, output: Value::String(why.into()), files: Vec::new() }
    }
}

/// The tools of one turn.
#[derive(Clone, Debug, Default)]
pub struct Toolbox {
    gateway: Vec<Arc<ToolPlan>>,
    page: Vec<(Text, Option<Arc<ToolPlan>>)>,
    asks: bool,
}

/// Who runs a tool.
#[derive(Clone, Debug)]
pub enum Runner {
    /// The gateway.
    Gateway(Arc<ToolPlan>),
    /// The page. What the operator says of the tool, if it is not the page's own.
    Page(Option<Arc<ToolPlan>>),
    /// Nobody may: why, in words for the model.
    Denied(&'static str),
    /// Nobody has such a tool.
    Nobody,
}

impl Toolbox {
    /// The tools of a route and those that a page brought. Puts the route's into `offered`, which is what the model
    /// is told; where both have one of the same name, the operator's wins.
    pub fn new(route: &[Arc<ToolPlan>], offered: &mut Vec<ToolSpec>) -> Self {
        offered.retain(|spec| !route.iter().any(|tool| tool.name == spec.name.as_str()));
        let mut page: Vec<_> = offered.iter().map(|spec| (spec.name.clone(), None)).collect();
        let mut gateway = Vec::new();
        for tool in route {
            offered.push(spec(tool));
            match tool.kind {
                ToolKind::Page | ToolKind::Form => page.push((tool.name.as_str().into(), Some(Arc::clone(tool)))),
                ToolKind::Fixed(_) | ToolKind::Write(_) | ToolKind::Code(_) => gateway.push(Arc::clone(tool)),
            }
        }
        Self { gateway, page, asks: false }
    }

    /// Says whether the page can ask a person to allow a call.
    #[must_use]
    pub fn asking(mut self, asks: bool) -> Self {
        self.asks = asks;
        self
    }

    /// Who runs the tool of this name.
    pub fn runner(&self, name: &str) -> Runner {
        if let Some(tool) = self.gateway.iter().find(|tool| tool.name == name) {
            return match tool.permission {
                Permission::Allow => Runner::Gateway(Arc::clone(tool)),
                Permission::Ask if self.asks => Runner::Gateway(Arc::clone(tool)),
                Permission::Ask => Runner::Denied(CANNOT_ASK),
                Permission::Deny => Runner::Denied(NOT_ALLOWED),
            };
        }
        match self.page.iter().find(|(tool, _)| tool == name) {
            Some((_, Some(plan))) if plan.permission == Permission::Deny => Runner::Denied(NOT_ALLOWED),
            Some((_, plan)) => Runner::Page(plan.clone()),
            None => Runner::Nobody,
        }
    }
}

const NOT_ALLOWED: &str = "This tool is not allowed here. Nothing was run.";

const CANNOT_ASK: &str =
    "A person must allow each call of this tool, and nobody can be asked on this page. Nothing was run.";

fn spec(tool: &ToolPlan) -> ToolSpec {
    ToolSpec {
        name: tool.name.as_str().into(),
        description: tool.description.clone(),
        parameters: tool.arguments.schema().clone(),
        strict: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn plan(name: &str, kind: ToolKind) -> Arc<ToolPlan> {
        Arc::new(ToolPlan::new(name, kind))
    }

    #[test]
    fn the_routes_tools_are_offered_and_win_over_the_pages() {
        let own = |name: &str| ToolSpec {
            name: name.into(),
            description: Some("page".into()),
            parameters: json!({}),
            strict: None,
        };
        let mut offered = vec![own("mine"), own("both")];
        let route = [plan("both", ToolKind::Fixed(json!(1))), plan("client", ToolKind::Page)];
        let toolbox = Toolbox::new(&route, &mut offered);
        let names: Vec<&str> = offered.iter().map(|spec| spec.name.as_str()).collect();
        assert_eq!(names, ["mine", "both", "client"]);
        assert!(matches!(toolbox.runner("both"), Runner::Gateway(_)));
        assert!(matches!(toolbox.runner("mine"), Runner::Page(None)));
        assert!(matches!(toolbox.runner("client"), Runner::Page(Some(_))));
        assert!(matches!(toolbox.runner("other"), Runner::Nobody));
    }

    #[test]
    fn nobody_runs_what_is_not_allowed_or_cannot_be_asked_about() {
        use Permission::{Allow, Ask, Deny};
        let plan = |permission, kind| Arc::new(ToolPlan { permission, ..ToolPlan::new("f", kind) });
        let fixed = || ToolKind::Fixed(json!(1));
        for (permission, kind, asks, runs) in [
            (Allow, fixed(), false, true),
            (Ask, fixed(), true, true),
            (Ask, fixed(), false, false),
            (Deny, fixed(), true, false),
            (Allow, ToolKind::Page, false, true),
            (Deny, ToolKind::Page, true, false),
        ] {
            let toolbox = Toolbox::new(&[plan(permission, kind.clone())], &mut Vec::new()).asking(asks);
            let denied = matches!(toolbox.runner("f"), Runner::Denied(_));
            assert_eq!(!denied, runs, "{permission:?} {kind:?} {asks}");
        }
    }
}
