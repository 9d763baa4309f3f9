//! Values of a request, with bounds on what is kept or named later.

use serde_json::Value;

use crate::error::CallerError;
use crate::event::Text;
use crate::wire::body::Node;

/// Most entries of any list in a request.
pub(super) const MOST_LISTED: usize = 1000;

/// Most letters of an id.
const LONGEST_ID: usize = 256;

/// Most letters of a media type with its parameters.
const LONGEST_MEDIA_TYPE: usize = 255;

/// An id: opaque, but short and without blanks, so that it can stand in a log, a path and a header.
pub(super) fn id(node: &Node<'_>) -> Result<Text, CallerError> {
    let id = node.str()?;
    if id.is_empty() {
        return Err(node.wrong("is empty"));
    }
    if id.len() > LONGEST_ID || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(node.wrong(format!("must be an id: at most {LONGEST_ID} visible ASCII characters")));
    }
    Ok(id.into())
}

/// Ids, each once.
pub(super) fn ids(node: &Node<'_>) -> Result<Vec<Text>, CallerError> {
    let mut ids = listed(node, id)?;
    let mut seen = std::collections::HashSet::new();
    ids.retain(|id| seen.insert(id.clone()));
    Ok(ids)
}

/// The entries of a list that has a bound.
pub(super) fn listed<T>(
    node: &Node<'_>,
    read: impl Fn(&Node<'_>) -> Result<T, CallerError>,
) -> Result<Vec<T>, CallerError> {
    if node.value.as_array().is_some_and(|entries| entries.len() > MOST_LISTED) {
        return Err(node.wrong(format!("has more than {MOST_LISTED} entries")));
    }
    node.items()?.map(|entry| read(&entry)).collect()
}

/// A text of at most so many letters that is not blank.
pub(super) fn text<'a>(node: &Node<'a>, most: usize) -> Result<&'a str, CallerError> {
    let text = node.str()?;
    if text.trim().is_empty() {
        return Err(node.wrong("is empty"));
    }
    if text.chars().nth(most).is_some() {
        return Err(node.wrong(format!("is longer than {most} characters")));
    }
    Ok(text)
}

/// A text of the page's own that may be missing; nothing if it is empty.
pub(super) fn optional_text(node: &Node<'_>, key: &str) -> Result<Option<String>, CallerError> {
    let text = node.get(key).map(|text| text.str().map(str::to_owned)).transpose()?;
    Ok(text.filter(|text| !text.is_empty()))
}

/// A whole number, also as a text or with `.0`.
pub(super) fn count(node: &Node<'_>) -> Result<u64, CallerError> {
    let number = match node.value {
        Value::String(digits) => digits.trim().parse().ok(),
        // Exact as long as a double counts in ones.
        Value::Number(number) => number.as_u64().or_else(|| {
            number.as_f64().filter(|number| number.fract() == 0.0 && (0.0..9e15).contains(number)).map(|n| n as u64)
        }),
        _ => None,
    };
    number.ok_or_else(|| node.wrong("must be a whole number that is not negative"))
}

/// A truth value in any of its spellings; false if it is missing.
pub(super) fn flag(node: &Node<'_>, key: &str) -> Result<bool, CallerError> {
    let Some(flag) = node.get(key) else { return Ok(false) };
    match flag.value {
        Value::Bool(flag) => Ok(*flag),
        Value::String(word) if word.eq_ignore_ascii_case("true") || word == "1" => Ok(true),
        Value::String(word) if word.eq_ignore_ascii_case("false") || word == "0" => Ok(false),
        Value::Number(number) if number.as_u64().is_some_and(|number| number < 2) => Ok(number.as_u64() == Some(1)),
        _ => Err(flag.expected("true or false")),
    }
}

/// A media type with its parameters, fit for a header. Browsers send nothing for files they do not know.
pub(super) fn media_type<'a>(node: &Node<'a>) -> Result<&'a str, CallerError> {
    let media_type = node.str()?.trim();
    if media_type.is_empty() {
        return Ok("application/octet-stream");
    }
    let essence = media_type.split(';').next().unwrap_or_default().trim_end();
    let token = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    let right = media_type.len() <= LONGEST_MEDIA_TYPE
        && media_type.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
        && essence.split_once('/').is_some_and(|(kind, subtype)| token(kind) && token(subtype));
    if right { Ok(media_type) } else { Err(node.wrong("must be a media type such as image/png")) }
}
