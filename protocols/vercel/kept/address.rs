//! What stands at a route's path and below it (AI SDK wire notes 1.4, 3.9 and 4; stopping, loading, listing and deleting
//! are the gateway's own).
//!
//! | request | |
//! |---|---|
//! | `POST` | a turn |
//! | `GET ?chatId={id}` | resume, AI SDK 4 |
//! | `GET /{id}/stream` | resume, AI SDK 5 and later |
//! | `POST /{id}/stop` | stop |
//! | `GET /{id}/messages` | all messages |
//! | `GET /threads` | the chats |
//! | `DELETE /{id}` | delete a chat |
//! | an upgrade, here or at `/ws` | a WebSocket, AI SDK 7 |

use crate::error::CallerError;
use crate::event::Text;
use crate::operation::List;
use crate::protocol::RequestHead;
pub(in crate::vercel) use crate::wire::address::check_id;
use crate::wire::address::{self, parameter, wrong_method};

/// Something that a page may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::vercel) enum Address {
    Turn,
    /// The way that AI SDK 4 resumes.
    ResumeByQuery(Text),
    ResumeByPath(Text),
    Stop(Text),
    Messages {
        thread: Text,
        /// The major release that the page names.
        sdk: Option<u32>,
    },
    Threads(List),
    Delete(Text),
}

impl Address {
    /// True where a page may open a WebSocket.
    pub(in crate::vercel) fn is_socket(head: &RequestHead<'_>) -> bool {
        matches!(head.below, "" | "/ws")
    }

    /// Reads a request's head.
    ///
    /// # Errors
    /// 404 where there is nothing, 405 for a wrong method, 400 for an id that cannot be one.
    pub(in crate::vercel) fn read(head: &RequestHead<'_>) -> Result<Self, CallerError> {
        let segments: Vec<&str> = head.below.split('/').skip(1).collect();
        match (segments.as_slice(), head.method) {
            ([], "POST") => Ok(Self::Turn),
            ([], "GET") => match parameter(head.query, "chatId") {
                Some(id) => Ok(Self::ResumeByQuery(thread(id)?)),
                None => Err(wrong_method("POST")),
            },
            ([], _) => Err(wrong_method("POST")),
            (["threads"], "GET") => Ok(Self::Threads(list(head.query)?)),
            (["threads"], _) => Err(wrong_method("GET")),
            ([id], "DELETE") => Ok(Self::Delete(thread(id)?)),
            ([id], _) if !id.is_empty() => Err(wrong_method("DELETE")),
            ([id, "stream"], "GET") => Ok(Self::ResumeByPath(thread(id)?)),
            ([id, "messages"], "GET") => {
                let sdk = parameter(head.query, "sdk");
                Ok(Self::Messages { thread: thread(id)?, sdk: sdk.map(|sdk| number("sdk", sdk)).transpose()? })
            }
            ([_, "stream" | "messages"], _) => Err(wrong_method("GET")),
            ([id, "stop"], "POST") => Ok(Self::Stop(thread(id)?)),
            ([_, "stop"], _) => Err(wrong_method("POST")),
            _ => Err(CallerError::new(404, "not_found", "there is nothing at this path")),
        }
    }
}

fn thread(segment: &str) -> Result<Text, CallerError> {
    address::id("id", segment)
}

fn list(query: &str) -> Result<List, CallerError> {
    let after = parameter(query, "after").map(thread).transpose()?;
    let limit = parameter(query, "limit").map(|limit| number("limit", limit)).transpose()?;
    Ok(List { limit, oldest_first: false, after })
}

fn number(name: &str, text: &str) -> Result<u32, CallerError> {
    text.parse().map_err(|_| CallerError::invalid(name, "must be a whole number"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::address::LONGEST_ID as LONGEST;

    fn read(method: &str, below: &str, query: &str) -> Result<Address, u16> {
        let head = RequestHead { method, path: "/api/chat", below, query };
        Address::read(&head).map_err(|error| error.status)
    }

    #[test]
    fn every_address_is_read_and_its_ids_are_decoded() {
        let id = || Text::from("a/b ü+1");
        let sent = "/a%2Fb%20%C3%bc+1";
        assert_eq!(read("POST", "", "chatId=x"), Ok(Address::Turn));
        assert_eq!(read("GET", "", "chatId=a%2Fb%20%C3%BC+1"), Ok(Address::ResumeByQuery(id())));
        assert_eq!(read("GET", "", "tenant=1?chatId=c&x=y"), Ok(Address::ResumeByQuery("c".into())));
        assert_eq!(read("GET", &format!("{sent}/stream"), ""), Ok(Address::ResumeByPath(id())));
        assert_eq!(read("POST", &format!("{sent}/stop"), ""), Ok(Address::Stop(id())));
        assert_eq!(
            read("GET", &format!("{sent}/messages"), "sdk=4"),
            Ok(Address::Messages { thread: id(), sdk: Some(4) })
        );
        assert_eq!(read("DELETE", sent, ""), Ok(Address::Delete(id())));
        let list = List { limit: Some(5), oldest_first: false, after: Some("c 1".into()) };
        assert_eq!(read("GET", "/threads", "limit=5&after=c%201"), Ok(Address::Threads(list)));
        assert_eq!(read("GET", "/threads", ""), Ok(Address::Threads(List::default())));
    }

    #[test]
    fn what_is_not_there_is_404_and_a_wrong_method_405() {
        for (method, below, status) in [
            ("GET", "", 405),
            ("DELETE", "", 405),
            ("GET", "/c", 405),
            ("POST", "/threads", 405),
            ("POST", "/c/stream", 405),
            ("GET", "/c/stop", 405),
            ("DELETE", "/c/messages", 405),
            ("GET", "/", 404),
            ("POST", "/c/", 404),
            ("GET", "/c/stream/x", 404),
            ("GET", "/c/other", 404),
        ] {
            assert_eq!(read(method, below, ""), Err(status), "{method} {below}");
        }
    }

    #[test]
    fn ids_are_bounded_and_hold_no_control_characters() {
        let long = format!("/{}/stream", "x".repeat(LONGEST + 1));
        for below in ["//stream", "/%00/stream", "/a%0ab/stream", "/%ff/stream", "/%4/stream", "/%zz/stream", &long] {
            assert_eq!(read("GET", below, ""), Err(400), "{below}");
        }
        assert_eq!(read("GET", "", "chatId="), Err(400));
        for query in ["limit=x", "limit=-1", "after=%00"] {
            assert_eq!(read("GET", "/threads", query), Err(400), "{query}");
        }
    }
}
