//! The bytes of an answer, wherever they come from.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use chatwire_protocols::error::Failure;
use chatwire_protocols::protocol::UpstreamRequest;
use futures_core::Stream;
use http_body::Body as _;

use super::failure;
use super::replay::Player;

/// What is read from something that stands in the place of a provider: bytes, or why there are no more.
pub type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes, String>> + Send>>;

/// An answer that is being waited for: its body, or why there is none.
pub type Opening = Pin<Box<dyn Future<Output = Result<AnswerBody, Box<Failure>>> + Send>>;

/// Answers in the place of a provider, without a network: for simulations and tests.
pub trait StandIn: fmt::Debug + Send + Sync {
    /// Answers a request.
    fn answer(&self, request: UpstreamRequest) -> Opening;
}

/// The body of a successful answer. Dropping it closes the provider's stream.
pub enum AnswerBody {
    /// From a provider.
    Http(Box<reqwest::Body>),
    /// From a recording.
    Replay(Player),
    /// From something that stands in the place of a provider.
    Pieces(Pieces),
}

impl AnswerBody {
    /// The next bytes; `None` at the end. An error is why the answer was cut, for the log.
    pub fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, String>>> {
        match self {
            Self::Http(body) => loop {
                match ready!(Pin::new(&mut **body).poll_frame(cx)) {
                    Some(Ok(frame)) => {
                        // Trailers are no part of any answer.
                        if let Ok(bytes) = frame.into_data() {
                            return Poll::Ready(Some(Ok(bytes)));
                        }
                    }
                    Some(Err(error)) => return Poll::Ready(Some(Err(failure::describe(&error)))),
                    None => return Poll::Ready(None),
                }
            },
            Self::Replay(player) => {
                player.poll_read(cx).map(|piece| piece.map(|piece| piece.map_err(|broken| broken.to_string())))
            }
            Self::Pieces(pieces) => pieces.as_mut().poll_next(cx),
        }
    }
}
