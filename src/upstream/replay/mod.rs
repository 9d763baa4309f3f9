//! The replay provider: recorded answers played through the real decoder, event by event in their time. No key and
//! no network needed.
//!
//! A folder holds `PROTOCOL/SCENARIO.sse`, `.ndjson` or `.json`: raw bytes of an answer; and `replay.toml`, which says
//! what is played when. One folder is built in.

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
use http::{HeaderMap, HeaderName, HeaderValue};

use player::Framing;
pub use player::Player;
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

impl Recordings {
    /// The recordings of a folder, or those built in.
    ///
    /// # Errors
    /// The folder cannot be read, or its `replay.toml` is wrong.
    pub fn load(folder: Option<&Path>) -> io::Result<Self> {
        let files = match folder {
            Some(folder) => read_folder(folder)?,
            None => built_in(),
        };
        let index = files.get(INDEX).map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default();
        let scripts = Scripts::parse(&index).map_err(|error| {
            io::Error::new(io::ErrorKind::InvalidData, format!("{INDEX} of the recordings: {error}"))
        })?;
        Ok(Self { scripts, files })
    }

    /// The answer to `chat`, as this provider's protocol would send it.
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
        let Choice { file: name, script, values } = self.scripts.choose(chat, model);
        let protocol = provider.protocol.name;
        let status = script.and_then(|script| script.status).unwrap_or(200);
        let found = self.file(protocol, name);
        if !(200..300).contains(&status) {
            let body = found.map(|(_, bytes)| bytes).unwrap_or_default();
            return Err(Box::new(refused(provider, status, script, &body)));
        }
        let Some((framing, bytes)) = found.or_else(|| self.file(protocol, DEFAULT)) else {
            let message = format!("there is no recording {protocol}/{name}");
            return Err(Failure::boxed(FailureKind::NotFound, message));
        };
        let bytes = if values.is_empty() { bytes } else { filled(&bytes, &values) };
        let own = script.and_then(|script| script.pace).map(Duration::from_millis);
        Ok(AnswerBody::Replay(Player::new(&bytes, framing, pace.or(own).unwrap_or(PACE))))
    }

    fn file(&self, protocol: &str, name: &str) -> Option<(Framing, Bytes)> {
        Framing::ALL.into_iter().find_map(|framing| {
            let path = format!("{protocol}/{name}.{}", framing.extension());
            self.files.get(&path).map(|bytes| (framing, bytes.clone()))
        })
    }
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

fn refused(provider: &Provider, status: u16, script: Option<&Script>, body: &[u8]) -> Failure {
    let headers: HeaderMap = script
        .into_iter()
        .flat_map(|script| &script.headers)
        .filter_map(|(name, value)| {
            Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?))
        })
        .collect();
    let head = AnswerHead {
        status,
        content_type: headers.get("content-type").and_then(|value| value.to_str().ok()),
        retry_after: failure::retry_after(&headers, SystemTime::now()),
    };
    provider.upstream.failure(&head, body)
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
