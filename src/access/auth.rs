//! What is asked of callers, as the configuration says.

use std::sync::Arc;

use super::{ApiKey, Jwt};

/// Who may call at all.
#[derive(Clone, Debug, Default)]
pub struct Auth {
    /// The keys.
    pub keys: Vec<Arc<ApiKey>>,
    /// Which tokens are taken, if any.
    pub jwt: Option<Jwt>,
}

impl Auth {
    /// The key that this is the text of. It takes as long for a text that is no key: every hash is looked at.
    pub fn key(&self, text: &[u8]) -> Option<&Arc<ApiKey>> {
        let hash = super::KeyHash::of(text);
        let mut found = None;
        for key in &self.keys {
            if key.has(&hash) {
                found = Some(key);
            }
        }
        found
    }
}

/// A place that requests go to, as far as it matters who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mount<'a> {
    /// Its path in the configuration.
    pub path: &'a str,
    /// Whether it may be called without a credential.
    pub anonymous: bool,
    /// Whether it must be known whose a request is.
    pub needs_owner: bool,
}
