//! The address of a request: the operator writes it, the model fills places in it and can change nothing else.

use std::ops::Range;

use reqwest::Url;
use serde_json::{Map, Value};

use super::template::{Template, TemplateError, Unfit};

/// An address with places for arguments in its path and query.
#[derive(Clone, Debug)]
pub struct Address {
    /// The scheme, the host and the port.
    origin: String,
    /// The parts of the path between its slashes.
    segments: Vec<Template>,
    query: Option<Template>,
}

/// A text that is no such address.
pub type AddressError = TemplateError;

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// It is no address of a web server, has credentials or a fragment, or places elsewhere.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let wrong = |at: Range<usize>, what| Err(AddressError { at, what });
        let start = match ["https://", "http://"].iter().find(|scheme| text.starts_with(**scheme)) {
            Some(scheme) => scheme.len(),
            None => return wrong(0..text.len(), "it begins with https:// or http://"),
        };
        let end = text[start..].find(['/', '?', '#']).map_or(text.len(), |end| start + end);
        if let Some(at) = text[start..end].find(['{', '}', '@', '\\']) {
            return wrong(start + at..start + at + 1, "the host is fixed: it has no arguments and no credentials");
        }
        if let Some(at) = text.find('#') {
            return wrong(at..text.len(), "no server sees the part from `#` on");
        }
        if Url::parse(&text[..end]).is_err() {
            return wrong(start..end, "not a host");
        }
        let (path, query) = match text[end..].find('?') {
            Some(mark) => (end..end + mark, Some(end + mark + 1)),
            None => (end..text.len(), None),
        };
        let query = query.map(|at| parse_part(text, at..text.len())).transpose()?;
        Ok(Self { origin: text[..end].to_owned(), segments: parse_path(text, path)?, query })
    }

    /// The names of its arguments.
    pub fn arguments(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().chain(&self.query).flat_map(Template::arguments)
    }

    /// The address with these arguments and these further members of its query.
    ///
    /// # Errors
    /// An argument is missing or cannot stand in its place.
    pub fn fill(&self, arguments: &Map<String, Value>, query: &[(&str, String)]) -> Result<Url, Unfit> {
        let mut text = self.origin.clone();
        for segment in &self.segments {
            text.push('/');
            text.push_str(&fill_segment(segment, arguments)?);
        }
        let mut separator = '?';
        if let Some(query) = &self.query {
            text.push(separator);
            text.push_str(&needed(query.fill_with(arguments, encode)?)?);
            separator = '&';
        }
        for (name, value) in query {
            text.push(separator);
            text.push_str(&format!("{}={}", encode(name), encode(value)));
            separator = '&';
        }
        let url = Url::parse(&text).map_err(|_| Unfit("The arguments make no address.".to_owned()))?;
        Ok(url)
    }
}

fn parse_part(text: &str, range: Range<usize>) -> Result<Template, AddressError> {
    let start = range.start;
    let moved = |error: AddressError| AddressError { at: start + error.at.start..start + error.at.end, ..error };
    Template::parse(&text[range]).map_err(moved)
}

/// The parts behind each slash.
fn parse_path(text: &str, range: Range<usize>) -> Result<Vec<Template>, AddressError> {
    let mut segments = Vec::new();
    let mut at = range.start;
    for part in text[range].split('/').skip(1) {
        at += 1;
        if let Some(offset) = part.find('\\') {
            return Err(AddressError { at: at + offset..at + offset + 1, what: "a path has slashes" });
        }
        segments.push(parse_part(text, at..at + part.len())?);
        at += part.len();
    }
    Ok(segments)
}

/// A part of the path. Servers resolve dots and decode slashes, some of them before they look at who may do what, so
/// neither may come from the model in a form that would lead elsewhere.
fn fill_segment(segment: &Template, arguments: &Map<String, Value>) -> Result<String, Unfit> {
    let filled = needed(segment.fill_with(arguments, encode)?)?;
    if segment.arguments().next().is_none() {
        return Ok(filled);
    }
    let plain = needed(segment.fill(arguments)?)?;
    let leads_elsewhere = plain.split(['/', '\\']).any(|part| matches!(part, "" | "." | ".."));
    if leads_elsewhere || plain.contains(|character: char| character.is_control()) {
        let names: Vec<_> = segment.arguments().map(|name| format!("`{name}`")).collect();
        return Err(Unfit(format!(
            "The argument {} cannot stand in an address: it is empty, a path, or has control characters.",
            names.join(" or ")
        )));
    }
    Ok(filled)
}

