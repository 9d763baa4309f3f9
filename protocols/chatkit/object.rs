//! Objects of the wire: keys in order, nothing where a value is missing, times and addresses in one form.

use serde::Serialize;
use serde_json::{Map, Value};

/// An object that is being written. What is `None` is left out: a typed field is never `null` (ChatKit notes 2).
#[derive(Debug, Default, Serialize)]
pub(super) struct Object(Map<String, Value>);

impl Object {
    /// Adds a member.
    pub(super) fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    /// Adds a member if there is something to say.
    pub(super) fn maybe(self, key: &str, value: Option<impl Into<Value>>) -> Self {
        match value.map(Into::into) {
            None | Some(Value::Null) => self,
            Some(value) => self.set(key, value),
        }
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Self::Object(object.0)
    }
}

/// An absolute address as readers with typed addresses write it: scheme and host in small letters, no usual port, a
/// slash for an empty path. `None` for anything that is no absolute address.
pub(super) fn address(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once(':')?;
    let scheme = scheme.to_ascii_lowercase();
    if !scheme.starts_with(|letter: char| letter.is_ascii_lowercase())
        || !scheme.chars().all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter))
        || rest.chars().any(|letter| letter.is_whitespace() || letter.is_control())
    {
        return None;
    }
    let usual = match scheme.as_str() {
        "http" => ":80",
        "https" => ":443",
        "data" => return Some(format!("data:{rest}")),
        _ => return None,
    };
    let rest = rest.strip_prefix("//")?;
    let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = host.to_ascii_lowercase();
    let host = host.strip_suffix(usual).unwrap_or(&host);
    let slash = if path.starts_with('/') { "" } else { "/" };
    (!host.is_empty()).then(|| format!("{scheme}://{host}{slash}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_absolute_and_written_in_one_way() {
        for (given, written) in [
            ("https://a.b", Some("https://a.b/")),
            ("HTTPS://A.b:443?x=Y", Some("https://a.b/?x=Y")),
            ("http://a:80/P", Some("http://a/P")),
            ("http://a:8080/", Some("http://a:8080/")),
            ("https://[::1]:443/u", Some("https://[::1]/u")),
            ("data:image/png;base64,AA==", Some("data:image/png;base64,AA==")),
            ("/uploads/1", None),
            ("//a/b", None),
            ("https:///b", None),
            ("https://a b/", None),
            ("ftp://a/b", None),
            ("", None),
        ] {
            assert_eq!(address(given).as_deref(), written, "{given:?}");
        }
    }

    #[test]
    fn nothing_is_left_out_and_null_with_it() {
        let object =
            Object::default().set("a", 1).maybe("b", None::<&str>).maybe("c", Some(Value::Null)).maybe("d", Some("e"));
        assert_eq!(Value::from(object).to_string(), r#"{"a":1,"d":"e"}"#);
    }
}
