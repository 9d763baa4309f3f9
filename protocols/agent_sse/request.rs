//! What stands below the route's path, and what is asked there (house dialects 3).

use serde_json::{Map, Value};

use super::Wire;
use crate::chat::ChatRequest;
use crate::error::CallerError;
use crate::event::Text;
use crate::items::{Said, UserMessage, metadata};
use crate::operation::{Ask, Begin, Operation, Place, TurnAsk};
use crate::protocol::RequestHead;
use crate::wire::address::{self, check_id, wrong_method};
use crate::wire::body::{self, Node};
use crate::wire::plain;

/// Reads a request.
pub(super) fn ask(head: &RequestHead<'_>, body: &[u8]) -> Result<Ask, CallerError> {
    let segments: Vec<&str> = head.below.trim_end_matches('/').split('/').skip(1).collect();
    Ok(Ask::Operation(match (segments.as_slice(), head.method) {
        (["sessions"], "POST") => Operation::Create { title: None, metadata: settings(body)? },
        (["sessions"], "GET") => Operation::Summaries,
        (["sessions"], _) => return Err(wrong_method("GET or POST")),
        (["sessions", id], "GET") => Operation::Summary { thread: thread(id)? },
        (["sessions", id], "DELETE") => Operation::Delete { thread: thread(id)? },
        (["sessions", _], _) => return Err(wrong_method("GET or DELETE")),
        (["sessions", id, "clear"], "POST") => Operation::Clear { thread: thread(id)? },
        (["sessions", _, "clear"], _) => return Err(wrong_method("POST")),
        (["agent", "query"], "POST") => return query(body, Wire::Whole),
        (["agent", "query-stream"], "POST") => return query(body, Wire::Steps),
        (["agent", "query-stream-delta"], "POST") => return query(body, Wire::Deltas),
        (["agent", "query" | "query-stream" | "query-stream-delta"], _) => return Err(wrong_method("POST")),
        (["agent", "usage", id], "GET") => Operation::Usage { thread: thread(id)? },
        (["agent", "usage", _], _) => return Err(wrong_method("GET")),
        _ => return Err(CallerError::new(404, "not_found", "Not Found")),
    }))
}

/// What is kept beside a new session. The body may be left out.
fn settings(body: &[u8]) -> Result<Map<String, Value>, CallerError> {
    let mut settings = Map::new();
    if body.trim_ascii().is_empty() {
        return Ok(settings);
    }
    let body = Value::Object(body::object(body)?);
    if let Some(prompt) = plain::name(&Node::root(&body), "system_prompt")? {
        settings.insert(metadata::SYSTEM_PROMPT.to_owned(), Value::from(prompt.as_str()));
    }
    Ok(settings)
}

/// A question. The path says how it is answered, whatever `stream` says.
fn query(bytes: &[u8], wire: Wire) -> Result<Ask, CallerError> {
    let mut body = Value::Object(body::object(bytes)?);
    let root = Node::root(&body);
    let message = root.required("message")?;
    let text = message.str()?.to_owned();
    if text.trim().is_empty() {
        return Err(message.wrong("must not be empty"));
    }
    if let Some(stream) = root.get("stream") {
        stream.flag()?;
    }
    let thread = plain::name(&root, "session_id")?;
    if let Some(id) = &thread {
        check_id("session_id", id)?;
    }
    let extra = body.as_object_mut().map(std::mem::take).unwrap_or_default();
    let known = ["message", "stream", "session_id"];
    let extra = extra.into_iter().filter(|(key, _)| !known.contains(&key.as_str())).collect();
    let message = UserMessage { content: vec![Said::Text { text }], ..UserMessage::default() };
    Ok(Ask::Turn(Box::new(TurnAsk {
        thread: thread.clone(),
        make: true,
        begin: Begin::Message { id: None, message, place: Place::Next },
        chat: ChatRequest { thread, stream: wire != Wire::Whole, wire: wire.name(), extra, ..ChatRequest::default() },
    })))
}

