//! Signed addresses: whoever has one may do what it says, until it is too old. For pictures, which browsers load
//! without the page's headers, and for sending the bytes of an announced file.

use std::fmt::Write as _;

use aws_lc_rs::hmac;

/// What an address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Sending the bytes.
    Upload,
    /// Seeing them.
    Read,
}

impl Purpose {
    const fn name(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Read => "read",
        }
    }
}

/// Signs with the secret of a folder.
#[derive(Debug)]
pub struct Signer(hmac::Key);

impl Signer {
    /// A signer with this secret.
    pub fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The query of an address for a file, good until `expires`, in milliseconds since 1970.
    pub fn query(&self, purpose: Purpose, id: &str, expires: u64) -> String {
        let mut query = format!("expires={expires}&signature=");
        for byte in hmac::sign(&self.0, message(purpose, id, expires).as_bytes()).as_ref() {
            // Writing into a text cannot fail.
            let _ = write!(query, "{byte:02x}");
        }
        query
    }

    /// Whether a query was signed here for this, and is not too old.
    pub fn allows(&self, purpose: Purpose, id: &str, query: &str, now: u64) -> bool {
        let member = |name: &str| {
            let mut values = query.split('&').filter_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            values.next().filter(|_| values.next().is_none())
        };
        let digits = member("expires").filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let Some(expires) = digits.and_then(|text| text.parse::<u64>().ok()) else { return false };
        let Some(signature) = member("signature").and_then(unhex) else { return false };
        // Compares in constant time.
        hmac::verify(&self.0, message(purpose, id, expires).as_bytes(), &signature).is_ok() && now < expires
    }
}

fn message(purpose: Purpose, id: &str, expires: u64) -> String {
    format!("{}\n{id}\n{expires}", purpose.name())
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_good_for_one_purpose_one_file_and_its_time() {
        let signer = Signer::new(b"secret");
        let query = signer.query(Purpose::Read, "a", 1000);
        assert!(signer.allows(Purpose::Read, "a", &query, 999));
        assert!(!signer.allows(Purpose::Read, "a", &query, 1000), "too old");
        assert!(!signer.allows(Purpose::Upload, "a", &query, 999));
        assert!(!signer.allows(Purpose::Read, "b", &query, 999));
        assert!(!Signer::new(b"another").allows(Purpose::Read, "a", &query, 999));
        let wrong = [
            String::new(),
            "expires=1000".to_owned(),
            query.replace("1000", "2000"),
            query.replace("1000", "+1000"),
            format!("{query}00"),
            query[..query.len() - 2].to_owned(),
            format!("{query}&{query}"),
            query.replace("signature", "signatur"),
            "expires=1000&signature=".to_owned(),
            "expires=1000&signature=é".to_owned(),
        ];
        for query in wrong {
            assert!(!signer.allows(Purpose::Read, "a", &query, 999), "{query}");
        }
    }
}
