//! A model call beside a turn: a text from a model, without tools and without anybody who watches its events.

use std::sync::Arc;
use std::time::Duration;

use chatwire_protocols::chat::ChatRequest;
use chatwire_protocols::error::{Failure, FailureKind};
use chatwire_protocols::event::{BlockId, BlockKind, Event, Spent, Text, Usage};

use super::driver::{Driver, Parts};
use crate::config::plan::Model;
use crate::limits::{Admission, Meter};
use crate::server::Stop;
use crate::tools::{Scope, Toolbox, floor};
use crate::upstream::Upstreams;

/// A model that is asked beside a turn. Dropping it drops the call.
pub struct Aside {
    driver: Driver,
    events: Vec<Event>,
    /// The block whose text is wanted: thoughts are not.
    text: Option<BlockId>,
    model: Text,
    /// What it has cost, once it answers: nothing is known before its end.
    usage: Option<Usage>,
}

impl Aside {
    /// Asks a model.
    pub fn new(upstreams: Arc<Upstreams>, model: Arc<Model>, chat: ChatRequest, within: Duration) -> Self {
        let name = model.name.as_str().into();
        let driver = Driver::new(Parts {
            turn: "aside".into(),
            chat,
            toolbox: Toolbox::default(),
            scope: Scope::default(),
            model,
            max_steps: 1,
            page_calls: false,
            timeout: within,
            summaries: None,
            admission: Admission::default(),
            answers: None,
            upstreams,
            stop: Stop::never(),
        });
        Self { driver, events: Vec::new(), text: None, model: name, usage: None }
    }

    /// The same; what it uses is counted here.
    #[must_use]
    pub fn counted_by(mut self, meter: Meter) -> Self {
        self.driver.count_by(meter);
        self
    }

    /// The next pieces of its text; nothing at its end.
    ///
    /// # Errors
    /// Why there is no more although the text is not whole.
    pub async fn next(&mut self) -> Result<Option<Vec<Text>>, Box<Failure>> {
        loop {
            if self.driver.ended() && self.events.is_empty() {
                return Ok(None);
            }
            std::future::poll_fn(|cx| self.driver.poll(cx, &mut self.events)).await;
            let mut pieces = Vec::new();
            for event in self.events.drain(..) {
                match event {
                    Event::StepStart(_) => self.usage = Some(Usage::default()),
                    Event::StepEnd(end) => self.usage = Some(end.usage),
                    Event::BlockStart { block, kind: BlockKind::Text | BlockKind::Refusal } => self.text = Some(block),
                    Event::BlockDelta { block, text } if self.text == Some(block) => pieces.push(text),
                    Event::Failed(failure) => {
                        if let Some(step) = &failure.step {
                            self.usage = Some(step.usage.clone());
                        }
                        return Err(failure);
                    }
                    Event::Cancelled { .. } => return Err(Failure::boxed(FailureKind::Shutdown, "cancelled")),
                    _ => {}
                }
            }
            if !pieces.is_empty() {
                return Ok(Some(pieces));
            }
        }
    }

    /// What it has cost so far; nothing if it has not answered.
    pub fn spent(&self) -> Option<Spent> {
        Some(Spent { model: self.model.clone(), usage: self.usage.clone()? })
    }

    /// The whole text, cut at `most` bytes.
    ///
    /// # Errors
    /// Why it is not whole.
    pub async fn text(&mut self, most: usize) -> Result<String, Box<Failure>> {
        let mut text = String::new();
        while let Some(pieces) = self.next().await? {
            pieces.iter().for_each(|piece| text.push_str(piece));
            if text.len() > most {
                text.truncate(floor(&text, most));
                break;
            }
        }
        Ok(text)
    }
}
