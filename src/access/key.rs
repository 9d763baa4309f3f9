//! API keys. Only their hashes are known, and these are compared in constant time.
//!
//! A key is a random text of 256 bits, so its plain SHA-256 cannot be turned back; a slow hash would only help whoever
//! sends many wrong keys.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use aws_lc_rs::error::Unspecified;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::limits::Limits;
use crate::store::Owner;

/// What new keys begin with, so that people and scanners of leaked secrets know them.
const PREFIX: &str = "cw_";

/// Bytes of randomness in a new key.
const RANDOM: usize = 32;

/// An API key of the configuration, without the key itself.
#[derive(Debug)]
pub struct ApiKey {
    /// Its name in the file: for logs, metrics and limits.
    pub name: String,
    /// The hashes of its values: several while one takes the place of another.
    pub hashes: Vec<KeyHash>,
    /// The user that its requests are for, if it is always the same.
    pub owner: Option<Owner>,
    /// The routes it is for; all without.
    pub routes: Option<Patterns>,
    /// The models it is for; all without.
    pub models: Option<Patterns>,
    /// When it ends, in milliseconds since 1970.
    pub expires: Option<u64>,
    /// What holds for all requests with it.
    pub limits: Option<Limits>,
}

impl ApiKey {
    /// A key of these values that may do everything.
    pub fn new(name: &str, hashes: Vec<KeyHash>) -> Self {
        let name = name.to_owned();
        Self { name, hashes, owner: None, routes: None, models: None, expires: None, limits: None }
    }

    /// Whether one of its values has this hash. All are looked at.
    pub fn has(&self, hash: &KeyHash) -> bool {
        self.hashes.iter().fold(false, |found, own| own.is(hash) | found)
    }

    /// Whether it is for the route, or other mount, of this path in the configuration.
    pub fn may_call(&self, path: &str) -> bool {
        self.routes.as_ref().is_none_or(|routes| routes.fit(path))
    }

    /// Whether it is for the model of this name.
    pub fn may_ask(&self, model: &str) -> bool {
        self.models.as_ref().is_none_or(|models| models.fit(model))
    }
}

/// The SHA-256 of a key.
#[derive(Clone, Copy)]
pub struct KeyHash([u8; SHA256_OUTPUT_LEN]);

impl KeyHash {
    /// The hash of a key.
    pub fn of(key: &[u8]) -> Self {
        let mut hash = [0; SHA256_OUTPUT_LEN];
        hash.copy_from_slice(digest(&SHA256, key).as_ref());
        Self(hash)
    }

    /// The hash that is written so, in 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut hash = [0; SHA256_OUTPUT_LEN];
        if text.len() != 2 * hash.len() || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        for (at, byte) in hash.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
        }
        Some(Self(hash))
    }

    /// Whether they are the same, in constant time.
    pub fn is(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("KeyHash(…)")
    }
}

/// Names, and beginnings of names with a `*` behind them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patterns(pub Vec<String>);

impl Patterns {
    /// Whether a name is one of them.
    pub fn fit(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| fits(pattern, name))
    }
}

/// Whether a name is this one, or begins like this one that ends in `*`.
pub fn fits(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => pattern == name,
    }
}

/// A new random key.
///
/// # Errors
/// The system has no random numbers.
pub fn new_key() -> Result<String, Unspecified> {
    let mut random = [0; RANDOM];
    aws_lc_rs::rand::fill(&mut random)?;
    Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Auth;
    use std::sync::Arc;

    #[test]
    fn a_hash_is_read_as_it_is_written() {
        // The example of the standard.
        let written = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let hash = KeyHash::from_hex(written).unwrap();
        assert!(hash.is(&KeyHash::of(b"abc")) && !hash.is(&KeyHash::of(b"abd")));
        assert_eq!(hash.to_string(), written);
        assert!(KeyHash::from_hex(&written.to_uppercase()).unwrap().is(&hash));
        assert_eq!(format!("{hash:?}"), "KeyHash(…)");
        for wrong in ["", "ba78", &format!("{written}00"), &written.replace('b', "g"), &written.replacen("ba", "é", 1)]
        {
            assert!(KeyHash::from_hex(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn every_value_of_a_key_is_the_key_and_nothing_else() {
        let key = |name, values: &[&str]| {
            Arc::new(ApiKey::new(name, values.iter().map(|value| KeyHash::of(value.as_bytes())).collect()))
        };
        let auth = Auth { keys: vec![key("page", &["old", "new"]), key("job", &["other"])], jwt: None };
        let name = |text: &str| auth.key(text.as_bytes()).map(|key| key.name.as_str());
        assert_eq!((name("old"), name("new"), name("other")), (Some("page"), Some("page"), Some("job")));
        for wrong in ["", "ol", "oldx", "OLD", " old", "old ", "old\0"] {
            assert_eq!(name(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn patterns_are_whole_names_or_beginnings() {
        let patterns = Patterns(vec!["/chat".to_owned(), "/api/*".to_owned()]);
        for (name, fits) in [
            ("/chat", true),
            ("/chat/x", false),
            ("/api/", true),
            ("/api/a/b", true),
            ("/api", false),
            ("/apix", false),
        ] {
            assert_eq!(patterns.fit(name), fits, "{name}");
        }
        assert!(!Patterns::default().fit("/chat") && Patterns(vec!["*".to_owned()]).fit("/chat"));
    }

    #[test]
    fn a_new_key_is_random_and_fits_into_headers() {
        let (one, two) = (new_key().unwrap(), new_key().unwrap());
        assert!(one.starts_with(PREFIX) && one.len() == PREFIX.len() + 43 && one != two);
        assert!(http::HeaderValue::from_str(&one).is_ok());
    }
}
