//! Chunks that say nothing but a piece of text: nearly all of them. What is like such a chunk needs no reading.

use super::wire::Chunk;
use crate::wire::json::Raw;

/// The piece of text of a chunk that says nothing else, and whether it is reasoning.
pub(super) fn only_text<'a>(chunk: &Chunk<'a>) -> Option<(bool, Raw<'a>)> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn text(json: &str) -> Option<(bool, String)> {
        let chunk: Chunk<'_> = serde_json::from_str(json).unwrap();
        only_text(&chunk).map(|(reasoning, text)| (reasoning, text.get().to_owned()))
    }

    #[test]
    fn content_and_reasoning_are_told_apart() {
        let chunk = |delta: &str| format!(r#"{{"choices":[{{"delta":{{{delta}}},"finish_reason":null}}]}}"#);
        assert_eq!(text(&chunk(r#""content":"a","reasoning":"""#)), Some((false, "\"a\"".to_owned())));
        assert_eq!(text(&chunk(r#""content":"","reasoning":"b""#)), Some((true, "\"b\"".to_owned())));
        assert_eq!(text(&chunk(r#""content":null,"reasoning_content":"b""#)), Some((true, "\"b\"".to_owned())));
    }

    #[test]
    fn chunks_that_say_more_are_not_only_text() {
        for json in [
            r#"{"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}"#,
            r#"{"choices":[{"delta":{"content":"a"}}],"usage":{"total_tokens":1}}"#,
            r#"{"choices":[{"delta":{"content":"a","reasoning":"b"}}]}"#,
            r#"{"choices":[{"delta":{"content":["a"]}}]}"#,
            r#"{"choices":[{"delta":{"content":"a","tool_calls":[{"index":0}]}}]}"#,
            r#"{"choices":[{"delta":{"content":"a"},"index":1}]}"#,
            r#"{"choices":[{"delta":{"content":"a"}},{"delta":{}}]}"#,
            r#"{"choices":[{"delta":{"content":"a","refusal":"b"}}]}"#,
            r#"{"choices":[{"delta":{"content":"a"}}],"error":"x"}"#,
            r#"{"choices":[]}"#,
        ] {
            assert_eq!(text(json), None, "{json}");
        }
    }
}