fn thread(segment: &str) -> Result<Text, CallerError> {
    address::id("session_id", segment)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(method: &str, below: &str, body: &str) -> Result<Ask, (u16, String)> {
        let head = RequestHead { method, path: below, below, query: "" };
        ask(&head, body.as_bytes()).map_err(|error| (error.status, error.path))
    }

    fn operation(method: &str, below: &str, body: &str) -> Operation {
        match read(method, below, body) {
            Ok(Ask::Operation(operation)) => operation,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_endpoint_is_read_and_ids_are_decoded() {
        let thread = || Text::from("../a b");
        let id = "..%2Fa%20b";
        let made = |prompt: Option<&str>| {
            let prompt = prompt.map(|prompt| ("system_prompt".to_owned(), json!(prompt)));
            Operation::Create { title: None, metadata: prompt.into_iter().collect() }
        };
        assert_eq!(operation("POST", "/sessions", ""), made(None));
        assert_eq!(operation("POST", "/sessions/", "{}"), made(None));
        assert_eq!(operation("POST", "/sessions", r#"{"system_prompt":null,"x":1}"#), made(None));
        assert_eq!(operation("POST", "/sessions", r#"{"system_prompt":"Be brief."}"#), made(Some("Be brief.")));
        assert_eq!(operation("GET", "/sessions", ""), Operation::Summaries);
        assert_eq!(operation("GET", &format!("/sessions/{id}"), ""), Operation::Summary { thread: thread() });
        assert_eq!(operation("DELETE", &format!("/sessions/{id}"), ""), Operation::Delete { thread: thread() });
        assert_eq!(operation("POST", &format!("/sessions/{id}/clear"), ""), Operation::Clear { thread: thread() });
        assert_eq!(operation("GET", &format!("/agent/usage/{id}"), ""), Operation::Usage { thread: thread() });
    }

    #[test]
    fn a_question_goes_into_its_session_and_the_path_says_how_it_is_answered() {
        let body = r#"{"message":"Grüezi 👋","session_id":"s/1","stream":true,"lang":"de"}"#;
        for (path, wire) in [("query", "whole"), ("query-stream", "steps"), ("query-stream-delta", "deltas")] {
            let Ok(Ask::Turn(turn)) = read("POST", &format!("/agent/{path}"), body) else { panic!("{path}") };
            let TurnAsk { thread, make, begin, chat } = *turn;
            assert_eq!((thread.as_deref(), make, chat.wire), (Some("s/1"), true, wire));
            assert_eq!((chat.stream, &chat.extra["lang"]), (wire != "whole", &json!("de")));
            let Begin::Message { message, place: Place::Next, id: None } = begin else { panic!("{begin:?}") };
            assert_eq!(message.text(), "Grüezi 👋");
        }
        let Ok(Ask::Turn(turn)) = read("POST", "/agent/query", r#"{"message":"a","session_id":""}"#) else { panic!() };
        assert_eq!(turn.thread, None);
    }

    #[test]
    fn what_is_wrong_is_said_at_its_place() {
        let long = format!(r#"{{"message":"a","session_id":"{}"}}"#, "x".repeat(257));
        for (body, path) in [
            ("", ""),
            ("[]", ""),
            ("{", ""),
            ("{}", "message"),
            (r#"{"message":null}"#, "message"),
            (r#"{"message":5}"#, "message"),
            (r#"{"message":" \n"}"#, "message"),
            (r#"{"message":"a","session_id":7}"#, "session_id"),
            (r#"{"message":"a","session_id":"a\u0000"}"#, "session_id"),
            (r#"{"message":"a","stream":"yes"}"#, "stream"),
            (long.as_str(), "session_id"),
        ] {
            assert_eq!(read("POST", "/agent/query", body), Err((400, path.to_owned())), "{body}");
        }
        assert_eq!(read("POST", "/sessions", r#"{"system_prompt":5}"#), Err((400, "system_prompt".to_owned())));
        assert_eq!(read("GET", "/sessions/%ff", ""), Err((400, "session_id".to_owned())));
    }

    #[test]
    fn what_is_not_there_is_404_and_a_wrong_method_405() {
        for (method, below, status) in [
            ("POST", "", 404),
            ("GET", "/", 404),
            ("GET", "/agent", 404),
            ("POST", "/agent/other", 404),
            ("GET", "/sessions/a/b", 404),
            ("PUT", "/sessions", 405),
            ("POST", "/sessions/a", 405),
            ("GET", "/sessions/a/clear", 405),
            ("GET", "/agent/query", 405),
            ("POST", "/agent/usage/a", 405),
        ] {
            assert_eq!(read(method, below, "{}").unwrap_err().0, status, "{method} {below}");
        }
    }
}
