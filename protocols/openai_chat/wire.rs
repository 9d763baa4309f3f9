//! The members of a chunk that a decoder looks at, borrowed from the line.
//!
//! Nothing here can fail on valid JSON: an object is read member by member, whatever else it has; a member that is
//! `null`, missing or of another type is as good as empty; a member that comes twice counts as the later one. One
//! answer as a whole (`choices[].message`) has the same shape as a piece of it (`choices[].delta`), so both are a
//! [`Delta`] (upstream notes 2.2, corner cases 62, 63, 72, 74).

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::wire::json::Raw;

/// A list whose first element needs no heap: nearly all lists of a stream have one element.
#[derive(Debug)]
pub(super) struct Few<T> {
    /// The first element.
    pub first: Option<T>,
    /// The others.
    pub rest: Vec<T>,
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self { first: None, rest: Vec::new() }
    }
}

impl<T> Few<T> {
    /// The elements in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.first.iter().chain(&self.rest)
    }

    /// True for an empty list, `null`, or nothing at all.
    pub const fn is_empty(&self) -> bool {
        self.first.is_none()
    }
}

/// What every visitor of this file does with a value of a type that it does not want.
macro_rules! anything_else_is_empty {
    () => {
        fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str("any JSON value")
        }

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }

        fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }

        fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }

        fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }

        fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }

        fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
    };
}

struct FewVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for FewVisitor<T> {
    type Value = Few<T>;

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Few<T>, A::Error> {
        let mut few = Few { first: seq.next_element()?, rest: Vec::new() };
        while let Some(next) = seq.next_element()? {
            few.rest.push(next);
        }
        Ok(few)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Few<T>, A::Error> {
        Ok(Few { first: Some(T::deserialize(MapAccessDeserializer::new(map))?), rest: Vec::new() })
    }

    anything_else_is_empty!();
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Few<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FewVisitor(PhantomData))
    }
}

/// A member's name.
struct Key<'a>(Cow<'a, str>);

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = Key<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a member's name")
    }

    fn visit_borrowed_str<E: Error>(self, key: &'de str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Borrowed(key)))
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Owned(key.to_owned())))
    }
}

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_identifier(KeyVisitor)
    }
}

macro_rules! objects {
    ($($(#[$about:meta])* $name:ident { $($(#[$what:meta])* $field:ident: $type:ty = $key:literal,)* })*) => { $(
        $(#[$about])*
        #[derive(Debug, Default)]
        pub(super) struct $name<'a> {
            /// True if there was an object at all.
            #[allow(dead_code, reason = "not every object is asked")]
            pub given: bool,
            $($(#[$what])* pub $field: $type,)*
        }

        impl<'de: 'a, 'a> Deserialize<'de> for $name<'a> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Members<'a>(PhantomData<$name<'a>>);

                impl<'de: 'a, 'a> Visitor<'de> for Members<'a> {
                    type Value = $name<'a>;

                    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<$name<'a>, A::Error> {
                        let mut object = $name { given: true, ..$name::default() };
                        while let Some(Key(key)) = map.next_key()? {
                            match &*key {
                                $($key => object.$field = map.next_value()?,)*
                                _ => { map.next_value::<IgnoredAny>()?; }
                            }
                        }
                        Ok(object)
                    }

                    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<$name<'a>, A::Error> {
                        while seq.next_element::<IgnoredAny>()?.is_some() {}
                        Ok($name::default())
                    }

                    anything_else_is_empty!();
                }

                deserializer.deserialize_any(Members(PhantomData))
            }
        }
    )* };
}

