//! What a model says, as it is kept.

use std::sync::Arc;

use chatwire_protocols::cost::Cost;
use chatwire_protocols::event::{BlockId, BlockKind, Event, FinishReason, Text};

use super::key::Key;
use super::shelf::Cache;
use crate::turn::weight;

/// The events of a whole model call.
#[derive(Debug)]
pub struct Recorded {
    /// From its first event to its end.
    pub(super) events: Vec<Event>,
    /// Which target said it, by its place in the model's list.
    pub(super) target: usize,
    /// The turn's next block when it began, and what its decoder made ids with.
    first_block: u32,
    seed: Text,
    /// About how much memory it takes.
    pub(super) bytes: usize,
}

/// Where in a turn a model call stands.
#[derive(Clone, Debug, Default)]
pub struct Position {
    /// The turn's next block.
    pub first_block: u32,
    /// What ids are made with.
    pub seed: Text,
}

impl Recorded {
    /// An event, as it is said at another position: its blocks and the ids that were made for it are those of that one.
    /// It costs nothing.
    pub(super) fn moved(&self, at: usize, position: &Position) -> Option<Event> {
        let mut event = self.events.get(at)?.clone();
        match &mut event {
            Event::BlockStart { block, kind } => {
                self.move_block(block, position);
                if let BlockKind::ToolInput(call) = kind {
                    self.move_id(&mut call.id, position);
                }
            }
            Event::BlockDelta { block, .. } | Event::BlockMark { block, .. } | Event::BlockEnd { block, .. } => {
                self.move_block(block, position);
            }
            Event::ToolStart { call } => self.move_id(call, position),
            Event::ToolDelta(says) | Event::ToolProgress(says) => self.move_id(&mut says.call, position),
            Event::ToolResult(result) => self.move_id(&mut result.call, position),
            Event::StepEnd(end) => end.usage.cost = Some(Cost::default()),
            _ => {}
        }
        Some(event)
    }

    #[cfg(test)]
    pub(super) const fn of_size(bytes: usize) -> Self {
        Self { events: Vec::new(), target: 0, first_block: 0, seed: Text::const_new(""), bytes }
    }

    const fn move_block(&self, block: &mut BlockId, position: &Position) {
        block.0 = block.0 - self.first_block + position.first_block;
    }

    fn move_id(&self, id: &mut Text, position: &Position) {
        if !self.seed.is_empty() && id.contains(self.seed.as_str()) {
            *id = id.replace(self.seed.as_str(), &position.seed).into();
        }
    }
}

/// Listens to a model call, and keeps it if it is worth that.
#[derive(Debug)]
pub struct Recorder {
    cache: Arc<Cache>,
    key: Key,
    most: usize,
    position: Position,
    events: Vec<Event>,
    bytes: usize,
    /// False once it is known that it will not be kept.
    good: bool,
}

impl Recorder {
    pub(super) fn new(cache: Arc<Cache>, key: Key, most: usize) -> Self {
        Self { cache, key, most, position: Position::default(), events: Vec::new(), bytes: 0, good: true }
    }

    /// Where in its turn the call stands.
    #[must_use]
    pub fn at(self, position: Position) -> Self {
        Self { position, ..self }
    }

    /// The call has said these, by the target of this position in the model's list.
    pub fn hear(&mut self, events: &[Event], target: usize) {
        for event in events {
            if !self.good {
                return;
            }
            self.bytes += weight(event);
            self.good = self.bytes <= self.most && is_whole(event);
            if self.good {
                self.events.push(event.clone());
            } else {
                self.events = Vec::new();
            }
            if let Event::StepEnd(_) = event {
                self.keep(target);
            }
        }
    }

    fn keep(&mut self, target: usize) {
        let mut events = std::mem::take(&mut self.events);
        let said = events.iter().any(|event| matches!(event, Event::BlockStart { .. }));
        if std::mem::take(&mut self.good) && said {
            events.shrink_to_fit();
            let Position { first_block, seed } = std::mem::take(&mut self.position);
            self.cache.put(self.key, Recorded { events, target, first_block, seed, bytes: self.bytes });
        }
    }
}

/// False for what shows that the answer is none that should be given twice.
const fn is_whole(event: &Event) -> bool {
    match event {
        Event::BlockEnd { whole, .. } => *whole,
        Event::StepEnd(end) => {
            matches!(end.finish.reason, FinishReason::Stop | FinishReason::ToolCalls | FinishReason::Length)
        }
        Event::Failed(_) | Event::Cancelled { .. } => false,
        _ => true,
    }
}
