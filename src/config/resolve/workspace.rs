//! The tools of the workspace, and the fence.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::http_tool::Caller;
use super::secret::Need;
use super::{Resolver, entries, items, value};
use crate::config::file::{HeaderText, Optional};
use crate::config::placed::Placed;
use crate::config::plan::ToolKind;
use crate::config::read::{At, Section};
use crate::config::report::{Problem, Span};
use crate::config::workspace as file;
use crate::sandbox::Limits;
use crate::tools::fence::Fence;
use crate::tools::workspace::{
    Bash, EDIT, FileTool, GLOB, GREP, Part, Per, READ, UNSANDBOXED, WRITE, WebFetch, WebSearch, Workspace,
};
use crate::tools::{Arguments, Net, Tool};

/// What the tools of the workspace are made of.
pub struct Parts<'a> {
    /// What the file says of it.
    pub file: &'a Optional<file::Workspace>,
    /// The folders; nothing if the file has none, or none that is right.
    pub workspace: Option<Arc<Workspace>>,
    pub fence: Fence,
}

/// A tool of the workspace, with who offers it.
pub struct PartUser<'a> {
    pub part: &'a At<Part>,
    pub name: &'a str,
    pub user: Option<&'a (String, Span)>,
    pub timeout: Duration,
    pub shown: usize,
}

