//! Replacing text in a file.

use serde::Deserialize;
use serde_json::{Value, json};

use super::folder::below;
use super::{Folder, Stop, Work, arguments, file};

pub const DESCRIPTION: &str = "Replaces a text in a file of the workspace. The text must be in it exactly once, or \
     `replace_all` be true.";

pub fn parameters() -> Value {
    json!({
        "type": "object",
        "properties": {
            "file_path": { "type": "string", "description": "The file, relative to the workspace." },
            "old_string": { "type": "string", "minLength": 1, "description": "The text as it is in the file." },
            "new_string": { "type": "string", "description": "The text that takes its place." },
            "replace_all": { "type": "boolean", "description": "Whether it is replaced wherever it is." },
        },
        "required": ["file_path", "old_string", "new_string"],
    })
}

#[derive(Deserialize)]
struct Arguments {
    file_path: String,
    old_string: String,
    new_string: String,
    #[serde(default)]
    replace_all: bool,
}

/// Replaces text.
pub const EDIT: Work = edit;

fn edit(folder: &Folder, given: Value, _: &Stop) -> Result<String, String> {
    let Arguments { file_path, old_string: old, new_string: new, replace_all } = arguments(given)?;
    let path = below(&file_path)?;
    let text = String::from_utf8(file::read(&folder.dir, path)?);
    let text = text.map_err(|_| format!("{} is no text. Nothing was changed.", path.display()))?;
    if old == new {
        return Err("Both texts are the same. Nothing was changed.".to_owned());
    }
    let found = text.matches(&old).count();
    match found {
        0 => return Err(format!("The text is not in {}. Nothing was changed.", path.display())),
        1 => {}
        _ if replace_all => {}
        _ => {
            let what = "Give more of the text around it, or set replace_all. Nothing was changed.";
            return Err(format!("The text is in {} {found} times. {what}", path.display()));
        }
    }
    let grown = found.saturating_mul(new.len().saturating_sub(old.len()));
    if text.len().saturating_add(grown) as u64 > file::LARGEST {
        return Err(format!("The file would have more than {} bytes. Nothing was changed.", file::LARGEST));
    }
    file::write(&folder.dir, path, text.replace(&old, &new).as_bytes())?;
    let times = if found == 1 { "once" } else { "everywhere" };
    Ok(format!("Replaced {times} in {} ({found}).", path.display()))
}
