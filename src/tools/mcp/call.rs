//! One call of a server's tool: sent, followed, and called off when nobody waits any more.

use std::sync::Arc;

use rmcp::RoleClient;
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, ClientRequest, JsonObject, ProgressNotificationParam, ServerResult,
};
use rmcp::service::{PeerRequestOptions, RequestHandle, ServiceError};
use serde_json::Value;
use tokio::sync::{mpsc, watch};

use super::client::follow;
use super::content;
use super::mask::Mask;
use super::state::{Link, Status};
use crate::tools::{Speaker, Tool, ToolFuture, ToolInput, ToolOutput};

/// Longest text of a server's refusal, in bytes.
const REFUSAL: usize = 1000;

/// A tool of a server. It lives on when its server is started anew, and gives errors when that is gone.
#[derive(Clone, Debug)]
pub struct McpTool {
    /// The server's name.
    pub server: Arc<str>,
    /// The server's own name for the tool.
    pub name: String,
    /// How its server is now.
    pub status: watch::Receiver<Status>,
    /// What must not be shown.
    pub mask: Mask,
}

impl Tool for McpTool {
    fn run(&self, input: ToolInput, speaker: Speaker) -> ToolFuture {
        let link = self.status.borrow().link.clone();
        let tool = self.clone();
        Box::pin(async move {
            let Some(link) = link else {
                return ToolOutput::error(format!("The tool server `{}` is not there at the moment.", tool.server));
            };
            match call(&link, &tool.name, input.arguments, &speaker).await {
                Ok(result) => tool.output(result),
                Err(error) => tool.error(&link, &error),
            }
        })
    }
}

impl McpTool {
    fn output(&self, result: ServerResult) -> ToolOutput {
        let output = match result {
            ServerResult::CallToolResult(result) => Some(content::output(result)),
            ServerResult::CustomResult(result) => content::output_in(&result.0),
            ServerResult::InputRequiredResult(_) | ServerResult::CreateTaskResult(_) => {
                return ToolOutput::error(
                    "The tool wants more than a gateway can give: an answer of a person, or time.",
                );
            }
            _ => None,
        };
        output.unwrap_or_else(|| ToolOutput::error("The tool server's answer cannot be read."))
    }

    fn error(&self, link: &Link, error: &ServiceError) -> ToolOutput {
        tracing::warn!(
            server = &*self.server,
            tool = self.name,
            error = self.mask.line(&error.to_string(), REFUSAL),
            "a call of an MCP server failed"
        );
        match error {
            ServiceError::McpError(error) => {
                let why = self.mask.line(&error.message, REFUSAL);
                ToolOutput::error(format!("The tool server refused the call: {why}"))
            }
            ServiceError::TransportSend(_) | ServiceError::TransportClosed => {
                link.broken.notify_one();
                ToolOutput::error(format!("The tool server `{}` broke off during the call.", self.server))
            }
            _ => ToolOutput::error("The tool server did not answer the call."),
        }
    }
}

/// Sends a call and waits for its result. Its progress goes to the speaker.
async fn call(link: &Link, name: &str, arguments: Value, speaker: &Speaker) -> Result<ServerResult, ServiceError> {
    let mut params = CallToolRequestParams::new(name.to_owned());
    params.arguments = Some(match arguments {
        Value::Object(object) => object,
        _ => JsonObject::new(),
    });
    let request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
    let (mut sent, mut progress) = {
        let mut followers = link.followers.lock().await;
        let handle = link.peer.send_cancellable_request(request, PeerRequestOptions::no_options()).await?;
        let progress = follow(&mut followers, handle.progress_token.clone());
        (Sent { handle: Some(handle), called_off: link.called_off.clone() }, progress)
    };
    let mut last = f64::NEG_INFINITY;
    loop {
        let Some(handle) = &mut sent.handle else { return Err(ServiceError::TransportClosed) };
        tokio::select! {
            biased;
            Some(news) = progress.recv() => say(&news, &mut last, speaker).await,
            result = &mut handle.rx => {
                sent.handle = None;
                while let Ok(news) = progress.try_recv() {
                    say(&news, &mut last, speaker).await;
                }
                return result.unwrap_or(Err(ServiceError::TransportClosed));
            }
        }
    }
}

/// Says how far a call is. News may overtake each other; what is older than the last is left out.
async fn say(news: &ProgressNotificationParam, last: &mut f64, speaker: &Speaker) {
    if news.progress > *last {
        *last = news.progress;
        speaker.progress(&words(news)).await;
    }
}

fn words(news: &ProgressNotificationParam) -> String {
    let far = match news.total {
        Some(total) => format!("{} of {total}", news.progress),
        None => news.progress.to_string(),
    };
    match news.message.as_deref().map(str::trim).filter(|message| !message.is_empty()) {
        Some(message) => format!("{far}: {message}"),
        None => far,
    }
}

/// A call on its way. Dropped before its result, it is called off.
struct Sent {
    handle: Option<RequestHandle<RoleClient>>,
    called_off: mpsc::Sender<RequestHandle<RoleClient>>,
}

impl Drop for Sent {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            // With so many others on their way, the server learns of this one only by nobody reading its result.
            let _ = self.called_off.try_send(handle);
        }
    }
}
