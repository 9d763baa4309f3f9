//! The bytes of an answer, wherever they come from.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use chatwire_protocols::error::Failure;
use chatwire_protocols::protocol::UpstreamRequest;
use futures_core::Stream;
use http_body::Body as _;

use super::replay::Player;
use super::{failure, http1};

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
    Http1(Box<http1::Body>),
    /// From a provider by way of the general client.
    General(Box<reqwest::Body>),
    /// From a recording.
    Replay(Player),
    /// From something that stands in the place of a provider.
    Pieces(Pieces),
}

impl AnswerBody {
    /// The answer is complete, whatever may still come.
    pub fn let_go(&mut self) {
        if let Self::Http1(body) = self {
            body.let_go();
        }
    }

    /// Gives the next bytes to `piece`, in as many pieces as they came in; `None` at the end. An error is why the answer
    /// was cut, for the log.
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        mut piece: impl FnMut(&[u8]),
    ) -> Poll<Option<Result<(), Box<str>>>> {
        let read = match self {
            Self::Http1(body) => return body.poll_read(cx, piece),
            Self::General(body) => loop {
                match ready!(Pin::new(&mut **body).poll_frame(cx)) {
                    // Trailers are no part of any answer.
                    Some(Ok(frame)) if !frame.is_data() => {}
                    frame => {
                        break frame.map(|frame| {
                            let frame = frame.map_err(|error| failure::describe(&error))?;
                            Ok(frame.into_data().unwrap_or_default())
                        });
                    }
                }
            },
            Self::Replay(player) => {
                ready!(player.poll_read(cx)).map(|piece| piece.map_err(|broken| broken.to_string()))
            }
            Self::Pieces(pieces) => ready!(pieces.as_mut().poll_next(cx)),
        };
        Poll::Ready(read.map(|read| read.map(|bytes| piece(&bytes)).map_err(String::into_boxed_str)))
    }
}
