//! The files that a configuration is made of: its own, and those of secrets and widgets that it names.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Largest file in bytes.
pub const LARGEST: u64 = 4 << 20;

/// Files as they were when they were read: what they held, as a hash; nothing for one that could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files(BTreeMap<PathBuf, Option<u64>>);

impl Files {
    /// Reads a file of at most so many bytes, and notes what it held.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(super) fn read(&mut self, path: &Path, most: u64) -> Result<Vec<u8>, String> {
        let content = content(path);
        self.0.insert(path.to_owned(), content.as_ref().ok().map(|bytes| hash(bytes)));
        let content = content?;
        if content.len() as u64 > most {
            return Err(format!("it has {} bytes, and {most} are the limit", content.len()));
        }
        Ok(content)
    }

    /// The same files as they are now.
    pub fn now(&self) -> Self {
        let look = |(path, before): (&PathBuf, &Option<u64>)| {
            // What is read from a pipe is gone.
            let again = fs::metadata(path).map_or(true, |metadata| metadata.is_file());
            let now = if again { content(path).ok().map(|bytes| hash(&bytes)) } else { *before };
            (path.clone(), now)
        };
        Self(self.0.iter().map(look).collect())
    }

    /// The files that hold something else than in `before`, of those that are in both.
    pub fn changed_since<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = &'a Path> {
        let changed = |(path, now): &(&PathBuf, &Option<u64>)| before.0.get(*path).is_some_and(|before| before != *now);
        self.0.iter().filter(changed).map(|(path, _)| path.as_path())
    }
}

fn content(path: &Path) -> Result<Vec<u8>, String> {
    let read = || {
        let mut content = Vec::new();
        File::open(path)?.take(LARGEST + 1).read_to_end(&mut content)?;
        Ok(content)
    };
    let content = read().map_err(|error: std::io::Error| error.to_string())?;
    match content.len() as u64 > LARGEST {
        true => Err(format!("it has more than {LARGEST} bytes, which are the limit")),
        false => Ok(content),
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}
