//! A page's request: read, refused in the dialect's words or passed on as a provider's request that is JSON.

use chatwire_protocols::chat::ChatRequest;
use chatwire_protocols::error::{CallerError, Refusal};
use chatwire_protocols::operation::Ask;
use chatwire_protocols::protocol::{Frontend, ReplyContext, RequestHead, Target, Upstream};
use serde_json::Value;

use crate::Input;

const METHODS: [&str; 6] = ["POST", "GET", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Checks one input.
///
/// # Panics
/// Something does not hold.
pub fn check(data: &[u8]) {
    let mut input = Input(data);
    let (frontend, upstream, method) = (input.frontend(), input.upstream(), input.pick(&METHODS));
    let line = input.line();
    let (below, query) = line.split_once('?').unwrap_or((line, ""));
    let head = RequestHead { method, path: below, below, query };
    let body = input.0;

    match frontend.parse(&head, body) {
        Ok(chat) => passed_on(&*frontend, &*upstream, &chat),
        Err(error) => refused(&*frontend, &error),
    }
    match frontend.ask(&head, body) {
        Ok(Ask::Turn(turn)) => passed_on(&*frontend, &*upstream, &turn.chat),
        Ok(_) => {}
        Err(error) => refused(&*frontend, &error),
    }
}

fn passed_on(frontend: &dyn Frontend, upstream: &dyn Upstream, chat: &ChatRequest) {
    frontend.asks_approval(chat);
    let reply = frontend.open(chat, &ReplyContext::default());
    assert!((200..300).contains(&reply.status));
    let target = Target { base_url: "http://provider.invalid", model: "m", extra: None };
    match upstream.request(chat, &target) {
        Ok(request) => {
            let body: Result<Value, _> = serde_json::from_slice(&request.body);
            assert!(body.is_ok_and(|body| body["model"] == "m"), "the provider's request is no JSON of this model");
            assert!(request.url.starts_with(target.base_url), "the request goes elsewhere");
        }
        Err(error) => refused(frontend, &error),
    }
}

fn refused(frontend: &dyn Frontend, error: &CallerError) {
    assert!((400..500).contains(&error.status), "the caller's mistake is a {}", error.status);
    let document = frontend.refuse(&Refusal::Caller(error));
    assert!((400..500).contains(&document.status), "the refusal is a {}", document.status);
    if document.content_type.starts_with("application/json") {
        assert!(serde_json::from_str::<Value>(&document.body).is_ok(), "a refusal that is no JSON");
    }
}
