//! Writing down what was spoken: one request with the sound, one answer with the text.

use std::sync::Arc;

use chatwire_protocols::error::{CallerError, Failure, FailureKind};
use chatwire_protocols::protocol::UpstreamRequest;
use serde::Deserialize;
use tokio::time::Instant;
use uuid::Uuid;

use super::Upstreams;
use super::scrub::scrub;
use super::send::{self, Via};
use crate::config::plan::{Source, Transcription};

/// Longest sound that is sent on, in bytes: as much as the best-known provider takes.
pub const MOST_AUDIO: usize = 25 << 20;

/// Most bytes of an answer.
const MOST_TEXT: usize = 1 << 20;

/// What a provider of recordings hears.
const REPLAYED: &str = "This is what a recording hears.";

/// Media types of sound and the endings of file names by which providers tell them apart.
const KINDS: [(&str, &str); 12] = [
    ("audio/webm", "webm"),
    ("video/webm", "webm"),
    ("audio/ogg", "ogg"),
    ("audio/mp4", "mp4"),
    ("audio/m4a", "m4a"),
    ("audio/x-m4a", "m4a"),
    ("audio/mpeg", "mp3"),
    ("audio/mp3", "mp3"),
    ("audio/wav", "wav"),
    ("audio/x-wav", "wav"),
    ("audio/wave", "wav"),
    ("audio/flac", "flac"),
];

/// Why nothing was written down.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Unheard {
    /// The caller's mistake.
    #[error(transparent)]
    Caller(#[from] CallerError),
    /// The provider's failure, or ours.
    #[error(transparent)]
    Failure(#[from] Box<Failure>),
}

#[derive(Deserialize)]
struct Answer {
    text: String,
}

impl Upstreams {
    /// Has the provider write down a sound. The media type may have parameters.
    ///
    /// # Errors
    /// The sound is too long or of an unknown kind; the provider's failure. Within the provider's `first_byte` it has
    /// answered, or failed.
    pub async fn transcribe(&self, to: &Transcription, audio: &[u8], media_type: &str) -> Result<String, Unheard> {
        let (media_type, ending) = kind(media_type)?;
        if audio.is_empty() {
            return Err(CallerError::new(400, "no_audio", "there is no sound").into());
        }
        if audio.len() > MOST_AUDIO {
            let message = format!("a sound may have at most {MOST_AUDIO} bytes");
            return Err(CallerError::new(413, "audio_too_large", message).into());
        }
        let provider = &to.provider;
        let Source::Http(base_url) = &provider.source else { return Ok(REPLAYED.to_owned()) };
        let missing =
            |what: &str| Failure::boxed(FailureKind::Internal, format!("provider `{}` {what}", provider.name));
        let url = provider.upstream.transcription(base_url).ok_or_else(|| missing("has no transcription"))?;
        let clients = self.clients(provider.timeouts.connect).ok_or_else(|| missing("has no client"))?.clone();
        let request = || request(url.clone(), &to.model, audio, media_type, ending);
        let key = self.health.of_provider(provider).keys().pick(Instant::now());
        let asking = async {
            let sent = send::send(Via::Pooled(clients.clone()), Arc::clone(provider), key, request()).await;
            let mut body = match sent {
                // Providers often close a connection just when it is taken.
                Err(error) if error.kind == FailureKind::Cut => {
                    send::send(Via::Fresh(clients), Arc::clone(provider), key, request()).await?
                }
                sent => sent?,
            };
            let mut read = Vec::new();
            while let Some(came) =
                std::future::poll_fn(|cx| body.poll_read(cx, |bytes| read.extend_from_slice(bytes))).await
            {
                came.map_err(|error| Failure::boxed(FailureKind::Cut, error))?;
                if read.len() > MOST_TEXT {
                    return Err(Failure::boxed(FailureKind::Malformed, "the transcription is too long"));
                }
            }
            let answer = serde_json::from_slice::<Answer>(&read);
            answer.map_err(|error| Failure::boxed(FailureKind::Malformed, format!("no transcription: {error}")))
        };
        let answer = tokio::time::timeout(provider.timeouts.first_byte, asking)
            .await
            .unwrap_or_else(|_| Err(Failure::boxed(FailureKind::Timeout, "no transcription came in time")));
        answer.map(|answer| answer.text).map_err(|mut error| {
            scrub(&mut error, provider);
            error.into()
        })
    }
}

/// The media type without its parameters, and the ending of its files.
fn kind(media_type: &str) -> Result<(&'static str, &'static str), CallerError> {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    KINDS.iter().copied().find(|(known, _)| *known == essence).ok_or_else(|| {
        let shown: String = essence.chars().take(100).collect();
        CallerError::new(415, "unsupported_media_type", format!("{shown:?} is no kind of sound that is known here"))
    })
}

fn request(url: String, model: &str, audio: &[u8], media_type: &str, ending: &str) -> UpstreamRequest {
    // Not in the sound: it was drawn after that.
    let boundary = format!("chatwire-{}", Uuid::now_v7().simple());
    let field = |name: &str, value: &str| {
        format!("--{boundary}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let mut body = Vec::with_capacity(audio.len() + 1024);
    body.extend_from_slice(field("model", model).as_bytes());
    body.extend_from_slice(field("response_format", "json").as_bytes());
    let head = format!(
        "--{boundary}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"speech.{ending}\"\r\n\
         content-type: {media_type}\r\n\r\n"
    );
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(audio);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    let headers = vec![("content-type", format!("multipart/form-data; boundary={boundary}"))];
    UpstreamRequest { url, headers, body, warnings: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_in_front_of_the_parameters_says_what_kind_of_sound_it_is() {
        for (media_type, expected) in [
            ("audio/webm;codecs=opus", Some(("audio/webm", "webm"))),
            ("Audio/OGG; codecs=opus", Some(("audio/ogg", "ogg"))),
            ("audio/mp4", Some(("audio/mp4", "mp4"))),
            ("text/plain", None),
            ("audio/webm\r\nx: y", None),
            ("", None),
        ] {
            assert_eq!(kind(media_type).ok(), expected, "{media_type:?}");
        }
    }
}
