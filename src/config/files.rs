//! The files that a configuration is made of: its own, and those of secrets and widgets that it names.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

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
    pub(super) fn read(&mut self, path: &Path, most: u64) -> Result<Zeroizing<Vec<u8>>, String> {
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

/// There may be a secret in it: it is overwritten when it goes, and has room from the beginning, so that it leaves no copy
/// where it stood before.
fn content(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let read = || {
        let file = File::open(path)?;
        let room = file.metadata()?.len().min(LARGEST) as usize + 64;
        let mut content = Zeroizing::new(Vec::with_capacity(room));
        file.take(LARGEST + 1).read_to_end(&mut content)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_too_large_or_other_is_seen() {
        let folder = std::env::temp_dir().join(format!("chatwire-files-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("file");
        fs::write(&path, "one").unwrap();
        let mut files = Files::default();
        assert_eq!(**files.read(&path, 3).unwrap(), b"one"[..]);
        assert!(files.read(&folder.join("other"), 3).is_err());
        assert_eq!(files.now(), files);
        let seen = |files: &Files| files.now().changed_since(files).map(Path::to_owned).collect::<Vec<_>>();
        fs::write(&path, "two").unwrap();
        assert_eq!(seen(&files), [path.as_path()]);
        fs::write(&path, "four").unwrap();
        assert_eq!(files.read(&path, 3).unwrap_err(), "it has 4 bytes, and 3 are the limit");
        assert!(seen(&files).is_empty());
        fs::remove_file(&path).unwrap();
        assert_eq!(seen(&files), [path.as_path()]);
        File::create(&path).unwrap().set_len(LARGEST + 1).unwrap();
        assert!(files.read(&path, LARGEST).is_err());
        fs::remove_dir_all(&folder).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_read_once_and_counts_as_unchanged() {
        use std::io::Write as _;
        use std::os::fd::AsRawFd as _;
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(b"text").unwrap();
        drop(writer);
        let mut files = Files::default();
        let path = PathBuf::from(format!("/dev/fd/{}", reader.as_raw_fd()));
        assert_eq!(**files.read(&path, 10).unwrap(), b"text"[..]);
        assert_eq!(files.now(), files);
    }
}
