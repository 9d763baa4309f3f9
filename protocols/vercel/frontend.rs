//! The one frontend behind all AI SDK descriptors: which wire a page speaks, and which encoder answers it.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::kept::{self, Address};
use super::socket::Session;
use super::{data_stream, request, text, typed_lines, ui_stream};
use crate::chat::ChatRequest;
use crate::error::{CallerError, Refusal};
use crate::event::Text;
use crate::operation::{Answer, Ask, Operation, TurnAsk};
use crate::options::Options;
use crate::protocol::{Document, Frontend, Reply, ReplyContext, RequestHead};
use crate::socket::Socket;
use crate::wire::body;

/// A wire of the AI SDK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wire {
    /// Data stream lines (AI SDK wire notes 1).
    Lines,
    /// UI message stream (AI SDK wire notes 3).
    Ui,
    /// Plain text (AI SDK wire notes 2).
    Text,
    /// Lines with a type in every payload (AI SDK wire notes 5).
    TypedLines,
}

impl Wire {
    /// The word that travels in [`ChatRequest::wire`].
    const fn name(self) -> &'static str {
        match self {
            Self::Lines => "lines",
            Self::Ui => "ui",
            Self::Text => "text",
            Self::TypedLines => "typed-lines",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Lines, Self::Ui, Self::Text, Self::TypedLines].into_iter().find(|wire| wire.name() == name)
    }

    /// Nothing in a request names the wire, so it is told from the shape of the body: `trigger` is sent only since
    /// AI SDK 5, messages with `parts` but without `content` are of AI SDK 5 and later, and a `stream` flag is sent
    /// only by pages of the simplified Next.js backend (AI SDK wire notes, introduction). A flag of a wrong type is
    /// theirs too: that dialect refuses it by its name.
    fn detect(body: &Map<String, Value>) -> Self {
        let newest = body.get("message");
        let listed = body.get("messages").and_then(Value::as_array).into_iter().flatten();
        let of_ui = |message: &Value| message.get("parts").is_some() && message.get("content").is_none();
        if body.contains_key("trigger") || newest.into_iter().chain(listed).any(of_ui) {
            Self::Ui
        } else if body.get("stream").is_some_and(|flag| !flag.is_null()) {
            Self::TypedLines
        } else {
            Self::Lines
        }
    }
}

/// The frontend of a route.
struct Page {
    /// `None`: the body says.
    wire: Option<Wire>,
    lines: data_stream::Level,
    annotated: bool,
    ui: ui_stream::Settings,
    content_type: Option<String>,
}

/// Makes the frontend of `vercel-auto`.
pub(super) fn any(options: &Options) -> Arc<dyn Frontend> {
    Page::make(None, options)
}

/// Makes the frontend of `vercel-data-stream`.
pub(super) fn lines(options: &Options) -> Arc<dyn Frontend> {
    Page::make(Some(Wire::Lines), options)
}

/// Makes the frontend of `vercel-ui-stream`.
pub(super) fn ui(options: &Options) -> Arc<dyn Frontend> {
    Page::make(Some(Wire::Ui), options)
}

/// Makes the frontend of `vercel-text`.
pub(super) fn text(options: &Options) -> Arc<dyn Frontend> {
    Page::make(Some(Wire::Text), options)
}

/// Makes the frontend of `vercel-typed-lines`.
pub(super) fn typed_lines(options: &Options) -> Arc<dyn Frontend> {
    Page::make(Some(Wire::TypedLines), options)
}

impl Frontend for Page {
    fn parse(&self, _head: &RequestHead<'_>, body: &[u8]) -> Result<ChatRequest, CallerError> {
        let body = body::object(body)?;
        let wire = self.wire.unwrap_or_else(|| Wire::detect(&body));
        let newest = place_of_newest(&body);
        let mut chat = match wire {
            Wire::TypedLines => typed_lines::parse(body)?,
            Wire::Lines | Wire::Ui | Wire::Text => request::parse(body)?,
        };
        if chat.is_blank() {
            return Err(CallerError::invalid(newest, "is empty; there is nothing to answer"));
        }
        chat.wire = wire.name();
        Ok(chat)
    }

