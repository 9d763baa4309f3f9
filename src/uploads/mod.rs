//! Files that users upload: announced or sent at once, kept in a folder, given back to their owner or by a signed
//! address, and read for the model.
//!
//! A row of the store says that a file is there only when all of it has reached the disk; what a crash leaves behind
//! is deleted in time. Nothing that a page says is ever a part of a path.

mod body;
mod error;
mod folder;
mod found;
pub mod media;
mod signature;

use std::collections::HashSet;
use std::io;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chatwire_protocols::event::{File, FileSource};
use chatwire_protocols::operation::Upload;
use chatwire_protocols::wire::base64;
use http::HeaderMap;
use http::request::Parts;
use tokio::io::AsyncReadExt as _;
use tokio::task::AbortHandle;

pub use body::{BodyStream, Cut, UploadBody};
pub use error::UploadError;
pub use folder::{Draft, Folder, is_id};
pub use found::Found;
pub use signature::{Purpose, Signer};

use crate::access::Encrypted;
use crate::clock::{millis, now_ms};
use crate::config::plan;
use crate::store::{Attachment, Owner, Room, Store, StoreError};

/// Most files that are forgotten at once.
const SWEPT: u32 = 100;

/// Longest pause between two looks for files that nobody needs.
const SWEEP: Duration = Duration::from_secs(60 * 60);

/// The files of all users.
#[derive(Debug)]
pub struct Uploads {
    settings: plan::Attachments,
    folder: Folder,
    signer: Signer,
    store: Arc<dyn Store>,
    /// The files that are being sent at this moment.
    running: Mutex<HashSet<String>>,
    _temporary: Option<Temporary>,
}

/// A folder that goes when this is dropped.
#[derive(Debug)]
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Where pages find the gateway: scheme and host, and perhaps a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base(String);

/// What a page says of a file before it sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Its name.
    pub name: String,
    /// How many bytes it has.
    pub size: u64,
    /// Its media type.
    pub media_type: String,
}

impl Uploads {
    /// The files of a folder: that of the plan, or one beside the store's file. Where neither lasts, one that is gone
    /// with the process.
    ///
    /// # Errors
    /// The folder cannot be used.
    pub fn open(settings: plan::Attachments, file: Option<&PathBuf>, store: Arc<dyn Store>) -> io::Result<Arc<Self>> {
        let beside = file.map(|file| {
            let mut name = file.clone().into_os_string();
            name.push(".files");
            PathBuf::from(name)
        });
        let (path, temporary) = match settings.folder.clone().or(beside) {
            Some(path) => (path, None),
            None => {
                let path = std::env::temp_dir().join(format!("chatwire-{}", folder::new_id()?));
                (path.clone(), Some(Temporary(path)))
            }
        };
        let at = |error: io::Error| io::Error::new(error.kind(), format!("files {}: {error}", path.display()));
        let folder = Folder::open(&path).map_err(at)?;
        let signer = Signer::new(&folder.secret().map_err(at)?);
        Ok(Arc::new(Self { settings, folder, signer, store, running: Mutex::default(), _temporary: temporary }))
    }

    /// Deletes what nobody needs, now and from time to time, until the answer is dropped.
    pub fn sweeping(self: &Arc<Self>) -> Sweeping {
        let uploads = Arc::clone(self);
        let task = tokio::spawn(async move {
            loop {
                if let Err(error) = uploads.sweep().await {
                    tracing::warn!(%error, "files that nobody needs could not be deleted");
                }
                tokio::time::sleep(uploads.settings.unused.clamp(Duration::from_secs(1), SWEEP)).await;
            }
        });
        Sweeping(task.abort_handle())
    }

    /// Where the page of this request finds the gateway: what the configuration says, or what the page itself called.
    /// Only that page is ever told so, and what it says about itself harms nobody else.
    pub fn base(&self, head: &Parts) -> Base {
        if let Some(url) = &self.settings.url {
            return Base(url.clone());
        }
        let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        let host = text("host").or_else(|| head.uri.authority().map(http::uri::Authority::as_str));
        let host = host.filter(|host| is_host(host));
        let scheme = if Encrypted::of(head).0 { "https" } else { "http" };
        Base(format!("{scheme}://{}", host.unwrap_or("localhost")))
    }

    /// Announces a file and says where its bytes are to be sent.
    ///
    /// # Errors
    /// It is too large, of a type that is not taken, or there is no room.
    pub async fn create(
        &self,
        owner: &Owner,
        announced: Announced,
        base: &Base,
    ) -> Result<(Attachment, Upload), UploadError> {
        let attachment = self.announce(owner, announced).await?;
        let expires = now_ms().saturating_add(millis(self.settings.url_lifetime));
        let url = self.address(base, Purpose::Upload, &attachment.id, expires);
        let upload = Upload { url, method: "POST", headers: Vec::new() };
        Ok((self.with_preview(attachment, base), upload))
    }

