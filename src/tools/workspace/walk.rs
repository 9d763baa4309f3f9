//! All files below a folder, with a bound. Links are seen and never followed.

use std::path::{Path, PathBuf};

use cap_std::fs::Dir;

use super::{Stop, file};

/// Most entries that are looked at.
const ENTRIES: usize = 200_000;

/// Folders whose files nobody means.
const SKIPPED: [&str; 2] = [".git", "node_modules"];

/// Calls `visit` with the path of every file below `start`, in order, until it says `false`. Gives false if there were
/// more entries than are looked at.
pub fn walk(
    dir: &Dir,
    start: &Path,
    stop: &Stop,
    mut visit: impl FnMut(&Path) -> Result<bool, String>,
) -> Result<bool, String> {
    let mut folders = vec![start.to_owned()];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        stop.check()?;
        // Opened from the root anew, so that few folders are open at a time. What has gone meanwhile is not there.
        let entries = match dir.open_dir(&folder).and_then(|opened| opened.entries()) {
            Ok(entries) => entries,
            Err(error) if folder == start => return Err(file::said(&folder, &error)),
            Err(_) => continue,
        };
        let (mut files, mut below) = (Vec::new(), Vec::new());
        for entry in entries.flatten() {
            seen += 1;
            if seen > ENTRIES {
                return Ok(false);
            }
            let name = entry.file_name();
            let path = if folder == Path::new(".") { PathBuf::from(&name) } else { folder.join(&name) };
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && !SKIPPED.iter().any(|skipped| name == *skipped) => below.push(path),
                Ok(kind) if kind.is_file() => files.push(path),
                _ => {}
            }
        }
        files.sort_unstable();
        for path in files {
            if !visit(&path)? {
                return Ok(true);
            }
        }
        below.sort_unstable_by(|one, other| other.cmp(one));
        folders.append(&mut below);
    }
    Ok(true)
}
