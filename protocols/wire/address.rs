//! What pages put into paths and queries.

use crate::error::CallerError;
use crate::event::Text;

/// How long an id of a page may be, in bytes.
pub const LONGEST_ID: usize = 256;

/// Checks an id that a page made.
///
/// # Errors
/// It is empty, too long, or holds control characters.
pub fn check_id(path: &str, id: &str) -> Result<(), CallerError> {
    if id.is_empty() || id.len() > LONGEST_ID || id.chars().any(char::is_control) {
        let message = format!("must have 1 to {LONGEST_ID} bytes and no control characters");
        return Err(CallerError::invalid(path, message));
    }
    Ok(())
}

/// A parameter, as it was sent. AI SDK 4 glues its own on with a question mark, even behind a query.
pub fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split(['&', '?']).find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// The id of a thread or the like that stands in a path; `name` is what the dialect calls it.
///
/// # Errors
/// It is no percent-encoded text, or no id.
pub fn id(name: &str, segment: &str) -> Result<Text, CallerError> {
    let id = decode(segment).ok_or_else(|| CallerError::invalid(name, "is not percent-encoded UTF-8"))?;
    check_id(name, &id)?;
    Ok(id.into())
}

/// There is something at the path, but not for this method.
pub fn wrong_method(right: &str) -> CallerError {
    CallerError::new(405, "method_not_allowed", format!("use {right}"))
}

/// Percent-encoded text, decoded; `None` if it is none or no UTF-8. A plus is a plus: nothing here comes from a form.
pub fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut digit = || char::from(rest.next()?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        bytes.push(if byte == b'%' { digit()? << 4 | digit()? } else { byte });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_signs_are_read_and_nothing_else_is_changed() {
        assert_eq!(decode("a%2Fb%20%C3%bc+1").as_deref(), Some("a/b ü+1"));
        for wrong in ["%", "%4", "%zz", "%ff"] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_parameter_is_found_wherever_it_stands() {
        for query in ["id=x", "a=1&id=x", "a=1?id=x&b=2"] {
            assert_eq!(parameter(query, "id"), Some("x"), "{query}");
        }
        assert_eq!(parameter("ids=x&i=y", "id"), None);
    }
}
