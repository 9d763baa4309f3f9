//! A process that takes files, says which it has, and is killed at any moment: what it said is there and whole, and no
//! half of a file is ever given to anybody.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use chatwire::config::plan::Attachments;
use chatwire::store::{Sqlite, Store as _};
use chatwire::uploads::{Announced, BodyStream, Cut, UploadError, Uploads};
use futures_core::Stream;
use http::HeaderMap;
use tokio::io::AsyncReadExt as _;

use crate::killed::{FILE, kills, moment, run_and_kill};
use crate::{Folder, owner};

/// A body that comes in pieces, with a pause of the scheduler between any two.
struct Pieces(Vec<Bytes>, bool);

impl Stream for Pieces {
    type Item = Result<Bytes, Cut>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.1 = !self.1;
        if self.1 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.0.pop().map(Ok))
    }
}

/// The bytes of a file: told from those of any other, and from a part of them.
fn content(number: u64) -> Vec<u8> {
    let size = 1 + number * 79_199 % 600_000;
    (0..size).map(|at| ((at * 31) ^ (number * 131) ^ (at >> 8)) as u8).collect()
}

fn uploads(file: &Path) -> Arc<Uploads> {
    let store = Arc::new(Sqlite::open(file).unwrap());
    let mut settings = Attachments::new("/files");
    settings.types = chatwire::uploads::media::Types::new(&["*/*".to_owned()]).unwrap();
    Uploads::open(settings, Some(&file.to_owned()), store).unwrap()
}

async fn send(uploads: &Uploads, number: u64) -> String {
    let (me, content) = (owner("me"), content(number));
    let announced = Announced { name: number.to_string(), size: content.len() as u64, media_type: "a/b".to_owned() };
    let head = http::Request::post("/").body(()).unwrap().into_parts().0;
    let (attachment, _) = uploads.create(&me, announced, &uploads.base(&head)).await.unwrap();
    let pieces = content.chunks(16 << 10).rev().map(Bytes::copy_from_slice).collect();
    let body: BodyStream = Box::pin(Pieces(pieces, false));
    uploads.receive(&me, &attachment.id, &HeaderMap::new(), body).await.unwrap();
    attachment.id.to_string()
}

/// Not a test of its own: what the killed process does.
#[test]
fn writer() {
    let Some(file) = std::env::var_os(FILE) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let uploads = uploads(Path::new(&file));
        let tasks: Vec<_> = (0..4_u64)
            .map(|task| {
                let uploads = Arc::clone(&uploads);
                tokio::spawn(async move {
                    for number in (task..).step_by(4) {
                        let id = send(&uploads, number).await;
                        let mut out = std::io::stdout().lock();
                        use std::io::Write as _;
                        writeln!(out, "acknowledged {id}").and_then(|()| out.flush()).unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            drop(task.await);
        }
    });
}

/// A file as its owner gets it; nothing if there is none.
async fn read(uploads: &Uploads, id: &str) -> Option<Vec<u8>> {
    let (attachment, mut file) = match uploads.read(&owner("me"), id).await {
        Err(UploadError::NotFound) => return None,
        opened => opened.unwrap(),
    };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).await.unwrap();
    assert!(bytes == content(attachment.name.parse().unwrap()), "{id} is whole");
    Some(bytes)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn every_file_that_was_acknowledged_survives_a_kill_and_no_half_is_given() {
    let folder = Folder::new();
    let bytes: PathBuf = folder.0.join("test.db.files");
    let (mut acknowledged, mut drafts) = (Vec::new(), 0);
    for round in 0..kills() {
        let said = run_and_kill("killed_uploads::writer", &folder.file(), moment(round));
        assert!(!said.is_empty(), "the writer has written");
        let uploads = uploads(&folder.file());
        for id in &said {
            assert!(read(&uploads, id).await.is_some(), "{id} is lost after kill {round}");
        }
        // What nobody was told of is whole or not there.
        for name in names(&bytes) {
            drafts += usize::from(name.starts_with("draft-"));
            read(&uploads, &name).await;
        }
        acknowledged.extend(said);
    }
    assert!(drafts > 0, "some kill came in the middle of a file");

    // What the kills have left behind goes in time, and the files of a thread stay.
    let store = Arc::new(Sqlite::open(&folder.file()).unwrap());
    crate::make(&*store, &owner("me"), "t").await.unwrap();
    let attach = acknowledged.iter().map(|id| chatwire::store::Write::Attach(id.as_str().into())).collect();
    store.apply(&owner("me"), "t", attach).await.unwrap();
    let settings = Attachments { unused: Duration::ZERO, timeout: Duration::ZERO, ..Attachments::new("/files") };
    let uploads = Uploads::open(settings, Some(&folder.file()), store).unwrap();
    uploads.sweep().await.unwrap();
    let mut left = names(&bytes);
    left.retain(|name| name != "secret");
    left.sort();
    acknowledged.sort();
    assert_eq!(left, acknowledged);
}
