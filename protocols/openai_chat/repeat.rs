//! Chunks that differ from the one before in nothing but their text.
//!
//! That is nearly every chunk of nearly every stream. What stands around the text is compared as bytes, and the text
//! is taken out without reading the rest again; anything else goes the long way. Padding against traffic analysis
//! (`obfuscation`, `p`; upstream notes 2.2) may differ too.

use memchr::memchr2;

use super::wire::Chunk;
use crate::wire::json::Raw;

/// Larger chunks are not remembered.
const MOST: usize = 4096;

/// After so many chunks that were remembered for nothing, few are.
const PATIENCE: u32 = 8;

/// What is remembered of the last chunk that held nothing but a piece of text.
#[derive(Debug, Default)]
pub(super) struct Repeat {
    reasoning: bool,
    /// Up to the text's opening quote; empty if nothing is remembered.
    before: String,
    /// From the text's closing quote to the opening quote of the padding, or to the end.
    between: String,
    /// From the padding's closing quote; empty if there is no padding.
    behind: String,
    /// How many chunks in a row were remembered or passed over without one like them.
    misses: u32,
}

/// The text of a chunk that is like the last one.
pub(super) struct Repeated<'a> {
    /// True for reasoning, false for content.
    pub reasoning: bool,
    /// The text.
    pub text: Raw<'a>,
}

impl Repeat {
    /// The text, if nothing else is new.
    pub fn read<'a>(&mut self, json: &'a str) -> Option<Repeated<'a>> {
        if self.before.is_empty() {
            return None;
        }
        let (text, rest) = split_string(json.strip_prefix(self.before.as_str())?)?;
        let rest = rest.strip_prefix(self.between.as_str())?;
        let same = if self.behind.is_empty() { rest.is_empty() } else { split_string(rest)?.1 == self.behind };
        if !same {
            return None;
        }
        self.misses = 0;
        Some(Repeated { reasoning: self.reasoning, text: Raw::new(text) })
    }

    /// Remembers a chunk, if it holds nothing but a piece of text.
    pub fn learn(&mut self, json: &str, chunk: &Chunk<'_>) {
        self.before.clear();
        self.misses = self.misses.wrapping_add(1);
        if json.len() > MOST || (self.misses > PATIENCE && !self.misses.is_multiple_of(32)) {
            return;
        }
        let Some((reasoning, text)) = only_text(chunk) else { return };
        let Some((before, rest)) = around(json, text) else { return };
        let padding = [chunk.obfuscation, chunk.p].into_iter().find(|padding| padding.string().is_some());
        let (between, behind) = padding.and_then(|padding| around(rest, padding)).unwrap_or((rest, ""));
        for (place, part) in [(&mut self.before, before), (&mut self.between, between), (&mut self.behind, behind)] {
            place.clear();
            place.push_str(part);
        }
        self.reasoning = reasoning;
    }
}

/// The piece of text of a chunk that says nothing else, and whether it is reasoning.
fn only_text<'a>(chunk: &Chunk<'a>) -> Option<(bool, Raw<'a>)> {
    let choice = chunk.choices.first.as_ref().filter(|_| chunk.choices.rest.is_empty())?;
    let delta = &choice.delta;
    let empty = |raw: Raw<'_>| raw.is_null() || matches!(raw.get(), "\"\"" | "[]" | "{}");
    let nothing_else = [
        chunk.usage,
        chunk.x_groq,
        chunk.citations,
        chunk.error,
        choice.usage,
        choice.error,
        choice.finish_reason,
        delta.reasoning_details,
        delta.refusal,
        delta.function_call,
        delta.annotations,
        delta.images,
        delta.audio,
        delta.executed_tools,
    ];
    if !delta.tool_calls.is_empty()
        || !nothing_else.into_iter().all(empty)
        || choice.index.count().is_some_and(|index| index > 0)
    {
        return None;
    }
    let texts = [(false, delta.content), (true, delta.reasoning_content), (true, delta.reasoning)];
    let mut said = texts.into_iter().filter(|(_, text)| !empty(*text));
    let only = said.next().filter(|(_, text)| text.string().is_some())?;
    said.next().is_none().then_some(only)
}

/// What stands before and behind a value that is borrowed from `json`: its address tells its place.
fn around<'a>(json: &'a str, value: Raw<'_>) -> Option<(&'a str, &'a str)> {
    let start = (value.get().as_ptr() as usize).checked_sub(json.as_ptr() as usize)?;
    Some((json.get(..start)?, json.get(start.checked_add(value.get().len())?..)?))
}

/// A JSON string at the beginning of `json`, and what follows it.
fn split_string(json: &str) -> Option<(&str, &str)> {
    let bytes = json.as_bytes();
    let mut at = usize::from(bytes.first() == Some(&b'"'));
    while at > 0 {
        at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return json.split_at_checked(at + 1);
        }
        at += 2;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(json: &str) -> Repeat {
        let mut repeat = Repeat::default();
        repeat.learn(json, &serde_json::from_str(json).unwrap());
        repeat
    }

    fn text<'a>(repeat: &mut Repeat, json: &'a str) -> Option<&'a str> {
        repeat.read(json).map(|repeated| repeated.text.get())
    }

    #[test]
    fn only_the_text_and_the_padding_may_differ() {
        let chunk = |id: &str, text: &str, padding: &str, end: &str| {
            format!(
                r#"{{"id":"{id}","choices":[{{"delta":{{"content":"{text}"}},"finish_reason":{end}}}],"obfuscation":"{padding}"}}"#
            )
        };
        let mut repeat = learned(&chunk("i", "é", "x", "null"));
        assert_eq!(text(&mut repeat, &chunk("i", "", "", "null")), Some("\"\""));
        assert_eq!(text(&mut repeat, &chunk("i", r#"a\"b\\"#, r#"\""#, "null")), Some(r#""a\"b\\""#));
        for other in
            [chunk("j", "a", "x", "null"), chunk("i", "a", "x", "\"stop\""), chunk("i", "a\",\"x\":\"", "", "null")]
        {
            assert_eq!(text(&mut repeat, &other), None, "{other}");
        }
        for cut in 0..chunk("i", "a", "x", "null").len() {
            assert_eq!(text(&mut repeat, &chunk("i", "a", "x", "null")[..cut]), None);
        }
    }

    #[test]
    fn reasoning_is_remembered_as_such() {
        let chunk = |text: &str| format!(r#"{{"choices":[{{"delta":{{"content":"","reasoning":"{text}"}}}}]}}"#);
        let mut repeat = learned(&chunk("a"));
        assert!(repeat.read(&chunk("b")).is_some_and(|repeated| repeated.reasoning));
    }

    #[test]
    fn chunks_that_say_more_are_not_remembered() {
        for json in [
            r#"{"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}"#,
            r#"{"choices":[{"delta":{"content":"a"}}],"usage":{"total_tokens":1}}"#,
            r#"{"choices":[{"delta":{"content":"a","reasoning":"b"}}]}"#,
            r#"{"choices":[{"delta":{"content":["a"]}}]}"#,
            r#"{"choices":[{"delta":{"content":"a"},"index":1}]}"#,
            r#"{"choices":[{"delta":{"content":"a"}},{"delta":{}}]}"#,
            r#"{"choices":[{"delta":{"content":"a","refusal":"b"}}]}"#,
            r#"{"choices":[{"delta":{"content":"a"}}],"error":"x"}"#,
            r#"{"choices":[]}"#,
        ] {
            assert!(learned(json).read(json).is_none(), "{json}");
        }
    }
}
