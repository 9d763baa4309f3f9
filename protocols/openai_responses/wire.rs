//! The members of events, items and parts that are read, each kept as the text it was sent in.
//!
//! Everything is optional and of any type: what a vendor leaves out, writes as `null` or in another shape costs that
//! member and nothing else (corner cases 74, 125, 136).

use serde::Deserialize;

use crate::event::{Citation, Text, Usage};
use crate::wire::json::Raw;

/// An event of the stream (upstream notes 3.2).
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Event<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Raw<'a>,
    #[serde(borrow)]
    pub sequence_number: Raw<'a>,
    #[serde(borrow)]
    pub output_index: Raw<'a>,
    #[serde(borrow)]
    pub content_index: Raw<'a>,
    #[serde(borrow)]
    pub summary_index: Raw<'a>,
    #[serde(borrow)]
    pub delta: Raw<'a>,
    #[serde(borrow)]
    pub text: Raw<'a>,
    #[serde(borrow)]
    pub refusal: Raw<'a>,
    #[serde(borrow)]
    pub arguments: Raw<'a>,
    #[serde(borrow)]
    pub input: Raw<'a>,
    #[serde(borrow)]
    pub code: Raw<'a>,
    #[serde(borrow)]
    pub annotation: Raw<'a>,
    #[serde(borrow)]
    pub part: Raw<'a>,
    #[serde(borrow)]
    pub item: Raw<'a>,
    #[serde(borrow)]
    pub response: Raw<'a>,
    #[serde(borrow)]
    pub error: Raw<'a>,
    /// Padding against traffic analysis.
    #[serde(borrow)]
    pub obfuscation: Raw<'a>,
}

/// The `response` object.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Response<'a> {
    #[serde(borrow)]
    pub id: Raw<'a>,
    #[serde(borrow)]
    pub object: Raw<'a>,
    #[serde(borrow)]
    pub model: Raw<'a>,
    #[serde(borrow)]
    pub status: Raw<'a>,
    #[serde(borrow)]
    pub error: Raw<'a>,
    #[serde(borrow)]
    pub incomplete_details: Raw<'a>,
    #[serde(borrow)]
    pub output: Raw<'a>,
    #[serde(borrow)]
    pub usage: Raw<'a>,
}

/// Why a response is incomplete.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Incomplete<'a> {
    #[serde(borrow)]
    pub reason: Raw<'a>,
}

/// An output item. The members of all its kinds, since a kind is told from `type` alone.
#[derive(Clone, Copy, Deserialize, Default)]
#[serde(default)]
pub(super) struct Item<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Raw<'a>,
    #[serde(borrow)]
    pub id: Raw<'a>,
    #[serde(borrow)]
    pub call_id: Raw<'a>,
    #[serde(borrow)]
    pub name: Raw<'a>,
    #[serde(borrow)]
    pub status: Raw<'a>,
    #[serde(borrow)]
    pub phase: Raw<'a>,
    #[serde(borrow)]
    pub content: Raw<'a>,
    #[serde(borrow)]
    pub summary: Raw<'a>,
    #[serde(borrow)]
    pub arguments: Raw<'a>,
    #[serde(borrow)]
    pub input: Raw<'a>,
    #[serde(borrow)]
    pub code: Raw<'a>,
    #[serde(borrow)]
    pub action: Raw<'a>,
    #[serde(borrow)]
    pub actions: Raw<'a>,
    #[serde(borrow)]
    pub operation: Raw<'a>,
    #[serde(borrow)]
    pub queries: Raw<'a>,
    #[serde(borrow)]
    pub results: Raw<'a>,
    #[serde(borrow)]
    pub outputs: Raw<'a>,
    #[serde(borrow)]
    pub output: Raw<'a>,
    #[serde(borrow)]
    pub result: Raw<'a>,
    #[serde(borrow)]
    pub output_format: Raw<'a>,
    #[serde(borrow)]
    pub tools: Raw<'a>,
    #[serde(borrow)]
    pub server_label: Raw<'a>,
    #[serde(borrow)]
    pub error: Raw<'a>,
    #[serde(borrow)]
    pub execution: Raw<'a>,
}