fn needed(filled: Option<String>) -> Result<String, Unfit> {
    filled.ok_or_else(|| Unfit("An argument is missing that the address needs.".to_owned()))
}

/// All but letters, digits and `-._~` as `%XX`: what stands in one place of an address stays there.
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ADDRESS: &str = "https://shop.example:8443/v1/orders/{id}/file.{ending}?fields={fields}&fixed=a%20b";

    fn filled(address: &str, arguments: Value) -> Result<String, Unfit> {
        let Value::Object(arguments) = arguments else { panic!("an object") };
        let query = [("more", "x&y".to_owned())];
        Address::parse(address).unwrap().fill(&arguments, &query).map(|url| url.to_string())
    }

    #[test]
    fn arguments_stay_in_their_places() {
        for (id, path) in [
            ("7", "7"),
            ("a b&c=d?e#f", "a%20b%26c%3Dd%3Fe%23f"),
            ("a/b", "a%2Fb"),
            ("%2e%2e", "%252e%252e"),
            ("@evil.example", "%40evil.example"),
            ("é…", "%C3%A9%E2%80%A6"),
            ("...", "..."),
            ("{id}", "%7Bid%7D"),
        ] {
            let url = filled(ADDRESS, json!({"id": id, "ending": "pdf", "fields": "a&admin=1#"})).unwrap();
            let rest = "file.pdf?fields=a%26admin%3D1%23&fixed=a%20b&more=x%26y";
            assert_eq!(url, format!("https://shop.example:8443/v1/orders/{path}/{rest}"));
        }
    }

    #[test]
    fn arguments_that_lead_elsewhere_are_refused() {
        for id in ["", ".", "..", "../x", "a/../../b", "..\\x", "/x", "x/", "a\nb", "a\0"] {
            let unfit = filled(ADDRESS, json!({"id": id, "ending": "pdf", "fields": "f"})).unwrap_err();
            assert!(unfit.0.contains("`id`"), "{id:?}: {unfit}");
        }
        // Dots of the operator and of the model together.
        assert!(filled("http://a/.{x}/b", json!({"x": "."})).is_err());
        assert!(filled(ADDRESS, json!({"id": "7", "ending": "pdf"})).is_err(), "one is missing");
    }

    #[test]
    fn whatever_the_arguments_the_host_and_the_shape_of_the_path_stay() {
        let pieces = ["/", "..", "%2f", "@", ":", "?", "#", "\\", "a", "é", " ", "//evil.example", "\t", "."];
        let address = Address::parse("http://good.example/a/{x}/c").unwrap();
        for first in pieces {
            for second in pieces {
                for third in pieces {
                    let x = format!("{first}{second}{third}");
                    let arguments = Map::from_iter([("x".to_owned(), Value::String(x.clone()))]);
                    let Ok(url) = address.fill(&arguments, &[]) else { continue };
                    assert_eq!((url.host_str(), url.username(), url.port()), (Some("good.example"), "", None), "{x}");
                    let segments: Vec<_> = url.path_segments().unwrap().collect();
                    assert_eq!((segments.len(), segments[0], segments[2]), (3, "a", "c"), "{x}: {url}");
                    assert_eq!((url.query(), url.fragment()), (None, None), "{x}");
                }
            }
        }
    }

    #[test]
    fn an_address_with_a_mistake_says_where() {
        for (text, at) in [
            ("ftp://a/b", 0),
            ("{scheme}://a", 0),
            ("https://{host}/a", 8),
            ("https://api.{host}.example/a", 12),
            ("https://me@a/b", 10),
            ("https://a:{port}/", 10),
            ("https:///a", 8),
            ("https://a/b#c", 11),
            ("https://a/{b", 10),
            ("https://a/b/{c d}", 12),
            ("https://a/b?c={", 14),
            ("https://a/b\\c", 11),
        ] {
            assert_eq!(Address::parse(text).unwrap_err().at.start, at, "{text}");
        }
        for text in ["https://a", "http://[::1]:80/", "https://a/?x={y}", "https://a?b"] {
            assert!(Address::parse(text).is_ok(), "{text}");
        }
    }
}
