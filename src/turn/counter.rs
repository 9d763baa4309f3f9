//! Counts what the model calls of a turn use.

use std::sync::Arc;

use chatwire_protocols::chat::{ChatRequest, Part};
use chatwire_protocols::event::{Event, Usage};
use serde_json::Value;

use crate::config::plan::Model;
use crate::limits::Meter;

/// About how many bytes of text are a token.
const BYTES: usize = 4;

/// Counts model calls, each when it has ended. One that says nothing of its usage, or is left before it could, counts
/// for what was sent and said, so that leaving early saves nobody anything.
pub(super) struct Counter {
    meter: Meter,
    model: Arc<Model>,
    call: Option<Running>,
}

/// A call that runs.
struct Running {
    /// The target that is asked.
    target: usize,
    /// Bytes of text that were sent.
    sent: usize,
    /// Bytes of text that came.
    said: usize,
}

impl Counter {
    pub fn new(meter: Meter, model: Arc<Model>) -> Self {
        Self { meter, model, call: None }
    }

    /// Counts by this one from now on.
    pub fn count_by(&mut self, meter: Meter) {
        self.meter = meter;
    }

    /// A call begins.
    pub fn begin(&mut self, chat: &ChatRequest) {
        self.call = self.meter.is_on().then(|| Running { target: 0, sent: length(chat), said: 0 });
    }

    /// The call says something.
    pub fn hear(&mut self, target: usize, event: &Event) {
        let Some(call) = &mut self.call else { return };
        call.target = target;
        match event {
            Event::BlockDelta { text, .. } => call.said += text.len(),
            Event::StepEnd(end) => self.end(Some(&end.usage)),
            Event::Failed(failure) => self.end(failure.step.as_ref().map(|step| &step.usage)),
            _ => {}
        }
    }

    /// The call is over, also if it has not said so.
    pub fn cut(&mut self) {
        self.end(None);
    }

    fn end(&mut self, usage: Option<&Usage>) {
        let Some(call) = self.call.take() else { return };
        match usage.filter(|usage| usage.input.is_some() || usage.output.is_some()) {
            Some(usage) => self.meter.count(&self.model.name, usage),
            None if usage.is_some() || call.said > 0 => self.meter.count(&self.model.name, &self.guess(&call)),
            // It was never answered.
            None => {}
        }
    }

    fn guess(&self, call: &Running) -> Usage {
        let tokens = |bytes: usize| Some(bytes.div_ceil(BYTES) as u64);
        let mut usage = Usage { input: tokens(call.sent), output: tokens(call.said), ..Usage::default() };
        let target = self.model.targets.get(call.target);
        let price = target.and_then(|target| target.provider.prices.of(&target.model));
        usage.cost = price.and_then(|price| price.of(&usage));
        usage
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.cut();
    }
}

/// About how many bytes of text a request has.
fn length(chat: &ChatRequest) -> usize {
    let parts = chat.messages.iter().flat_map(|message| &message.parts).map(|part| match part {
        Part::Text { text, .. } | Part::Reasoning { text, .. } | Part::Refusal { text } => text.len(),
        Part::ToolCall(call) => call.name.len() + call.arguments.len(),
        Part::ToolResult(result) => text_length(&result.output),
        Part::File(_) | Part::Opaque { .. } | Part::Data { .. } => 0,
    });
    parts.sum()
}

fn text_length(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        other => other.to_string().len(),
    }
}
