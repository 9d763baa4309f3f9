//! Reading and writing whole files.

use std::io::{self, Read as _, Write as _};
use std::path::Path;

use cap_std::fs::{Dir, File, OpenOptions};
use uuid::Uuid;

/// Largest file that is read, in bytes.
pub const LARGEST: u64 = 16 << 20;

/// How much of a file is looked at to tell whether it is text.
const SAMPLE: usize = 8192;

/// Opens a file that is one: no folder, no pipe that would never answer, no device.
pub fn open(dir: &Dir, path: &Path) -> Result<File, String> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use cap_std::fs::OpenOptionsExt as _;
        // Opening a pipe waits for whoever writes it, unless told not to.
        options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    }
    let file = dir.open_with(path, &options).map_err(|error| said(path, &error))?;
    let metadata = file.metadata().map_err(|error| said(path, &error))?;
    if metadata.is_dir() {
        return Err(format!("{} is a folder.", path.display()));
    }
    if !metadata.is_file() {
        return Err(format!("{} is no file.", path.display()));
    }
    if metadata.len() > LARGEST {
        return Err(format!("{} has {} bytes, and {LARGEST} are the limit.", path.display(), metadata.len()));
    }
    Ok(file)
}

/// Reads a file.
pub fn read(dir: &Dir, path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    // It may have grown since.
    open(dir, path)?.take(LARGEST).read_to_end(&mut bytes).map_err(|error| said(path, &error))?;
    Ok(bytes)
}

/// True if the bytes are of a file that is no text.
pub fn is_binary(bytes: &[u8]) -> bool {
    bytes.get(..SAMPLE.min(bytes.len())).is_some_and(|sample| sample.contains(&0))
}

/// Writes a file, whole or not at all: beside it first, then in its place. A link at its place is replaced, and so is
/// a file with other names, which keeps what it held under those.
pub fn write(dir: &Dir, path: &Path, bytes: &[u8]) -> Result<(), String> {
    let said = |error: io::Error| said(path, &error);
    let Some(name) = path.file_name() else { return Err(format!("{} is no file.", path.display())) };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    dir.create_dir_all(parent).map_err(said)?;
    // From here on the names are of this one folder, whatever becomes of the path to it.
    let dir = dir.open_dir(parent).map_err(said)?;
    let permissions = match dir.symlink_metadata(name) {
        Ok(metadata) if metadata.is_dir() => return Err(format!("{} is a folder.", path.display())),
        Ok(metadata) if metadata.is_file() => Some(metadata.permissions()),
        _ => None,
    };
    let beside = format!(".chatwire-{}", Uuid::now_v7().simple());
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    let written = dir.open_with(&beside, &options).and_then(|mut file| {
        file.write_all(bytes)?;
        permissions.map_or(Ok(()), |permissions| file.set_permissions(permissions))
    });
    let placed = written.and_then(|()| dir.rename(&beside, &dir, name));
    if placed.is_err() {
        // What is beside is of no use to anybody.
        let _ = dir.remove_file(&beside);
    }
    placed.map_err(said)
}

/// What went wrong, in words for the model; the system's own hold no path of the machine.
pub fn said(path: &Path, error: &io::Error) -> String {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::NotFound => format!("{path} is not there."),
        io::ErrorKind::PermissionDenied => format!("{path} is not allowed, or leads out of the folder."),
        io::ErrorKind::NotADirectory => format!("A part of {path} is no folder."),
        _ => format!("{path}: {error}."),
    }
}
