//! Requests for an answer (house dialects 1): with the whole conversation, or with what is new in one that is kept.

use serde_json::{Map, Value};

use crate::chat::{ChatRequest, Settings};
use crate::error::CallerError;
use crate::event::Text;
use crate::wire::address::check_id;
use crate::wire::body::{self, Node};
use crate::wire::plain;

/// Both spellings of the model's settings that pages use; the first one given counts.
const CONFIG: [&str; 2] = ["model_config", "ai_model_config"];

/// Members that are no page's own.
const OWN: [&str; 3] = ["session_id", "messages", "content"];

/// Reads a request.
///
/// # Errors
/// The caller's mistake, with its place.
pub(super) fn parse(bytes: &[u8]) -> Result<ChatRequest, CallerError> {
    let body = Value::Object(body::object(bytes)?);
    let root = Node::root(&body);
    let session = root.required("session_id")?;
    if session.str()?.is_empty() {
        return Err(session.wrong("must not be empty"));
    }
    let mut chat = settings(&root)?;
    chat.thread = Some(session.str()?.into());
    chat.messages = plain::messages(&root.required("messages")?)?;
    if chat.is_blank() {
        let place = format!("messages[{}].content", chat.messages.len() - 1);
        return Err(CallerError::invalid(place, "is empty; there is nothing to answer"));
    }
    chat.extra = rest(body);
    Ok(chat)
}

/// Reads a message into a session that is kept: its text, and all but the conversation.
///
/// # Errors
/// The caller's mistake, with its place.
pub(super) fn message(bytes: &[u8]) -> Result<(Text, String, ChatRequest), CallerError> {
    let body = Value::Object(body::object(bytes)?);
    let root = Node::root(&body);
    let session = session(&root)?;
    let content = root.required("content")?;
    let text = content.str()?.to_owned();
    if text.trim().is_empty() {
        return Err(content.wrong("is empty; there is nothing to answer"));
    }
    let mut chat = settings(&root)?;
    chat.thread = Some(session.clone());
    chat.extra = rest(body);
    Ok((session, text, chat))
}

/// The session that is meant, as its id can be kept.
///
/// # Errors
/// It is missing, or cannot be kept.
pub(super) fn session(root: &Node<'_>) -> Result<Text, CallerError> {
    let session = root.required("session_id")?.str()?;
    check_id("session_id", session)?;
    Ok(session.into())
}

fn settings(root: &Node<'_>) -> Result<ChatRequest, CallerError> {
    let mut chat = ChatRequest { stream: true, wire: "callback-sse", ..ChatRequest::default() };
    if let Some(config) = CONFIG.iter().find_map(|key| root.get(key)) {
        read_config(&config, &mut chat)?;
    }
    Ok(chat)
}

/// Members of the page's own.
fn rest(body: Value) -> Map<String, Value> {
    let Value::Object(mut body) = body else { return Map::new() };
    body.retain(|key, _| !OWN.contains(&key.as_str()) && !CONFIG.contains(&key.as_str()));
    body
}

/// Each given member overrides the configured one for this request alone. An empty text counts as not given, for
/// pages send the fields of an empty form.
fn read_config(config: &Node<'_>, chat: &mut ChatRequest) -> Result<(), CallerError> {
    config.object()?;
    for key in ["api_key", "base_url"] {
        if let Some(given) = config.get(key)
            && given.value.as_str() != Some("")
        {
            return Err(not_allowed(&given));
        }
    }
    chat.model =
        config.get("model_name").map(|node| node.str()).transpose()?.filter(|name| !name.is_empty()).map(Into::into);
    chat.settings = Settings {
        temperature: config.get("temperature").map(|node| temperature(&node)).transpose()?,
        max_tokens: config.get("max_tokens").map(|node| max_tokens(&node)).transpose()?,
        ..Settings::default()
    };
    Ok(())
}

/// A provider named by a request could be any address within the gateway's reach, and a key does not belong into a
/// log of requests. The value is not repeated in the answer.
fn not_allowed(given: &Node<'_>) -> CallerError {
    CallerError {
        code: "provider_not_allowed",
        ..given.wrong("requests may not bring their own provider; leave this out and name a configured model")
    }
}

