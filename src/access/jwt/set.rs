//! A set of public keys (JWKS, RFC 7517).

use std::fmt;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use super::of_family;

/// Most keys of a set: issuers have a handful.
const MOST: usize = 64;

/// Public keys, each for its own algorithms.
#[derive(Clone, Default)]
pub struct KeySet(Vec<PublicKey>);

#[derive(Clone)]
struct PublicKey {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    /// Reads a set. Keys that are not for checking signatures, or that we know nothing of, are left out, secret ones too:
    /// with a secret that is published, anybody could sign.
    ///
    /// # Errors
    /// It is no set, or no key in it is of use.
    pub fn parse(text: &[u8]) -> Result<Self, &'static str> {
        let document: Document = serde_json::from_slice(text).map_err(|_| "it is no JSON Web Key Set")?;
        let keys: Vec<PublicKey> = document.keys.into_iter().filter_map(PublicKey::read).take(MOST).collect();
        if keys.is_empty() { Err("it has no public key that signatures could be checked with") } else { Ok(Self(keys)) }
    }

    /// The key of this id for this algorithm. A token may name none if there is only one.
    pub fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&DecodingKey> {
        let fits = |key: &&PublicKey| key.algorithms.contains(&algorithm);
        let mut fitting = self.0.iter().filter(|key| id.is_none() || key.id.as_deref() == id).filter(fits);
        let first = fitting.next()?;
        (id.is_some() || fitting.next().is_none()).then_some(&first.key)
    }
}

impl PublicKey {
    fn read(value: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let mut algorithms = of_key(&jwk.algorithm);
        if let Some(own) = jwk.common.key_algorithm {
            let own: Algorithm = own.to_string().parse().ok()?;
            algorithms.retain(|algorithm| *algorithm == own);
        }
        let signs = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
        if algorithms.is_empty() || !signs {
            return None;
        }
        Some(Self { key: DecodingKey::from_jwk(&jwk).ok()?, id: jwk.common.key_id, algorithms })
    }
}

/// The algorithms that a key can be for.
fn of_key(key: &AlgorithmParameters) -> Vec<Algorithm> {
    match key {
        AlgorithmParameters::RSA(_) => of_family(AlgorithmFamily::Rsa).collect(),
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => vec![Algorithm::ES256],
            EllipticCurve::P384 => vec![Algorithm::ES384],
            _ => Vec::new(),
        },
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => vec![Algorithm::EdDSA],
        _ => Vec::new(),
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.0.iter().map(|key| &key.id)).finish()
    }
}