impl Resolver<'_> {
    pub fn fence(&mut self, file: &Optional<file::Fence>) -> Fence {
        let origins = value(file).map_or(&[][..], |file| items(&file.allow));
        let origins = origins.iter().filter_map(|origin| {
            let found = self.origin(origin)?;
            let url = reqwest::Url::parse(&found).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            if url.is_none() {
                let problem = Problem::new(origin.span.clone(), "not an origin of the web");
                self.problem(problem.help("write one like \"https://wiki.example.com\""));
            }
            // As addresses are compared: without the port that everybody knows.
            url.map(|url| url.origin().ascii_serialization())
        });
        Fence::new(origins.collect())
    }

    pub fn workspace(&mut self, file: &Optional<file::Workspace>) -> Option<Arc<Workspace>> {
        let file = value(file)?;
        let root = file.root.0.as_ref()?;
        if root.value.is_empty() || root.value == "/" {
            let problem = Problem::new(root.span.clone(), "the workspace needs a folder of its own");
            self.problem(problem.help("write one like `root = \"workspace\"`"));
            return None;
        }
        let root_path = self.surroundings.folder.join(&root.value);
        if holds(&root_path, self.surroundings.folder) {
            let problem = Problem::new(root.span.clone(), "this file is in the workspace, where tools could change it");
            self.problem(problem.help("use a folder of its own, such as `root = \"workspace\"`"));
            return None;
        }
        let per = value(&file.per).map_or(Per::Thread, |word| word.0);
        Some(Arc::new(Workspace { root: root_path, per }))
    }

    /// A tool. Nothing if something about it is wrong, which has been noted.
    pub fn workspace_tool(&mut self, parts: &Parts<'_>, user: &PartUser<'_>, net: &Net) -> Option<ToolKind> {
        let work = match user.part.value {
            Part::Bash => return self.bash(parts, user).map(code),
            Part::WebFetch => return Some(code(WebFetch { fence: parts.fence.clone() })),
            Part::WebSearch => return self.search(parts, user, net).map(code),
            Part::Read => READ,
            Part::Write => WRITE,
            Part::Edit => EDIT,
            Part::Glob => GLOB,
            Part::Grep => GREP,
        };
        self.needs_workspace(parts, user).map(|workspace| code(FileTool::new(workspace, work)))
    }

    /// Its arguments, which the file cannot change.
    pub fn workspace_arguments(&mut self, part: Part, given: Option<&At<Placed>>) -> Option<Arguments> {
        if let Some(given) = given {
            let problem = Problem::new(given.span.clone(), "a tool of the workspace has parameters of its own");
            self.problem(problem.help("leave `parameters` out"));
        }
        Arguments::new(part.parameters()).ok().filter(|_| given.is_none())
    }

    fn needs_workspace(&mut self, parts: &Parts<'_>, user: &PartUser<'_>) -> Option<Arc<Workspace>> {
        if parts.file.is_none() && self.complete {
            let problem = Problem::new(user.part.span.clone(), format!("tool `{}` has no folder", user.name));
            self.problem(problem.help("add a section `[workspace]` with `root = \"…\"`"));
        }
        parts.workspace.clone()
    }

    fn bash(&mut self, parts: &Parts<'_>, user: &PartUser<'_>) -> Option<Bash> {
        let workspace = self.needs_workspace(parts, user)?;
        let file = value(parts.file).and_then(|file| value(&file.bash));
        let before = self.problems.len();
        let default = Limits::default();
        let bytes = |size: usize| u64::try_from(size).unwrap_or(u64::MAX);
        let limits = file.map_or(default, |file| Limits {
            memory: value(&file.memory).map_or(default.memory, |size| bytes(size.0)),
            processes: value(&file.processes).map_or(default.processes, |number| number.0),
            cpu: value(&file.cpu).map_or(default.cpu, |time| time.0.as_secs().max(1)),
            file: value(&file.max_file).map_or(default.file, |size| bytes(size.0)),
            temporary: value(&file.temporary).map_or(default.temporary, |size| bytes(size.0)),
        });
        let words = file.and_then(|file| file.unsandboxed.as_ref());
        if let Some(words) = words.filter(|words| words.value != UNSANDBOXED) {
            let problem = Problem::new(words.span.clone(), "these are not the words that take the walls away");
            self.problem(problem.help(format!("leave `unsandboxed` out, or write {UNSANDBOXED:?}")));
        }
        let bash = Bash {
            workspace,
            program: PathBuf::from("/proc/self/exe"),
            network: file.and_then(|file| value(&file.network)).copied().unwrap_or_default(),
            limits,
            readable: file.map(|file| self.readable(file)).unwrap_or_default(),
            environment: file.map(|file| self.environment(file, user)).unwrap_or_default(),
            timeout: user.timeout,
            shown: user.shown,
            most: file.and_then(|file| value(&file.max_output)).map_or(16 << 20, |size| size.0),
            unsandboxed: words.is_some(),
        };
        (self.problems.len() == before && file.is_none_or(Section::is_sound)).then_some(bash)
    }

    fn readable(&mut self, file: &file::Bash) -> Vec<PathBuf> {
        let mut folders = Vec::new();
        for folder in items(&file.readable) {
            let path = PathBuf::from(&folder.value);
            let plain = path.components().skip(1).all(|part| matches!(part, std::path::Component::Normal(_)));
            if path.is_absolute() && plain && path.components().count() > 1 {
                folders.push(path);
            } else {
                let problem = Problem::new(folder.span.clone(), "not the whole path of a folder");
                self.problem(problem.help("write one like \"/opt/tools\""));
            }
        }
        folders
    }

    fn environment(&mut self, file: &file::Bash, user: &PartUser<'_>) -> Vec<(String, String)> {
        let mut variables = Vec::new();
        for variable in entries(&file.environment) {
            let Some(given) = &variable.value else { continue };
            let text = match &given.value {
                HeaderText::Plain(text) => Some(text.0.expose().to_owned()),
                HeaderText::From(source) => {
                    let need = Need {
                        at: given.span.clone(),
                        who: format!("tool `{}`", user.name),
                        user: user.user.map(|(user, span)| (user.as_str(), span.clone())),
                        instead: "take the variable out",
                    };
                    self.secret(source, &need).map(|secret| secret.expose().to_owned())
                }
            };
            variables.extend(text.map(|text| (variable.name.value.clone(), text)));
        }
        variables
    }

    fn search(&mut self, parts: &Parts<'_>, user: &PartUser<'_>, net: &Net) -> Option<WebSearch> {
        let Some(file) = value(parts.file).and_then(|file| value(&file.search)) else {
            if self.complete && value(parts.file).is_none_or(Section::is_sound) {
                let title = format!("tool `{}` has no service that searches", user.name);
                let problem = Problem::new(user.part.span.clone(), title);
                self.problem(problem.help("add a section `[workspace.search]` with `http = { url = \"…{query}\" }`"));
            }
            return None;
        };
        let arguments = Arguments::new(Part::WebSearch.parameters()).ok()?;
        let caller = Caller { name: user.name, user: user.user, arguments: &arguments };
        let http = self.http_tool(&file.http.0.as_ref()?.value, &caller, net);
        let mut pointer = |given: &Optional<String>, default: &str| match given {
            None => Some(default.to_owned()),
            Some(given) if given.value.starts_with('/') => Some(given.value.clone()),
            Some(given) => {
                let problem = Problem::new(given.span.clone(), "not a JSON pointer");
                self.problem(problem.help("write one like \"/title\""));
                None
            }
        };
        let pointers =
            [pointer(&file.title, "/title"), pointer(&file.url, "/url"), pointer(&file.text, "/description")];
        let [Some(title), Some(url), Some(text)] = pointers else { return None };
        let most = value(&file.most).and_then(|most| usize::try_from(most.0).ok()).unwrap_or(10);
        file.is_sound().then_some(WebSearch { http: http?, pointers: [title, url, text], most })
    }
}

/// True if the second folder is in the first, as far as they are there by now.
fn holds(root: &Path, folder: &Path) -> bool {
    match (fs::canonicalize(root), fs::canonicalize(folder)) {
        (Ok(root), Ok(folder)) => folder.starts_with(root),
        _ => false,
    }
}

fn code(tool: impl Tool + 'static) -> ToolKind {
    ToolKind::Code(Arc::new(tool))
}
