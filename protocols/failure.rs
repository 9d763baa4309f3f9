//! Error bodies of providers, and errors inside their streams, read into typed failures.
//!
//! Providers agree neither on the shape of an error nor on its status (upstream notes 2.4 and 4.2): the text is looked
//! for in every place it has been seen, and the kind is told from code, type and words before the status.

use serde_json::Value;

use crate::error::{Failure, FailureKind};
use crate::protocol::AnswerHead;
use crate::wire::sse::excerpt;

/// How deep an error text is looked for inside of another.
const DEEPEST: usize = 4;

/// Most bytes of a provider's error text that are kept.
const LONGEST: usize = 8 << 10;

/// Reads an answer with an error status.
pub fn from_body(answer: &AnswerHead<'_>, body: &[u8]) -> Failure {
    let mut failure = match serde_json::from_slice::<Value>(body) {
        Ok(value) => from_value(&value, Some(answer.status)),
        Err(_) => from_text(answer, body),
    };
    failure.status = Some(answer.status);
    failure.retry_after = answer.retry_after;
    failure
}

/// Reads an error object: the whole body, or a payload with an `error` member inside a stream.
pub fn from_value(value: &Value, status: Option<u16>) -> Failure {
    // Google's compatible endpoint wraps its error into a list.
    let value = value.as_array().and_then(|list| list.first()).unwrap_or(value);
    let error = value.get("error").filter(|error| !error.is_null()).unwrap_or(value);
    let message = message(value, error);
    let type_ = string(error, "type").filter(|name| name != "error");
    let code = [error, value].into_iter().filter_map(|node| node.get("code")).find(|code| !code.is_null()).cloned();
    let code_text = match &code {
        Some(Value::String(code)) => code.clone(),
        Some(code) => code.to_string(),
        None => String::new(),
    };
    let status_inside = || ["status_code", "raw_status_code", "status"].into_iter().find_map(|key| number(error, key));
    let kind = classify(status.or_else(status_inside), type_.as_deref().unwrap_or(""), &code_text, &message);
    let detail = string(error, "failed_generation").map(shortened);
    Failure { status, type_, code, detail, ..Failure::new(kind, message) }
}

/// Tells the kind of a failure from all that is known of it.
pub fn classify(status: Option<u16>, type_: &str, code: &str, message: &str) -> FailureKind {
    let words = format!("{type_} {code} {message}").to_ascii_lowercase();
    by_words(&words).unwrap_or_else(|| by_status(status.or_else(|| code.parse().ok()), &words))
}

/// What the words say, whatever the status: a bad key comes as a 400, a spent account as a 429 (corner cases 52 and
/// 59). The first row that fits counts.
fn by_words(words: &str) -> Option<FailureKind> {
    const TABLE: &[(FailureKind, &[&str])] = &[
        (
            FailureKind::Quota,
            &[
                "insufficient_quota",
                "billing_error",
                "exceeded your current quota",
                "insufficient balance",
                "insufficient credits",
                "credit balance is too low",
            ],
        ),
        (
            FailureKind::ContextLength,
            &[
                "context_length",
                "exceed_context_size",
                "exceeds the context",
                "max context length",
                "maximum context length",
                "context window",
                "too_many_prompt_tokens",
                "prompt is too long",
                "prompt too long",
                "input is too long",
            ],
        ),
        (FailureKind::ContentFilter, &["content_filter", "content_policy", "content management policy"]),
        (
            FailureKind::Auth,
            &[
                "api key",
                "api-key",
                "api_key",
                "authentication",
                "permission_error",
                "permission_denied",
                "unauthorized",
                "unauthenticated",
            ],
        ),
        (FailureKind::Overloaded, &["overloaded", "no capacity", "temporarily unavailable"]),
        (FailureKind::RateLimit, &["rate_limit", "rate limit", "ratelimit", "rate-limited", "too many requests"]),
        // The last ends Ollama's sentence, in which the model's name parts the words before it.
        (
            FailureKind::NotFound,
            &["model_not_found", "not_found_error", "model not found", "model_not_exist", "try pulling it first"],
        ),
    ];
    TABLE.iter().find(|(_, needles)| needles.iter().any(|needle| words.contains(needle))).map(|(kind, _)| *kind)
}