    fn open(&self, chat: &ChatRequest, context: &ReplyContext) -> Reply {
        let streamed = |headers, encoder| Reply { status: 200, headers, encoder, whole: false };
        match self.wire.or_else(|| Wire::from_name(chat.wire)).unwrap_or(Wire::Ui) {
            Wire::Lines => streamed(
                data_stream::headers(),
                Box::new(data_stream::DataStream::new(self.lines, context).annotated(self.annotated)),
            ),
            Wire::Ui => streamed(ui_stream::headers(), Box::new(ui_stream::UiStream::new(self.ui, chat, context))),
            Wire::Text => streamed(text::headers(), Box::new(text::TextStream::new())),
            Wire::TypedLines => self.with_content_type(typed_lines::open(chat, context)),
        }
    }

    fn ask(&self, head: &RequestHead<'_>, body: &[u8]) -> Result<Ask, CallerError> {
        Ok(match Address::read(head)? {
            Address::Turn => Ask::Turn(Box::new(self.turn(body)?)),
            Address::ResumeByQuery(thread) => self.resume(thread, Wire::Lines, data_stream::idle()),
            Address::ResumeByPath(thread) => self.resume(thread, Wire::Ui, ui_stream::idle()),
            Address::Stop(thread) => Ask::Operation(Operation::Stop { thread }),
            Address::Messages { thread, sdk } => {
                let wire = match sdk {
                    Some(sdk) if sdk < 5 => Wire::Lines,
                    Some(_) => Wire::Ui,
                    None => self.wire.unwrap_or(Wire::Ui),
                };
                Ask::Operation(Operation::Messages { thread, wire: wire.name() })
            }
            Address::Threads(list) => Ask::Operation(Operation::Threads(list)),
            Address::Delete(thread) => Ask::Operation(Operation::Delete { thread }),
        })
    }

    fn answer(&self, answer: &Answer) -> Document {
        let body = match answer {
            Answer::Messages { items, wire, .. } => match Wire::from_name(wire) {
                Some(Wire::Lines | Wire::TypedLines) => json!({ "messages": kept::line_messages(items) }),
                Some(Wire::Ui | Wire::Text) | None => json!({ "messages": kept::ui_messages(self.ui, items) }),
            },
            Answer::Threads(page) => kept::threads(page),
            Answer::Thread(thread, _) => kept::thread(thread),
            Answer::Stopped(stopped) => json!({ "stopped": stopped }),
            Answer::Deleted { found, .. } => json!({ "deleted": found }),
            // Nothing that a page of this family can ask for.
            Answer::Items(..)
            | Answer::Updated(..)
            | Answer::Attachment(..)
            | Answer::Transcript(_)
            | Answer::Done(_)
            | Answer::NothingRuns
            | Answer::Created(_)
            | Answer::Cleared(_)
            | Answer::Summary(_)
            | Answer::Summaries(_)
            | Answer::Usage(..)
            | Answer::Health { .. } => json!({}),
        };
        Document { status: 200, content_type: "application/json", body: body.to_string() }
    }

    /// Pages that open one have releases whose other wire is the UI message stream.
    fn socket(&self, head: &RequestHead<'_>) -> Result<Option<Box<dyn Socket>>, CallerError> {
        let there = Address::is_socket(head) && matches!(self.wire, None | Some(Wire::Ui));
        Ok(there.then(|| Box::new(Session::new(self.ui, Wire::Ui.name())) as Box<dyn Socket>))
    }

    /// The other two wires have no word for it that a page would understand.
    fn asks_approval(&self, chat: &ChatRequest) -> bool {
        let wire = self.wire.or_else(|| Wire::from_name(chat.wire)).unwrap_or(Wire::Ui);
        matches!(wire, Wire::Lines | Wire::Ui)
    }

