//! What every form of an answer says at its end.

use super::usage::SessionUsage;
use crate::event::{BlockId, BlockKind, Event, Text};
use crate::protocol::ReplyContext;

/// The answer and the costs so far.
pub(super) struct Tally {
    pub(super) session: Text,
    pub(super) usage: SessionUsage,
    model: Text,
    texts: Vec<BlockId>,
    /// The text of the step that runs.
    step: String,
    /// The text of the last step before it that had one.
    before: String,
}

impl Tally {
    pub(super) fn new(context: &ReplyContext) -> Self {
        let kept = context.kept.as_deref();
        Self {
            session: kept.map_or("thr_0", |kept| kept.thread.id.as_str()).into(),
            usage: SessionUsage::new(kept.map_or(&[], |kept| &kept.usage)),
            model: context.model.clone(),
            texts: Vec::new(),
            step: String::new(),
            before: String::new(),
        }
    }

    pub(super) fn event(&mut self, event: &Event) {
        match event {
            Event::StepStart(_) => {
                if !self.step.trim().is_empty() {
                    self.before = std::mem::take(&mut self.step);
                }
                self.step.clear();
            }
            Event::BlockStart { block, kind: BlockKind::Text | BlockKind::Refusal } => self.texts.push(*block),
            Event::BlockDelta { block, text } if self.texts.contains(block) => self.step.push_str(text),
            Event::BlockEnd { block, .. } => self.texts.retain(|text| text != block),
            Event::StepEnd(end) => self.usage.add(&self.model, &end.usage),
            Event::Spent(spent) => self.usage.add(&spent.model, &spent.usage),
            Event::Failed(failure) => {
                if let Some(step) = &failure.step {
                    self.usage.add(&self.model, &step.usage);
                }
            }
            _ => {}
        }
    }

    /// The whole final answer: the text of the last step that had one.
    pub(super) fn answer(&self) -> &str {
        if self.step.trim().is_empty() { &self.before } else { &self.step }
    }
}