/// What the status says; without one, what the type says, which is a word for a status.
fn by_status(status: Option<u16>, words: &str) -> FailureKind {
    match status {
        Some(402) => FailureKind::Quota,
        Some(401 | 403) => FailureKind::Auth,
        Some(404) => FailureKind::NotFound,
        Some(408 | 504 | 524) => FailureKind::Timeout,
        Some(413) => FailureKind::ContextLength,
        Some(429) => FailureKind::RateLimit,
        Some(503 | 529) => FailureKind::Overloaded,
        Some(500..=599) => FailureKind::Server,
        Some(400..=499) => FailureKind::BadRequest,
        _ if words.contains("timeout") || words.contains("timed out") => FailureKind::Timeout,
        _ if words.contains("invalid_request") => FailureKind::BadRequest,
        _ => FailureKind::Server,
    }
}

/// A body that is no JSON: a sentence is the text; of a proxy's HTML page only the beginning, for the log.
fn from_text(answer: &AnswerHead<'_>, body: &[u8]) -> Failure {
    let text = body.trim_ascii();
    let page = text.first() == Some(&b'<');
    let words = if page { String::new() } else { excerpt(text) };
    let message = if text.is_empty() {
        format!("status {} without a text", answer.status)
    } else {
        format!("status {}: {}", answer.status, excerpt(text))
    };
    Failure::new(classify(Some(answer.status), "", "", &words), message)
}

/// The provider's words, from the most to the least telling place (corner cases 50 and 51).
fn message(value: &Value, error: &Value) -> String {
    let places = [
        error.pointer("/metadata/raw").map(unwrapped),
        error.get("message").map(|message| words(message, 0)),
        error.as_str().map(str::to_owned),
        value.get("message").map(|message| words(message, 0)),
        value.get("detail").map(|detail| words(detail, 0)),
        error.get("msg").map(|message| words(message, 0)),
        error.get("errors").map(|errors| words(errors, 0)),
        string(error, "code"),
        string(error, "type"),
    ];
    let found = places.into_iter().flatten().find(|text| !text.trim().is_empty());
    shortened(found.unwrap_or_else(|| format!("an error without a text: {value}")))
}

/// OpenRouter's `raw` is the text of the provider behind it: often that one's whole error body.
fn unwrapped(raw: &Value) -> String {
    match raw.as_str().map(|text| (text, serde_json::from_str::<Value>(text))) {
        Some((_, Ok(inner @ Value::Object(_)))) => words(&inner, 0),
        Some((text, _)) => text.to_owned(),
        None => words(raw, 0),
    }
}

/// The text in a value of any shape: a string, a list of complaints, an object that has one of them.
fn words(value: &Value, depth: usize) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) if depth < DEEPEST => {
            let texts: Vec<String> = list.iter().take(8).map(|item| words(item, depth + 1)).collect();
            texts.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ")
        }
        Value::Object(object) if depth < DEEPEST => ["error", "message", "msg", "detail"]
            .into_iter()
            .filter_map(|key| object.get(key))
            .map(|inner| words(inner, depth + 1))
            .find(|text| !text.is_empty())
            .unwrap_or_default(),
        _ => String::new(),
    }
}

fn string(node: &Value, key: &str) -> Option<String> {
    node.get(key).and_then(Value::as_str).map(str::to_owned)
}

fn number(node: &Value, key: &str) -> Option<u16> {
    node.get(key).and_then(Value::as_u64).and_then(|number| number.try_into().ok())
}

