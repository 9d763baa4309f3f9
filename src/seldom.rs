//! Waiting for what seldom happens, beside something that happens often.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream as _;
use futures_util::stream::FuturesUnordered;

/// A future that is polled only when it has been woken itself. A task that is woken for each piece of an answer would
/// otherwise ask each time whether the gateway stops, under a lock that all tasks share.
#[derive(Debug)]
pub struct Seldom<F>(FuturesUnordered<F>);

impl<F: Future> Seldom<F> {
    /// Waits for this.
    pub fn new(future: F) -> Self {
        Self(FuturesUnordered::from_iter([future]))
    }
}

impl<F: Future> Future for Seldom<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match Pin::new(&mut self.0).poll_next(cx) {
            Poll::Ready(Some(output)) => Poll::Ready(output),
            // Behind its end there is nothing to wait for.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::task::Waker;

    use tokio::sync::oneshot;

    use super::*;

    #[test]
    fn it_is_polled_when_it_was_woken() {
        let (sender, mut receiver) = oneshot::channel::<u8>();
        let polls = Cell::new(0);
        let counted = std::future::poll_fn(|cx| {
            polls.set(polls.get() + 1);
            Pin::new(&mut receiver).poll(cx)
        });
        let mut seldom = std::pin::pin!(Seldom::new(counted));
        let cx = &mut Context::from_waker(Waker::noop());
        assert!((0..9).all(|_| seldom.as_mut().poll(cx).is_pending()));
        assert_eq!(polls.get(), 1);
        sender.send(7).unwrap();
        assert_eq!((seldom.as_mut().poll(cx), polls.get()), (Poll::Ready(Ok(7)), 2));
        assert!(seldom.poll(cx).is_pending());
    }
}
