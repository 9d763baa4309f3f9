//! How fast a page may send.

use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use crate::upstream::Alarm;

/// So many messages in a second, and as many at once. What comes faster is not read yet.
pub struct Pace {
    each: Duration,
    burst: Duration,
    /// When the messages so far would have come if they had come evenly.
    even: Instant,
    alarm: Option<Alarm>,
}

impl Pace {
    /// A page that has sent nothing.
    pub fn new(most: u32) -> Self {
        let most = most.max(1);
        let each = Duration::from_secs(1) / most;
        Self { each, burst: each * (most - 1), even: Instant::now(), alarm: None }
    }

    /// A message has come.
    pub fn count(&mut self) {
        self.even = self.even.max(Instant::now()) + self.each;
    }

    /// Ready when another message may come.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let next = self.even.checked_sub(self.burst).unwrap_or(self.even);
        if next <= Instant::now() {
            self.alarm = None;
            return Poll::Ready(());
        }
        let alarm = self.alarm.get_or_insert_with(|| Alarm::new(next));
        alarm.set(next);
        alarm.poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_second_takes_no_more_than_its_messages() {
        let mut pace = Pace::new(10);
        let start = Instant::now();
        for _ in 0..30 {
            std::future::poll_fn(|cx| pace.poll(cx)).await;
            pace.count();
        }
        let took = start.elapsed();
        assert!((1900..=2200).contains(&took.as_millis()), "{took:?}");
    }
}
