//! The bytes of an answer, wherever they come from.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Body as _;

use super::replay::Player;

/// The body of a successful answer. Dropping it closes the provider's stream.
pub enum AnswerBody {
    /// From a provider.
    Http(Box<reqwest::Body>),
    /// From a recording.
    Replay(Player),
}

impl AnswerBody {
    /// The next bytes; `None` at the end.
    pub fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, reqwest::Error>>> {
        match self {
            Self::Http(body) => loop {
                match ready!(Pin::new(&mut **body).poll_frame(cx)) {
                    Some(Ok(frame)) => {
                        // Trailers are no part of any answer.
                        if let Ok(bytes) = frame.into_data() {
                            return Poll::Ready(Some(Ok(bytes)));
                        }
                    }
                    Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                    None => return Poll::Ready(None),
                }
            },
            Self::Replay(player) => player.poll_read(cx).map(|bytes| bytes.map(Ok)),
        }
    }
}
