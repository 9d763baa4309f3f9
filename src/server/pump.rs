//! A turn on an HTTP/2 stream. There a page that reads nothing stalls its own stream and not the connection, and the
//! HTTP library asks a stalled stream's body for nothing more, however long that lasts: no deadline of the turn would
//! ever be seen. So a task of its own runs the turn, and cuts it when the page does not take a piece in time.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;

use super::body::{Broken, TurnBody};

/// A turn that runs in a task of its own. Dropping it drops the turn.
pub struct Pumped {
    pieces: Receiver<Piece>,
    ended: bool,
}

enum Piece {
    Frame(Result<Frame<Bytes>, Broken>),
    End,
}

impl Pumped {
    /// Runs a turn. A page may take `patience` for each piece.
    pub fn new(turn: Box<TurnBody>, patience: Duration) -> Self {
        let (sender, pieces) = channel(1);
        tokio::spawn(pump(turn, sender, patience));
        Self { pieces, ended: false }
    }
}

async fn pump(mut turn: Box<TurnBody>, sender: Sender<Piece>, patience: Duration) {
    loop {
        let frame = tokio::select! {
            frame = turn.frame() => frame,
            () = sender.closed() => return,
        };
        let last = frame.is_none();
        let piece = frame.map_or(Piece::End, Piece::Frame);
        let taken = matches!(timeout(patience, sender.send(piece)).await, Ok(Ok(())));
        if last || !taken {
            return;
        }
    }
}

impl Body for Pumped {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let piece = std::task::ready!(self.pieces.poll_recv(cx));
        self.ended = !matches!(piece, Some(Piece::Frame(Ok(_))));
        Poll::Ready(match piece {
            Some(Piece::Frame(frame)) => Some(frame),
            Some(Piece::End) => None,
            None => Some(Err(Broken)),
        })
    }
}
