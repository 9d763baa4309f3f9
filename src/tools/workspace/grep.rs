//! Finding lines in files.

use std::path::Path;

use regex::bytes::{Regex, RegexBuilder};
use serde::Deserialize;
use serde_json::{Value, json};

use super::folder::below;
use super::glob::matcher;
use super::{Folder, Stop, Work, arguments, file, walk};
use crate::tools::output::floor;

pub const DESCRIPTION: &str = "Finds lines in files of the workspace by a regular expression. Gives the files, the \
     lines with their numbers, or how many there are.";

/// Most lines or files that are shown.
const SHOWN: usize = 500;

/// Longest part of a line that is shown, in bytes.
const LINE: usize = 500;

/// Most memory of a compiled expression, in bytes.
const EXPRESSION: usize = 1 << 20;

pub fn parameters() -> Value {
    json!({
        "type": "object",
        "properties": {
            "pattern": { "type": "string", "description": "The regular expression, without look-around." },
            "path": { "type": "string", "description": "The file or folder. Default: the workspace." },
            "glob": { "type": "string", "description": "Only files of such names, such as `*.rs`." },
            "output_mode": {
                "enum": ["content", "files_with_matches", "count"],
                "description": "What is shown. Default: files_with_matches.",
            },
            "-i": { "type": "boolean", "description": "Whether large and small letters are the same." },
            "head_limit": { "type": "integer", "minimum": 1, "description": "Most lines of the result." },
        },
        "required": ["pattern"],
    })
}

#[derive(Deserialize)]
struct Arguments {
    pattern: String,
    path: Option<String>,
    glob: Option<String>,
    #[serde(default)]
    output_mode: Mode,
    #[serde(default, rename = "-i")]
    ignore_case: bool,
    head_limit: Option<usize>,
}

#[derive(Clone, Copy, Default, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Content,
    #[default]
    FilesWithMatches,
    Count,
}

/// Finds lines.
pub const GREP: Work = grep;

fn grep(folder: &Folder, given: Value, stop: &Stop) -> Result<String, String> {
    let given: Arguments = arguments(given)?;
    let start = below(given.path.as_deref().unwrap_or("."))?;
    let mut expression = RegexBuilder::new(&given.pattern);
    expression.case_insensitive(given.ignore_case).size_limit(EXPRESSION);
    let expression = expression.build().map_err(|error| format!("This is not a regular expression: {error}"))?;
    let names = given.glob.as_deref().map(matcher).transpose()?;
    let mut found =
        Found { mode: given.output_mode, most: given.head_limit.unwrap_or(SHOWN).min(SHOWN), ..Found::default() };
    let is_file = folder.dir.metadata(start).is_ok_and(|metadata| metadata.is_file());
    let whole = if is_file {
        found.take(start, &file::read(&folder.dir, start)?, &expression);
        true
    } else {
        walk::walk(&folder.dir, start, stop, |path| {
            stop.check()?;
            let fits = names.as_ref().is_none_or(|names| {
                names.is_match(path.strip_prefix(start).unwrap_or(path))
                    || path.file_name().is_some_and(|name| names.is_match(name))
            });
            // A file that cannot be read has no lines.
            if let Ok(bytes) = if fits { file::read(&folder.dir, path) } else { Err(String::new()) } {
                found.take(path, &bytes, &expression);
            }
            Ok(found.count < found.most)
        })?
    };
    if found.count == 0 {
        found.text.push_str("No line fits.");
    } else if found.count >= found.most {
        found.text.push_str("[There may be more.]");
    }
    if !whole {
        found.text.push_str("\n[There are too many files to look at all.]");
    }
    Ok(found.text)
}

#[derive(Default)]
struct Found {
    mode: Mode,
    most: usize,
    count: usize,
    text: String,
}

impl Found {
    fn take(&mut self, path: &Path, bytes: &[u8], expression: &Regex) {
        if file::is_binary(bytes) {
            return;
        }
        let lines = bytes.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| expression.is_match(line));
        let path = path.display();
        match self.mode {
            Mode::Content => {
                for (number, line) in lines.take(self.most - self.count) {
                    let line = String::from_utf8_lossy(line);
                    let kept = line.get(..floor(&line, LINE)).unwrap_or_default().trim_end_matches('\r');
                    self.text.push_str(&format!("{path}:{}:{kept}\n", number + 1));
                    self.count += 1;
                }
            }
            Mode::FilesWithMatches => {
                if { lines }.next().is_some() {
                    self.text.push_str(&format!("{path}\n"));
                    self.count += 1;
                }
            }
            Mode::Count => {
                let count = lines.count();
                if count > 0 {
                    self.text.push_str(&format!("{path}:{count}\n"));
                    self.count += 1;
                }
            }
        }
    }
}
