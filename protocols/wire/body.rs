//! Request bodies read with the place of every mistake: `messages[2].content`.

use serde_json::{Map, Value};

use crate::error::CallerError;

/// A value of a request body and where it stands.
#[derive(Clone, Debug)]
pub struct Node<'a> {
    /// The value.
    pub value: &'a Value,
    path: String,
}

/// Reads a body as a JSON object.
///
/// # Errors
/// 400 when it is empty, no JSON, nested deeper than 128 levels, or no object.
pub fn object(body: &[u8]) -> Result<Map<String, Value>, CallerError> {
    object_in("body", body)
}

/// The same of what its sender calls something else.
///
/// # Errors
/// As [`object`].
pub fn object_in(what: &str, body: &[u8]) -> Result<Map<String, Value>, CallerError> {
    if body.trim_ascii().is_empty() {
        let message = format!("the {what} is empty; a JSON object is expected");
        return Err(CallerError::new(400, "empty_body", message));
    }
    let read = serde_json::from_slice(body).or_else(|error| match without_halves(body) {
        Some(mended) => serde_json::from_slice(&mended),
        None => Err(error),
    });
    match read {
        Ok(Value::Object(object)) => Ok(object),
        Ok(other) => Err(CallerError::new(
            400,
            "invalid_json",
            format!("the {what} must be a JSON object, not {}", kind(&other)),
        )),
        Err(error) => Err(CallerError::new(400, "invalid_json", format!("the {what} is not valid JSON: {error}"))),
    }
}

/// The body with U+FFFD for every escaped half of a surrogate pair, or `None` if there is none. JavaScript cuts
/// strings between the halves and sends what is left; one such message must not make every later request of its
/// conversation invalid (corner case 172).
fn without_halves(body: &[u8]) -> Option<Vec<u8>> {
    let unit = |at: usize| {
        let hex = body.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u16::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()
    };
    let mut mended = Vec::with_capacity(body.len());
    let (mut at, mut changed) = (0, false);
    while let Some(&byte) = body.get(at) {
        let width = match (byte, unit(at)) {
            (b'\\', Some(0xD800..=0xDBFF)) if matches!(unit(at + 6), Some(0xDC00..=0xDFFF)) => 12,
            (b'\\', Some(0xD800..=0xDFFF)) => {
                mended.extend_from_slice(b"\\ufffd");
                changed = true;
                at += 6;
                continue;
            }
            (b'\\', _) => 2,
            _ => 1,
        };
        mended.extend_from_slice(body.get(at..at + width).unwrap_or(&[byte]));
        at += width;
    }
    changed.then_some(mended)
}

impl<'a> Node<'a> {
    /// The root of a body.
    pub const fn root(value: &'a Value) -> Self {
        Self { value, path: String::new() }
    }

    /// Where it stands.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// A mistake at this place.
    pub fn wrong(&self, message: impl Into<String>) -> CallerError {
        CallerError::invalid(self.path.clone(), message)
    }

    /// A member; `None` if it is missing or `null`.
    pub fn get(&self, key: &str) -> Option<Self> {
        let value = self.value.get(key).filter(|value| !value.is_null())?;
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        Some(Self { value, path })
    }

    /// A member that must be there.
    ///
    /// # Errors
    /// It is missing or `null`.
    pub fn required(&self, key: &str) -> Result<Self, CallerError> {
        self.get(key).ok_or_else(|| {
            let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
            CallerError::invalid(path, "is missing")
        })
    }

    /// The items of an array.
    ///
    /// # Errors
    /// It is no array.
    pub fn items(&self) -> Result<impl Iterator<Item = Self>, CallerError> {
        let items = self.value.as_array().ok_or_else(|| self.expected("an array"))?;
        let path = self.path.clone();
        Ok(items.iter().enumerate().map(move |(at, value)| Node { value, path: format!("{path}[{at}]") }))
    }

    /// A string.
    ///
    /// # Errors
    /// It is none.
    pub fn str(&self) -> Result<&'a str, CallerError> {
        self.value.as_str().ok_or_else(|| self.expected("a string"))
    }

    /// A number.
    ///
    /// # Errors
    /// It is none.
    pub fn number(&self) -> Result<f64, CallerError> {
        self.value.as_f64().ok_or_else(|| self.expected("a number"))
    }

    /// A whole number that is not negative.
    ///
    /// # Errors
    /// It is none.
    pub fn count(&self) -> Result<u64, CallerError> {
        self.value.as_u64().ok_or_else(|| self.expected("a whole number"))
    }

    /// A truth value.
    ///
    /// # Errors
    /// It is none.
    pub fn flag(&self) -> Result<bool, CallerError> {
        self.value.as_bool().ok_or_else(|| self.expected("true or false"))
    }

    /// An object.
    ///
    /// # Errors
    /// It is none.
    pub fn object(&self) -> Result<&'a Map<String, Value>, CallerError> {
        self.value.as_object().ok_or_else(|| self.expected("an object"))
    }

    /// "must be X, not Y" at this place.
    pub fn expected(&self, what: &str) -> CallerError {
        self.wrong(format!("must be {what}, not {}", kind(self.value)))
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_names_its_place() {
        let body = serde_json::json!({"messages": [{}, {"content": 5}]});
        let root = Node::root(&body);
        let second = root.required("messages").unwrap().items().unwrap().nth(1).unwrap();
        let error = second.required("content").unwrap().str().unwrap_err();
        assert_eq!(error.to_string(), "messages[1].content: must be a string, not a number");
        assert_eq!(second.required("role").unwrap_err().path, "messages[1].role");
    }

    #[test]
    fn halves_of_surrogate_pairs_do_not_spoil_a_body() {
        for (body, text) in [
            (r#"{"a":"x\ud83d"}"#, "x\u{fffd}"),
            (r#"{"a":"\ude00\ud83d\ude00\ud83d"}"#, "\u{fffd}\u{1f600}\u{fffd}"),
            (r#"{"a":"\\ud83d \ud83d\n"}"#, "\\ud83d \u{fffd}\n"),
        ] {
            assert_eq!(object(body.as_bytes()).unwrap()["a"], text, "{body}");
        }
        for body in ["{\"a\":\"\\ud8", "{\"a\":\"\\ud83d", "{\"a\":\"\\"] {
            assert!(object(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn bodies_that_are_no_object_are_refused() {
        for body in ["", " ", "[]", "{", "\"x\""] {
            assert_eq!(object(body.as_bytes()).unwrap_err().status, 400, "{body:?}");
        }
        assert!(object("[".repeat(10_000).as_bytes()).is_err());
    }
}