    /// JSON under a status other than 2xx: the page gets the whole body as its error's message (AI SDK wire notes 1.5
    /// and 3.8), and many pages parse it.
    fn refuse(&self, refusal: &Refusal<'_>) -> Document {
        let mut error = json!({"message": refusal.safe_text(), "code": refusal.code()});
        if let Some(path) = refusal.path() {
            error["path"] = path.into();
        }
        Document {
            status: refusal.status(),
            content_type: "application/json",
            body: json!({"error": error}).to_string(),
        }
    }
}

impl Page {
    fn make(wire: Option<Wire>, options: &Options) -> Arc<dyn Frontend> {
        Arc::new(Self {
            wire,
            lines: data_stream::Level::read(options.text("lines_level")),
            annotated: options.flag("usage_annotation").unwrap_or(false),
            ui: ui_stream::Settings::read(options),
            content_type: options.text("content_type").map(str::to_owned),
        })
    }

    fn turn(&self, body: &[u8]) -> Result<TurnAsk, CallerError> {
        let body = body::object(body)?;
        let wire = self.wire.unwrap_or_else(|| Wire::detect(&body));
        let mut ask = match wire {
            Wire::TypedLines => request::plain(typed_lines::parse(body)?)?,
            Wire::Lines | Wire::Ui | Wire::Text => request::turn(body)?,
        };
        ask.chat.wire = wire.name();
        Ok(ask)
    }

    /// A route of one wire answers on that, whichever way the page asks.
    fn resume(&self, thread: Text, way: Wire, idle: Document) -> Ask {
        Ask::Resume { thread, wire: self.wire.unwrap_or(way).name(), idle }
    }

    /// The configured media type, for an answer that is lines.
    fn with_content_type(&self, mut reply: Reply) -> Reply {
        if let Some(media_type) = self.content_type.as_ref().filter(|_| !reply.whole) {
            reply.headers.retain(|(name, _)| *name != "content-type");
            reply.headers.push(("content-type", media_type.clone()));
        }
        reply
    }
}

