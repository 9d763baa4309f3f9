//! Error bodies of providers, and errors inside their streams, read into typed failures.
//!
//! Providers agree neither on the shape of an error nor on its status (upstream notes 2.4 and 4.2): the text is looked
//! for in every place it has been seen, and the kind is told from code, type and words before the status.

use serde_json::Value;

use crate::error::{Failure, FailureKind};
use crate::protocol::AnswerHead;
use crate::wire::sse::excerpt;

/// Reads an answer with an error status.
pub fn from_body(answer: &AnswerHead<'_>, body: &[u8]) -> Failure {
    let mut failure = match serde_json::from_slice::<Value>(body) {
        Ok(value) => from_value(&value, Some(answer.status)),
        Err(_) => {
            let kind = classify(Some(answer.status), "", "", "");
            Failure::new(kind, format!("status {}: {}", answer.status, excerpt(body)))
        }
    };
    failure.status = Some(answer.status);
    failure.retry_after = answer.retry_after;
    failure
}

/// Reads an error object: the whole body, or a payload with an `error` member inside a stream.
pub fn from_value(value: &Value, status: Option<u16>) -> Failure {
    let error = value.get("error").filter(|error| !error.is_null()).unwrap_or(value);
    let text = |node: &Value, key: &str| node.get(key).and_then(Value::as_str).map(str::to_owned);
    let message = error
        .pointer("/metadata/raw")
        .and_then(Value::as_str)
        .map(str::to_owned)
        .or_else(|| text(error, "message"))
        .or_else(|| error.as_str().map(str::to_owned))
        .or_else(|| text(value, "message"))
        .or_else(|| text(value, "detail"))
        .unwrap_or_else(|| value.to_string());
    let type_ = text(error, "type").filter(|name| name != "error");
    let code = [error, value].into_iter().filter_map(|node| node.get("code")).find(|code| !code.is_null()).cloned();
    let code_text = match &code {
        Some(Value::String(code)) => code.clone(),
        Some(code) => code.to_string(),
        None => String::new(),
    };
    let kind = classify(status, type_.as_deref().unwrap_or(""), &code_text, &message);
    Failure { kind, status, retry_after: None, message, type_, code, step: None }
}

/// Tells the kind of a failure from all that is known of it.
pub fn classify(status: Option<u16>, type_: &str, code: &str, message: &str) -> FailureKind {
    let words = format!("{type_} {code} {message}").to_ascii_lowercase();
    let says = |needles: &[&str]| needles.iter().any(|needle| words.contains(needle));
    if says(&["insufficient_quota", "billing_error", "exceeded your current quota"]) {
        return FailureKind::Quota;
    }
    if says(&[
        "context_length",
        "exceed_context_size",
        "max context length",
        "maximum context length",
        "context window",
        "too_many_prompt_tokens",
        "prompt is too long",
        "prompt too long",
    ]) {
        return FailureKind::ContextLength;
    }
    if says(&["content_filter", "content_policy"]) {
        return FailureKind::ContentFilter;
    }
    if says(&["api key", "api-key", "authentication", "invalid_api_key", "permission_error", "unauthorized"]) {
        return FailureKind::Auth;
    }
    if says(&["overloaded"]) {
        return FailureKind::Overloaded;
    }
    if says(&["rate_limit", "rate limit", "ratelimit", "rate-limited"]) {
        return FailureKind::RateLimit;
    }
    if says(&["model_not_found", "not_found_error", "model not found"]) {
        return FailureKind::NotFound;
    }
    match status.or_else(|| code.parse().ok()) {
        Some(401..=403) => FailureKind::Auth,
        Some(404) => FailureKind::NotFound,
        Some(408 | 504 | 524) => FailureKind::Timeout,
        Some(413) => FailureKind::ContextLength,
        Some(429) => FailureKind::RateLimit,
        Some(503 | 529) => FailureKind::Overloaded,
        Some(500..=599) => FailureKind::Server,
        Some(400..=499) => FailureKind::BadRequest,
        _ => FailureKind::Server,
    }
}
