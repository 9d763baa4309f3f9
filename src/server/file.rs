//! A file on its way to a page, a piece at a time.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::Frame;
use tokio::fs::File;
use tokio::io::{AsyncRead as _, ReadBuf};

use super::body::Broken;

/// How much is read at a time.
const PIECE: usize = 64 << 10;

/// The bytes of a file.
pub struct FileBody {
    file: File,
    left: u64,
    piece: Box<[u8]>,
}

impl FileBody {
    /// So many bytes of a file.
    pub fn new(file: File, size: u64) -> Self {
        Self { file, left: size, piece: vec![0; PIECE].into() }
    }

    /// How many bytes are still to come.
    pub const fn left(&self) -> u64 {
        self.left
    }

    /// Reads the next piece. A file that ends too early breaks the answer, whose length the page knows.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let most = usize::try_from(self.left).unwrap_or(PIECE).min(PIECE);
        let mut buffer = ReadBuf::new(self.piece.get_mut(..most).unwrap_or_default());
        let read = ready!(Pin::new(&mut self.file).poll_read(cx, &mut buffer));
        let bytes = Bytes::copy_from_slice(buffer.filled());
        if read.is_err() || bytes.is_empty() {
            self.left = 0;
            return Poll::Ready(Some(Err(Broken)));
        }
        self.left -= bytes.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }
}
