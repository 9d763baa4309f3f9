//! MCP servers: well-behaved ones that others wrote, and one of our own that misbehaves in every way.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[path = "../canary/mod.rs"]
mod canary;
#[path = "../support/mod.rs"]
mod support;

mod calls;
mod faults;
mod others;
mod reload;
mod server;
mod turns;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chatwire::config::plan::ToolPlan;
use chatwire::secret::Secret;
use chatwire::tools::mcp::plan::{Program, Transport};
use chatwire::tools::mcp::{Offer, ServerPlan, Servers, State};
use chatwire::tools::{Heard, Permission, Running, Said, ToolInput, ToolOutput};
use serde_json::Value;

use crate::support::LONG;

/// A server that is reached like this.
pub fn plan(name: &str, transport: Transport) -> ServerPlan {
    ServerPlan {
        name: name.to_owned(),
        transport,
        only: None,
        prefix: format!("{name}_"),
        permission: Permission::Allow,
        timeout: LONG,
        start_timeout: LONG,
        max_tools: 128,
        max_output: 64 << 10,
        summarise: true,
    }
}

/// A program with these arguments.
pub fn program(command: impl Into<PathBuf>, arguments: &[&str]) -> Program {
    let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    Program { command: command.into(), arguments, env: Vec::new(), folder: PathBuf::new() }
}

/// Our own server, doing what the script says.
pub fn fake(script: &str) -> ServerPlan {
    fake_with(script, &[])
}

/// The same with more environment variables.
pub fn fake_with(script: &str, env: &[(&str, &str)]) -> ServerPlan {
    let mut program = program(std::env::current_exe().unwrap(), &["--exact", "server::fake_server", "--nocapture"]);
    program.env.push((server::SCRIPT.to_owned(), Secret::new(script)));
    program.env.extend(env.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))));
    plan("fake", Transport::Process(program))
}

/// Servers that run outside a gateway.
pub struct Kept(pub Servers);

impl Kept {
    /// Starts them.
    pub fn start(plans: impl IntoIterator<Item = ServerPlan>) -> Self {
        canary::watch_logs();
        let servers = Servers::default();
        servers.apply(&plans.into_iter().map(Arc::new).collect::<Vec<_>>());
        Self(servers)
    }

    /// Waits until a server is there.
    pub async fn connected(&self, name: &str) {
        self.wait(name, |state| *state == State::Connected).await;
    }

    /// Waits until a server has failed, and gives why.
    pub async fn failed(&self, name: &str) -> String {
        let mut why = String::new();
        self.wait(name, |state| {
            let State::Failed(reason) = state else { return false };
            why.clone_from(reason);
            true
        })
        .await;
        why
    }

    async fn wait(&self, name: &str, mut wanted: impl FnMut(&State) -> bool) {
        let waiting = self.0.wait_for(name, |status| wanted(&status.state));
        assert!(tokio::time::timeout(LONG, waiting).await.expect("a server changes"), "{name} is gone");
    }

    /// All tools of a server.
    pub async fn tools(&self, server: &str) -> Vec<Arc<ToolPlan>> {
        let mut tools = Vec::new();
        self.0.add(&[Offer { server: server.to_owned(), tool: None }], &mut tools).await;
        tools
    }

    /// The tool of this name.
    pub async fn tool(&self, server: &str, name: &str) -> Arc<ToolPlan> {
        let tools = self.tools(server).await;
        let names: Vec<_> = tools.iter().map(|tool| tool.name.clone()).collect();
        tools.into_iter().find(|tool| tool.name == name).unwrap_or_else(|| panic!("no {name} in {names:?}"))
    }

    /// Calls a tool of the fake server.
    pub async fn call(&self, name: &str, arguments: Value) -> ToolOutput {
        run(self.tool("fake", &format!("fake_{name}")).await, arguments).await.1
    }
}

/// Runs a tool; gives the progress it made, and its output.
pub async fn run(tool: Arc<ToolPlan>, arguments: Value) -> (Vec<String>, ToolOutput) {
    let mut running = Running::default();
    running.start(tool, ToolInput { call: "c".into(), arguments, scope: Arc::default() });
    let mut progress = Vec::new();
    loop {
        let next = std::future::poll_fn(|cx| running.poll_next(cx));
        match tokio::time::timeout(LONG, next).await.expect("a call goes on").1 {
            Heard::Said(Said::Progress(line)) => progress.push(line.to_string()),
            Heard::Said(other) => panic!("{other:?} is no progress"),
            Heard::Finished(output) => return (progress, output),
        }
    }
}

/// The text of an output.
pub fn text(output: &ToolOutput) -> &str {
    output.output.as_str().unwrap_or_else(|| panic!("{output:?} is no text"))
}

/// Short enough to be waited for.
pub const SHORT: Duration = Duration::from_millis(300);