/// Where in the body the newest message stands.
fn place_of_newest(body: &Map<String, Value>) -> String {
    match body.get("messages").and_then(Value::as_array).and_then(|messages| messages.len().checked_sub(1)) {
        Some(last) => format!("messages[{last}]"),
        None if body.contains_key("message") => "message".to_owned(),
        None => "prompt".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Failure, FailureKind};

    fn wire_of(frontend: &Arc<dyn Frontend>, body: &Value) -> &'static str {
        frontend.parse(&RequestHead::default(), body.to_string().as_bytes()).unwrap().wire
    }

    #[test]
    fn a_request_that_says_nothing_is_refused_at_its_newest_message() {
        let page = any(&Options::default());
        for (body, path) in [
            (json!({"messages": [{"role": "user", "content": ""}]}), "messages[0]"),
            (json!({"messages": [{"role": "user", "content": "  "}], "stream": true}), "messages[0]"),
            (json!({"messages": [{"role": "system", "content": ""}, {"role": "user", "parts": []}]}), "messages[1]"),
            (json!({"message": {"role": "user", "parts": [{"type": "text", "text": "\n"}]}}), "message"),
            (json!({"prompt": ""}), "prompt"),
        ] {
            let error = page.parse(&RequestHead::default(), body.to_string().as_bytes()).unwrap_err();
            assert_eq!((error.status, error.path.as_str()), (400, path), "{body}");
        }
    }

    #[test]
    fn a_file_a_result_or_an_earlier_text_is_something_to_answer() {
        let page = any(&Options::default());
        let file = json!({"type": "file", "mediaType": "image/png", "url": "data:image/png;base64,AA=="});
        let call = json!({"type": "tool-a", "toolCallId": "c", "state": "output-available", "input": {}, "output": 1});
        let text = json!({"role": "user", "content": "hi"});
        for messages in [
            json!([{"role": "user", "parts": [file]}]),
            json!([{"role": "assistant", "parts": [call]}]),
            json!([text, {"role": "user", "content": ""}]),
        ] {
            let body = json!({"messages": messages});
            assert!(page.parse(&RequestHead::default(), body.to_string().as_bytes()).is_ok(), "{body}");
        }
    }

    #[test]
    fn a_stream_flag_of_a_wrong_type_is_refused_where_it_chooses_the_wire() {
        let body = json!({"messages": [{"role": "user", "content": "hi"}], "stream": "yes"}).to_string();
        let error = any(&Options::default()).parse(&RequestHead::default(), body.as_bytes()).unwrap_err();
        assert_eq!((error.status, error.path.as_str()), (400, "stream"));
        // Elsewhere it is a member of the page's own.
        assert!(lines(&Options::default()).parse(&RequestHead::default(), body.as_bytes()).is_ok());
    }

    #[test]
    fn the_wire_is_told_from_the_body() {
        let content = json!({"role": "user", "content": "hi"});
        let both = json!({"role": "user", "content": "hi", "parts": [{"type": "text", "text": "hi"}]});
        let parts = json!({"id": "u", "role": "user", "parts": [{"type": "text", "text": "hi"}]});
        let page = any(&Options::default());
        for (body, wire) in [
            (json!({"messages": [content]}), "lines"),
            (json!({"id": "c", "messages": [both]}), "lines"),
            (json!({"id": "c", "message": both}), "lines"),
            (json!({"prompt": "hi"}), "lines"),
            (json!({"messages": [parts]}), "ui"),
            (json!({"id": "c", "message": parts}), "ui"),
            (json!({"id": "c", "messages": [content], "trigger": "submit-message"}), "ui"),
            (json!({"id": "c", "messages": [parts], "stream": true}), "ui"),
            (json!({"messages": [content], "model": "chat-model", "stream": true}), "typed-lines"),
            (json!({"messages": [content], "model": "chat-model", "stream": false}), "typed-lines"),
            (json!({"messages": [content], "stream": null}), "lines"),
        ] {
            assert_eq!(wire_of(&page, &body), wire, "{body}");
        }
    }

    #[test]
    fn a_route_of_one_wire_answers_every_body_on_it() {
        let body = json!({"messages": [{"role": "user", "content": "hi"}], "trigger": "submit-message"});
        for (make, wire) in
            [(lines as fn(&Options) -> _, "lines"), (ui, "ui"), (text, "text"), (typed_lines, "typed-lines")]
        {
            assert_eq!(wire_of(&make(&Options::default()), &body), wire);
        }
    }

    #[test]
    fn a_ui_stream_says_what_it_is_in_its_headers() {
        let body = json!({"messages": [{"role": "user", "content": "hi"}], "stream": false});
        let page = ui(&Options::default());
        let chat = page.parse(&RequestHead::default(), body.to_string().as_bytes()).unwrap();
        let reply = page.open(&chat, &ReplyContext::default());
        assert_eq!((reply.status, reply.whole), (200, false));
        for header in [("content-type", "text/event-stream"), ("x-vercel-ai-ui-message-stream", "v1")] {
            assert!(reply.headers.iter().any(|(name, value)| (*name, value.as_str()) == header), "{header:?}");
        }
    }

    #[test]
    fn refusals_are_readable_and_hold_nothing_of_the_providers() {
        let page = any(&Options::default());
        let error = page.parse(&RequestHead::default(), br#"{"messages": []}"#).unwrap_err();
        let reply = page.refuse(&Refusal::Caller(&error));
        let body: Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!((reply.status, reply.content_type), (400, "application/json"));
        assert_eq!(body["error"]["path"], "messages");
        assert_eq!(body["error"]["message"], "messages: is empty; at least one message is expected");

        let failure = Failure::new(FailureKind::RateLimit, "key sk-1 of http://10.0.0.1 is over its limit");
        let reply = page.refuse(&Refusal::Failure(&failure));
        assert_eq!(reply.status, 429);
        assert!(reply.body.contains("Too many requests") && !reply.body.contains("sk-1"), "{}", reply.body);
    }
}