    /// Takes the bytes of an announced file.
    ///
    /// # Errors
    /// There is no such file, or it is there; the body is not what it should be; the disk's and the store's.
    pub async fn receive(
        &self,
        owner: &Owner,
        id: &str,
        headers: &HeaderMap,
        bytes: BodyStream,
    ) -> Result<Attachment, UploadError> {
        let _running = self.claim(id)?;
        let attachment = self.store.attachment(owner, id).await?.ok_or(UploadError::NotFound)?;
        if attachment.uploaded {
            return Err(UploadError::AlreadyThere);
        }
        self.in_time(async {
            let mut body = UploadBody::new(headers, bytes)?;
            self.check_length(headers, &body, attachment.size)?;
            body.begin(attachment.size).await?;
            self.keep(owner, attachment, body).await
        })
        .await
    }

    /// Takes a file that was not announced: a form with its name and type.
    ///
    /// # Errors
    /// As for [`Uploads::create`] and [`Uploads::receive`].
    pub async fn receive_new(
        &self,
        owner: &Owner,
        headers: &HeaderMap,
        bytes: BodyStream,
    ) -> Result<Attachment, UploadError> {
        self.in_time(async {
            let most = self.settings.max_size;
            let mut body = UploadBody::new(headers, bytes)?;
            if !body.is_form() {
                return Err(UploadError::Malformed("it is no multipart/form-data".to_owned()));
            }
            self.check_length(headers, &body, most)?;
            let said = body.begin(most).await?;
            let size = body::announced(headers).unwrap_or(most).min(most);
            let media_type = said.media_type.unwrap_or_else(|| "application/octet-stream".to_owned());
            let announced = Announced { name: said.name.unwrap_or_default(), size, media_type };
            let attachment = self.announce(owner, announced).await?;
            let _running = self.claim(&attachment.id)?;
            let id = attachment.id.clone();
            let kept = self.keep(owner, attachment, body).await;
            if kept.is_err() {
                // Nobody has heard of it. What is left is deleted in time anyway.
                let _ = self.store.delete_attachment(owner, &id).await;
            }
            kept
        })
        .await
    }

