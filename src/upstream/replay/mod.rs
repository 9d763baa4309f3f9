//! The replay provider: recorded answers played through the real decoder, event by event in their time. No key and
//! no network needed.
//!
//! A folder holds `PROTOCOL/SCENARIO.sse`, `.ndjson` or `.json`: raw bytes of an answer; and `replay.toml`, which says
//! what is played when, and how it breaks. One folder is built in.

mod player;
mod script;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use chatwire_protocols::chat::ChatRequest;
use chatwire_protocols::error::{Failure, FailureKind};
use chatwire_protocols::protocol::AnswerHead;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};

use player::Framing;
pub use player::{Broken, Player};
use script::{Choice, Script, Scripts};

use super::answer::AnswerBody;
use super::failure;
use crate::config::plan::Provider;

/// The pause between events where neither the script nor the provider says another.
const PACE: Duration = Duration::from_millis(15);

/// The scenario that is played when nothing chooses another.
const DEFAULT: &str = "text";

const INDEX: &str = "replay.toml";

#[derive(rust_embed::Embed)]
#[folder = "fixtures/replay"]
#[allow_missing = true]
struct BuiltIn;

/// Recorded answers and what is played when.
pub struct Recordings {
    scripts: Scripts,
    files: HashMap<String, Bytes>,
}

/// An answer as it is played.
#[derive(Debug)]
pub struct Recorded {
    /// The HTTP status.
    pub status: u16,
    /// Its headers, beside those that say how long it is.
    pub headers: HeaderMap,
    /// Whether the answer breaks off before its head.
    pub headless: bool,
    /// Its body.
    pub body: Player,
}

impl Recordings {
    /// The recordings of a folder, or those built in.
    ///
    /// # Errors
    /// The folder cannot be read, or its `replay.toml` is wrong.
    pub fn load(folder: Option<&Path>) -> io::Result<Self> {
        let mut files = match folder {
            Some(folder) => read_folder(folder)?,
            None => built_in(),
        };
        let index = files.get(INDEX).map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default();
        let scripts = Scripts::parse(&index).map_err(|error| {
            io::Error::new(io::ErrorKind::InvalidData, format!("{INDEX} of the recordings: {error}"))
        })?;
        if scripts.built_in {
            for (name, bytes) in built_in() {
                files.entry(name).or_insert(bytes);
            }
        }
        Ok(Self { scripts, files })
    }

    /// The names of all scripts.
    pub fn scripts(&self) -> impl Iterator<Item = &str> {
        self.scripts.iter().map(|script| script.name.as_str())
    }

    /// The answer to `chat` in a protocol, with this pause between its pieces where the scripts have no other.
    /// Nothing if there is no recording.
    pub fn answer(&self, protocol: &str, model: &str, chat: &ChatRequest, pace: Option<Duration>) -> Option<Recorded> {
        let Choice { file: name, script, values } = self.scripts.choose(chat, model);
        let status = script.and_then(|script| script.status).unwrap_or(200);
        let own = script.and_then(|script| script.body.clone()).map(|body| (Framing::Document, body.into()));
        let found = own.or_else(|| self.file(protocol, name));
        let (framing, bytes) = if (200..300).contains(&status) {
            found.or_else(|| self.file(protocol, DEFAULT))?
        } else {
            found.unwrap_or((Framing::Document, Bytes::new()))
        };
        let bytes = if values.is_empty() { bytes } else { filled(&bytes, &values) };
        let own = script.and_then(|script| script.pace).map(Duration::from_millis);
        let stop = script.and_then(|script| script.stop.as_ref());
        Some(Recorded {
            status,
            headers: script.map(headers).unwrap_or_default(),
            headless: stop.is_some_and(|stop| stop.after.is_none()),
            body: Player::new(&bytes, framing, script, pace.or(own).unwrap_or(PACE)),
        })
    }

    /// The same as a call of this provider gets it.
    ///
    /// # Errors
    /// A recorded error status, or there is nothing recorded for this protocol.
    pub fn play(
        &self,
        provider: &Provider,
        model: &str,
        chat: &ChatRequest,
        pace: Option<Duration>,
    ) -> Result<AnswerBody, Box<Failure>> {
        let protocol = provider.protocol.name;
        let Some(recorded) = self.answer(protocol, model, chat, pace) else {
            return Err(Failure::boxed(FailureKind::NotFound, format!("there is no recording for {protocol}")));
        };
        if (200..300).contains(&recorded.status) {
            return Ok(AnswerBody::Replay(recorded.body));
        }
        let head = AnswerHead {
            status: recorded.status,
            content_type: recorded.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()),
            retry_after: failure::retry_after(&recorded.headers, SystemTime::now()),
        };
        Err(Box::new(provider.upstream.failure(&head, &recorded.body.into_rest())))
    }

    fn file(&self, protocol: &str, name: &str) -> Option<(Framing, Bytes)> {
        Framing::ALL.into_iter().find_map(|framing| {
            let path = format!("{protocol}/{name}.{}", framing.extension());
            self.files.get(&path).map(|bytes| (framing, bytes.clone()))
        })
    }
}

fn headers(script: &Script) -> HeaderMap {
    let parsed = |(name, value): (&String, &String)| {
        Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?))
    };
    script.headers.iter().filter_map(parsed).collect()
}

/// A recording with `{{name}}` replaced by the value of that name as it stands in a JSON string, and `{{{name}}}` by the
/// same for JSON within a JSON string.
fn filled(bytes: &Bytes, values: &BTreeMap<String, String>) -> Bytes {
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    for (name, value) in values {
        let once = quoted(value);
        text = text.replace(&format!("{{{{{{{name}}}}}}}"), &quoted(&once)).replace(&format!("{{{{{name}}}}}"), &once);
    }
    text.into()
}

/// A text as it stands between the quotes of a JSON string.
fn quoted(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).unwrap_or(&json).to_owned()
}

fn built_in() -> HashMap<String, Bytes> {
    let content = |name: &str| {
        BuiltIn::get(name).map(|file| match file.data {
            std::borrow::Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            std::borrow::Cow::Owned(bytes) => bytes.into(),
        })
    };
    BuiltIn::iter().filter_map(|name| Some((name.to_string(), content(&name)?))).collect()
}

/// The files of a folder and of the folders in it.
fn read_folder(folder: &Path) -> io::Result<HashMap<String, Bytes>> {
    let named = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut files = HashMap::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_file() {
            files.insert(named(&path), std::fs::read(&path)?.into());
            continue;
        }
        for inner in std::fs::read_dir(&path)? {
            let inner = inner?.path();
            if inner.is_file() {
                files.insert(format!("{}/{}", named(&path), named(&inner)), std::fs::read(&inner)?.into());
            }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_in_json_and_in_json_within_json() {
        let values = BTreeMap::from([("x".to_owned(), "a \"b\" \\".to_owned())]);
        let played = filled(&Bytes::from_static(br#"{"t":"{{x}}","args":"{\"x\":\"{{{x}}}\"}"}"#), &values);
        let played: serde_json::Value = serde_json::from_slice(&played).unwrap();
        assert_eq!(played["t"], values["x"]);
        let args: serde_json::Value = serde_json::from_str(played["args"].as_str().unwrap()).unwrap();
        assert_eq!(args["x"], values["x"]);
    }
}
