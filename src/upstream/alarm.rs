//! A deadline that moves often and rings seldom.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep, sleep_until};

/// A deadline. Moving it back costs nothing: the timer is set again only when it goes off too early.
#[derive(Debug)]
pub struct Alarm {
    due: Instant,
    sleep: Pin<Box<Sleep>>,
}

impl Alarm {
    /// An alarm for this time.
    pub fn new(due: Instant) -> Self {
        Self { due, sleep: Box::pin(sleep_until(due)) }
    }

    /// Moves it.
    pub fn set(&mut self, due: Instant) {
        self.due = due;
        if due < self.sleep.deadline() {
            self.sleep.as_mut().reset(due);
        }
    }

    /// True when its time has come, whether or not it has been polled.
    pub fn is_over(&self) -> bool {
        Instant::now() >= self.due
    }

    /// Ready when its time has come.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            std::task::ready!(self.sleep.as_mut().poll(cx));
            if self.due <= self.sleep.deadline() {
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(self.due);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_alarm_rings_when_it_was_last_set_to() {
        let start = Instant::now();
        let mut alarm = Alarm::new(start + Duration::from_secs(5));
        alarm.set(start + Duration::from_secs(60));
        std::future::poll_fn(|cx| alarm.poll(cx)).await;
        assert_eq!(start.elapsed().as_secs(), 60);
        alarm.set(start + Duration::from_secs(200));
        alarm.set(start + Duration::from_secs(70));
        std::future::poll_fn(|cx| alarm.poll(cx)).await;
        assert_eq!(start.elapsed().as_secs(), 70);
    }
}
