//! How fast a request's body must come.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::plan::Server;

/// How long a body may take to get going.
const GRACE: Duration = Duration::from_secs(5);

/// A body that is coming in.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    begin: Instant,
    /// The time for all of it.
    most: Duration,
    /// Bytes in a second, on average.
    rate: Option<usize>,
    received: usize,
}

impl Arrival {
    /// A body that begins to come now, and has so long.
    pub fn new(server: &Server, most: Duration) -> Self {
        Self { begin: Instant::now(), most, rate: server.min_body_rate, received: 0 }
    }

    /// So many bytes have come.
    pub const fn got(&mut self, bytes: usize) {
        self.received = self.received.saturating_add(bytes);
    }

    /// When it is too late if nothing more comes.
    pub fn deadline(&self) -> Instant {
        let paced = self.rate.map(|rate| GRACE + Duration::from_secs_f64(self.received as f64 / rate as f64));
        self.begin + paced.map_or(self.most, |paced| paced.min(self.most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_has_come_buys_time_up_to_the_end() {
        let server = Server { min_body_rate: Some(100), ..Server::default() };
        let mut arrival = Arrival::new(&server, Duration::from_secs(30));
        let left = |arrival: &Arrival| (arrival.deadline() - arrival.begin).as_secs();
        assert_eq!(left(&arrival), 5);
        arrival.got(1000);
        assert_eq!(left(&arrival), 15);
        arrival.got(usize::MAX);
        assert_eq!(left(&arrival), 30);
        let free = Server { min_body_rate: None, ..server };
        assert_eq!(left(&Arrival::new(&free, Duration::from_secs(30))), 30);
    }
}
