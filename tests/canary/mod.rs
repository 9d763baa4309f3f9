//! The secrets of the tests' configurations, and the search for them in everything that a gateway gives out.
//!
//! Whoever reads an answer or starts a gateway in a test has what it says looked through here. A find ends the whole test
//! process: a log line belongs to no test, and a panic in one of the gateway's tasks would be caught.

#![allow(dead_code)]

mod spellings;
mod transcript;

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Once};

use chatwire::telemetry::{self, LogFormat};
use tracing_subscriber::layer::SubscriberExt as _;

/// A header's value of every provider, with characters that others would have to escape.
pub const HEADER: &str = "Canary header/+\"0123";

/// How the secrets of all tests begin. So a part of one is found, too.
const CANARIES: &[&str] = &[
    // Keys of providers, and such as requests bring.
    "sk-canary-",
    "sk-page",
    // Secrets in headers of providers, tools and MCP servers, and in what MCP servers are started with.
    "header/+\"",
    "canary-token-",
    "canary-0123",
    // Keys of the gateway's own, and tokens that are signed: how the JSON of their head begins.
    "cw_canary_",
    "cw_ann_",
    "cw_bob_",
    "cw_narrow_",
    "cw_old_",
    "eyJ0eXAiOiJKV1Qi",
];

/// What pages get and logs do not: the right to a file, and what users say.
const NOT_LOGGED: &[&str] = &["signature=", "page-key", "private words"];

/// Where something is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Heads, bodies and frames that pages read.
    Answer,
    /// Lines of a gateway's log, in this process or another.
    Log,
    /// What commands print.
    Output,
}

/// How much has been looked through in this process.
#[derive(Clone, Copy, Debug)]
pub struct Looked {
    pub answer_bytes: u64,
    pub log_lines: u64,
    pub log_bytes: u64,
}

static ANSWER_BYTES: AtomicU64 = AtomicU64::new(0);
static LOG_LINES: AtomicU64 = AtomicU64::new(0);
static LOG_BYTES: AtomicU64 = AtomicU64::new(0);

/// The lines of this process's log for those who read them; `None` until somebody does.
static KEPT: Mutex<Option<Vec<u8>>> = Mutex::new(None);

pub fn looked() -> Looked {
    Looked {
        answer_bytes: ANSWER_BYTES.load(Ordering::Relaxed),
        log_lines: LOG_LINES.load(Ordering::Relaxed),
        log_bytes: LOG_BYTES.load(Ordering::Relaxed),
    }
}

/// The secret that is in this, in whatever spelling.
pub fn find(place: Place, bytes: &[u8]) -> Option<&'static str> {
    spellings::of(CANARIES).find(bytes).or_else(|| match place {
        Place::Log => NOT_LOGGED.iter().copied().find(|text| memchr::memmem::find(bytes, text.as_bytes()).is_some()),
        Place::Answer | Place::Output => None,
    })
}

/// Looks through what was said.
pub fn look(place: Place, bytes: &[u8]) {
    look_on(place, bytes, 0);
}

/// Looks through what was said since there were `from` bytes of it, and what may begin in front of that.
pub fn look_on(place: Place, bytes: &[u8], from: usize) {
    let fresh = &bytes[from..];
    match place {
        Place::Answer => {
            ANSWER_BYTES.fetch_add(fresh.len() as u64, Ordering::Relaxed);
        }
        Place::Log => {
            LOG_LINES.fetch_add(1, Ordering::Relaxed);
            LOG_BYTES.fetch_add(fresh.len() as u64, Ordering::Relaxed);
        }
        Place::Output => {}
    }
    transcript::add(place, fresh);
    let bytes = &bytes[from.saturating_sub(spellings::LONGEST)..];
    if let Some(canary) = find(place, bytes) {
        let thread = std::thread::current();
        let test = thread.name().unwrap_or("?");
        let text = String::from_utf8_lossy(bytes);
        // Not by a macro, whose output a test would keep to itself.
        let _ = writeln!(std::io::stderr(), "\n{test}: the secret `{canary}…` is in this {place:?}:\n{text}");
        std::process::exit(101);
    }
}

/// From now on, looks through all that is logged in this process, of every level and in both formats.
pub fn watch_logs() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let json = telemetry::lines(LogFormat::Json, false, Some("trace"), || Lines { keep: true }).unwrap();
        let text = telemetry::lines(LogFormat::Text, false, Some("trace"), || Lines { keep: false }).unwrap();
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(json).with(text)).unwrap();
    });
}

/// What this process has logged since the first call, as lines of JSON: other tests write into it, too.
pub fn logged() -> String {
    watch_logs();
    let mut kept = KEPT.lock().unwrap();
    String::from_utf8(kept.get_or_insert_default().clone()).unwrap()
}

/// Where the log of this process goes. A line comes whole.
struct Lines {
    keep: bool,
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        look(Place::Log, line);
        if let Some(kept) = KEPT.lock().unwrap().as_mut().filter(|_| self.keep) {
            kept.extend_from_slice(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
