//! Public keys at an address: one task asks for them, so requests wait only where there are none, or none of the name
//! that a token gives.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use jsonwebtoken::Algorithm;
use reqwest::{Client, StatusCode};
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};

use super::KeySet;
use crate::upstream;

/// How long one fetch may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// Largest document.
const LARGEST: usize = 256 << 10;

/// No two fetches are closer than this, whatever tokens say.
const APART: Duration = Duration::from_secs(10);

/// When it is tried again after a failure.
const AGAIN: Duration = Duration::from_secs(30);

/// How long a request waits for a fetch.
const PATIENCE: Duration = Duration::from_secs(6);

pub(super) type Fetching = Pin<Box<dyn Future<Output = Result<KeySet, String>> + Send>>;
pub(super) type Fetch = Box<dyn Fn() -> Fetching + Send + Sync>;

/// The keys at an address, as they were last. They are no longer asked for when this is dropped.
pub struct Jwks {
    state: watch::Receiver<State>,
    wanted: Arc<Notify>,
    pub(super) task: AbortHandle,
}

#[derive(Clone, Default)]
struct State {
    set: Option<Arc<KeySet>>,
    /// When they were asked for last, whatever came of it.
    asked: Option<Instant>,
}

impl Jwks {
    /// Keeps the keys at an address, which is asked again after `refresh`.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn at(url: &str, refresh: Duration) -> io::Result<Self> {
        let client = upstream::client(DEADLINE, 0).map_err(io::Error::other)?;
        let url: Arc<str> = url.into();
        Ok(Self::start(Box::new(move || Box::pin(fetch(client.clone(), Arc::clone(&url)))), refresh))
    }

    pub(super) fn start(fetch: Fetch, refresh: Duration) -> Self {
        let (told, state) = watch::channel(State::default());
        let wanted = Arc::new(Notify::new());
        let task = tokio::spawn(keep(fetch, refresh, told, Arc::clone(&wanted))).abort_handle();
        Self { state, wanted, task }
    }

    /// The set, the newest there is, with a key of this id if there is one anywhere. Nothing if none could be had.
    pub async fn set_with(&self, id: Option<&str>, algorithm: Algorithm) -> Option<Arc<KeySet>> {
        let mut state = self.state.clone();
        let State { set, asked } = state.borrow_and_update().clone();
        let has = set.as_ref().is_some_and(|set| set.find(id, algorithm).is_some());
        if has || asked.is_some_and(|asked| asked.elapsed() < APART) {
            return set;
        }
        self.wanted.notify_one();
        let _ = timeout(PATIENCE, state.changed()).await;
        state.borrow().set.clone()
    }
}

impl Drop for Jwks {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Jwks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Jwks").field(&self.state.borrow().set).finish()
    }
}

/// Asks for the keys, and again after `refresh` or when a token names one that is not known. What was good stays good
/// while it cannot be asked for.
async fn keep(fetch: Fetch, refresh: Duration, told: watch::Sender<State>, wanted: Arc<Notify>) {
    loop {
        let fetched = timeout(DEADLINE, fetch()).await.unwrap_or_else(|_| Err("it took too long".to_owned()));
        let pause = if fetched.is_ok() { refresh } else { refresh.min(AGAIN) };
        let asked = Some(Instant::now());
        match fetched {
            Ok(set) => drop(told.send(State { set: Some(Arc::new(set)), asked })),
            Err(why) => {
                tracing::warn!(why, "the keys of tokens cannot be fetched");
                told.send_modify(|state| state.asked = asked);
            }
        }
        // Whoever wanted it meanwhile has it now.
        let _ = wanted.notified().now_or_never();
        sleep(APART.min(pause)).await;
        let _ = timeout(pause.saturating_sub(APART), wanted.notified()).await;
    }
}

async fn fetch(client: Client, url: Arc<str>) -> Result<KeySet, String> {
    let wrong = |error: reqwest::Error| error.without_url().to_string();
    let mut response = client.get(&*url).send().await.map_err(wrong)?;
    if response.status() != StatusCode::OK {
        return Err(format!("the answer is {}", response.status()));
    }
    let mut text = Vec::new();
    while let Some(bytes) = response.chunk().await.map_err(wrong)? {
        if text.len() + bytes.len() > LARGEST {
            return Err(format!("it has more than {LARGEST} bytes"));
        }
        text.extend_from_slice(&bytes);
    }
    KeySet::parse(&text).map_err(str::to_owned)
}
