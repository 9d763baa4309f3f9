//! The answer to `"stream": false`: one JSON document.
//!
//! ```json
//! {"id": "msg_1", "role": "assistant", "model": "chat-model", "content": "It is 7 °C.",
//!  "toolCalls": [{"toolCallId": "c1", "toolName": "weather", "args": {"city": "Bern"}, "result": {"tempC": 7}}],
//!  "finishReason": "stop", "usage": {"promptTokens": 24, "completionTokens": 14, "totalTokens": 38}}
//! ```
//!
//! The house dialects (4) only say that there is one; the names are those of the lines. `toolCalls` is always there;
//! a call without `result` has none yet. `usage` is missing where the provider reported nothing.

use bytes::BytesMut;
use serde_json::{Map, Value, json};

use crate::calls::UNUSABLE;
use crate::event::{Event, FinishReason, Text, Usage};
use crate::fold::{Answer, Piece, ToolPiece};
use crate::protocol::{Encoder, ReplyContext};
use crate::vercel::data_stream::{finish_name, result_value};
use crate::wire::json::write_value;

/// The headers of an answer that is a document.
pub(super) fn headers() -> Vec<(&'static str, String)> {
    vec![("content-type", "application/json".to_owned()), ("cache-control", "no-cache".to_owned())]
}

/// Collects the answer and writes it at its end. A failure writes nothing: the frontend's refusal is the answer then.
pub(crate) struct Document {
    id: Text,
    model: Text,
    answer: Answer,
}

impl Document {
    /// An encoder for one answer.
    pub(crate) fn new(context: &ReplyContext) -> Self {
        Self { id: context.message.clone(), model: context.model.clone(), answer: Answer::default() }
    }

    fn write(&self, finish: FinishReason, usage: &Usage, out: &mut BytesMut) {
        let mut document = json!({
            "id": self.id,
            "role": "assistant",
            "model": self.model,
            "content": content(&self.answer),
            "toolCalls": self.answer.tools().map(call).collect::<Vec<_>>(),
            "finishReason": finish_name(finish),
        });
        let usage = counts(usage);
        if !usage.is_empty() {
            document["usage"] = Value::Object(usage);
        }
        write_value(out, &document);
    }
}

impl Encoder for Document {
    fn event(&mut self, event: &Event, out: &mut BytesMut) {
        self.answer.event(event);
        match event {
            Event::TurnEnd(end) => self.write(end.finish.reason, &end.usage, out),
            // What there is so far: whoever stopped it knows that it is not whole.
            Event::Cancelled { .. } => self.write(FinishReason::Other, &self.answer.usage, out),
            _ => {}
        }
    }

    fn keep_alive(&mut self, _out: &mut BytesMut) {}
}

/// Text and refusals in their order: what a page would have put together from the lines.
fn content(answer: &Answer) -> String {
    answer
        .pieces
        .iter()
        .filter_map(|piece| match piece {
            Piece::Text(text, _) | Piece::Refusal(text) => Some(text.as_str()),
            _ => None,
        })
        .collect()
}

fn call(tool: &ToolPiece) -> Value {
    let arguments = tool.arguments();
    let unusable = arguments.is_none();
    let arguments = match arguments {
        Some(Value::String(input)) => json!({ "input": input }),
        Some(object) => object,
        None => json!({}),
    };
    let mut call = json!({ "toolCallId": tool.call.id, "toolName": tool.call.label(), "args": arguments });
    match &tool.result {
        Some(result) => call["result"] = result_value(result),
        None if unusable => call["result"] = json!({ "error": UNUSABLE }),
        None => {}
    }
    call
}

fn counts(usage: &Usage) -> Map<String, Value> {
    [("promptTokens", usage.input), ("completionTokens", usage.output), ("totalTokens", usage.total)]
        .into_iter()
        .filter_map(|(name, count)| Some((name.to_owned(), count?.into())))
        .collect()
}
