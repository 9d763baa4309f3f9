//! Where a request's credential stands: `Authorization: Bearer`, `x-api-key` or, for WebSockets of browsers, a
//! subprotocol. Never in the address, which is logged and passed on.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chatwire_protocols::error::CallerError;
use http::header::{AUTHORIZATION, HeaderMap, SEC_WEBSOCKET_PROTOCOL, UPGRADE};

/// The subprotocol that is answered: the one without the secret.
pub const SUBPROTOCOL: &str = "chatwire";

/// What the subprotocol begins with that carries the credential, in base64url without padding.
pub const KEY_SUBPROTOCOL: &str = "chatwire.key.";

const KEY_HEADER: &str = "x-api-key";

/// Longest credential; tokens with many claims have a few thousand bytes.
const LONGEST: usize = 16 << 10;

/// What a request shows for itself, if anything.
///
/// # Errors
/// 401 if there is more than one, or one that cannot be read: nobody may choose which of two is looked at.
pub fn of(headers: &HeaderMap) -> Result<Option<Vec<u8>>, CallerError> {
    let bearers = headers.get_all(AUTHORIZATION).iter().filter_map(|value| bearer(value.as_bytes()));
    let keys = headers.get_all(KEY_HEADER).iter().map(|value| value.as_bytes());
    let mut shown: Vec<Vec<u8>> = bearers.chain(keys).map(<[u8]>::to_vec).collect();
    if headers.contains_key(UPGRADE) {
        shown.extend(subprotocols(headers)?);
    }
    let mut shown = shown.into_iter();
    match (shown.next(), shown.next()) {
        (Some(one), None) if one.len() > LONGEST => Err(refused("the credential is too long")),
        (one, None) => Ok(one),
        (_, Some(_)) => Err(refused("there is more than one credential")),
    }
}

/// The token of a header's value, if that is its scheme.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked("bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

fn subprotocols(headers: &HeaderMap) -> Result<Vec<Vec<u8>>, CallerError> {
    let lists = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|list| list.to_str().ok());
    let words = lists.flat_map(|list| list.split(',')).filter_map(|word| word.trim().strip_prefix(KEY_SUBPROTOCOL));
    words
        .map(|word| URL_SAFE_NO_PAD.decode(word).map_err(|_| refused("the subprotocol's key is not base64url")))
        .collect()
}

/// Says that a credential is wrong. Not what is wrong about a key: that would help to guess one.
pub fn refused(why: &str) -> CallerError {
    CallerError::new(401, "invalid_credential", why)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn shown(pairs: &[(&'static str, &'static str)]) -> Result<Option<String>, u16> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let shown = of(&headers).map_err(|error| error.status)?;
        Ok(shown.map(|bytes| String::from_utf8(bytes).unwrap()))
    }

    #[test]
    fn a_credential_stands_in_one_of_three_places() {
        let socket = ("upgrade", "websocket");
        for (pairs, expected) in [
            (&[][..], None),
            (&[("authorization", "Bearer k")], Some("k")),
            (&[("authorization", "bEARER  k ")], Some("k")),
            (&[("authorization", "Bearer ")], Some("")),
            (&[("authorization", "Basic k")], None),
            (&[("authorization", "k")], None),
            (&[("authorization", "Bearer")], None),
            (&[("x-api-key", "k")], Some("k")),
            (&[("authorization", "Basic x"), ("x-api-key", "k")], Some("k")),
            (&[socket, ("sec-websocket-protocol", "chatwire, chatwire.key.a2V5")], Some("key")),
            (&[("sec-websocket-protocol", "chatwire, chatwire.key.a2V5")], None),
            (&[socket, ("sec-websocket-protocol", "chatwire, other")], None),
            (&[("cookie", "x-api-key=k"), ("x-forwarded-authorization", "Bearer k")], None),
        ] {
            assert_eq!(shown(pairs), Ok(expected.map(str::to_owned)), "{pairs:?}");
        }
    }

    #[test]
    fn of_two_credentials_none_is_taken() {
        let key = ("x-api-key", "k");
        let socket = ("upgrade", "websocket");
        for pairs in [
            &[key, key][..],
            &[("authorization", "Bearer k"), key],
            &[("authorization", "Bearer k"), ("authorization", "Bearer k")],
            &[socket, key, ("sec-websocket-protocol", "chatwire.key.a2V5")],
            &[socket, ("sec-websocket-protocol", "chatwire.key.a2V5, chatwire.key.a2V5")],
            &[socket, ("sec-websocket-protocol", "chatwire.key.!")],
        ] {
            assert_eq!(shown(pairs), Err(401), "{pairs:?}");
        }
    }

    #[test]
    fn a_giant_credential_is_refused_before_anything_is_made_of_it() {
        let mut headers = HeaderMap::new();
        headers.insert(KEY_HEADER, HeaderValue::from_str(&"k".repeat(LONGEST + 1)).unwrap());
        assert_eq!(of(&headers).map_err(|error| error.status), Err(401));
    }
}
