//! A socket that does not wait for ever: a page that reads nothing any more is cut, and its provider with it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use pin_project::pin_project;
use tokio::time::{Sleep, sleep};

/// A connection whose writes must make progress.
#[pin_project]
pub struct Patient<I> {
    #[pin]
    inner: I,
    patience: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<I> Patient<I> {
    /// A connection that fails when a write has waited for `patience`.
    pub const fn new(inner: I, patience: Duration) -> Self {
        Self { inner, patience, stalled: None }
    }
}

/// Gives a result on, or the end of patience.
fn judge<T>(
    polled: Poll<io::Result<T>>,
    stalled: &mut Option<Pin<Box<Sleep>>>,
    patience: Duration,
    cx: &mut Context<'_>,
) -> Poll<io::Result<T>> {
    if polled.is_ready() {
        *stalled = None;
        return polled;
    }
    let waiting = stalled.get_or_insert_with(|| Box::pin(sleep(patience)));
    waiting.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
}

impl<I: Read> Read for Patient<I> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_read(cx, buffer)
    }
}

impl<I: Write> Write for Patient<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.project();
        judge(this.inner.poll_write(cx, bytes), this.stalled, *this.patience, cx)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        judge(this.inner.poll_write_vectored(cx, pieces), this.stalled, *this.patience, cx)
    }
}

#[cfg(test)]
mod tests {
    use hyper_util::rt::TokioIo;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_reads_nothing_is_cut() {
        let (ours, _theirs) = tokio::io::duplex(8);
        let mut socket = Patient::new(TokioIo::new(ours), Duration::from_secs(60));
        let mut write = async || std::future::poll_fn(|cx| Pin::new(&mut socket).poll_write(cx, b"12345678")).await;
        assert_eq!(write().await.unwrap(), 8);
        let start = Instant::now();
        assert_eq!(write().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(start.elapsed().as_secs(), 60);
    }
}
