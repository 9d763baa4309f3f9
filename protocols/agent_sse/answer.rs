//! Answers that are no stream.

use serde_json::{Value, json};

use super::usage::SessionUsage;
use crate::error::Refusal;
use crate::items::Thread;
use crate::operation::{Answer, ModelUsage, Summary};
use crate::protocol::Document;
use crate::wire::time;

pub(super) fn answer(answer: &Answer) -> Document {
    let body = match answer {
        Answer::Created(thread) => json!({ "session_id": thread.id, "created_at": created(thread) }),
        Answer::Summary(summary) => session(summary),
        Answer::Summaries(all) => json!({ "sessions": all.iter().map(session).collect::<Vec<_>>() }),
        Answer::Cleared(thread) => json!({ "session_id": thread, "cleared": true }),
        Answer::Deleted { thread, found: true } => json!({ "deleted": true, "session_id": thread }),
        Answer::Deleted { found: false, .. } => return detail(404, UNKNOWN),
        Answer::Usage(thread, known) => json!({ "session_id": thread, "usage": usage(known) }),
        Answer::Health { version, sessions } => {
            json!({ "status": "healthy", "version": version, "active_sessions": sessions })
        }
        // Nothing that a page of this dialect can ask for.
        Answer::Thread(..)
        | Answer::Threads(_)
        | Answer::Items(..)
        | Answer::Messages { .. }
        | Answer::Updated(..)
        | Answer::Attachment(..)
        | Answer::Transcript(_)
        | Answer::NothingRuns
        | Answer::Done(_)
        | Answer::Stopped(_) => json!({}),
    };
    document(200, &body)
}

const UNKNOWN: &str = "Session not found";

/// A mistake, or a failure outside of a stream. The old server's framework calls what is wrong in a body 422, and says
/// that it can do no more with 503.
pub(super) fn refuse(refusal: &Refusal<'_>) -> Document {
    let status = match (refusal, refusal.status(), refusal.code()) {
        (Refusal::Caller(_), 400, _) => 422,
        (_, 409, "busy") => 503,
        // What the provider finds too long or wrong stands in no field of the body.
        (_, status, _) => status,
    };
    match refusal.code() {
        "unknown_thread" => detail(status, UNKNOWN),
        _ => detail(status, &refusal.safe_text()),
    }
}

fn detail(status: u16, text: &str) -> Document {
    document(status, &json!({ "detail": text }))
}

fn document(status: u16, body: &Value) -> Document {
    Document { status, content_type: "application/json", body: body.to_string() }
}

fn session(summary: &Summary) -> Value {
    json!({
        "session_id": summary.thread.id,
        "created_at": created(&summary.thread),
        "message_count": summary.messages,
        "usage": usage(&summary.usage),
    })
}

fn usage(known: &[ModelUsage]) -> Value {
    SessionUsage::new(known).value()
}

fn created(thread: &Thread) -> String {
    time::utc(thread.created)
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::error::{CallerError, Failure, FailureKind};
    use crate::items::ThreadStatus;

    fn thread() -> Thread {
        let status = ThreadStatus::Active;
        Thread { id: "s/1".into(), title: None, status, metadata: Map::new(), created: 1_767_268_800_123, updated: 0 }
    }

    fn body(given: &Answer) -> (u16, String) {
        let Document { status, body, .. } = answer(given);
        (status, body)
    }

    #[test]
    fn every_answer_has_its_members() {
        let nothing =
            r#"{"total_tokens":0,"total_prompt_tokens":0,"total_completion_tokens":0,"by_model":{},"cost":null}"#;
        let session = format!(
            r#"{{"session_id":"s/1","created_at":"2026-01-01T12:00:00.123Z","message_count":4,"usage":{nothing}}}"#
        );
        let summary = || Summary { thread: thread(), messages: 4, usage: Vec::new() };
        for (given, expected) in [
            (Answer::Created(thread()), r#"{"session_id":"s/1","created_at":"2026-01-01T12:00:00.123Z"}"#.to_owned()),
            (Answer::Summary(Box::new(summary())), session.clone()),
            (Answer::Summaries(vec![summary()]), format!(r#"{{"sessions":[{session}]}}"#)),
            (Answer::Summaries(Vec::new()), r#"{"sessions":[]}"#.to_owned()),
            (Answer::Cleared("s".into()), r#"{"session_id":"s","cleared":true}"#.to_owned()),
            (Answer::Deleted { thread: "s".into(), found: true }, r#"{"deleted":true,"session_id":"s"}"#.to_owned()),
            (Answer::Usage("s".into(), Vec::new()), format!(r#"{{"session_id":"s","usage":{nothing}}}"#)),
            (
                Answer::Health { version: "1.2.3", sessions: 5 },
                r#"{"status":"healthy","version":"1.2.3","active_sessions":5}"#.to_owned(),
            ),
        ] {
            assert_eq!(body(&given), (200, expected));
        }
        let gone = Answer::Deleted { thread: "s".into(), found: false };
        assert_eq!(body(&gone), (404, r#"{"detail":"Session not found"}"#.to_owned()));
    }

    #[test]
    fn refusals_have_a_detail_and_the_old_servers_status() {
        let caller = |status, code, message: &str| CallerError::new(status, code, message);
        for (error, status, detail) in [
            (CallerError::invalid("message", "is missing"), 422, "message: is missing"),
            (caller(404, "unknown_thread", "there is no such thread"), 404, "Session not found"),
            (caller(404, "not_found", "Not Found"), 404, "Not Found"),
            (caller(409, "busy", "wait"), 503, "wait"),
            (caller(503, "too_many_sessions", "full"), 503, "full"),
        ] {
            let document = refuse(&Refusal::Caller(&error));
            assert_eq!((document.status, document.body), (status, json!({ "detail": detail }).to_string()));
        }
        let failure = Failure::new(FailureKind::Overloaded, "secret at 10.0.0.1");
        assert!(!refuse(&Refusal::Failure(&failure)).body.contains("secret"));
        let long = Failure::new(FailureKind::ContextLength, "too long");
        assert_eq!(refuse(&Refusal::Failure(&long)).status, 400);
    }
}
