//! Token counts and finish reasons in every spelling seen (upstream notes 6.1 and 6.2).

use super::wire::Tokens;
use crate::event::{FinishReason, Usage};
use crate::wire::json::Raw;

/// Reads a usage object. Numbers may be floats or strings, details may be missing or `null`: what cannot be read
/// is not reported.
pub(super) fn usage(json: &str) -> Usage {
    let raw = Raw::new(json);
    let Some(tokens) = raw.parse::<Tokens<'_>>() else { return Usage::default() };
    let first = |places: &[Raw<'_>]| places.iter().find_map(|place| place.count());
    let input = first(&[tokens.prompt_tokens, tokens.input_tokens]);
    let reasoning = first(&[
        tokens.completion_tokens_details.reasoning_tokens,
        tokens.output_tokens_details.reasoning_tokens,
        tokens.reasoning_tokens,
    ]);
    let total = tokens.total_tokens.count();
    Usage {
        input,
        cached_input: first(&[
            tokens.prompt_tokens_details.cached_tokens,
            tokens.input_tokens_details.cached_tokens,
            tokens.prompt_cache_hit_tokens,
            tokens.num_cached_tokens,
            tokens.cached_tokens,
            tokens.cache_read_input_tokens,
        ]),
        cache_write_input: first(&[
            tokens.prompt_tokens_details.cache_write_tokens,
            tokens.input_tokens_details.cache_write_tokens,
            tokens.cache_creation_input_tokens,
        ]),
        output: output(input, first(&[tokens.completion_tokens, tokens.output_tokens]), reasoning, total),
        reasoning,
        total,
        raw: raw.value().map(Box::new),
        ..Usage::default()
    }
}

/// xAI leaves reasoning out of its completion tokens; the total tells (corner case 122).
fn output(input: Option<u64>, output: Option<u64>, reasoning: Option<u64>, total: Option<u64>) -> Option<u64> {
    let (Some(input), Some(said), Some(reasoning), Some(total)) = (input, output, reasoning, total) else {
        return output;
    };
    let with_reasoning = said.saturating_add(reasoning);
    Some(if reasoning > 0 && input.saturating_add(with_reasoning) == total { with_reasoning } else { said })
}

/// The common word for a provider's finish reason.
pub(super) fn finish_reason(raw: &str) -> FinishReason {
    match raw.to_ascii_lowercase().as_str() {
        "stop" | "eos" | "eos_token" | "end_turn" | "stop_sequence" | "complete" | "completed" | "end" => {
            FinishReason::Stop
        }
        "tool_calls" | "tool_call" | "function_call" | "tool_use" => FinishReason::ToolCalls,
        "length" | "model_length" | "max_tokens" | "max_output_tokens" | "model_context_window_exceeded" => {
            FinishReason::Length
        }
        "content_filter" | "refusal" | "safety" => FinishReason::ContentFilter,
        "pause_turn" => FinishReason::Pause,
        "error" | "insufficient_system_resource" | "network_error" | "sensitive" => FinishReason::Error,
        _ => FinishReason::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_found_under_every_name() {
        let cached = |json: &str| usage(json).cached_input;
        assert_eq!(cached(r#"{"prompt_tokens_details":{"cached_tokens":3}}"#), Some(3));
        assert_eq!(cached(r#"{"prompt_tokens_details":null,"prompt_cache_hit_tokens":4}"#), Some(4));
        assert_eq!(cached(r#"{"num_cached_tokens":"5"}"#), Some(5));
        assert_eq!(cached(r#"{"cached_tokens":6.0}"#), Some(6));
        assert_eq!(cached(r#"{"cache_read_input_tokens":7}"#), Some(7));
        assert_eq!(usage(r#"{"cache_creation_input_tokens":1}"#).cache_write_input, Some(1));
        assert_eq!(usage(r#"{"completion_tokens":9,"reasoning_tokens":2}"#).reasoning, Some(2));
        assert_eq!(usage(r#"{"completion_tokens":null}"#).output, None);
    }

    #[test]
    fn output_includes_reasoning_where_the_total_says_so() {
        let of = |c: u64, r: u64, total: u64| {
            let json = format!(
                r#"{{"prompt_tokens":10,"completion_tokens":{c},"total_tokens":{total},
                    "completion_tokens_details":{{"reasoning_tokens":{r}}}}}"#
            );
            usage(&json).output
        };
        assert_eq!(of(5, 7, 22), Some(12));
        assert_eq!(of(12, 7, 22), Some(12));
        assert_eq!(of(5, 0, 15), Some(5));
        assert_eq!(of(5, 9, 15), Some(5), "reasoning beyond output is passed on as it is");
    }

    #[test]
    fn unknown_finish_reasons_are_other() {
        assert_eq!(finish_reason("model_length"), FinishReason::Length);
        assert_eq!(finish_reason("insufficient_system_resource"), FinishReason::Error);
        assert_eq!(finish_reason("STOP"), FinishReason::Stop);
        assert_eq!(finish_reason("abort"), FinishReason::Other);
    }
}
