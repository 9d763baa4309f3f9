//! A page: it reads an answer in its own way, or stops reading, or leaves.

use std::cell::RefCell;
use std::time::Duration;

use chatwire::config::plan::Route;
use chatwire::server::{Pace, Source, send};
use chatwire::telemetry::Record;
use chatwire_protocols::protocol::Reply;
use http_body_util::BodyExt as _;
use tokio::time::{Instant, sleep};

use crate::reader::{self, End, Told};

/// How a page reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    All,
    /// So long for each piece.
    Slowly(Duration),
    /// Nothing more behind so many pieces; after a long time the page is closed.
    Stops(usize),
    /// It leaves behind so many pieces.
    Leaves(usize),
}

/// What a page has seen so far.
#[derive(Debug)]
pub struct Seen {
    pub status: u16,
    pub bytes: Vec<u8>,
    pub pieces: usize,
    /// How the body ended, if it did.
    pub over: Option<End>,
    /// True if the page stopped reading, or read too slowly for the answer's deadlines to be its own.
    pub idled: bool,
    pub at: Instant,
}

impl Seen {
    pub fn new() -> RefCell<Self> {
        let begun = Self { status: 0, bytes: Vec::new(), pieces: 0, over: None, idled: false, at: Instant::now() };
        RefCell::new(begun)
    }

    pub fn told(&self, dialect: &str) -> Told {
        if self.status >= 400 {
            let mut told = Told { ends: vec![End::Error], ..Told::default() };
            if serde_json::from_slice::<serde_json::Value>(&self.bytes).is_err() {
                // Some dialects answer in words.
                told.wrong.extend(std::str::from_utf8(&self.bytes).is_err().then(|| "an odd refusal".to_owned()));
            }
            return told;
        }
        reader::read(dialect, &self.bytes, self.over)
    }
}

/// How long a page that has stopped reading stays.
pub const STAYS: Duration = Duration::from_secs(100);

pub async fn read(route: &Route, reply: Reply, source: Source, pace: Pace, reading: Reading, seen: &RefCell<Seen>) {
    let response = send(route, reply, source, Record::new("sim"), pace).await;
    seen.borrow_mut().status = response.status().as_u16();
    let mut body = response.into_body();
    loop {
        let pieces = seen.borrow().pieces;
        match reading {
            Reading::Leaves(at) if pieces >= at => return,
            Reading::Stops(at) if pieces >= at => {
                seen.borrow_mut().idled = true;
                sleep(STAYS).await;
                return;
            }
            Reading::Slowly(time) if pieces > 0 => {
                seen.borrow_mut().idled = true;
                sleep(time).await;
            }
            _ => {}
        }
        let frame = body.frame().await;
        let mut seen = seen.borrow_mut();
        seen.at = Instant::now();
        match frame {
            Some(Ok(frame)) => {
                let Ok(data) = frame.into_data() else { continue };
                seen.bytes.extend_from_slice(&data);
                seen.pieces += 1;
            }
            Some(Err(_)) => {
                seen.over = Some(End::Error);
                return;
            }
            None => {
                seen.over = Some(End::Finish);
                return;
            }
        }
    }
}
