//! Events as typed frames: `data: {"type": T, …}` and a blank line (house dialects 3).

use bytes::{BufMut, BytesMut};
use compact_str::format_compact;

use super::frame::Frame;
use super::tally::Tally;
use crate::calls::{EndedCall, OpenBlocks, UNUSABLE};
use crate::error::FailureKind;
use crate::event::{BlockId, BlockKind, CancelledBy, Event, FileSource, Text, ToolOutcome, ToolResult};
use crate::items::{Body, note_of};
use crate::protocol::{Encoder, ReplyContext};
use crate::wire::time;

/// What a page is told of an answer that somebody stopped.
const STOPPED: &str = "The answer was stopped before it was complete.";

/// Writes the frames of one answer.
pub(super) struct Encode {
    tally: Tally,
    /// True if texts and thoughts are sent as they come, false if they are whole for each step.
    deltas: bool,
    /// What makes ids unique.
    turn: Text,
    now: u64,
    /// The same as pages read it.
    stamp: String,
    open: OpenBlocks,
    thoughts: Thoughts,
    /// The step's text that has not been sent.
    text: String,
    /// The step that runs.
    step: Option<Step>,
    steps: u32,
    /// The calls, with the names that pages know their tools by, and whether they have a result.
    calls: Vec<(Text, Text, bool)>,
    /// Messages that the gateway has put into the conversation before the turn.
    notes: Vec<String>,
}

struct Step {
    id: Text,
    since: u64,
}

#[derive(Default)]
struct Thoughts {
    /// The blocks that are open, and the ids of those that the page knows.
    open: Vec<(BlockId, Option<Text>)>,
    /// How many pages have been told of.
    told: u32,
    /// The step's thoughts that have not been sent.
    text: String,
}

impl Encode {
    /// An encoder for one answer.
    pub(super) fn new(context: &ReplyContext, deltas: bool) -> Self {
        let now = context.created.saturating_mul(1000);
        let added = context.kept.iter().flat_map(|kept| &kept.added);
        let notes = added.filter_map(|item| match &item.body {
            Body::Note(note) => Some(note.text.clone()),
            _ => None,
        });
        Self {
            tally: Tally::new(context),
            deltas,
            turn: context.turn.strip_prefix("turn_").unwrap_or(&context.turn).into(),
            now,
            stamp: time::utc(now),
            open: OpenBlocks::default(),
            thoughts: Thoughts::default(),
            text: String::new(),
            step: None,
            steps: 0,
            calls: Vec::new(),
            notes: notes.collect(),
        }
    }
}

impl Encoder for Encode {
    fn event(&mut self, event: &Event, out: &mut BytesMut) {
        self.tally.event(event);
        for note in std::mem::take(&mut self.notes) {
            self.hidden(&note, out);
        }
        match event {
            Event::Now { ms } => {
                self.now = *ms;
                self.stamp = time::utc(*ms);
            }
            Event::StepStart(_) => self.start_step(out),
            Event::BlockStart { block, kind: BlockKind::Reasoning { .. } } => self.thoughts.open.push((*block, None)),
            Event::BlockStart { block, kind } => self.open.start(*block, kind),
            Event::BlockDelta { block, text } => self.delta(*block, text, out),
            Event::BlockEnd { block, whole } => self.end_block(*block, *whole, out),
            Event::ToolResult(result) if result.last => {
                let failed = result.outcome != ToolOutcome::Ok;
                self.result(&result.call, || result.text(), failed, screenshot(result), out);
            }
            Event::StepEnd(_) => self.flush(out),
            Event::TurnEnd(_) => {
                self.end_step("completed", out);
                Frame::new(out, "final").text("content", self.tally.answer()).stamped(&self.stamp);
                Frame::new(out, "usage")
                    .text("session_id", &self.tally.session)
                    .value("usage", &self.tally.usage.value())
                    .end();
                done(out);
            }
            Event::Failed(failure) => self.error(failure.safe_text(), out),
            Event::Cancelled { by } => {
                self.flush(out);
                self.hidden(note_of(*by), out);
                self.error(
                    match by {
                        CancelledBy::Shutdown => FailureKind::Shutdown.safe_text(),
                        CancelledBy::User | CancelledBy::NewerTurn => STOPPED,
                    },
                    out,
                );
            }
            // No frame: files, sources, application data, progress and output of running tools, what waits for a person.
            _ => {}
        }
    }

    fn keep_alive(&mut self, out: &mut BytesMut) {
        out.put_slice(b": keep-alive\n\n");
    }
}

impl Encode {
    fn start_step(&mut self, out: &mut BytesMut) {
        self.end_step("completed", out);
        self.steps += 1;
        let id = format_compact!("step_{}_{}", self.turn, self.steps);
        Frame::new(out, "step_start")
            .text("step_id", &id)
            .text("title", &format_compact!("Step {}", self.steps))
            .number("step_number", self.steps.into())
            .stamped(&self.stamp);
        self.step = Some(Step { id, since: self.now });
    }