fn shortened(mut text: String) -> String {
    if text.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(status: u16, body: &str) -> Failure {
        let head = AnswerHead { status, ..AnswerHead::default() };
        from_body(&head, body.as_bytes())
    }

    #[test]
    fn the_text_is_found_in_every_shape() {
        for (body, text) in [
            (json!({"error": {"message": "a", "type": "t", "code": null}}), "a"),
            (json!({"error": "b"}), "b"),
            (json!({"code": "x", "error": "c"}), "c"),
            (json!({"detail": "d"}), "d"),
            (json!({"detail": [{"loc": ["body"], "msg": "e"}, {"msg": "f"}]}), "e; f"),
            (json!({"object": "error", "message": "g", "type": "t"}), "g"),
            (json!({"object": "error", "message": {"detail": [{"msg": "h"}]}}), "h"),
            (json!([{"error": {"code": 400, "message": "i", "status": "INVALID_ARGUMENT"}}]), "i"),
            (json!({"error": {"message": "Provider returned error", "metadata": {"raw": "j"}}}), "j"),
            (json!({"error": {"message": "x", "metadata": {"raw": "{\"error\":{\"message\":\"k\"}}"}}}), "k"),
            (json!({"error": {"message": "l", "metadata": {"raw": ""}}}), "l"),
            (json!({"error": {"type": "overloaded_error"}}), "overloaded_error"),
        ] {
            assert_eq!(read(400, &body.to_string()).message, text, "{body}");
        }
        let failure = read(400, "{}");
        assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::BadRequest, "an error without a text: {}"));
    }

    #[test]
    fn the_kind_is_told_by_words_before_the_status() {
        for (status, message, kind) in [
            (400, "Incorrect API key provided", FailureKind::Auth),
            (429, "You exceeded your current quota", FailureKind::Quota),
            (402, "Insufficient Balance", FailureKind::Quota),
            (402, "payment required", FailureKind::Quota),
            (400, "This model's maximum context length is 8192 tokens", FailureKind::ContextLength),
            (500, "The engine is currently overloaded", FailureKind::Overloaded),
            (403, "no", FailureKind::Auth),
            (500, "oops", FailureKind::Server),
            (422, "oops", FailureKind::BadRequest),
            (524, "oops", FailureKind::Timeout),
            (404, "model \"m\" not found, try pulling it first", FailureKind::NotFound),
            (500, "model 'm' not found, try pulling it first", FailureKind::NotFound),
        ] {
            assert_eq!(read(status, &json!({"error": message}).to_string()).kind, kind, "{status} {message}");
        }
    }

    #[test]
    fn a_full_context_is_told_from_other_mistakes_in_every_vendors_words() {
        for (status, body) in [
            (
                400,
                json!({"error": {"code": "context_length_exceeded", "message": "too long", "type": "invalid_request_error"}}),
            ),
            (
                400,
                json!({"error": {"code": 400, "type": "exceed_context_size_error",
                "message": "the request exceeds the available context size, try increasing it", "n_ctx": 4096}}),
            ),
            (
                400,
                json!({"error": {"code": null, "message": "prompt too long; exceeded max context length by 9 tokens"}}),
            ),
            (400, json!({"error": {"code": 400, "message": "All is too long.", "type": "too_many_prompt_tokens"}})),
            (400, json!({"error": {"code": 400, "message": "Your input exceeds the context window of this model"}})),
            (
                400,
                json!({"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 9 > 8"}}),
            ),
            (413, json!({"error": "payload too large"})),
        ] {
            assert_eq!(read(status, &body.to_string()).kind, FailureKind::ContextLength, "{body}");
        }
    }

    #[test]
    fn what_may_go_better_the_next_time_is_told_from_what_never_will() {
        for (status, text, kind) in [
            (429, "slow down", FailureKind::RateLimit),
            (503, "busy", FailureKind::Overloaded),
            (500, "oops", FailureKind::Server),
            (400, "Incorrect API key provided", FailureKind::Auth),
            (401, "no", FailureKind::Auth),
            (402, "Insufficient Balance", FailureKind::Quota),
            (429, "You exceeded your current quota", FailureKind::Quota),
            (404, "no such model", FailureKind::NotFound),
            (400, "tools[0] is wrong", FailureKind::BadRequest),
        ] {
            assert_eq!(read(status, &json!({"error": text}).to_string()).kind, kind, "{status} {text}");
        }
    }

    #[test]
    fn inside_a_stream_a_number_or_the_type_stands_for_the_status() {
        let kind = |error: Value| from_value(&json!({"error": error}), None).kind;
        assert_eq!(kind(json!({"code": 429, "message": "x"})), FailureKind::RateLimit);
        assert_eq!(kind(json!({"code": "503", "message": "x"})), FailureKind::Overloaded);
        assert_eq!(kind(json!({"code": "y", "status_code": 400, "message": "x"})), FailureKind::BadRequest);
        assert_eq!(kind(json!({"type": "invalid_request_error", "message": "x"})), FailureKind::BadRequest);
        assert_eq!(kind(json!({"type": "timeout_error", "message": "x"})), FailureKind::Timeout);
        assert_eq!(kind(json!("x")), FailureKind::Server);
    }

    #[test]
    fn a_page_of_a_proxy_is_cut_and_judged_by_its_status_alone() {
        let page = format!("<html><title>502 rate limit api key</title>{}", "x".repeat(100_000));
        let failure = read(502, &page);
        assert_eq!(failure.kind, FailureKind::Server);
        assert!(failure.message.len() < 1000 && failure.message.starts_with("status 502: <html>"));
        assert_eq!(read(504, "").message, "status 504 without a text");
    }

    #[test]
    fn what_the_model_wrote_is_kept_beside_the_refusal() {
        let body = json!({"error": {"message": "m", "code": "tool_use_failed", "failed_generation": "<tool>"}});
        assert_eq!(read(400, &body.to_string()).detail.as_deref(), Some("<tool>"));
    }

    #[test]
    fn endless_texts_are_cut() {
        let failure = read(400, &json!({"error": {"message": "é".repeat(100_000)}}).to_string());
        assert!(failure.message.len() <= LONGEST + 3);
    }
}
