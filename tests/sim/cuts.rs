//! Every recording, cut at every byte in three ways, never looks finished unless all that it needs was there.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use chatwire::cache::Cache;
use chatwire::server::{Pace, Source, Stop};
use chatwire::tools::mcp::Servers;
use chatwire::turn::{Driver, Means, answering, parts};
use chatwire_protocols::protocol::{ReplyContext, RequestHead};
use serde_json::Value;

use crate::fault::How;
use crate::house::{House, OWN};
use crate::page::{self, Reading, Seen};
use crate::reader::{End, Told};
use crate::store::Memory;
use crate::{number, quiet, runtime};

/// Which offsets are cut where nobody says otherwise: each so many.
const STRIDE: u64 = 499;

/// Recordings longer than this are cut cleanly at every offset, and in the other two ways at every sixteenth.
const LONG: usize = 32 << 10;

struct Recording {
    place: PathBuf,
    protocol: &'static str,
    bytes: Bytes,
}

/// Our own recordings, and those that are shared between projects, if there are any.
fn recordings() -> Vec<Recording> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut all = Vec::new();
    for protocol in crate::wire::PROTOCOLS {
        all.extend(files(&fixtures.join("replay").join(protocol)).into_iter().map(|file| (file, protocol)));
    }
    for case in files(&fixtures.join("golden")) {
        for protocol in crate::wire::PROTOCOLS {
            let begins = format!("upstream.{protocol}.");
            let named =
                |file: &PathBuf| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&begins));
            all.extend(files(&case).into_iter().filter(named).map(|file| (file, protocol)));
        }
    }
    match std::env::var_os("CHATWIRE_SHARED") {
        Some(shared) => {
            let shared = Path::new(&shared).join("recordings");
            let folders = crate::wire::PROTOCOLS.iter().map(|protocol| (*protocol, *protocol));
            for (folder, protocol) in folders.chain([("openai-compatible", "openai-chat")]) {
                all.extend(files(&shared.join(folder)).into_iter().map(|file| (file, protocol)));
            }
        }
        None => println!("CHATWIRE_SHARED is not set: only our own recordings are cut"),
    }
    let is_body = |file: &Path| file.extension().is_some_and(|end| end != "json" && end != "md" && end != "toml");
    let upstream = |file: &Path| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("upstream."));
    all.retain(|(file, _)| is_body(file) || upstream(file));
    let read = |(place, protocol): (PathBuf, _)| {
        let bytes = std::fs::read(&place).unwrap().into();
        Recording { place, protocol, bytes }
    };
    all.into_iter().map(read).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// The first offset at which a provider has said that its answer is over.
fn needed(bytes: &[u8]) -> usize {
    if let Some(end) = document(bytes) {
        return end;
    }
    let mut at = 0;
    for line in bytes.split_inclusive(|byte| b"\r\n".contains(byte)) {
        let text = line.trim_ascii_end();
        if says_end(text) {
            return at + text.len();
        }
        at += line.len();
    }
    usize::MAX
}

/// Where an answer that is one document ends.
fn document(bytes: &[u8]) -> Option<usize> {
    let text = bytes.trim_ascii();
    let value: Value = serde_json::from_slice(text).ok()?;
    (value.is_object() || value.is_array()).then(|| bytes.trim_ascii_end().len())
}

fn says_end(line: &[u8]) -> bool {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    let data = line.strip_prefix(b"data:").unwrap_or(line).trim_ascii();
    if data == b"[DONE]" {
        return true;
    }
    let Ok(value) = serde_json::from_slice::<Value>(data) else { return false };
    let reasons = value["choices"].as_array().into_iter().flatten();
    let ended =
        reasons.into_iter().any(|choice| choice["finish_reason"].as_str().is_some_and(|reason| !reason.is_empty()));
    let kind = value["type"].as_str().unwrap_or_default();
    ended
        || matches!(kind, "response.completed" | "response.incomplete" | "response.done" | "message_stop")
        || (kind == "message_delta" && value["delta"]["stop_reason"].is_string())
        || value["done"] == true
}

/// Runs one turn whose provider says these bytes, and gives what its page was told.
async fn told(house: &mut House, dialect: &'static str, protocol: &'static str) -> Told {
    let upstreams = house.upstreams();
    let route = house.routes.get_mut(&(dialect, false)).unwrap();
    // Nothing is run behind the answer: what it was itself is looked at.
    (route.model, route.max_steps) = (house.models.get(&(protocol, 1)).cloned(), 1);
    let means = Means {
        store: Arc::new(Memory::with(None)),
        upstreams,
        stop: Stop::never(),
        servers: Arc::new(Servers::default()),
        cache: Arc::new(Cache::new(0)),
    };
    let body = House::body(dialect, false, None, "hi");
    let head = RequestHead { method: "POST", path: &route.path, ..RequestHead::default() };
    let chat = route.frontend.parse(&head, body.as_bytes()).unwrap();
    let model = answering(route, None, None, None).unwrap();
    let reply = route
        .frontend
        .open(&chat, &ReplyContext { turn: "turn".into(), message: "msg".into(), ..ReplyContext::default() });
    let source = Source::Own(Box::new(Driver::new(parts(&means, route, None, "turn".into(), chat, model).await)));
    let seen = Seen::new();
    page::read(route, reply, source, Pace::OfConnection, Reading::All, &seen).await;
    let told = seen.borrow().told(dialect);
    assert!(seen.borrow().over.is_some(), "the body does not end");
    told
}

#[test]
fn a_cut_recording_never_looks_finished() {
    quiet();
    let stride = usize::try_from(number("CHATWIRE_SIM_STRIDE", STRIDE)).unwrap().max(1);
    let all = recordings();
    let begun = Instant::now();
    let mut house = House::new();
    let runtime = runtime();
    let (mut cuts, mut offsets, mut wrong) = (0_u64, 0_u64, Vec::new());
    for Recording { place, protocol, bytes } in &all {
        let needed = needed(bytes);
        house.hub.play(bytes.clone(), How::Clean);
        let whole = runtime.block_on(told(&mut house, "vercel-text", protocol));
        for at in ((place.as_os_str().len() % stride)..=bytes.len()).step_by(stride) {
            offsets += 1;
            for how in [How::Clean, How::Broken, How::Never] {
                if how != How::Clean && bytes.len() > LONG && at % 16 != 0 {
                    continue;
                }
                cuts += 1;
                let dialect = OWN[(at / stride + how as usize) % OWN.len()];
                house.hub.play(bytes.slice(..at), how);
                let cut = runtime.block_on(told(&mut house, dialect, protocol));
                let case =
                    || format!("{} at {at} of {} (needs {needed}), {how:?}, {dialect}", place.display(), bytes.len());
                if !cut.wrong.is_empty() || cut.ends.len() != 1 {
                    wrong.push(format!("{}: {:?} {:?}", case(), cut.ends, cut.wrong));
                }
                if cut.ends == [End::Finish] && at < needed {
                    wrong.push(format!("{}: it looks finished", case()));
                }
                if whole.ends == [End::Finish] && !whole.text.starts_with(&cut.text) {
                    wrong.push(format!("{}: {:?} was told of {:?}", case(), cut.text, whole.text));
                }
            }
        }
    }
    println!(
        "{} recordings, {offsets} offsets, {cuts} cuts in {:?}: {} wrong",
        all.len(),
        begun.elapsed(),
        wrong.len()
    );
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong[..wrong.len().min(30)].join("\n"));
}
