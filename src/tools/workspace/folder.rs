//! The folder of a call.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use sha2::{Digest as _, Sha256};

use crate::config::Words;
use crate::sandbox::FOLDER;
use crate::store::Owner;
use crate::tools::Scope;

/// Longest path, in bytes.
const LONGEST: usize = 4096;

/// Who shares a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// Nobody: every conversation has one.
    Thread,
    /// All conversations of a user.
    Owner,
    /// Everybody.
    Shared,
}

impl Words for Per {
    const WHAT: &'static str = "way to share a folder";
    const WORDS: &'static [(&'static str, Self)] =
        &[("thread", Self::Thread), ("owner", Self::Owner), ("shared", Self::Shared)];
}

/// Where the folders are.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// The folder that they are in, or the one that is shared.
    pub root: PathBuf,
    /// Who shares one.
    pub per: Per,
}

/// A folder that a call works in.
#[derive(Debug)]
pub struct Folder {
    /// Where it is, for commands.
    pub path: PathBuf,
    /// Itself: all that is opened is opened below it.
    pub dir: Dir,
}

impl Workspace {
    /// The folder of a call; made if it is not there.
    ///
    /// # Errors
    /// There is none; why, in words for the model.
    pub fn folder(&self, scope: &Scope) -> Result<Folder, String> {
        let mut path = self.root.clone();
        if self.per != Per::Shared {
            path.push(name_of(scope.owner.as_ref().map_or("", Owner::as_str)));
        }
        if self.per == Per::Thread {
            let thread = scope.thread.as_deref().filter(|thread| !thread.is_empty());
            path.push(name_of(thread.ok_or("This conversation has no id, so it has no folder.")?));
        }
        let made = fs::create_dir_all(&path)
            .and_then(|()| fs::canonicalize(&path))
            .and_then(|path| Ok((Dir::open_ambient_dir(&path, ambient_authority())?, path)));
        let (dir, path) = made.map_err(|error| {
            tracing::error!(%error, folder = %path.display(), "a folder of the workspace cannot be opened");
            "The folder cannot be opened.".to_owned()
        })?;
        Ok(Folder { path, dir })
    }
}

/// A name that says nothing and that no two ids share: ids are the pages' and may be anything.
fn name_of(id: &str) -> String {
    let hash = Sha256::digest(id.as_bytes());
    hash.iter().take(16).fold(String::new(), |mut name, byte| {
        // Writing to a string does not fail.
        let _ = write!(name, "{byte:02x}");
        name
    })
}

/// A path as a model gives it, below the folder: commands see the folder at a place of its own, so paths may begin there.
pub fn below(path: &str) -> Result<&Path, String> {
    let path = match path.strip_prefix(FOLDER) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => rest.trim_start_matches('/'),
        _ => path,
    };
    if path.starts_with('/') {
        return Err(format!("Paths are below {FOLDER}. Nothing was done."));
    }
    if path.len() > LONGEST || path.contains('\0') {
        return Err("This is not a path.".to_owned());
    }
    Ok(Path::new(if path.is_empty() { "." } else { path }))
}
