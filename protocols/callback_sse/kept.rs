//! What stands below the path of a route whose sessions the gateway keeps (house dialects 1).
//!
//! | request | |
//! |---|---|
//! | `POST /stream` | a message into a session |
//! | `POST /stream/direct` | an answer to exactly these messages; nothing is kept of it |
//! | `POST /abort` | stop what runs in a session |

use serde_json::{Value, json};

use super::request::{message, parse, session};
use crate::error::CallerError;
use crate::event::Text;
use crate::items::{Said, UserMessage};
use crate::operation::{Answer, Ask, Begin, Operation, Place, TurnAsk};
use crate::protocol::{Document, RequestHead};
use crate::wire::address::{self, check_id, parameter};
use crate::wire::body::{self, Node};

pub(super) fn ask(head: &RequestHead<'_>, bytes: &[u8]) -> Result<Ask, CallerError> {
    let read: fn(&RequestHead<'_>, &[u8]) -> Result<Ask, CallerError> = match head.below.trim_end_matches('/') {
        "/stream" => next,
        "/stream/direct" => direct,
        "/abort" => abort,
        _ => return Err(CallerError::new(404, "not_found", "there is nothing at this path")),
    };
    if head.method != "POST" {
        return Err(CallerError::new(405, "method_not_allowed", "use POST"));
    }
    read(head, bytes)
}

fn next(_: &RequestHead<'_>, bytes: &[u8]) -> Result<Ask, CallerError> {
    let (session, text, chat) = message(bytes)?;
    let message = UserMessage { content: vec![Said::Text { text }], ..UserMessage::default() };
    let begin = Begin::Message { id: None, message, place: Place::Next };
    Ok(Ask::Turn(Box::new(TurnAsk { thread: Some(session), make: true, begin, chat })))
}

fn direct(_: &RequestHead<'_>, bytes: &[u8]) -> Result<Ask, CallerError> {
    let chat = parse(bytes)?;
    let session = chat.thread.clone().unwrap_or_default();
    check_id("session_id", &session)?;
    Ok(Ask::Turn(Box::new(TurnAsk { thread: Some(session), make: true, begin: Begin::Direct, chat })))
}

/// Pages name the session in the body or in the query.
fn abort(head: &RequestHead<'_>, bytes: &[u8]) -> Result<Ask, CallerError> {
    let thread = match parameter(head.query, "session_id") {
        Some(id) => in_query(id)?,
        None => session(&Node::root(&Value::Object(body::object(bytes)?)))?,
    };
    Ok(Ask::Operation(Operation::Stop { thread }))
}

fn in_query(id: &str) -> Result<Text, CallerError> {
    // What fills a query in may write a blank as a plus.
    address::id("session_id", &id.replace('+', "%20"))
}

pub(super) fn answer(answer: &Answer) -> Document {
    let body = match answer {
        Answer::Stopped(true) => json!({ "message": "The answer was stopped.", "aborted": true }),
        Answer::Stopped(false) => json!({ "message": "Nothing was running in this session.", "aborted": false }),
        // Nothing that a page of this dialect can ask for.
        _ => json!({}),
    };
    Document { status: 200, content_type: "application/json", body: body.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(method: &str, below: &str, query: &str, body: &str) -> Result<Ask, (u16, String)> {
        let head = RequestHead { method, path: "/api/chat", below, query };
        ask(&head, body.as_bytes()).map_err(|error| (error.status, error.path))
    }

    fn turn(below: &str, body: &str) -> TurnAsk {
        match read("POST", below, "", body) {
            Ok(Ask::Turn(turn)) => *turn,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_message_goes_into_its_session() {
        for config in ["model_config", "ai_model_config"] {
            let body = json!({ "session_id": "s 1", "content": "Grüezi", "lang": "de", config: { "model_name": "m" } });
            let TurnAsk { thread, make, begin, chat } = turn("/stream", &body.to_string());
            assert_eq!((thread.as_deref(), make, chat.model.as_deref()), (Some("s 1"), true, Some("m")));
            assert_eq!(json!(chat.extra), json!({ "lang": "de" }));
            let Begin::Message { message, place: Place::Next, id: None } = begin else { panic!("{begin:?}") };
            assert_eq!(message.text(), "Grüezi");
        }
    }

    #[test]
    fn messages_that_stand_for_themselves_are_the_whole_conversation() {
        let body = r#"{"session_id":"s","messages":[{"role":"user","content":"hi"}]}"#;
        let TurnAsk { thread, begin, chat, .. } = turn("/stream/direct", body);
        assert_eq!((thread.as_deref(), begin, chat.messages.len()), (Some("s"), Begin::Direct, 1));
    }

    #[test]
    fn a_session_to_stop_is_named_in_the_body_or_in_the_query() {
        let stop = |thread: &str| Ok(Ask::Operation(Operation::Stop { thread: thread.into() }));
        assert_eq!(read("POST", "/abort", "", r#"{"session_id":"s"}"#), stop("s"));
        assert_eq!(read("POST", "/abort", "session_id=a%2Fb+c", ""), stop("a/b c"));
        assert_eq!(read("POST", "/abort", "x=1&session_id=s", "{}"), stop("s"));
        for (query, body) in [("", "{}"), ("session_id=", ""), ("session_id=%ff", ""), ("", r#"{"session_id":5}"#)] {
            let place = (400, "session_id".to_owned());
            assert_eq!(read("POST", "/abort", query, body), Err(place), "{query} {body}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_at_its_place() {
        let long = format!(r#"{{"session_id":"{}","content":"a"}}"#, "x".repeat(257));
        for (body, path) in [
            ("", ""),
            ("{}", "session_id"),
            (r#"{"session_id":"","content":"a"}"#, "session_id"),
            (r#"{"session_id":"a\n","content":"a"}"#, "session_id"),
            (long.as_str(), "session_id"),
            (r#"{"session_id":"s"}"#, "content"),
            (r#"{"session_id":"s","content":" \n"}"#, "content"),
            (r#"{"session_id":"s","content":["a"]}"#, "content"),
            (r#"{"session_id":"s","content":"a","model_config":{"temperature":3}}"#, "model_config.temperature"),
            (r#"{"session_id":"s","content":"a","model_config":{"base_url":5}}"#, "model_config.base_url"),
            (r#"{"session_id":"s","content":"a","ai_model_config":{"api_key":7}}"#, "ai_model_config.api_key"),
        ] {
            assert_eq!(read("POST", "/stream", "", body), Err((400, path.to_owned())), "{body}");
        }
        for (method, below, status) in
            [("POST", "", 404), ("POST", "/other", 404), ("GET", "/stream", 405), ("DELETE", "/abort", 405)]
        {
            assert_eq!(read(method, below, "", "{}").unwrap_err().0, status, "{method} {below}");
        }
    }

    #[test]
    fn a_stop_says_whether_anything_was_stopped() {
        for stopped in [true, false] {
            let body: Value = serde_json::from_str(&answer(&Answer::Stopped(stopped)).body).unwrap();
            assert_eq!((&body["aborted"], body["message"].is_string()), (&json!(stopped), true));
        }
    }
}
