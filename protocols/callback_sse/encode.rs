//! Events as typed frames: `data: {"type": T, "data": {…}}` and a blank line (house dialects 1).

use bytes::{BufMut, BytesMut};

use crate::calls::{EndedCall, OpenBlocks, UNUSABLE};
use crate::cost::Cost;
use crate::error::FailureKind;
use crate::event::{BlockId, CancelledBy, Event, Text, ToolResult, ToolSays, Usage};
use crate::protocol::{Encoder, ReplyContext};
use crate::wire::json::{write_escaping_separators, write_string};

/// Writes the frames of one answer.
pub(super) struct Encode {
    message: Text,
    legacy_fields: bool,
    open: OpenBlocks,
    calls: Vec<EndedCall>,
    /// Call ids and results as the page has read them.
    results: Vec<(Text, String)>,
    /// All text so far, as the page has put it together.
    content: String,
    /// The sum over the steps, for a turn that is ended from outside.
    usage: Usage,
}

impl Encode {
    /// An encoder for one answer.
    pub(super) fn new(context: &ReplyContext, legacy_fields: bool) -> Self {
        Self {
            message: context.message.clone(),
            legacy_fields,
            open: OpenBlocks::default(),
            calls: Vec::new(),
            results: Vec::new(),
            content: String::new(),
            usage: Usage { cost: Some(Cost::default()), ..Usage::default() },
        }
    }
}

impl Encoder for Encode {
    fn event(&mut self, event: &Event, out: &mut BytesMut) {
        match event {
            Event::BlockDelta { block, text } => self.delta(*block, text, out),
            Event::BlockStart { block, kind } => self.open.start(*block, kind),
            Event::BlockEnd { block, whole } => {
                if let Some(ended) = self.open.end(*block, *whole) {
                    self.call(ended, out);
                }
            }
            Event::ToolDelta(says) => stream_chunk(says, out),
            Event::ToolResult(result) if result.last => self.result(result, out),
            Event::StepEnd(end) => self.usage.add(&end.usage),
            Event::TurnEnd(end) => self.complete(end.finish.reason.name(), &end.usage, out),
            Event::Failed(failure) => self.error(failure.safe_text(), out),
            Event::Cancelled { by: CancelledBy::Shutdown } => self.error(FailureKind::Shutdown.safe_text(), out),
            Event::Cancelled { .. } => self.complete("cancelled", &self.usage, out),
            // No frame: reasoning, files, sources, application data, progress, what waits for a person.
            _ => {}
        }
    }

    fn keep_alive(&mut self, out: &mut BytesMut) {
        out.put_slice(b": keep-alive\n\n");
    }
}

impl Encode {
    fn delta(&mut self, block: BlockId, text: &str, out: &mut BytesMut) {
        if !self.open.push(block, text) {
            return;
        }
        self.content.push_str(text);
        out.put_slice(b"data: {\"type\":\"chunk\",\"data\":{\"content\":");
        write_string(out, text);
        out.put_u8(b'}');
        if self.legacy_fields {
            out.put_slice(b",\"content\":");
            write_string(out, text);
            out.put_slice(b",\"accumulated\":");
            write_string(out, &self.content);
        }
        out.put_slice(b"}\n\n");
    }

    fn call(&mut self, ended: EndedCall, out: &mut BytesMut) {
        out.put_slice(b"data: {\"type\":\"tool_call\",\"data\":");
        call_object(&ended, out);
        out.put_slice(b"}\n\n");
        if ended.is_lost() {
            self.show_result(ended.call.id.clone(), UNUSABLE.to_owned(), out);
        }
        self.calls.push(ended);
    }

    fn result(&mut self, result: &ToolResult, out: &mut BytesMut) {
        if !self.results.iter().any(|(call, _)| *call == result.call) {
            self.show_result(result.call.clone(), result.text(), out);
        }
    }

    fn show_result(&mut self, call: Text, text: String, out: &mut BytesMut) {
        out.put_slice(b"data: {\"type\":\"tool_result\",\"data\":");
        result_object(&call, &text, out);
        out.put_slice(b"}\n\n");
        self.results.push((call, text));
    }

    fn complete(&self, finish: &str, usage: &Usage, out: &mut BytesMut) {
        out.put_slice(b"data: {\"type\":\"complete\",\"data\":{\"message\":");
        self.message(finish, usage, out);
        if self.legacy_fields {
            out.put_slice(b",\"final\":true");
        }
        out.put_slice(b"}}\n\n");
        self.done(out);
    }

    fn error(&self, text: &str, out: &mut BytesMut) {
        out.put_slice(b"data: {\"type\":\"error\",\"data\":{\"error\":");
        write_string(out, text);
        out.put_slice(b"}}\n\n");
        self.done(out);
    }

    fn done(&self, out: &mut BytesMut) {
        if self.legacy_fields {
            out.put_slice(b"data: {\"type\":\"done\"}\n\n");
        }
    }

    fn message(&self, finish: &str, usage: &Usage, out: &mut BytesMut) {
        out.put_slice(b"{\"id\":");
        write_string(out, &self.message);
        out.put_slice(b",\"role\":\"assistant\",\"content\":");
        write_string(out, &self.content);
        out.put_slice(b",\"tool_calls\":[");
        list(&self.calls, out, call_object);
        out.put_slice(b"],\"tool_results\":[");
        list(&self.results, out, |(call, text), out| result_object(call, text, out));
        out.put_slice(b"],\"finish_reason\":");
        write_string(out, finish);
        write_usage(usage, out);
        out.put_u8(b'}');
    }
}

fn stream_chunk(says: &ToolSays, out: &mut BytesMut) {
    out.put_slice(b"data: {\"type\":\"tool_stream_chunk\",\"data\":{\"tool_call_id\":");
    write_string(out, &says.call);
    out.put_slice(b",\"content\":");
    write_string(out, &says.text);
    out.put_slice(b"}}\n\n");
}

fn call_object(ended: &EndedCall, out: &mut BytesMut) {
    out.put_slice(b"{\"tool_call_id\":");
    write_string(out, &ended.call.id);
    out.put_slice(b",\"tool_name\":");
    write_string(out, ended.call.label());
    out.put_slice(b",\"arguments\":");
    write_escaping_separators(out, ended.object());
    out.put_u8(b'}');
}

fn result_object(call: &str, text: &str, out: &mut BytesMut) {
    out.put_slice(b"{\"tool_call_id\":");
    write_string(out, call);
    out.put_slice(b",\"result\":");
    write_string(out, text);
    out.put_u8(b'}');
}

fn list<T>(items: &[T], out: &mut BytesMut, write: impl Fn(&T, &mut BytesMut)) {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.put_u8(b',');
        }
        write(item, out);
    }
}

/// The counts that are known; nothing at all where none is.
fn write_usage(usage: &Usage, out: &mut BytesMut) {
    let counts = [("prompt_tokens", usage.input), ("completion_tokens", usage.output), ("total_tokens", usage.total)];
    let known: Vec<_> = counts.into_iter().filter_map(|(name, count)| Some((name, count?))).collect();
    if known.is_empty() {
        return;
    }
    out.put_slice(b",\"usage\":{");
    list(&known, out, |(name, count), out| {
        write_string(out, name);
        out.put_u8(b':');
        out.put_slice(itoa::Buffer::new().format(*count).as_bytes());
    });
    if let Some(cost) = usage.cost {
        out.put_slice(b",\"cost\":");
        out.put_slice(cost.to_string().as_bytes());
    }
    out.put_u8(b'}');
}

#[cfg(test)]
mod tests;