    /// Opens a file for its owner.
    ///
    /// # Errors
    /// The owner has no such file, or its bytes are not there.
    pub async fn read(&self, owner: &Owner, id: &str) -> Result<(Attachment, tokio::fs::File), UploadError> {
        let attachment = self.store.attachment(owner, id).await?.filter(|attachment| attachment.uploaded);
        let attachment = attachment.ok_or(UploadError::NotFound)?;
        match self.folder.read(id).await {
            Ok((file, size)) if size == attachment.size => Ok((attachment, file)),
            Ok((_, size)) => {
                let wrong = format!("{id} has {size} bytes and should have {}", attachment.size);
                Err(io::Error::new(io::ErrorKind::InvalidData, wrong).into())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(UploadError::NotFound),
            Err(error) => Err(error.into()),
        }
    }

    /// Whose the file of a signed address is.
    ///
    /// # Errors
    /// The address was not signed here for this, or is too old; there is no such file.
    pub async fn signed(&self, purpose: Purpose, id: &str, query: &str) -> Result<Owner, UploadError> {
        // The signature first: whoever has none learns nothing about which files there are.
        if !self.signer.allows(purpose, id, query, now_ms()) {
            return Err(UploadError::Signature);
        }
        self.store.attachment_owner(id).await?.ok_or(UploadError::NotFound)
    }

    /// Deletes a file. False if the owner had none of this id.
    ///
    /// # Errors
    /// The disk's and the store's.
    pub async fn delete(&self, owner: &Owner, id: &str) -> Result<bool, UploadError> {
        // The row first: no row may say that bytes are there which are not.
        let deleted = self.store.delete_attachment(owner, id).await?;
        if deleted {
            self.folder.remove(id).await?;
        }
        Ok(deleted)
    }

    /// A file for the model; nothing if it is gone.
    ///
    /// # Errors
    /// The disk's and the store's.
    pub async fn bytes(&self, owner: &Owner, attachment: &Attachment) -> Result<Option<File>, UploadError> {
        let (attachment, file) = match self.read(owner, &attachment.id).await {
            Err(UploadError::NotFound) => return Ok(None),
            opened => opened?,
        };
        let mut bytes = Vec::new();
        file.take(attachment.size).read_to_end(&mut bytes).await?;
        let (media_type, name) = (attachment.media_type.as_str().into(), Some(attachment.name));
        Ok(Some(File { media_type, source: FileSource::Base64(base64::encode(&bytes)), name }))
    }

    /// Says where a page finds the picture, if it is one that pages may show.
    pub fn with_preview(&self, attachment: Attachment, base: &Base) -> Attachment {
        let preview = media::is_picture(&attachment.media_type).then(|| {
            let expires = now_ms().saturating_add(millis(self.settings.url_lifetime));
            self.address(base, Purpose::Read, &attachment.id, expires)
        });
        Attachment { preview, ..attachment }
    }

    /// Forgets the files that have belonged to no thread for too long, and deletes the bytes that no row knows of.
    ///
    /// # Errors
    /// The disk's and the store's.
    pub async fn sweep(&self) -> Result<(), UploadError> {
        let unused = self.settings.unused;
        loop {
            let forgotten = self.store.forget_attachments(now_ms().saturating_sub(millis(unused)), SWEPT).await?;
            for id in &forgotten {
                self.folder.remove(id).await?;
            }
            if forgotten.len() < SWEPT as usize {
                break;
            }
        }
        for id in self.folder.tidy(unused.max(2 * self.settings.timeout)).await? {
            if self.store.attachment_owner(&id).await?.is_none() {
                self.folder.remove(&id).await?;
            }
        }
        Ok(())
    }

    async fn announce(&self, owner: &Owner, announced: Announced) -> Result<Attachment, UploadError> {
        let Announced { name, size, media_type } = announced;
        let media_type = media::essence(&media_type)
            .filter(|media_type| self.settings.types.allow(media_type))
            .ok_or_else(|| UploadError::Type(media_type.chars().take(100).collect()))?;
        if size > self.settings.max_size {
            return Err(UploadError::TooLarge(self.settings.max_size));
        }
        let attachment = Attachment {
            id: folder::new_id()?.into(),
            name: media::clean_name(&name),
            media_type,
            size,
            thread: None,
            uploaded: false,
            created: now_ms(),
            preview: None,
        };
        let room = Room { owner: self.settings.max_per_user, all: self.settings.max_total };
        match self.store.add_attachment(owner, attachment.clone(), room).await {
            Err(StoreError::TooMany(_)) => Err(UploadError::Quota),
            added => Ok(added.map(|()| attachment)?),
        }
    }

    /// Writes the file, gives it its name, and then says so.
    async fn keep(
        &self,
        owner: &Owner,
        attachment: Attachment,
        mut body: UploadBody,
    ) -> Result<Attachment, UploadError> {
        let most = attachment.size;
        let mut draft = self.folder.draft().await?;
        let mut first = Vec::with_capacity(media::TELLING);
        let mut looked = false;
        while let Some(bytes) = body.chunk(most).await? {
            if draft.size() + bytes.len() as u64 > most {
                return Err(UploadError::TooLarge(most));
            }
            if !looked {
                let missing = media::TELLING - first.len();
                first.extend_from_slice(bytes.get(..missing).unwrap_or(&bytes));
                if first.len() == media::TELLING {
                    looked = true;
                    check_content(&attachment, &first)?;
                }
            }
            draft.write(&bytes).await?;
        }
        check_content(&attachment, &first)?;
        body.end(most).await?;
        let size = draft.size();
        draft.finish(&self.folder, &attachment.id).await?;
        if !self.store.finish_attachment(owner, &attachment.id, size).await? {
            // Deleted while its bytes came.
            self.folder.remove(&attachment.id).await?;
            return Err(UploadError::NotFound);
        }
        Ok(Attachment { size, uploaded: true, ..attachment })
    }

    fn check_length(&self, headers: &HeaderMap, body: &UploadBody, most: u64) -> Result<(), UploadError> {
        // A form is a little longer than its file, and is measured again while it is read.
        let most_body = if body.is_form() { most.saturating_add(body::AROUND) } else { most };
        match body::announced(headers) {
            Some(length) if length > most_body => Err(UploadError::TooLarge(most)),
            _ => Ok(()),
        }
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T, UploadError>>) -> Result<T, UploadError> {
        tokio::time::timeout(self.settings.timeout, work).await.unwrap_or(Err(UploadError::Slow))
    }

    fn claim(&self, id: &str) -> Result<Running<'_>, UploadError> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.insert(id.to_owned()) {
            Ok(Running { uploads: self, id: id.to_owned() })
        } else {
            Err(UploadError::Busy)
        }
    }

    fn address(&self, base: &Base, purpose: Purpose, id: &str, expires: u64) -> String {
        format!("{}{}/{id}?{}", base.0, self.settings.path, self.signer.query(purpose, id, expires))
    }
}

/// A file that is being sent.
struct Running<'a> {
    uploads: &'a Uploads,
    id: String,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.uploads.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

/// The task that deletes what nobody needs. It ends when this is dropped.
#[derive(Debug)]
pub struct Sweeping(AbortHandle);

impl Drop for Sweeping {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// True for a name or an address with or without a port, and nothing else that an address could begin with.
fn is_host(text: &str) -> bool {
    let Ok(authority) = text.parse::<http::uri::Authority>() else { return false };
    let name = authority.host();
    let known = match name.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()),
        None => !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)),
    };
    let rest = text.strip_prefix(name);
    let port = rest.is_some_and(|rest| rest.is_empty() || authority.port_u16().is_some_and(|port| port > 0));
    known && port
}

fn check_content(attachment: &Attachment, first: &[u8]) -> Result<(), UploadError> {
    if media::is_plausible(&attachment.media_type, first) {
        Ok(())
    } else {
        Err(UploadError::Disguised(attachment.media_type.clone()))
    }
}
