//! A trivial protocol whose pages hold no conversation. What a page asks is JSON (`{"thread", "make", "say" | "outputs" |
//! "retry" | "form" | "action"}` for a turn, `{"op": …}` for the rest); a reply's first line is its opening, and each
//! further line an event.

use std::sync::Arc;

use bytes::BytesMut;
use chatwire_protocols::chat::ChatRequest;
use chatwire_protocols::error::{CallerError, Refusal};
use chatwire_protocols::event::Event;
use chatwire_protocols::items::{Attachment, Item, Said, Thread, UserMessage};
use chatwire_protocols::operation::{
    Act, Answer, Ask, Begin, CallAnswer, CallSaid, List, Operation, Page, Place, TurnAsk,
};
use chatwire_protocols::protocol::{
    Document, Encoder, Frontend, FrontendSpec, Keeps, KeptContext, Protocol, Reply, ReplyContext, RequestHead,
};
use chatwire_protocols::wire::body;
use serde_json::{Value, json};

use super::protocols::{EventEncoder, Events};

pub static KEPT: Protocol = Protocol {
    name: "kept",
    aliases: &[],
    about: "",
    frontend: Some(FrontendSpec { options: &[], make: |_| Arc::new(Kept), keeps: Keeps::Always, page_calls: false }),
    upstream: None,
};

/// The same with page-run calls as items.
pub static ASKING: Protocol = Protocol {
    name: "asking",
    aliases: &[],
    about: "",
    frontend: Some(FrontendSpec { options: &[], make: |_| Arc::new(Kept), keeps: Keeps::Always, page_calls: true }),
    upstream: None,
};

pub struct Kept;

impl Frontend for Kept {
    fn parse(&self, _: &RequestHead<'_>, _: &[u8]) -> Result<ChatRequest, CallerError> {
        Err(CallerError::new(404, "not_kept", "this dialect is kept"))
    }

    fn ask(&self, head: &RequestHead<'_>, bytes: &[u8]) -> Result<Ask, CallerError> {
        match (head.method, head.below) {
            ("POST", "") => {}
            ("GET", "/whole") => return Ok(Ask::Operation(Operation::Threads(List::default()))),
            (_, "" | "/whole") => return Err(CallerError::new(405, "method_not_allowed", "use another")),
            _ => return Err(CallerError::new(404, "not_found", head.below)),
        }
        let value = Value::Object(body::object(bytes)?);
        match value["op"].as_str() {
            None => Ok(Ask::Turn(Box::new(turn(&value)))),
            Some("resume") => {
                let idle = Document { status: 204, content_type: "text/plain", body: String::new() };
                Ok(Ask::Resume { thread: text(&value["thread"]).into(), wire: "", idle })
            }
            Some(op) => Ok(Ask::Operation(operation(op, &value)?)),
        }
    }

    fn asks_approval(&self, _: &ChatRequest) -> bool {
        true
    }

    fn open(&self, chat: &ChatRequest, context: &ReplyContext) -> Reply {
        let headers = vec![("content-type", "text/event-lines".to_owned())];
        let opening = json!({
            "event": "opening",
            "message": context.message,
            "turn": context.turn,
            "regenerate": chat.regenerate,
            "kept": context.kept.as_deref().map(opening),
        });
        Reply { status: 200, headers, encoder: Box::new(Opened { opening: Some(opening) }), whole: false }
    }

    fn answer(&self, answer: &Answer) -> Document {
        let body = match answer {
            Answer::Thread(row, items) => json!({ "thread": thread(row), "items": page(items) }),
            Answer::Threads(page) => {
                json!({ "threads": page.rows.iter().map(thread).collect::<Vec<_>>(), "more": page.more })
            }
            Answer::Items(_, items) => page(items),
            Answer::Messages { items, .. } => json!({ "rows": items }),
            Answer::Updated(_, item) => json!({ "item": item }),
            Answer::Attachment(attachment, _) => json!({ "attachment": attachment }),
            Answer::Transcript(text) => json!({ "text": text }),
            Answer::Done(done) => json!({ "done": done }),
            Answer::Deleted { found, .. } => json!({ "done": found }),
            Answer::NothingRuns => json!({ "running": false }),
            Answer::Created(row) => json!({ "created": thread(row) }),
            Answer::Cleared(id) => json!({ "cleared": id }),
            Answer::Stopped(stopped) => json!({ "stopped": stopped }),
            other => json!({ "other": format!("{other:?}") }),
        };
        Document { status: 200, content_type: "application/json", body: body.to_string() }
    }