fn temperature(node: &Node<'_>) -> Result<f64, CallerError> {
    match node.number()? {
        number if (0.0..=2.0).contains(&number) => Ok(number),
        _ => Err(node.wrong("must be from 0 to 2")),
    }
}

fn max_tokens(node: &Node<'_>) -> Result<u64, CallerError> {
    match node.count()? {
        0 => Err(node.wrong("must be greater than 0")),
        count => Ok(count),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::chat::Role;

    fn parsed(body: &Value) -> Result<ChatRequest, CallerError> {
        parse(body.to_string().as_bytes())
    }

    #[test]
    fn a_conversation_without_a_word_is_refused_at_its_last_message() {
        let body = json!({"session_id": "s1", "messages": [{"role": "user", "content": " "}]});
        let error = parsed(&body).unwrap_err();
        assert_eq!((error.status, error.path.as_str()), (400, "messages[0].content"));
    }

    #[test]
    fn both_spellings_of_the_model_config_override_the_configured_one() {
        for key in CONFIG {
            let chat = parsed(&json!({
                "session_id": "s1",
                "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi", "ts": 5}],
                key: {"model_name": "chat-model", "temperature": 2, "max_tokens": 100, "api_key": "", "base_url": null,
                      "top_p": 1},
                "locale": "de",
            }))
            .unwrap();
            assert_eq!((chat.model.as_deref(), chat.thread.as_deref()), (Some("chat-model"), Some("s1")));
            assert_eq!((chat.settings.temperature, chat.settings.max_tokens), (Some(2.0), Some(100)));
            assert_eq!((chat.messages[0].role, chat.messages[1].joined_text().as_str()), (Role::System, "Hi"));
            assert_eq!((chat.stream, chat.extra.len()), (true, 1));
        }
        let plain = parsed(&json!({"session_id": "s1", "messages": [{"role": "user", "content": "Hi"}]})).unwrap();
        assert_eq!((plain.model, plain.settings), (None, Settings::default()));
    }

    #[test]
    fn a_request_may_not_bring_its_own_provider() {
        for (key, value) in [("api_key", json!("sk-1")), ("base_url", json!("http://10.0.0.1")), ("base_url", json!(5))]
        {
            let body = json!({"session_id": "s", "messages": [{"role": "user", "content": "Hi"}],
                              "ai_model_config": {key: value}});
            let error = parsed(&body).unwrap_err();
            assert_eq!((error.status, error.code), (400, "provider_not_allowed"));
            assert_eq!(error.path, format!("ai_model_config.{key}"));
            assert!(!error.to_string().contains("sk-1") && !error.to_string().contains("10.0.0.1"));
        }
    }

    #[test]
    fn mistakes_name_their_place() {
        let user = json!([{"role": "user", "content": "Hi"}]);
        for (body, place) in [
            (json!({"messages": user}), "session_id: is missing"),
            (json!({"session_id": "", "messages": user}), "session_id: must not be empty"),
            (json!({"session_id": 7, "messages": user}), "session_id: must be a string, not a number"),
            (json!({"session_id": "s"}), "messages: is missing"),
            (json!({"session_id": "s", "messages": []}), "messages: must hold at least one message"),
            (json!({"session_id": "s", "messages": [5]}), "messages[0]: must be an object, not a number"),
            (
                json!({"session_id": "s", "messages": [{"role": "tool", "content": ""}]}),
                "messages[0].role: must be \"user\", \"assistant\" or \"system\"",
            ),
            (json!({"session_id": "s", "messages": [{"role": "user"}]}), "messages[0].content: is missing"),
            (
                json!({"session_id": "s", "messages": user, "model_config": []}),
                "model_config: must be an object, not an array",
            ),
            (
                json!({"session_id": "s", "messages": user, "model_config": {"temperature": 2.1}}),
                "model_config.temperature: must be from 0 to 2",
            ),
            (
                json!({"session_id": "s", "messages": user, "model_config": {"max_tokens": 0}}),
                "model_config.max_tokens: must be greater than 0",
            ),
            (
                json!({"session_id": "s", "messages": user, "ai_model_config": {"max_tokens": 1.5}}),
                "ai_model_config.max_tokens: must be a whole number, not a number",
            ),
        ] {
            assert_eq!(parsed(&body).unwrap_err().to_string(), place, "{body}");
        }
        assert_eq!(parse(b"{").unwrap_err().code, "invalid_json");
    }
}
