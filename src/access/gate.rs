//! Says who asks: the one place that does.

use std::io;
use std::sync::Arc;

use chatwire_protocols::error::CallerError;
use http::request::Parts;

use super::jwt::Verifier;
use super::{ApiKey, Auth, Caller, Mount, Peer, credential, owner};
use crate::clock::now_ms;
use crate::config::plan::Plan;
use crate::store::Owner;

/// What every request but those for health passes.
#[derive(Debug)]
pub struct Gate {
    /// What is asked of callers; without it, everybody may call.
    auth: Option<Auth>,
    verifier: Option<Verifier>,
    /// The header that names the user.
    header: Option<String>,
    /// True if limits hold for each user, who must then be known everywhere.
    counts_owners: bool,
}

impl Gate {
    /// A gate that asks what a plan says. Public keys that an earlier one has fetched from the same address are kept.
    ///
    /// # Errors
    /// The keys of tokens are at an address, and TLS cannot be set up.
    pub fn new(plan: &Plan, earlier: Option<&Self>) -> io::Result<Self> {
        let jwt = plan.auth.as_ref().and_then(|auth| auth.jwt.clone());
        let earlier = earlier.and_then(|gate| gate.verifier.as_ref());
        let verifier = jwt.map(|jwt| Verifier::new(jwt, earlier)).transpose()?;
        Ok(Self {
            auth: plan.auth.clone(),
            verifier,
            header: plan.owner.clone(),
            counts_owners: !plan.limits.owner.is_empty(),
        })
    }

    /// Finds out who asks for what is at `mount`.
    ///
    /// # Errors
    /// 401 if that must be known and is not, 403 if they may not, 503 if it cannot be found out now.
    pub async fn identify(&self, mount: &Mount<'_>, head: &Parts) -> Result<Caller, CallerError> {
        let peer = Peer::of(head);
        let Some(auth) = &self.auth else {
            return Ok(Caller::new(peer, None, self.owner(mount, head, Owner::local)?, None));
        };
        let Some(shown) = credential::of(&head.headers)? else {
            if mount.anonymous {
                return Ok(Caller::new(peer, None, self.owner(mount, head, Owner::local)?, None));
            }
            return Err(CallerError::new(401, "missing_credential", "this needs an API key or a token"));
        };
        if let Some(key) = auth.key(&shown) {
            return self.with_key(key, mount, head);
        }
        match &self.verifier {
            Some(verifier) if is_token(&shown) => {
                let token = verifier.verify(&shown).await?;
                Ok(Caller::new(peer, None, token.owner, Some(token.until)))
            }
            _ => Err(credential::refused("the API key is not valid")),
        }
    }

    fn with_key(&self, key: &Arc<ApiKey>, mount: &Mount<'_>, head: &Parts) -> Result<Caller, CallerError> {
        if key.expires.is_some_and(|expires| expires <= now_ms()) {
            return Err(credential::refused("the API key has expired"));
        }
        if !key.may_call(mount.path) {
            return Err(CallerError::new(403, "key_not_allowed", "this API key is not for this path"));
        }
        let owner = match &key.owner {
            Some(owner) => owner.clone(),
            None => self.owner(mount, head, || owner::of_key(key))?,
        };
        Ok(Caller::new(Peer::of(head), Some(Arc::clone(key)), owner, key.expires))
    }

    /// The owner that the header names, or this one where no header does.
    fn owner(&self, mount: &Mount<'_>, head: &Parts, or: impl FnOnce() -> Owner) -> Result<Owner, CallerError> {
        match &self.header {
            None => Ok(or()),
            Some(header) => match owner::of_header(header, &head.headers) {
                Err(_) if !mount.needs_owner && !self.counts_owners => Ok(or()),
                owner => owner,
            },
        }
    }
}

/// Whether this is formed like a token: three parts with dots between them.
fn is_token(shown: &[u8]) -> bool {
    shown.iter().filter(|byte| **byte == b'.').count() == 2
}
