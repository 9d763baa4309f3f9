//! Whose a request is.
//!
//! The key of a caller may say so, a token always does, and else the header of `[owner]`. What no key and no header
//! says is the key's own: two keys never see each other's conversations.

use chatwire_protocols::error::CallerError;
use http::HeaderMap;

use super::ApiKey;
use crate::store::Owner;

/// What the names of owners begin with that are keys. Nobody else may be called so.
const OF_KEY: &str = "key:";

/// The owner of a key's requests where a header names none.
pub fn of_key(key: &ApiKey) -> Owner {
    // The name was checked when the configuration was read.
    Owner::new(&format!("{OF_KEY}{}", key.name)).unwrap_or_else(|_| Owner::local())
}

/// The owner that a claim names, if it can be one: not another sort of caller's.
pub fn of_claim(name: &str) -> Option<Owner> {
    let owner = Owner::new(name).ok()?;
    (!is_reserved(&owner)).then_some(owner)
}

fn is_reserved(owner: &Owner) -> bool {
    owner.as_str().starts_with(OF_KEY) || *owner == Owner::local()
}

/// The owner that a header names.
///
/// # Errors
/// 401 if the header is missing, there more than once, or names nobody.
pub fn of_header(name: &str, headers: &HeaderMap) -> Result<Owner, CallerError> {
    let unknown = |why: &str| CallerError::new(401, "unknown_owner", format!("the header {name} {why}"));
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => {
            let owner = std::str::from_utf8(value.as_bytes()).ok().and_then(|value| Owner::new(value).ok());
            let owner = owner.filter(|owner| !owner.as_str().starts_with(OF_KEY));
            owner.ok_or_else(|| unknown("does not name a user"))
        }
        (None, _) => Err(unknown("is missing")),
        (Some(_), Some(_)) => Err(unknown("is there more than once")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_names_no_other_sort_of_caller() {
        for name in ["", " ", "a\nb", "local", " local", "key:page", " key:page", &"x".repeat(Owner::LONGEST + 1)] {
            assert_eq!(of_claim(name), None, "{name:?}");
        }
        assert_eq!(of_claim("auth0|12").unwrap().as_str(), "auth0|12");
        assert_eq!(of_key(&ApiKey::new("page", Vec::new())).as_str(), "key:page");
    }
}
