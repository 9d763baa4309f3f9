//! Writing a file.

use serde::Deserialize;
use serde_json::{Value, json};

use super::folder::below;
use super::{Folder, Stop, Work, arguments, file};

pub const DESCRIPTION: &str =
    "Writes a file of the workspace, with the folders to it. A file that is there is replaced.";

pub fn parameters() -> Value {
    json!({
        "type": "object",
        "properties": {
            "file_path": { "type": "string", "description": "The file, relative to the workspace." },
            "content": { "type": "string", "description": "What is in it." },
        },
        "required": ["file_path", "content"],
    })
}

#[derive(Deserialize)]
struct Arguments {
    file_path: String,
    content: String,
}

/// Writes a file.
pub const WRITE: Work = write;

fn write(folder: &Folder, given: Value, _: &Stop) -> Result<String, String> {
    let Arguments { file_path, content } = arguments(given)?;
    let path = below(&file_path)?;
    file::write(&folder.dir, path, content.as_bytes())?;
    Ok(format!("{} has {} bytes.", path.display(), content.len()))
}