objects! {
    /// A chunk of a stream, or an answer as one document. What few chunks have is left as it stands, to keep the
    /// rest small.
    Chunk {
        id: Raw<'a> = "id",
        created: Raw<'a> = "created",
        model: Raw<'a> = "model",
        choices: Few<Choice<'a>> = "choices",
        usage: Raw<'a> = "usage",
        /// Groq's side channel: its usage has no other place in some streams.
        x_groq: Raw<'a> = "x_groq",
        /// Perplexity: the sources, on every chunk.
        citations: Raw<'a> = "citations",
        /// Perplexity: the same sources with titles.
        search_results: Raw<'a> = "search_results",
        error: Raw<'a> = "error",
        object: Raw<'a> = "object",
        kind: Raw<'a> = "type",
        /// With `code`, an error of servers that have no `error` member.
        message: Raw<'a> = "message",
        code: Raw<'a> = "code",
        detail: Raw<'a> = "detail",
        /// Padding against traffic analysis (OpenAI).
        obfuscation: Raw<'a> = "obfuscation",
        /// The same (Mistral).
        p: Raw<'a> = "p",
    }

    /// Groq's side channel.
    Groq {
        usage: Raw<'a> = "usage",
    }

    /// One of the answers.
    Choice {
        index: Raw<'a> = "index",
        delta: Delta<'a> = "delta",
        message: Raw<'a> = "message",
        finish_reason: Raw<'a> = "finish_reason",
        usage: Raw<'a> = "usage",
        error: Raw<'a> = "error",
    }

    /// A piece of an answer, or a whole one.
    Delta {
        content: Raw<'a> = "content",
        reasoning_content: Raw<'a> = "reasoning_content",
        reasoning: Raw<'a> = "reasoning",
        reasoning_details: Raw<'a> = "reasoning_details",
        refusal: Raw<'a> = "refusal",
        /// Typed, because to pass over it first would cost an allocation: serde_json keeps a stack for nested values.
        tool_calls: Few<CallPiece<'a>> = "tool_calls",
        /// A [`Function`].
        function_call: Raw<'a> = "function_call",
        annotations: Raw<'a> = "annotations",
        images: Raw<'a> = "images",
        /// [`Audio`].
        audio: Raw<'a> = "audio",
        executed_tools: Raw<'a> = "executed_tools",
    }

    /// A piece of a tool call.
    CallPiece {
        index: Raw<'a> = "index",
        id: Raw<'a> = "id",
        kind: Raw<'a> = "type",
        function: Function<'a> = "function",
        /// A [`Function`].
        custom: Raw<'a> = "custom",
        /// Gemini's thought signature is in here.
        extra_content: Raw<'a> = "extra_content",
    }

    /// What is called and with what.
    Function {
        name: Raw<'a> = "name",
        arguments: Raw<'a> = "arguments",
        /// The free text of a custom tool.
        input: Raw<'a> = "input",
    }

    /// Spoken output.
    Audio {
        data: Raw<'a> = "data",
        transcript: Raw<'a> = "transcript",
    }

    /// A part of a content list; also what is inside a thinking part or an image.
    Part {
        kind: Raw<'a> = "type",
        text: Raw<'a> = "text",
        thinking: Raw<'a> = "thinking",
        refusal: Raw<'a> = "refusal",
        image_url: Raw<'a> = "image_url",
        url: Raw<'a> = "url",
    }

    /// A piece of reasoning as OpenRouter and its followers describe it.
    Detail {
        kind: Raw<'a> = "type",
        text: Raw<'a> = "text",
        summary: Raw<'a> = "summary",
        data: Raw<'a> = "data",
        signature: Raw<'a> = "signature",
        format: Raw<'a> = "format",
        id: Raw<'a> = "id",
        index: Raw<'a> = "index",
    }

    /// What an annotation says, under the name of its type or in the annotation itself.
    Source {
        url: Raw<'a> = "url",
        title: Raw<'a> = "title",
        file_id: Raw<'a> = "file_id",
        start_index: Raw<'a> = "start_index",
        end_index: Raw<'a> = "end_index",
        kind: Raw<'a> = "type",
    }

    /// A usage object in any of its spellings.
    Tokens {
        prompt_tokens: Raw<'a> = "prompt_tokens",
        input_tokens: Raw<'a> = "input_tokens",
        completion_tokens: Raw<'a> = "completion_tokens",
        output_tokens: Raw<'a> = "output_tokens",
        total_tokens: Raw<'a> = "total_tokens",
        prompt_tokens_details: TokenDetails<'a> = "prompt_tokens_details",
        input_tokens_details: TokenDetails<'a> = "input_tokens_details",
        completion_tokens_details: TokenDetails<'a> = "completion_tokens_details",
        output_tokens_details: TokenDetails<'a> = "output_tokens_details",
        prompt_cache_hit_tokens: Raw<'a> = "prompt_cache_hit_tokens",
        num_cached_tokens: Raw<'a> = "num_cached_tokens",
        cached_tokens: Raw<'a> = "cached_tokens",
        cache_read_input_tokens: Raw<'a> = "cache_read_input_tokens",
        cache_creation_input_tokens: Raw<'a> = "cache_creation_input_tokens",
        reasoning_tokens: Raw<'a> = "reasoning_tokens",
    }

    /// Of what the tokens were.
    TokenDetails {
        cached_tokens: Raw<'a> = "cached_tokens",
        cache_write_tokens: Raw<'a> = "cache_write_tokens",
        reasoning_tokens: Raw<'a> = "reasoning_tokens",
    }
}

/// A member in its shape; empty if it is missing or has another.
pub(super) fn read<'a, T: Deserialize<'a> + Default>(raw: Raw<'a>) -> T {
    if raw.is_null() { T::default() } else { raw.parse().unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_wrong_types_cost_no_more_than_themselves() {
        let chunk: Chunk<'_> = serde_json::from_str(
            r#"{"choices":[{"delta":null,"index":"0"},{"delta":5},{"delta":[1,{}]},7,null,
                {"delta":{"content":["x"],"tool_calls":{"id":"a"},"function_call":"no"}}],"usage":[],"x_groq":1.5}"#,
        )
        .unwrap();
        assert_eq!(chunk.choices.iter().count(), 6);
        let last = chunk.choices.iter().last().unwrap();
        assert_eq!(last.delta.tool_calls.first.as_ref().unwrap().id.get(), "\"a\"");
        assert!(last.delta.given && !last.delta.function_call.parse::<Function<'_>>().unwrap().given);
    }

    #[test]
    fn null_and_missing_lists_are_empty_and_a_repeated_member_counts_once() {
        for json in ["{}", r#"{"choices":null}"#, r#"{"choices":"x"}"#, r#"{"choices":[1],"choices":[]}"#] {
            assert!(serde_json::from_str::<Chunk<'_>>(json).unwrap().choices.is_empty(), "{json}");
        }
    }

    #[test]
    fn halves_of_surrogate_pairs_do_not_spoil_a_chunk() {
        let chunk: Chunk<'_> =
            serde_json::from_str(r#"{"choices":[{"delta":{"content":"\ud83d"}}],"x":"\ude00"}"#).unwrap();
        assert_eq!(chunk.choices.first.unwrap().delta.content.get(), r#""\ud83d""#);
    }
}
