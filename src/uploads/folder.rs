//! The folder of the files: one file for each, under its id; what is being written has another name until it is whole.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;

/// What files that are being written are called until they are whole.
const DRAFT: &str = "draft-";

/// The secret that addresses are signed with.
const SECRET: &str = "secret";

const SECRET_BYTES: usize = 32;

/// What ids begin with. Behind it stand 32 hexadecimal digits.
const ID: &str = "atc_";

/// A folder of files.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Opens a folder, or makes it.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(path)?;
        Ok(Self { path: path.to_owned() })
    }

    /// The folder's secret, made with the first call. Of two processes that make one at once, both get the same.
    ///
    /// # Errors
    /// It cannot be read or written.
    pub fn secret(&self) -> io::Result<Vec<u8>> {
        let path = self.path.join(SECRET);
        if !path.exists() {
            let draft = self.path.join(format!("{DRAFT}{}", random_hex()?));
            let mut options = fs::OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(&draft)?;
            file.write_all(&random::<SECRET_BYTES>()?)?;
            file.sync_all()?;
            let linked = fs::hard_link(&draft, &path);
            fs::remove_file(&draft)?;
            linked.or_else(|error| if error.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) })?;
            sync(&self.path)?;
        }
        let secret = fs::read(&path)?;
        if secret.len() == SECRET_BYTES {
            Ok(secret)
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidData, format!("{} is no secret of ours", path.display())))
        }
    }

    /// Begins a file.
    ///
    /// # Errors
    /// It cannot be made.
    pub async fn draft(&self) -> io::Result<Draft> {
        let path = self.path.join(format!("{DRAFT}{}", random_hex()?));
        let file = File::options().write(true).create_new(true).open(&path).await?;
        Ok(Draft { path, file, size: 0 })
    }

    /// Opens a file and says how large it is.
    ///
    /// # Errors
    /// It is not there, or cannot be opened.
    pub async fn read(&self, id: &str) -> io::Result<(File, u64)> {
        let file = File::open(self.path_of(id)?).await?;
        let size = file.metadata().await?.len();
        Ok((file, size))
    }

    /// Deletes a file, if it is there.
    ///
    /// # Errors
    /// It cannot be deleted.
    pub async fn remove(&self, id: &str) -> io::Result<()> {
        match tokio::fs::remove_file(self.path_of(id)?).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Deletes drafts that nobody can be writing any more, and gives the ids of the files that have been there for as
    /// long.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub async fn tidy(&self, age: Duration) -> io::Result<Vec<String>> {
        let mut old = Vec::new();
        let mut entries = tokio::fs::read_dir(&self.path).await?;
        while let Some(entry) = entries.next_entry().await? {
            let Ok(name) = entry.file_name().into_string() else { continue };
            // Gone since, by somebody else's hand.
            let Ok(changed) = entry.metadata().await.and_then(|metadata| metadata.modified()) else { continue };
            if SystemTime::now().duration_since(changed).unwrap_or_default() < age {
                continue;
            }
            if name.starts_with(DRAFT) {
                let _ = tokio::fs::remove_file(entry.path()).await;
            } else if is_id(&name) {
                old.push(name);
            }
        }
        Ok(old)
    }

    /// Where a file is. Nothing but an id of ours is ever a part of a path.
    fn path_of(&self, id: &str) -> io::Result<PathBuf> {
        if is_id(id) { Ok(self.path.join(id)) } else { Err(io::ErrorKind::NotFound.into()) }
    }
}

/// A file that is being written. It is gone when this is dropped.
#[derive(Debug)]
pub struct Draft {
    path: PathBuf,
    file: File,
    size: u64,
}

impl Draft {
    /// Writes more of it.
    ///
    /// # Errors
    /// The disk's.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.size += bytes.len() as u64;
        self.file.write_all(bytes).await
    }

    /// How much was written.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Gives it its name when all of it has reached the disk.
    ///
    /// # Errors
    /// The disk's.
    pub async fn finish(mut self, folder: &Folder, id: &str) -> io::Result<()> {
        self.file.flush().await?;
        self.file.sync_all().await?;
        let (from, to, folder) = (self.path.clone(), folder.path_of(id)?, folder.path.clone());
        let named = tokio::task::spawn_blocking(move || fs::rename(from, to).and_then(|()| sync(&folder)));
        named.await.map_err(io::Error::other)?
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Not there if it has got its name.
        let _ = fs::remove_file(&self.path);
    }
}

/// A new id: 128 random bits.
///
/// # Errors
/// The system has no random numbers.
pub fn new_id() -> io::Result<String> {
    Ok(format!("{ID}{}", random_hex()?))
}

/// True for what [`new_id`] gives.
pub fn is_id(text: &str) -> bool {
    let digits = text.strip_prefix(ID).unwrap_or_default();
    digits.len() == 32 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn random_hex() -> io::Result<String> {
    Ok(random::<16>()?.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn random<const COUNT: usize>() -> io::Result<[u8; COUNT]> {
    let mut bytes = [0; COUNT];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| io::Error::other("the system has no random numbers"))?;
    Ok(bytes)
}

/// Lets the names in a folder reach the disk.
fn sync(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { fs::File::open(folder)?.sync_all() } else { Ok(()) }
}
