//! Sessions end by themselves when nobody has used them for long.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use chatwire_protocols::operation::Answer;
use tokio::time::{Instant, sleep_until};

use super::{ThreadError, Threads};
use crate::clock::now_ms;
use crate::config::plan::Route;
use crate::store::Owner;

/// Most sessions that are looked at together.
const STRIDE: u32 = 200;

/// When the sessions of each route were looked at last, or the waiting for that began, by the routes' paths.
pub type Swept = BTreeMap<String, Instant>;

impl Threads {
    /// Ends old sessions of these routes, each at its own pace, for as long as this is waited for. Who waits again,
    /// perhaps with other routes, does not begin anew with those that were `swept`.
    pub async fn sweep_always(&self, routes: &[Arc<Route>], swept: &mut Swept) -> Infallible {
        let begun = Instant::now();
        swept.retain(|path, _| routes.iter().any(|route| route.path == *path));
        for route in routes {
            swept.entry(route.path.clone()).or_insert(begun);
        }
        loop {
            let due = |route: &Arc<Route>| {
                let last = *swept.get(&route.path)?;
                let at = last.checked_add(route.frontend.sessions()?.every);
                Some((at.unwrap_or(last + Duration::from_secs(86400)), Arc::clone(route)))
            };
            let Some((at, route)) = routes.iter().filter_map(due).min_by_key(|(at, _)| *at) else {
                std::future::pending().await
            };
            sleep_until(at).await;
            match self.sweep(&route, now_ms()).await {
                Ok(0) => {}
                Ok(ended) => tracing::info!(route = %route.path, ended, "old sessions have ended"),
                Err(error) => tracing::warn!(route = %route.path, %error, "old sessions were not ended"),
            }
            swept.insert(route.path.clone(), Instant::now());
        }
    }

    /// Ends the sessions of a route that were used last too long before this time, in milliseconds since 1970, and
    /// tells how many those were. One in which a turn runs is in use.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn sweep(&self, route: &Route, now: u64) -> Result<u64, ThreadError> {
        let Some(sessions) = route.frontend.sessions() else { return Ok(0) };
        let timeout = u64::try_from(sessions.timeout.as_millis()).unwrap_or(u64::MAX);
        let before = now.saturating_sub(timeout);
        let mut ended = 0;
        loop {
            let old = self.store().old_sessions(&route.path, before, STRIDE).await?;
            let found = old.len();
            let mut removed = 0;
            for (owner, thread) in old {
                removed += usize::from(self.end_session(&owner, &thread, before).await?);
            }
            ended += removed as u64;
            if found < STRIDE as usize || removed == 0 {
                return Ok(ended);
            }
        }
    }

    async fn end_session(&self, owner: &Owner, thread: &str, before: u64) -> Result<bool, ThreadError> {
        let Ok(_claim) = self.turns.claim(owner, thread, Duration::ZERO).await else { return Ok(false) };
        // It may have been used, or deleted, since it was found.
        match self.store().thread(owner, thread).await? {
            // Its files belong to no thread then, and are swept as such.
            Some((_, found)) if found.updated < before => Ok(self.store().delete_thread(owner, thread).await?),
            _ => Ok(false),
        }
    }

    /// That the gateway serves, for a route with sessions.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn health(&self, route: &Route) -> Result<Answer, ThreadError> {
        let sessions = self.store().count_sessions(&route.path).await?;
        Ok(Answer::Health { version: env!("CARGO_PKG_VERSION"), sessions })
    }
}
