//! MCP servers, and the tools that routes offer of them and of the gateway's own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::names::Names;
use super::provider::Users;
use super::secret::Need;
use super::{Resolver, entries, items, value};
use crate::config::file::{self, HeaderText, List, Optional};
use crate::config::mask::{credentials, is_variable};
use crate::config::mcp::McpServer;
use crate::config::plan::{InspectMount, ToolPlan};
use crate::config::read::{At, Entry, Named, Section};
use crate::config::report::{Problem, Span};
use crate::secret::Secret;
use crate::tools::Permission;
use crate::tools::mcp::plan::{Address, Program, Transport};
use crate::tools::mcp::{Offer, ServerPlan, fits_name};

/// What a route's tool of a server begins with.
const MCP: &str = "mcp:";

const TIMEOUT: Duration = Duration::from_secs(60);
const START_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_TOOLS: usize = 128;
const MAX_OUTPUT: usize = 64 << 10;

/// Longest prefix: it must leave room for the name of a tool.
const LONGEST_PREFIX: usize = 40;

/// Everything that routes may offer.
pub struct Offered<'a> {
    pub tools: &'a Names<ToolPlan>,
    pub mcp: &'a Names<ServerPlan>,
}

impl Resolver<'_> {
    pub fn mcp(&mut self, file: &Optional<Named<McpServer>>, users: &Users<'_>) -> Names<ServerPlan> {
        let mut names = Names::new(self.complete || file.is_some());
        for entry in entries(file) {
            let user = users.iter().find(|(tool, _)| server_of(tool).is_some_and(|name| name == entry.name.value));
            let server = self.mcp_server(entry, user.map(|(_, user)| user));
            // TOML has no key twice, so no name is added twice.
            let _ = names.add(&entry.name, server.map(Arc::new));
        }
        names
    }

    fn mcp_server(&mut self, entry: &Entry<McpServer>, user: Option<&(String, Span)>) -> Option<ServerPlan> {
        let file = entry.value.as_ref()?;
        let before = self.problems.len();
        let prefix = self.prefix(&entry.name, file.prefix.as_ref());
        let transport = self.transport(&entry.name, file, user)?;
        let server = ServerPlan {
            name: entry.name.value.clone(),
            transport,
            only: file.tools.as_ref().map(|tools| tools.value.iter().map(|tool| tool.value.clone()).collect()),
            prefix,
            permission: value(&file.permission).map_or(Permission::Allow, |word| word.0),
            timeout: value(&file.timeout).map_or(TIMEOUT, |time| time.0),
            start_timeout: value(&file.start_timeout).map_or(START_TIMEOUT, |time| time.0),
            max_tools: value(&file.max_tools).and_then(|most| usize::try_from(most.0).ok()).unwrap_or(MAX_TOOLS),
            max_output: value(&file.max_output).map_or(MAX_OUTPUT, |size| size.0),
            summarise: value(&file.summarise).copied().unwrap_or(true),
        };
        (self.problems.len() == before && file.is_sound()).then_some(server)
    }

    fn prefix(&mut self, name: &At<String>, prefix: Option<&At<String>>) -> String {
        let fits = |text: &str| text.len() <= LONGEST_PREFIX && text.chars().all(fits_name);
        let help = format!("use at most {LONGEST_PREFIX} letters, digits, `_` and `-`");
        match prefix {
            Some(prefix) => {
                if !fits(&prefix.value) {
                    self.problem(Problem::new(prefix.span.clone(), "not the beginning of a tool's name").help(help));
                }
                prefix.value.clone()
            }
            None => {
                let whole = format!("{}_", name.value);
                if !fits(&whole) || name.value.is_empty() {
                    let problem = Problem::new(name.span.clone(), "a name that models cannot call a tool by");
                    self.problem(problem.help(format!("{help}, or add a `prefix`")));
                }
                whole
            }
        }
    }

    /// Where the server is: one of the two.
    fn transport(&mut self, name: &At<String>, file: &McpServer, user: Option<&(String, Span)>) -> Option<Transport> {
        let need = |at: &Span| Need {
            at: at.clone(),
            who: format!("MCP server `{}`", name.value),
            user: user.map(|(user, span)| (user.as_str(), span.clone())),
            instead: "take the server's tools out of the route",
        };
        match (&file.command, &file.url) {
            (Some(command), None) => {
                let others = [span(&file.headers, "headers"), span(&file.bearer, "bearer")];
                self.not_for(others, "`url`");
                Some(Transport::Process(self.program(command, file, &need)))
            }
            (None, Some(url)) => {
                let others = [span(&file.args, "args"), span(&file.env, "env"), span(&file.cwd, "cwd")];
                self.not_for(others, "`command`");
                self.endpoint(url, file, &need).map(Transport::Http)
            }
            (Some(command), Some(url)) => {
                let problem = Problem::new(url.span.clone(), format!("MCP server `{}` is in two places", name.value));
                self.problem(problem.also(command.span.clone(), "the other"));
                None
            }
            (None, None) => {
                if file.is_sound() {
                    let title = format!("nothing says where MCP server `{}` is", name.value);
                    let problem = Problem::new(name.span.clone(), title);
                    self.problem(problem.help("add `command = \"…\"` and `args = […]`, or `url = \"https://…\"`"));
                }
                None
            }
        }
    }

    fn not_for<const N: usize>(&mut self, keys: [Option<(&'static str, Span)>; N], owner: &str) {
        for (name, span) in keys.into_iter().flatten() {
            self.problem(Problem::new(span, format!("`{name}` goes with {owner}")));
        }
    }

    fn program<'n>(&mut self, command: &At<String>, file: &McpServer, need: &dyn Fn(&Span) -> Need<'n>) -> Program {
        if command.value.is_empty() {
            self.problem(Problem::new(command.span.clone(), "a command needs a name"));
        }
        let folder = value(&file.cwd).map_or_else(PathBuf::new, PathBuf::from);
        let given = entries(&file.env).iter();
        Program {
            command: self.command(&command.value),
            arguments: items(&file.args).iter().map(|argument| argument.value.clone()).collect(),
            env: given.filter_map(|given| self.mcp_variable(&given.name, given.value.as_ref()?, need)).collect(),
            folder: self.surroundings.folder.join(folder),
        }
    }

    /// A command with a folder in it is relative to the file; any other is looked for in `PATH`.
    fn command(&self, command: &str) -> PathBuf {
        let path = Path::new(command);
        if path.components().count() < 2 {
            return path.to_owned();
        }
        let path = self.surroundings.folder.join(path);
        // The program is started from another folder.
        std::path::absolute(&path).unwrap_or(path)
    }

    fn mcp_variable<'n>(
        &mut self,
        name: &At<String>,
        given: &At<HeaderText>,
        need: &dyn Fn(&Span) -> Need<'n>,
    ) -> Option<(String, Secret)> {
        if !is_variable(&name.value) {
            self.problem(Problem::new(name.span.clone(), "not the name of an environment variable"));
            return None;
        }
        let secret = match &given.value {
            HeaderText::From(source) => self.secret(source, &need(&given.span))?,
            HeaderText::Plain(text) if text.0.expose().contains('\0') => {
                self.problem(Problem::new(given.span.clone(), "not the value of an environment variable"));
                return None;
            }
            HeaderText::Plain(text) => text.0.clone(),
        };
        Some((name.value.clone(), secret))
    }

    fn endpoint<'n>(
        &mut self,
        url: &At<String>,
        file: &McpServer,
        need: &dyn Fn(&Span) -> Need<'n>,
    ) -> Option<Address> {
        let parsed = url.value.parse::<http::Uri>().ok();
        let fits = parsed.is_some_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
        });
        if !fits || credentials(&url.value).is_some() {
            let problem = Problem::new(url.span.clone(), "not the address of an MCP server");
            self.problem(
                problem
                    .help("write one like \"https://mcp.example.com/mcp\"; what it needs to know goes into `headers`"),
            );
            return None;
        }
        let given = entries(&file.headers).iter();
        let mut headers: Vec<_> =
            given.filter_map(|header| self.header(&header.name, header.value.as_ref()?, &need)).collect();
        headers.extend(self.bearer(file.bearer.as_ref(), &headers, &need));
        Some(Address { url: url.value.clone(), headers })
    }

    /// The tools of a route: the gateway's own, and those of MCP servers.
    pub fn offered_tools(&mut self, names: &List<String>, offered: &Offered<'_>) -> (Vec<Arc<ToolPlan>>, Vec<Offer>) {
        let mut tools: Vec<Arc<ToolPlan>> = Vec::new();
        let mut offers: Vec<Offer> = Vec::new();
        for name in items(names) {
            if let Some(rest) = name.value.strip_prefix(MCP) {
                offers.extend(self.offer(rest, name, offered.mcp, &offers));
                continue;
            }
            let Some(tool) = self.look_up(offered.tools, &name.value, name.span.clone(), "tool") else { continue };
            if tools.iter().any(|earlier| earlier.name == tool.name) {
                self.problem(Problem::new(name.span.clone(), format!("tool `{}` is listed twice", name.value)));
            } else {
                tools.push(tool);
            }
        }
        (tools, offers)
    }

    fn offer(&mut self, rest: &str, at: &At<String>, mcp: &Names<ServerPlan>, offers: &[Offer]) -> Option<Offer> {
        let (server, tool) = rest.split_once('/').map_or((rest, None), |(server, tool)| (server, Some(tool)));
        let plan = self.look_up(mcp, server, at.span.clone(), "MCP server")?;
        let offer = Offer { server: server.to_owned(), tool: tool.map(str::to_owned) };
        let overlaps = |earlier: &&Offer| {
            earlier.server == offer.server && (earlier.tool == offer.tool || earlier.tool.is_none() || tool.is_none())
        };
        if offers.iter().any(|earlier| overlaps(&earlier)) {
            self.problem(Problem::new(at.span.clone(), format!("tools of MCP server `{server}` are listed twice")));
        }
        if let (Some(tool), Some(only)) = (tool, &plan.only)
            && !only.iter().any(|name| name == tool)
        {
            let problem = Problem::new(at.span.clone(), format!("MCP server `{server}` may not be asked for `{tool}`"));
            self.problem(problem.suggest(tool, "tools that it may be asked for", only.iter().map(String::as_str)));
        }
        Some(offer)
    }

    pub fn inspect(&mut self, file: &Optional<file::Inspect>, all: &file::Gateway) -> Option<InspectMount> {
        let file = value(file)?;
        let cors = file.cors.as_ref().map(|cors| self.cors(&cors.value)).unwrap_or_default();
        let path = file.path.0.as_ref()?;
        let mut taken = BTreeMap::new();
        let facts = value(&all.facts).and_then(|facts| facts.path.0.as_ref());
        for route in items(&all.routes).iter().filter_map(|route| route.value.path.0.as_ref()).chain(facts) {
            taken.insert(route.value.as_str(), route.span.clone());
        }
        if path.value.ends_with('/') {
            let problem = Problem::new(path.span.clone(), "the path of what is shown ends without a slash");
            self.problem(problem.help("`/tools` and `/servers` stand below it"));
            return None;
        }
        for below in ["/tools", "/servers"] {
            let whole = At { value: format!("{}{below}", path.value), span: path.span.clone() };
            let mut taken = taken.clone();
            self.check_path(&whole, &mut taken);
        }
        let anonymous = value(&file.anonymous).copied().unwrap_or_default();
        Some(InspectMount { path: path.value.clone(), anonymous, cors })
    }
}

/// The server in the name of a route's tool.
fn server_of(tool: &str) -> Option<&str> {
    let rest = tool.strip_prefix(MCP)?;
    Some(rest.split('/').next().unwrap_or(rest))
}

fn span<T>(key: &Optional<T>, name: &'static str) -> Option<(&'static str, Span)> {
    key.as_ref().map(|key| (name, key.span.clone()))
}