/// A part of a message, or a piece of reasoning.
#[derive(Clone, Copy, Deserialize, Default)]
#[serde(default)]
pub(super) struct Part<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Raw<'a>,
    #[serde(borrow)]
    pub text: Raw<'a>,
    #[serde(borrow)]
    pub refusal: Raw<'a>,
    #[serde(borrow)]
    pub annotations: Raw<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Annotation<'a> {
    #[serde(borrow, rename = "type")]
    kind: Raw<'a>,
    #[serde(borrow)]
    url: Raw<'a>,
    #[serde(borrow)]
    title: Raw<'a>,
    #[serde(borrow)]
    filename: Raw<'a>,
    #[serde(borrow)]
    file_id: Raw<'a>,
    #[serde(borrow)]
    start_index: Raw<'a>,
    #[serde(borrow)]
    end_index: Raw<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct UsageObject<'a> {
    #[serde(borrow)]
    input_tokens: Raw<'a>,
    #[serde(borrow)]
    input_tokens_details: Raw<'a>,
    #[serde(borrow)]
    output_tokens: Raw<'a>,
    #[serde(borrow)]
    output_tokens_details: Raw<'a>,
    #[serde(borrow)]
    total_tokens: Raw<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct UsageDetails<'a> {
    #[serde(borrow)]
    cached_tokens: Raw<'a>,
    #[serde(borrow)]
    cache_write_tokens: Raw<'a>,
    #[serde(borrow)]
    reasoning_tokens: Raw<'a>,
}

/// The elements of an array; none where there is no array.
pub(super) fn list(raw: Raw<'_>) -> Vec<Raw<'_>> {
    raw.parse().unwrap_or_default()
}

/// A word of the protocol, or nothing where it is missing or no string.
pub(super) fn word(raw: Raw<'_>) -> Text {
    raw.text().unwrap_or_default()
}

/// Argument text: a string as it was meant, anything else as its own JSON (corner case 85); nothing for `null`.
pub(super) fn argument_text(raw: Raw<'_>) -> std::borrow::Cow<'_, str> {
    match raw.str() {
        Some(text) => text,
        None if raw.is_null() => "".into(),
        None => raw.get().into(),
    }
}

/// An annotation of a text part as a citation (upstream notes 3.2).
pub(super) fn citation(raw: Raw<'_>) -> Option<Citation> {
    let annotation: Annotation<'_> = raw.parse()?;
    Some(Citation {
        kind: annotation.kind.text()?,
        url: annotation.url.owned(),
        title: annotation.title.owned().or_else(|| annotation.filename.owned()),
        file: annotation.file_id.text(),
        start: annotation.start_index.count(),
        end: annotation.end_index.count(),
        quote: None,
    })
}

/// Usage under the common names (upstream notes 6.2); `None` where nothing was reported.
pub(super) fn usage(raw: Raw<'_>) -> Option<Usage> {
    if !raw.is_object() {
        return None;
    }
    let object: UsageObject<'_> = raw.parse()?;
    let input: UsageDetails<'_> = object.input_tokens_details.parse().unwrap_or_default();
    let output: UsageDetails<'_> = object.output_tokens_details.parse().unwrap_or_default();
    Some(Usage {
        input: object.input_tokens.count(),
        cached_input: input.cached_tokens.count(),
        cache_write_input: input.cache_write_tokens.count(),
        output: object.output_tokens.count(),
        reasoning: output.reasoning_tokens.count(),
        total: object.total_tokens.count(),
        raw: raw.value().map(Box::new),
        ..Usage::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_tolerates_floats_strings_and_null_details() {
        let read = usage(Raw::new(
            r#"{"input_tokens":"7","input_tokens_details":null,"output_tokens":3.0,
                "output_tokens_details":{"reasoning_tokens":9},"total_tokens":null}"#,
        ))
        .unwrap();
        assert_eq!(
            (read.input, read.cached_input, read.output, read.reasoning, read.total),
            (Some(7), None, Some(3), Some(9), None)
        );
        assert_eq!(usage(Raw::new("null")), None);
    }

    #[test]
    fn citations_of_every_kind_are_read() {
        let file =
            citation(Raw::new(r#"{"type":"file_citation","file_id":"f","filename":"a.txt","index":3}"#)).unwrap();
        assert_eq!((file.title.as_deref(), file.file.as_deref(), file.start), (Some("a.txt"), Some("f"), None));
        let url = citation(Raw::new(r#"{"type":"url_citation","url":"u","title":"t","start_index":1,"end_index":2}"#));
        assert_eq!(url.map(|url| (url.start, url.end)), Some((Some(1), Some(2))));
    }
}
