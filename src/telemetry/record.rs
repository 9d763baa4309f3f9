//! What is logged of one request: one line when it is over, however it ends.

use std::time::Instant;

use crate::access::ApiKey;
use chatwire_protocols::cost::Cost;
use chatwire_protocols::error::{Failure, Refusal};
use chatwire_protocols::event::{CancelledBy, Event};

use crate::upstream::Tried;

/// A request's line in the log. Written when it is dropped.
pub struct Record {
    id: String,
    route: String,
    dialect: &'static str,
    key: String,
    model: String,
    target: String,
    /// What was tried, if that is more than the target.
    attempts: Option<String>,
    status: u16,
    begin: Instant,
    first_token: Option<Instant>,
    events: u64,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cost: Option<Cost>,
    cache: Option<&'static str>,
    /// How it ended; a request whose page has gone is dropped before it has an end.
    end: &'static str,
    quiet: bool,
}

impl Record {
    /// A request that has just come in.
    pub fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            route: String::new(),
            dialect: "",
            key: String::new(),
            model: String::new(),
            target: String::new(),
            attempts: None,
            status: 200,
            begin: Instant::now(),
            first_token: None,
            events: 0,
            input_tokens: None,
            output_tokens: None,
            cost: None,
            cache: None,
            end: "left",
            quiet: false,
        }
    }

    /// Where it goes.
    pub fn route(&mut self, path: &str, dialect: &'static str) {
        path.clone_into(&mut self.route);
        self.dialect = dialect;
    }

    /// Which key it came with: its name.
    pub fn key(&mut self, key: Option<&ApiKey>) {
        self.key = key.map(|key| key.name.clone()).unwrap_or_default();
    }

    /// Which model it is for.
    pub fn model(&mut self, name: &str) {
        name.clone_into(&mut self.model);
    }

    /// Which target answers, and what was tried before it.
    pub fn target(&mut self, (target, tried): (String, Tried)) {
        self.target = target;
        self.attempts = (!tried.is_plain()).then(|| tried.to_string());
    }

    /// Whether its answers were known without asking a provider, if they could be.
    pub fn cached(&mut self, cached: Option<bool>) {
        self.cache = cached.map(|hit| if hit { "hit" } else { "miss" });
    }

    /// Nothing worth a line: a health check, a preflight.
    pub fn quiet(mut self) {
        self.quiet = true;
    }

    /// There will be no stream.
    pub fn refused(&mut self, refusal: &Refusal<'_>) {
        self.status = refusal.status();
        self.end = refusal.code();
        if let Refusal::Failure(failure) = refusal {
            self.failure(failure);
        }
    }

    /// It was answered with one document.
    pub const fn answered(&mut self, status: u16) {
        self.status = status;
        self.end = "answered";
    }

    /// Something goes to the page; `target` says which target answers, and what was tried before it.
    pub fn event(&mut self, event: &Event, target: impl FnOnce() -> (String, Tried)) {
        self.events += 1;
        match event {
            Event::BlockDelta { .. } if self.first_token.is_none() => self.first_token = Some(Instant::now()),
            Event::TurnEnd(end) => {
                self.end = end.finish.reason.name();
                (self.input_tokens, self.output_tokens) = (end.usage.input, end.usage.output);
                self.cost = end.usage.cost;
                self.target(target());
            }
            Event::Failed(failure) => {
                self.end = failure.kind.label();
                self.target(target());
                self.failure(failure);
            }
            Event::Cancelled { by } => {
                self.end = match by {
                    CancelledBy::User => "cancelled",
                    CancelledBy::NewerTurn => "replaced",
                    CancelledBy::Shutdown => "shutdown",
                };
                self.target(target());
            }
            _ => {}
        }
    }

    fn failure(&self, failure: &Failure) {
        tracing::warn!(
            id = self.id,
            target = self.target,
            attempts = self.attempts,
            failure = failure.kind.label(),
            status = failure.status,
            text = ?failure.message,
            code = failure.code.as_ref().map(tracing::field::display),
            "failed"
        );
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if self.quiet {
            return;
        }
        let since = |instant: Instant| (instant - self.begin).as_millis() as u64;
        tracing::info!(
            id = self.id,
            route = self.route,
            dialect = self.dialect,
            key = self.key,
            model = self.model,
            target = self.target,
            attempts = self.attempts,
            status = self.status,
            first_token_ms = self.first_token.map(since),
            duration_ms = since(Instant::now()),
            events = self.events,
            input_tokens = self.input_tokens,
            output_tokens = self.output_tokens,
            cost_usd = self.cost.map(Cost::dollars),
            cache = self.cache,
            end = self.end,
            "request"
        );
    }
}
