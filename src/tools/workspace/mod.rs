//! Tools that work in a folder: files, searches, commands; and two that look at the web. A route has those that it
//! lists by name. Paths are resolved below the folder by the kernel, so that links, `..` and whole paths lead nowhere
//! else, also when they change in between.

mod bash;
mod edit;
mod file;
mod folder;
mod glob;
mod grep;
mod html;
mod read;
mod walk;
mod web_fetch;
mod web_search;
mod write;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::de::DeserializeOwned;
use serde_json::Value;

pub use bash::{Bash, UNSANDBOXED};
pub use edit::EDIT;
pub use folder::{Folder, Per, Workspace};
pub use glob::GLOB;
pub use grep::GREP;
pub use read::READ;
pub use web_fetch::WebFetch;
pub use web_search::WebSearch;
pub use write::WRITE;

use super::{Speaker, Tool, ToolFuture, ToolInput, ToolOutput};
use crate::config::Words;

/// A tool of the workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Runs a command.
    Bash,
    /// Reads a file.
    Read,
    /// Writes a file.
    Write,
    /// Replaces text in a file.
    Edit,
    /// Finds files by their names.
    Glob,
    /// Finds lines in files.
    Grep,
    /// Reads a page of the web.
    WebFetch,
    /// Searches the web.
    WebSearch,
}

impl Words for Part {
    const WHAT: &'static str = "tool of the workspace";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("Bash", Self::Bash),
        ("Read", Self::Read),
        ("Write", Self::Write),
        ("Edit", Self::Edit),
        ("Glob", Self::Glob),
        ("Grep", Self::Grep),
        ("WebFetch", Self::WebFetch),
        ("WebSearch", Self::WebSearch),
    ];
}

impl Part {
    /// What it is for, in words for the model.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Bash => bash::DESCRIPTION,
            Self::Read => read::DESCRIPTION,
            Self::Write => write::DESCRIPTION,
            Self::Edit => edit::DESCRIPTION,
            Self::Glob => glob::DESCRIPTION,
            Self::Grep => grep::DESCRIPTION,
            Self::WebFetch => web_fetch::DESCRIPTION,
            Self::WebSearch => web_search::DESCRIPTION,
        }
    }

    /// JSON Schema of its arguments.
    pub fn parameters(self) -> Value {
        match self {
            Self::Bash => bash::parameters(),
            Self::Read => read::parameters(),
            Self::Write => write::parameters(),
            Self::Edit => edit::parameters(),
            Self::Glob => glob::parameters(),
            Self::Grep => grep::parameters(),
            Self::WebFetch => web_fetch::parameters(),
            Self::WebSearch => web_search::parameters(),
        }
    }
}

/// A tool that works on files, in a thread that may block.
#[derive(Clone)]
pub struct FileTool {
    workspace: Arc<Workspace>,
    work: Work,
}

/// What such a tool does. It looks at [`Stop`] now and then.
pub type Work = fn(&Folder, Value, &Stop) -> Result<String, String>;

impl FileTool {
    /// The tool that does this.
    pub const fn new(workspace: Arc<Workspace>, work: Work) -> Self {
        Self { workspace, work }
    }
}

impl Tool for FileTool {
    fn run(&self, input: ToolInput, _: Speaker) -> ToolFuture {
        let Self { workspace, work } = self.clone();
        Box::pin(async move {
            let stop = Stop::default();
            let _ends = Ends(stop.clone());
            let working = tokio::task::spawn_blocking(move || {
                let folder = workspace.folder(&input.scope)?;
                work(&folder, input.arguments, &stop)
            });
            match working.await {
                Ok(Ok(text)) => ToolOutput::ok(Value::String(text)),
                Ok(Err(why)) => ToolOutput::error(why),
                Err(_) => ToolOutput::error("The tool failed inside."),
            }
        })
    }
}

impl fmt::Debug for FileTool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.workspace.fmt(formatter)
    }
}

/// Says that nobody waits for the work any more.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    fn check(&self) -> Result<(), String> {
        if self.0.load(Ordering::Relaxed) { Err("stopped".to_owned()) } else { Ok(()) }
    }
}

/// Stops the work when it is dropped.
struct Ends(Stop);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

/// The arguments, which fit the schema.
fn arguments<T: DeserializeOwned>(given: Value) -> Result<T, String> {
    serde_json::from_value(given).map_err(|error| format!("The arguments are wrong: {error}."))
}
