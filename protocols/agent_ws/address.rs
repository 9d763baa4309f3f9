//! What stands below a route's path.

use serde_json::{Map, Value};

use crate::error::CallerError;
use crate::event::Text;
use crate::operation::Operation;
use crate::protocol::RequestHead;
use crate::wire::address::{self, decode, wrong_method};
use crate::wire::body::{self, Node};

/// How long a text that is searched for may be, in bytes.
const LONGEST_SEARCH: usize = 1024;

/// Something that a page may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    Chats,
    Search,
    /// A chat; its segment is percent-encoded.
    Chat(String),
    Messages(String),
    Socket,
}

impl Address {
    /// Reads a path below the route's, with or without a slash at its end.
    pub(super) fn read(below: &str) -> Option<Self> {
        let segments: Vec<&str> = below.strip_suffix('/').unwrap_or(below).split('/').skip(1).collect();
        Some(match segments.as_slice() {
            ["ws", "chat"] => Self::Socket,
            ["api", "chats"] => Self::Chats,
            ["api", "chats", "search"] => Self::Search,
            ["api", "chats", id] => Self::Chat((*id).to_owned()),
            ["api", "chats", id, "messages"] => Self::Messages((*id).to_owned()),
            _ => return None,
        })
    }
}

/// Reads a request.
pub(super) fn ask(head: &RequestHead<'_>, body: &[u8]) -> Result<Operation, CallerError> {
    let nothing = || CallerError::new(404, "not_found", "there is nothing at this path");
    match (Address::read(head.below).ok_or_else(nothing)?, head.method) {
        (Address::Chats, "GET") => Ok(Operation::Recent { matching: None }),
        (Address::Chats, "POST") => Ok(Operation::Create {
            title: given_title(body)?.filter(|title| !title.trim().is_empty()),
            metadata: Map::new(),
        }),
        (Address::Search, "GET") => Ok(Operation::Recent { matching: Some(search(head.query)?) }),
        (Address::Chat(id), "GET") => Ok(Operation::Thread { thread: thread(&id)? }),
        (Address::Chat(id), "PUT" | "PATCH") => {
            let title = given_title(body)?.ok_or_else(|| CallerError::invalid("title", "is missing"))?;
            Ok(Operation::Rename { thread: thread(&id)?, title })
        }
        (Address::Chat(id), "DELETE") => Ok(Operation::Delete { thread: thread(&id)? }),
        (Address::Messages(id), "GET") => Ok(Operation::Messages { thread: thread(&id)?, wire: "" }),
        (Address::Socket, "GET") => {
            Err(CallerError::new(426, "upgrade_required", "this path is for WebSockets: ask for an upgrade"))
        }
        (Address::Chats, _) => Err(wrong_method("GET or POST")),
        (Address::Chat(_), _) => Err(wrong_method("GET, PUT, PATCH or DELETE")),
        (Address::Search | Address::Messages(_) | Address::Socket, _) => Err(wrong_method("GET")),
    }
}

fn thread(segment: &str) -> Result<Text, CallerError> {
    address::id("id", segment)
}

/// The title in a body, if there is a body and one in it.
fn given_title(body: &[u8]) -> Result<Option<String>, CallerError> {
    if body.trim_ascii().is_empty() {
        return Ok(None);
    }
    let body = Value::Object(body::object(body)?);
    Node::root(&body).get("title").map(|title| title.str().map(str::to_owned)).transpose()
}

fn search(query: &str) -> Result<String, CallerError> {
    let sent = query.split('&').find_map(|pair| pair.strip_prefix("q=")).unwrap_or_default();
    let text =
        decode(&sent.replace('+', " ")).ok_or_else(|| CallerError::invalid("q", "is not percent-encoded UTF-8"))?;
    match text.trim() {
        "" => Err(CallerError::invalid("q", "is missing or blank")),
        text if text.len() > LONGEST_SEARCH => {
            Err(CallerError::invalid("q", format!("may have at most {LONGEST_SEARCH} bytes")))
        }
        text => Ok(text.to_owned()),
    }
}
