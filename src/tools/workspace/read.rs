//! Reading a file, by lines.

use serde::Deserialize;
use serde_json::{Value, json};

use super::folder::below;
use super::{Folder, Stop, Work, arguments, file};
use crate::tools::output::floor;

pub const DESCRIPTION: &str = "Reads a text file of the workspace. The lines come with their numbers. Long files come \
     in parts: `offset` is the first line, `limit` the number of lines.";

/// Most lines at a time.
const LINES: usize = 2000;

/// Longest part of a line that is shown, in bytes.
const LINE: usize = 2000;

pub fn parameters() -> Value {
    json!({
        "type": "object",
        "properties": {
            "file_path": { "type": "string", "description": "The file, relative to the workspace." },
            "offset": { "type": "integer", "minimum": 1, "description": "The first line. Default: 1." },
            "limit": { "type": "integer", "minimum": 1, "description": "Most lines. Default: 2000." },
        },
        "required": ["file_path"],
    })
}

#[derive(Deserialize)]
struct Arguments {
    file_path: String,
    offset: Option<usize>,
    limit: Option<usize>,
}

/// Reads a file.
pub const READ: Work = read;

fn read(folder: &Folder, given: Value, _: &Stop) -> Result<String, String> {
    let Arguments { file_path, offset, limit } = arguments(given)?;
    let path = below(&file_path)?;
    let bytes = file::read(&folder.dir, path)?;
    if file::is_binary(&bytes) {
        return Err(format!("{} is no text: it has {} bytes.", path.display(), bytes.len()));
    }
    let text = String::from_utf8_lossy(&bytes);
    let (first, most) = (offset.unwrap_or(1).max(1), limit.unwrap_or(LINES).min(LINES));
    let all = text.lines().count();
    let mut shown = String::new();
    for (number, line) in text.lines().enumerate().skip(first - 1).take(most) {
        let kept = line.get(..floor(line, LINE)).unwrap_or(line);
        let cut = if kept.len() < line.len() { "…" } else { "" };
        shown.push_str(&format!("{:>6}\t{kept}{cut}\n", number + 1));
    }
    let last = (first - 1).saturating_add(most);
    if all == 0 {
        shown.push_str("[The file is empty.]");
    } else if first > all {
        shown.push_str(&format!("[The file has {all} lines.]"));
    } else if last < all {
        shown.push_str(&format!("[Lines {first} to {last} of {all}. Go on with offset {}.]", last + 1));
    }
    Ok(shown)
}
