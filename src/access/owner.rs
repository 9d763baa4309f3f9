//! Whose a request is.

use chatwire_protocols::error::CallerError;
use http::HeaderMap;

use crate::store::Owner;

/// The owner that a header of this name names, or the one owner there is where no header does.
///
/// # Errors
/// 401 if the header is missing, there more than once, or names nobody.
pub fn of(header: Option<&str>, headers: &HeaderMap) -> Result<Owner, CallerError> {
    let Some(name) = header else { return Ok(Owner::local()) };
    let unknown = |why: &str| CallerError::new(401, "unknown_owner", format!("the header {name} {why}"));
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => {
            let owner = std::str::from_utf8(value.as_bytes()).ok().and_then(|value| Owner::new(value).ok());
            owner.ok_or_else(|| unknown("does not name a user"))
        }
        (None, _) => Err(unknown("is missing")),
        (Some(_), Some(_)) => Err(unknown("is there more than once")),
    }
}
