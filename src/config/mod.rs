//! Configuration: `gateway.toml` in, a [`Plan`] out, or a [`Report`] on every mistake in it.
//!
//! What the user writes and what the gateway runs on are two sets of types. The file's sections are declared once, in
//! `file.rs`; reading, unknown keys and the [JSON Schema](schema::json_schema) all follow from that. Reading goes on
//! after a mistake, so that one run shows all of them; then every reference is looked up once.

mod auth;
mod file;
mod files;
mod limits;
mod mask;
mod mcp;
mod outline;
pub mod pattern;
mod placed;
pub mod plan;
mod prices;
mod read;
mod report;
mod resolve;
pub mod schema;
pub mod suggest;
mod tool_kinds;
mod values;
mod workspace;

use std::path::{Path, PathBuf};

use chatwire_protocols::PROTOCOLS;
use chatwire_protocols::protocol::Protocol;
use toml::de::{DeTable, Error};
use zeroize::Zeroizing;

pub use self::files::Files;
use self::files::LARGEST;
pub use self::outline::{Change, Fate, Outline, Part};
use self::plan::Plan;
use self::report::Problems;
pub use self::report::{Problem, Report, Span};
pub use values::Words;

/// What a configuration is resolved with.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The protocols there are.
    pub protocols: &'static [&'static Protocol],
    /// The environment variables.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The folder that paths in the file are relative to.
    pub folder: &'a Path,
}

/// A configuration as it was read.
pub struct Reading {
    /// What came of it.
    pub plan: Result<Plan, Report>,
    /// What was read.
    pub seen: Seen,
}

/// What a configuration was read from.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The configuration file.
    pub path: PathBuf,
    /// All files, that one too.
    pub files: Files,
    /// What the configuration file says; nothing if it is no TOML.
    pub outline: Outline,
}

/// Reads a configuration file, with the environment of the process, and notes what was read.
pub fn read(path: &Path) -> Reading {
    let name = path.display().to_string();
    let folder = path.parent().unwrap_or(Path::new(""));
    let surroundings = Surroundings { protocols: PROTOCOLS, env: &|name| std::env::var(name).ok(), folder };
    let mut seen = Seen { path: path.to_owned(), ..Seen::default() };
    let plan = match read_text(path, &mut seen.files) {
        Ok(text) => resolve_in(&name, &text, surroundings, &mut seen),
        Err(why) => Err(Report::unreadable(&name, &why)),
    };
    Reading { plan, seen }
}

/// Reads a configuration file, with the environment of the process.
///
/// # Errors
/// Every mistake in it.
pub fn load(path: &Path) -> Result<Plan, Report> {
    read(path).plan
}

/// Resolves the text of a configuration file, with these environment variables; paths are relative to the current
/// folder.
///
/// # Errors
/// Every mistake in it.
pub fn parse(name: &str, text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Plan, Report> {
    parse_in(name, text, Surroundings { protocols: PROTOCOLS, env, folder: Path::new("") })
}

/// Resolves the text of a configuration file.
///
/// # Errors
/// Every mistake in it.
pub fn parse_in(name: &str, text: &str, surroundings: Surroundings<'_>) -> Result<Plan, Report> {
    resolve_in(name, text, surroundings, &mut Seen::default())
}

fn resolve_in(name: &str, text: &str, surroundings: Surroundings<'_>, seen: &mut Seen) -> Result<Plan, Report> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut problems = Problems::default();
    if !errors.is_empty() {
        syntax_problems(text, &errors, &mut problems);
        return Err(Report::new(name, mask::mask_text(text), problems.into_vec()));
    }
    let file = read::read_document(table.get_ref(), &mut problems);
    seen.outline = Outline::new(table.get_ref());
    let plan = resolve::resolve(&file, text, surroundings, (&mut problems, &mut seen.files));
    if problems.len() == 0 {
        return Ok(plan);
    }
    Err(Report::new(name, mask::mask_table(text, table.get_ref()), problems.into_vec()))
}

fn read_text(path: &Path, files: &mut Files) -> Result<Zeroizing<String>, String> {
    let mut bytes = files.read(path, LARGEST)?;
    String::from_utf8(std::mem::take(&mut *bytes)).map(Zeroizing::new).map_err(|error| {
        let valid = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
        format!("line {line} is not UTF-8")
    })
}

/// Most syntax mistakes noted: one open quote makes a mistake of every line behind it.
const SYNTAX: usize = 10;

/// One problem per line: what follows the first on a line is mostly a consequence of it.
fn syntax_problems(text: &str, errors: &[Error], problems: &mut Problems) {
    let mut lines = Vec::new();
    for error in errors {
        let span = error.span().unwrap_or(text.len()..text.len());
        let line = text.get(..span.start).map_or(0, |before| before.matches('\n').count());
        if !lines.contains(&line) && lines.len() < SYNTAX {
            lines.push(line);
            let message = error.message().lines().next().unwrap_or_default();
            problems.push(Problem::new(span, format!("not valid TOML: {message}")));
        }
    }
}
