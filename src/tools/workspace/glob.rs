//! Finding files by their names.

use globset::{GlobBuilder, GlobMatcher};
use serde::Deserialize;
use serde_json::{Value, json};

use super::folder::below;
use super::{Folder, Stop, Work, arguments, walk};

pub const DESCRIPTION: &str =
    "Finds files of the workspace by their names: `*.md` in one folder, `**/*.rs` in all, `src/{a,b}/*`.";

/// Most files that are named.
const FILES: usize = 500;

/// Longest pattern, in bytes.
const PATTERN: usize = 1024;

pub fn parameters() -> Value {
    json!({
        "type": "object",
        "properties": {
            "pattern": { "type": "string", "description": "The pattern, for paths below `path`." },
            "path": { "type": "string", "description": "The folder. Default: the workspace." },
        },
        "required": ["pattern"],
    })
}

#[derive(Deserialize)]
struct Arguments {
    pattern: String,
    path: Option<String>,
}

/// Finds files.
pub const GLOB: Work = glob;

fn glob(folder: &Folder, given: Value, stop: &Stop) -> Result<String, String> {
    let Arguments { pattern, path } = arguments(given)?;
    let start = below(path.as_deref().unwrap_or("."))?;
    let matcher = matcher(&pattern)?;
    let (mut found, mut count) = (String::new(), 0);
    let whole = walk::walk(&folder.dir, start, stop, |path| {
        let name = path.strip_prefix(start).unwrap_or(path);
        if matcher.is_match(name) {
            count += 1;
            found.push_str(&path.to_string_lossy());
            found.push('\n');
        }
        Ok(count < FILES)
    })?;
    if count == 0 {
        found.push_str("No file has such a name.");
    } else if count == FILES {
        found.push_str("[There may be more.]");
    }
    if !whole {
        found.push_str("\n[There are too many files to look at all.]");
    }
    Ok(found)
}

pub fn matcher(pattern: &str) -> Result<GlobMatcher, String> {
    if pattern.len() > PATTERN {
        return Err("The pattern is too long.".to_owned());
    }
    let glob = GlobBuilder::new(pattern).literal_separator(true).build();
    glob.map(|glob| glob.compile_matcher()).map_err(|error| format!("This is not a pattern: {}.", error.kind()))
}