    fn refuse(&self, refusal: &Refusal<'_>) -> Document {
        Events.refuse(refusal)
    }
}

struct Opened {
    opening: Option<Value>,
}

impl Encoder for Opened {
    fn event(&mut self, event: &Event, out: &mut BytesMut) {
        if let Some(opening) = self.opening.take() {
            out.extend_from_slice(format!("{opening}\n").as_bytes());
        }
        EventEncoder.event(event, out);
    }

    fn keep_alive(&mut self, out: &mut BytesMut) {
        EventEncoder.keep_alive(out);
    }
}

fn opening(kept: &KeptContext) -> Value {
    json!({
        "thread": thread(&kept.thread),
        "made": kept.made,
        "added": kept.added,
        "replaced": kept.replaced,
        "shown": kept.shown,
    })
}

fn thread(thread: &Thread) -> Value {
    json!({ "id": thread.id, "title": thread.title })
}

fn page(page: &Page<Item>) -> Value {
    json!({ "rows": page.rows, "more": page.more })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn turn(value: &Value) -> TurnAsk {
    let begin = if let Some(outputs) = value["outputs"].as_array() {
        let answers = outputs.iter().map(answer).collect();
        Begin::Outputs { answers, lenient: value["lenient"] == true }
    } else if let Some(after) = value.get("retry") {
        Begin::Retry { after: after.as_str().map(Into::into) }
    } else if let Some(item) = value["form"].as_str() {
        let answers = serde_json::from_value(value["answers"].clone()).unwrap();
        Begin::Form { item: item.into(), answers }
    } else if value["action"].is_string() {
        Begin::Action(act(value))
    } else {
        let attachments = value["attachments"].as_array().into_iter().flatten();
        let message = UserMessage {
            content: vec![Said::Text { text: text(&value["say"]) }],
            attachments: attachments.map(|id| named(&text(id))).collect(),
            model: value["chosen"].as_str().map(Into::into),
            ..UserMessage::default()
        };
        Begin::Message { id: value["id"].as_str().map(Into::into), message, place: Place::Next }
    };
    TurnAsk {
        thread: value["thread"].as_str().map(Into::into),
        make: value["make"] == true,
        begin,
        chat: ChatRequest { model: value["model"].as_str().map(Into::into), stream: true, ..ChatRequest::default() },
    }
}

fn answer(value: &Value) -> CallAnswer {
    let said = match (value.get("error"), value.get("approved")) {
        (Some(error), _) => CallSaid::Error(text(error)),
        (_, Some(approved)) => {
            CallSaid::Approval { id: text(&value["approval"]).into(), approved: *approved == true, reason: None }
        }
        _ => CallSaid::Output(value["output"].clone()),
    };
    CallAnswer { call: value["call"].as_str().map(Into::into), said }
}

fn act(value: &Value) -> Act {
    Act {
        item: value["item"].as_str().map(Into::into),
        name: text(&value["action"]),
        payload: value["payload"].clone(),
    }
}

/// An attachment as a page names it.
pub fn named(id: &str) -> Attachment {
    Attachment {
        id: id.into(),
        name: String::new(),
        media_type: String::new(),
        size: 0,
        thread: None,
        uploaded: false,
        created: 0,
        preview: None,
    }
}

fn operation(op: &str, value: &Value) -> Result<Operation, CallerError> {
    let thread = text(&value["thread"]).into();
    let list = List {
        limit: value["limit"].as_u64().map(|limit| u32::try_from(limit).unwrap()),
        oldest_first: value["oldest_first"] == true,
        after: value["after"].as_str().map(Into::into),
    };
    Ok(match op {
        "thread" => Operation::Thread { thread },
        "threads" => Operation::Threads(list),
        "items" => Operation::Items { thread, list },
        "messages" => Operation::Messages { thread, wire: "" },
        "rename" => Operation::Rename { thread, title: text(&value["title"]) },
        "delete" => Operation::Delete { thread },
        "feedback" => {
            let items = value["items"].as_array().unwrap().iter().map(|item| text(item).into()).collect();
            Operation::Feedback { thread, items, positive: value["positive"] == true }
        }
        "act" => Operation::Act { thread, act: act(value) },
        "stop" => Operation::Stop { thread },
        "attach" => Operation::CreateAttachment { name: "a".to_owned(), size: 1, media_type: "a/b".to_owned() },
        "detach" => Operation::DeleteAttachment { attachment: text(&value["attachment"]).into() },
        "transcribe" => Operation::Transcribe { audio: Vec::new(), media_type: "audio/webm".to_owned() },
        _ => return Err(CallerError::invalid("op", "is unknown")),
    })
}