    /// A step is over when the results of its calls are there: where the next one begins, or the turn ends.
    fn end_step(&mut self, status: &str, out: &mut BytesMut) {
        self.flush(out);
        let Some(step) = self.step.take() else { return };
        Frame::new(out, "step_complete")
            .text("step_id", &step.id)
            .text("status", status)
            .number("duration_ms", self.now.saturating_sub(step.since))
            .stamped(&self.stamp);
    }

    fn delta(&mut self, block: BlockId, piece: &str, out: &mut BytesMut) {
        if let Some(at) = self.thoughts.open.iter().position(|(open, _)| *open == block) {
            self.think(at, piece, out);
        } else if self.open.push(block, piece) {
            if self.deltas {
                Frame::new(out, "text_delta").text("delta", piece).stamped(&self.stamp);
            } else {
                self.text.push_str(piece);
            }
        }
    }

    fn think(&mut self, at: usize, piece: &str, out: &mut BytesMut) {
        if !self.deltas {
            self.thoughts.text.push_str(piece);
            return;
        }
        let Some((_, told)) = self.thoughts.open.get_mut(at) else { return };
        let id = told.get_or_insert_with(|| {
            self.thoughts.told += 1;
            let id = format_compact!("think_{}_{}", self.turn, self.thoughts.told);
            Frame::new(out, "thinking_start").text("think_id", &id).stamped(&self.stamp);
            id
        });
        Frame::new(out, "thinking_delta").text("think_id", id).text("delta", piece).stamped(&self.stamp);
    }

    fn end_block(&mut self, block: BlockId, whole: bool, out: &mut BytesMut) {
        if let Some(at) = self.thoughts.open.iter().position(|(open, _)| *open == block) {
            let (_, told) = self.thoughts.open.remove(at);
            if let Some(id) = told {
                Frame::new(out, "thinking_end").text("think_id", &id).stamped(&self.stamp);
            } else if !self.thoughts.text.is_empty() && !self.thoughts.text.ends_with("\n\n") {
                // The next thought is a paragraph of its own.
                self.thoughts.text.push_str("\n\n");
            }
        } else if let Some(ended) = self.open.end(block, whole) {
            self.call(&ended, out);
        }
    }

    fn call(&mut self, ended: &EndedCall, out: &mut BytesMut) {
        self.flush(out);
        let (id, tool) = (&ended.call.id, ended.call.label());
        Frame::new(out, "tool_call")
            .text("tool", tool)
            .raw("args", ended.object())
            .text("tool_call_id", id)
            .text("display_name", "")
            .stamped(&self.stamp);
        self.calls.push((id.clone(), tool.into(), false));
        if ended.is_lost() {
            self.result(id, || UNUSABLE.to_owned(), true, None, out);
        }
    }

    fn result(
        &mut self,
        call: &Text,
        text: impl FnOnce() -> String,
        failed: bool,
        screenshot: Option<&str>,
        out: &mut BytesMut,
    ) {
        let known = self.calls.iter_mut().find(|(known, ..)| known == call);
        let tool = match known {
            Some((.., true)) => return,
            Some((_, tool, answered)) => {
                *answered = true;
                tool.as_str()
            }
            None => "",
        };
        let frame = Frame::new(out, "tool_result")
            .text("tool", tool)
            .text("result", &text())
            .text("tool_call_id", call)
            .flag("is_error", failed);
        let frame = match screenshot {
            Some(bytes) => frame.text("screenshot_base64", bytes),
            None => frame.raw("screenshot_base64", "null"),
        };
        frame.stamped(&self.stamp);
    }

    /// Sends what is whole now, where pages get texts whole.
    fn flush(&mut self, out: &mut BytesMut) {
        let thoughts = std::mem::take(&mut self.thoughts.text);
        if !thoughts.trim().is_empty() {
            Frame::new(out, "thinking").text("content", thoughts.trim_end()).stamped(&self.stamp);
        }
        let text = std::mem::take(&mut self.text);
        if !text.is_empty() {
            Frame::new(out, "text").text("content", &text).stamped(&self.stamp);
        }
    }

    fn hidden(&self, text: &str, out: &mut BytesMut) {
        Frame::new(out, "hidden").text("content", text).stamped(&self.stamp);
    }

    fn error(&mut self, text: &str, out: &mut BytesMut) {
        self.end_step("error", out);
        Frame::new(out, "error").text("error", text).end();
        done(out);
    }
}

fn done(out: &mut BytesMut) {
    out.put_slice(b": done\n\n");
}

/// The first picture of a result: there is a place for one.
fn screenshot(result: &ToolResult) -> Option<&str> {
    result.files.iter().find_map(|file| match &file.source {
        FileSource::Base64(bytes) if file.media_type.starts_with("image/") => Some(&**bytes),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
