//! Tokens (JWT): signed by somebody who knows the user, and checked here with that one's public keys.
//!
//! The library checks signature, times, issuer and audience. What it leaves to its caller stands here: which
//! algorithms are allowed at all, that a key is used for its own algorithm only, and where keys come from: never from
//! the token.

mod jwks;
mod set;

use std::sync::Arc;
use std::time::Duration;

use chatwire_protocols::error::CallerError;
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value};

use super::credential::refused;
use super::owner;
use crate::secret::Secret;
use crate::store::Owner;
pub use jwks::Jwks;
pub use set::KeySet;

/// The algorithms that may be allowed, by their names: those with public keys, and HS256.
pub const ALGORITHMS: [(&str, Algorithm); 10] = [
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("EdDSA", Algorithm::EdDSA),
    ("HS256", Algorithm::HS256),
];

/// Which tokens are taken.
#[derive(Clone, Debug)]
pub struct Jwt {
    /// The public keys, if any.
    pub keys: Option<Keys>,
    /// The secret of HS256, if that is allowed.
    pub secret: Option<Secret>,
    /// The algorithms that are allowed.
    pub algorithms: Vec<Algorithm>,
    /// Who must have made them.
    pub issuers: Vec<String>,
    /// Whom they must be for: one of these.
    pub audiences: Vec<String>,
    /// The claim that names the user.
    pub owner_claim: String,
    /// How far clocks may differ.
    pub leeway: Duration,
}

/// Where public keys come from.
#[derive(Clone, Debug)]
pub enum Keys {
    /// From the configuration.
    Set(KeySet),
    /// From an address of the configuration, asked again after so long.
    Url(String, Duration),
}

/// The algorithm of this name, if it may be allowed.
pub fn algorithm(name: &str) -> Option<Algorithm> {
    ALGORITHMS.into_iter().find(|(own, _)| *own == name).map(|(_, algorithm)| algorithm)
}

/// The algorithms of a family that may be allowed.
fn of_family(family: AlgorithmFamily) -> impl Iterator<Item = Algorithm> {
    ALGORITHMS.into_iter().map(|(_, algorithm)| algorithm).filter(move |algorithm| algorithm.family() == family)
}

impl Jwt {
    /// What holds where the configuration names no algorithms.
    pub fn usual_algorithms(keys: bool, secret: bool) -> Vec<Algorithm> {
        let asked = move |algorithm: &Algorithm| match algorithm.family() {
            AlgorithmFamily::Hmac => secret,
            AlgorithmFamily::Rsa | AlgorithmFamily::Ec | AlgorithmFamily::Ed => keys,
        };
        ALGORITHMS.into_iter().map(|(_, algorithm)| algorithm).filter(asked).collect()
    }
}

/// Whose a token is, and until when, in milliseconds since 1970.
#[derive(Debug, PartialEq, Eq)]
pub struct Token {
    pub owner: Owner,
    pub until: u64,
}

/// Checks tokens.
#[derive(Debug)]
pub struct Verifier {
    plan: Jwt,
    /// The public keys that are asked for at an address.
    jwks: Option<Arc<Jwks>>,
    secret: Option<DecodingKey>,
}

impl Verifier {
    /// One that checks what a plan says, with the keys that an earlier one has fetched if they are those.
    ///
    /// # Errors
    /// The keys are at an address, and TLS cannot be set up.
    pub fn new(plan: Jwt, earlier: Option<&Self>) -> std::io::Result<Self> {
        let jwks = match &plan.keys {
            Some(Keys::Url(url, refresh)) => {
                Some(match earlier.and_then(|earlier| earlier.fetched_from(url, *refresh)) {
                    Some(same) => same,
                    None => Arc::new(Jwks::at(url, *refresh)?),
                })
            }
            Some(Keys::Set(_)) | None => None,
        };
        let secret = plan.secret.as_ref().map(|secret| DecodingKey::from_secret(secret.expose().as_bytes()));
        Ok(Self { plan, jwks, secret })
    }

    fn fetched_from(&self, url: &str, refresh: Duration) -> Option<Arc<Jwks>> {
        let same = matches!(&self.plan.keys, Some(Keys::Url(own, after)) if own == url && *after == refresh);
        self.jwks.clone().filter(|_| same)
    }

    /// Whose a token is.
    ///
    /// # Errors
    /// 401 if it is none that we take; 503 if the keys to check it cannot be had.
    pub async fn verify(&self, token: &[u8]) -> Result<Token, CallerError> {
        let header = decode_header(token).map_err(|_| refused("the token cannot be read"))?;
        if !self.plan.algorithms.contains(&header.alg) {
            return Err(refused("the token's algorithm is not allowed"));
        }
        if header.crit.is_some() {
            return Err(refused("the token asks for what is not understood here"));
        }
        if AlgorithmFamily::Hmac.algorithms().contains(&header.alg) {
            let key = self.secret.as_ref().ok_or_else(|| refused("the token's algorithm is not allowed"))?;
            return self.check(token, key, header.alg);
        }
        let kid = header.kid.as_deref();
        let unknown = || refused("the token's key is not known");
        match (&self.plan.keys, &self.jwks) {
            (Some(Keys::Set(set)), _) => self.check(token, set.find(kid, header.alg).ok_or_else(unknown)?, header.alg),
            (_, Some(jwks)) => {
                let set = jwks.set_with(kid, header.alg).await.ok_or_else(|| {
                    CallerError::new(503, "keys_unavailable", "the keys that tokens are checked with cannot be had now")
                })?;
                self.check(token, set.find(kid, header.alg).ok_or_else(unknown)?, header.alg)
            }
            (_, None) => Err(unknown()),
        }
    }

    fn check(&self, token: &[u8], key: &DecodingKey, algorithm: Algorithm) -> Result<Token, CallerError> {
        let mut validation = Validation::new(algorithm);
        validation.leeway = self.plan.leeway.as_secs();
        validation.validate_nbf = true;
        validation.set_issuer(&self.plan.issuers);
        validation.set_audience(&self.plan.audiences);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        let claims =
            decode::<Map<String, Value>>(token, key, &validation).map_err(|error| refused(why(&error)))?.claims;
        let named = claims.get(&self.plan.owner_claim).and_then(Value::as_str);
        let owner = named.and_then(owner::of_claim).ok_or_else(|| refused("the token names no user"))?;
        // The library has seen that it is a number.
        let expires = claims.get("exp").and_then(Value::as_f64).unwrap_or_default().max(0.0);
        Ok(Token { owner, until: ((expires + self.plan.leeway.as_secs_f64()) * 1000.0) as u64 })
    }
}

/// What is wrong with a token: whoever has it can read all that is in it.
fn why(error: &jsonwebtoken::errors::Error) -> &'static str {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::ExpiredSignature => "the token has expired",
        ErrorKind::ImmatureSignature => "the token is not good yet",
        ErrorKind::InvalidIssuer => "the token is of another issuer",
        ErrorKind::InvalidAudience => "the token is for another audience",
        ErrorKind::MissingRequiredClaim(_) => "the token lacks a claim: exp, iss and aud must be there",
        _ => "the token is not valid",
    }
}

#[cfg(test)]
mod tests;
