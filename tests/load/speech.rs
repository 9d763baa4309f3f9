//! What the provider says in each protocol: the recordings of `fixtures/replay`, frame by frame.

use std::path::Path;

/// The protocols that providers speak.
pub const PROTOCOLS: [&str; 4] = ["openai-chat", "openai-responses", "anthropic", "ollama"];

/// A provider's words.
pub struct Speech {
    pub content_type: &'static str,
    /// The frames of a whole answer.
    pub text: Vec<String>,
    pub long: Vec<String>,
    pub reasoning: Vec<String>,
    /// An answer that ends with an error.
    pub broken: Vec<String>,
    /// The body of a refusal.
    pub refusal: String,
}

impl Speech {
    pub fn of(protocol: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/replay").join(protocol);
        let (extension, end, content_type) = match folder.join("text.sse").exists() {
            true => ("sse", "\n\n", "text/event-stream"),
            false => ("ndjson", "\n", "application/x-ndjson"),
        };
        let frames = |name: &str| -> Vec<String> {
            let text = std::fs::read_to_string(folder.join(format!("{name}.{extension}"))).unwrap();
            text.split_inclusive(end).map(str::to_owned).collect()
        };
        Self {
            content_type,
            text: frames("text"),
            long: frames("long"),
            reasoning: frames("reasoning"),
            broken: frames("error-mid"),
            refusal: std::fs::read_to_string(folder.join("error.json")).unwrap(),
        }
    }
}

#[test]
fn all_that_providers_speak_is_spoken() {
    let spoken = chatwire_protocols::PROTOCOLS.iter().filter(|protocol| protocol.upstream.is_some());
    let spoken: Vec<_> = spoken.map(|protocol| protocol.name).collect();
    assert_eq!(spoken.len(), PROTOCOLS.len(), "{spoken:?}");
    assert!(spoken.iter().all(|name| PROTOCOLS.contains(name)), "{spoken:?}");
}
