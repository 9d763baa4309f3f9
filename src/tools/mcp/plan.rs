//! What the configuration says of an MCP server.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::secret::Secret;
use crate::tools::Permission;

/// An MCP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerPlan {
    /// Its name in the file.
    pub name: String,
    /// How it is reached.
    pub transport: Transport,
    /// Its tools that may be called, by its own names for them; `None` for all.
    pub only: Option<Vec<String>>,
    /// What stands in front of the names that models see.
    pub prefix: String,
    /// Whether its calls run.
    pub permission: Permission,
    /// How long a call may take.
    pub timeout: Duration,
    /// How long the start may take, to the list of tools.
    pub start_timeout: Duration,
    /// Most tools.
    pub max_tools: usize,
    /// Most text in an output; the rest is cut.
    pub max_output: usize,
    /// Whether long results are summarised, where that is set up.
    pub summarise: bool,
}

/// How a server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A process of ours, which speaks through its standard input and output.
    Process(Program),
    /// Behind an address, over streamable HTTP.
    Http(Address),
}

/// A program to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The command.
    pub command: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its environment variables, beside the few that all get.
    pub env: Vec<(String, Secret)>,
    /// The folder that it runs in.
    pub folder: PathBuf,
}

/// An address to call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The URL of its endpoint.
    pub url: String,
    /// Headers of every request.
    pub headers: Vec<(String, Secret)>,
}

/// Tools of a server that a route offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The server's name.
    pub server: String,
    /// One tool, by the server's own name for it; `None` for all.
    pub tool: Option<String>,
}

/// As the file writes it.
impl fmt::Display for Offer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.tool {
            Some(tool) => write!(formatter, "mcp:{}/{tool}", self.server),
            None => write!(formatter, "mcp:{}", self.server),
        }
    }
}

impl Transport {
    /// Its name, as pages are told it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Process(_) => "stdio",
            Self::Http(_) => "http",
        }
    }

    /// Everything in it that must not be shown.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let named = match self {
            Self::Process(program) => &program.env,
            Self::Http(address) => &address.headers,
        };
        named.iter().map(|(_, secret)| secret)
    }
}
