//! A tool whose result a model writes, streamed as it is written: a draft, a summary, a translation.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chatwire_protocols::chat::{ChatRequest, Message, Role};
use serde_json::Value;

use super::running::Models;
use super::{Speaker, ToolInput, ToolOutput};
use crate::config::plan::Model;
use crate::turn::Aside;

/// What writes.
#[derive(Clone)]
pub struct Writer {
    /// The model.
    pub model: Arc<Model>,
    /// What it is told to do with the arguments, which it gets as JSON.
    pub instructions: String,
}

impl fmt::Debug for Writer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Writer").field("model", &self.model.name).finish_non_exhaustive()
    }
}

impl Writer {
    /// Writes. What it writes goes to the page at once and to the calling model at its end.
    pub(super) async fn run(
        &self,
        models: Models,
        input: ToolInput,
        speaker: Speaker,
        within: Duration,
        most: usize,
    ) -> ToolOutput {
        let mut chat = ChatRequest {
            messages: vec![
                Message::text(Role::System, self.instructions.clone()),
                Message::text(Role::User, input.arguments.to_string()),
            ],
            stream: true,
            ..ChatRequest::default()
        };
        chat.settings.max_tokens = self.model.defaults.max_tokens;
        chat.settings.temperature = self.model.defaults.temperature;
        chat.settings.reasoning = self.model.defaults.reasoning;
        let mut aside = Aside::new(models.upstreams, Arc::clone(&self.model), chat, within).counted_by(models.meter);
        let output = self.write(&mut aside, &speaker, most).await;
        speaker.spent(aside.spent()).await;
        output
    }

    async fn write(&self, aside: &mut Aside, speaker: &Speaker, most: usize) -> ToolOutput {
        let mut text = String::new();
        loop {
            match aside.next().await {
                Ok(Some(pieces)) => {
                    for piece in pieces {
                        text.push_str(&piece);
                        speaker.output(piece).await;
                    }
                }
                Ok(None) => return ToolOutput::ok(Value::String(text)),
                Err(failure) => {
                    tracing::warn!(model = self.model.name, %failure, "a tool's text was not written to its end");
                    return ToolOutput::error(failure.safe_text());
                }
            }
            if text.len() > most {
                return ToolOutput::ok(Value::String(text));
            }
        }
    }
}
