//! A socket that does not wait for ever: a page that reads nothing any more is cut, and its provider with it. And one
//! that is not shut in a page's face: a page that is still sending when its answer is complete must be able to read it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use pin_project::pin_project;
use tokio::time::{Sleep, sleep};

use super::waiting::Activity;

/// How long a page that is still sending gets to read the answer to what it has sent.
const LINGER: Duration = Duration::from_secs(2);

/// Most reads at a time of what nobody wants.
const READS: usize = 32;

/// A connection whose writes must make progress.
#[pin_project]
pub struct Patient<I> {
    #[pin]
    inner: I,
    /// What was read before.
    first: Bytes,
    patience: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    /// Set when our side is closed: until when the page's side is still read.
    lingering: Option<Pin<Box<Sleep>>>,
    activity: Arc<Activity>,
}

impl<I> Patient<I> {
    /// A connection of which `first` has been read, and which fails when a write has waited for `patience`.
    pub const fn new(inner: I, first: Bytes, patience: Duration, activity: Arc<Activity>) -> Self {
        Self { inner, first, patience, stalled: None, lingering: None, activity }
    }
}

/// Gives a result on, or the end of patience.
fn judge<T>(
    polled: Poll<io::Result<T>>,
    stalled: &mut Option<Pin<Box<Sleep>>>,
    patience: Duration,
    activity: &Activity,
    cx: &mut Context<'_>,
) -> Poll<io::Result<T>> {
    if polled.is_ready() {
        *stalled = None;
        activity.wrote();
        return polled;
    }
    let waiting = stalled.get_or_insert_with(|| Box::pin(sleep(patience)));
    waiting.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
}

/// Reads to nowhere until the page closes its side. A socket that is closed with unread bytes in it is reset, and a
/// reset takes back from the page what it has not read yet.
fn drain<I: Read>(mut inner: Pin<&mut I>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    let mut bytes = [0; 4096];
    for _ in 0..READS {
        let mut read = ReadBuf::new(&mut bytes);
        // A page that has reset the connection wants no answer.
        let failed = std::task::ready!(inner.as_mut().poll_read(cx, read.unfilled())).is_err();
        if failed || read.filled().is_empty() {
            return Poll::Ready(Ok(()));
        }
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

impl<I: Read> Read for Patient<I> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, mut buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        if !this.first.is_empty() {
            let first = this.first.split_to(this.first.len().min(buffer.remaining()));
            buffer.put_slice(&first);
            return Poll::Ready(Ok(()));
        }
        let polled = this.inner.poll_read(cx, buffer);
        if polled.is_ready() {
            this.activity.read();
        }
        polled
    }
}

impl<I: Read + Write> Write for Patient<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.project();
        judge(this.inner.poll_write(cx, bytes), this.stalled, *this.patience, this.activity, cx)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut this = self.project();
        let lingering = match this.lingering {
            Some(lingering) => lingering,
            None => {
                std::task::ready!(this.inner.as_mut().poll_shutdown(cx))?;
                this.lingering.insert(Box::pin(sleep(LINGER)))
            }
        };
        if lingering.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        drain(this.inner, cx)
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
        judge(this.inner.poll_write_vectored(cx, pieces), this.stalled, *this.patience, this.activity, cx)
    }
}

#[cfg(test)]
mod tests {
    use hyper_util::rt::TokioIo;
    use tokio::io::AsyncWriteExt as _;
    use tokio::time::Instant;

    use super::*;
    use crate::server::waiting::Waiting;

    fn patient(inner: tokio::io::DuplexStream) -> Patient<TokioIo<tokio::io::DuplexStream>> {
        let watch = Arc::new(Waiting::default()).join();
        Patient::new(TokioIo::new(inner), Bytes::new(), Duration::from_secs(60), Arc::clone(watch.activity()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_reads_nothing_is_cut() {
        let (ours, _theirs) = tokio::io::duplex(8);
        let mut socket = patient(ours);
        let mut write = async || std::future::poll_fn(|cx| Pin::new(&mut socket).poll_write(cx, b"12345678")).await;
        assert_eq!(write().await.unwrap(), 8);
        let start = Instant::now();
        assert_eq!(write().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(start.elapsed().as_secs(), 60);
    }

    async fn close(socket: &mut Patient<TokioIo<tokio::io::DuplexStream>>) -> Duration {
        let start = Instant::now();
        std::future::poll_fn(|cx| Pin::new(&mut *socket).poll_shutdown(cx)).await.unwrap();
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_page_still_sends_is_read_until_it_closes_or_for_a_while() {
        for closes in [true, false] {
            let (ours, mut theirs) = tokio::io::duplex(8);
            let mut socket = patient(ours);
            let sending = tokio::spawn(async move {
                theirs.write_all(&[7; 1 << 20]).await.unwrap();
                if !closes {
                    std::future::pending::<()>().await;
                }
            });
            assert_eq!(close(&mut socket).await, if closes { Duration::ZERO } else { LINGER });
            sending.abort();
        }
    }
}
