//! Anything but a turn.

use std::sync::Arc;
use std::time::Duration;

use chatwire_protocols::error::CallerError;
use chatwire_protocols::event::{CancelledBy, Text, ToolOutcome, output_text};
use chatwire_protocols::items::{Body, Item, Thread};
use chatwire_protocols::operation::{Act, Answer, List, Operation, Page};
use serde_json::{Map, Value};

use super::begin;
use super::draft::ThreadHandle;
use super::error::{conflict, invalid, no_attachment, no_item, no_thread};
use super::listing::MOST;
use super::title::LONGEST_GIVEN;
use super::turn::{check_open, new_thread, room};
use super::{Asker, ThreadError, Threads, new_id};
use crate::clock::now_ms;
use crate::line::one_line;
use crate::store::{Direction, Owner, PageQuery, Write};
use crate::turn::Claim;

/// Most items that one feedback names.
const MOST_RATED: usize = 100;

/// How often a thread that is to be deleted is stopped again, and how long that may take.
const STOPS: usize = 3;
const STOPPING: Duration = Duration::from_secs(5);

/// How many items are looked at together.
const STRIDE: u32 = 500;

impl Threads {
    /// Does what a page asks for.
    pub(super) async fn operate(
        self: &Arc<Self>,
        asker: Asker<'_>,
        operation: Operation,
    ) -> Result<Answer, ThreadError> {
        let owner = asker.owner;
        Ok(match operation {
            Operation::Thread { thread } => {
                let thread = self.find(owner, &thread).await?;
                let list = List { oldest_first: true, ..List::default() };
                let items = self.items(asker, &thread.id, &list).await?;
                Answer::Thread(thread, items)
            }
            Operation::Threads(list) => Answer::Threads(self.threads(owner, &list).await?),
            Operation::Items { thread, list } => {
                self.find(owner, &thread).await?;
                let items = self.items(asker, &thread, &list).await?;
                Answer::Items(thread, items)
            }
            Operation::Messages { thread, wire } => {
                self.find(owner, &thread).await?;
                let items = self.whole(asker, &thread).await?;
                Answer::Messages { thread, items, wire }
            }
            Operation::Recent { matching } => {
                let rows = self.store().recent_threads(owner, matching.as_deref(), MOST).await?;
                Answer::Threads(Page { rows, more: false })
            }
            Operation::Create { title, metadata } => Answer::Created(self.create(asker, title, metadata).await?),
            Operation::Rename { thread, title } => self.rename(owner, &thread, &title).await?,
            Operation::Clear { thread } => {
                self.clear(asker, &thread).await?;
                Answer::Cleared(thread)
            }
            Operation::Summary { thread } => {
                let summary = self.store().summary(owner, &thread).await?;
                Answer::Summary(Box::new(summary.ok_or_else(no_thread)?))
            }
            Operation::Summaries => Answer::Summaries(self.store().summaries(owner, &asker.route.path, MOST).await?),
            Operation::Usage { thread } => {
                self.find(owner, &thread).await?;
                let usage = self.store().thread_usage(owner, &thread).await?;
                Answer::Usage(thread, usage)
            }
            Operation::Delete { thread } => {
                let found = self.delete(asker, &thread).await?;
                Answer::Deleted { thread, found }
            }
            Operation::Feedback { thread, items, positive } => {
                self.rate(owner, &thread, items, positive).await?;
                Answer::Done(true)
            }
            Operation::CreateAttachment { name, size, media_type } => {
                let (attachment, upload) = asker.files.create(owner, name, size, media_type).await?;
                Answer::Attachment(attachment, upload)
            }
            Operation::DeleteAttachment { attachment } => {
                if !asker.files.delete(owner, &attachment).await? {
                    return Err(no_attachment());
                }
                Answer::Done(true)
            }
            Operation::Transcribe { audio, media_type } => {
                Answer::Transcript(self.transcribe(asker, &audio, &media_type).await?)
            }
            Operation::Act { thread, act } => {
                let item = self.act(asker, &thread, &act).await?;
                Answer::Updated(thread, item.map(Box::new))
            }
            Operation::Stop { thread } => Answer::Stopped(self.turns.stop(owner, &thread, CancelledBy::User).await),
        })
    }

    async fn transcribe(&self, asker: Asker<'_>, audio: &[u8], media_type: &str) -> Result<String, ThreadError> {
        let Some(to) = &asker.route.transcription else {
            return Err(CallerError::new(404, "no_dictation", "there is no dictation here").into());
        };
        Ok(self.means.upstreams.transcribe(to, audio, media_type).await?)
    }

    async fn find(&self, owner: &Owner, thread: &str) -> Result<Thread, ThreadError> {
        let found = self.store().thread(owner, thread).await?;
        found.map(|(_, thread)| thread).ok_or_else(no_thread)
    }

    async fn create(
        &self,
        asker: Asker<'_>,
        title: Option<String>,
        metadata: Map<String, Value>,
    ) -> Result<Thread, ThreadError> {
        let title = title.map(|title| checked_title(&title)).transpose()?;
        let thread = Thread { title, ..new_thread(asker, new_id("thr"), metadata) };
        let writes = room(asker).into_iter().chain([Write::Thread(thread.clone())]).collect();
        self.store().apply(asker.owner, &thread.id, writes).await?;
        Ok(thread)
    }

    async fn rename(&self, owner: &Owner, thread: &str, title: &str) -> Result<Answer, ThreadError> {
        let title = checked_title(title)?;
        let thread = self.name(owner, thread, title, true).await?.ok_or_else(no_thread)?;
        Ok(Answer::Thread(thread, Page { rows: Vec::new(), more: false }))
    }

    /// Deletes a thread, with the turn that runs in it and the files that its messages name.
    async fn delete(&self, asker: Asker<'_>, thread: &str) -> Result<bool, ThreadError> {
        let owner = asker.owner;
        let _claim = self.stop_and_claim(owner, thread).await?;
        let files = self.files_of(owner, thread).await?;
        let deleted = self.store().delete_thread(owner, thread).await?;
        delete_files(asker, files).await;
        Ok(deleted)
    }

    /// Empties a thread when its turn has come. What it has cost stays.
    async fn clear(&self, asker: Asker<'_>, thread: &str) -> Result<(), ThreadError> {
        self.find(asker.owner, thread).await?;
        let claim = self.claim(asker, thread, None).await?;
        check_open(&self.find(asker.owner, thread).await?)?;
        let files = self.files_of(asker.owner, thread).await?;
        let writes = vec![Write::Clear, Write::Touch { updated: now_ms() }];
        self.store().apply(asker.owner, thread, writes).await?;
        // Before anybody else may begin a turn there.
        self.turns.cleared(asker.owner, &claim);
        drop(claim);
        delete_files(asker, files).await;
        Ok(())
    }

    /// Nothing runs in the thread from here on, and nothing begins. Who waited for it before comes first, and is stopped.
    async fn stop_and_claim(&self, owner: &Owner, thread: &str) -> Result<Claim, ThreadError> {
        for _ in 0..STOPS {
            self.turns.stop(owner, thread, CancelledBy::User).await;
            if let Ok(claim) = self.turns.claim(owner, thread, STOPPING).await {
                return Ok(claim);
            }
        }
        Err(conflict("busy", "something is being answered in this thread"))
    }

    async fn files_of(&self, owner: &Owner, thread: &str) -> Result<Vec<Text>, ThreadError> {
        let mut files = Vec::new();
        let mut after = None;
        loop {
            let query = PageQuery { after, limit: STRIDE, direction: Direction::OldestFirst };
            let page = self.store().items(owner, thread, query, true).await?;
            for (sequence, item) in page.rows {
                after = Some(sequence);
                if let Body::User(message) = item.body {
                    files.extend(message.attachments.into_iter().map(|attachment| attachment.id));
                }
            }
            if !page.more {
                return Ok(files);
            }
        }
    }

    async fn rate(&self, owner: &Owner, thread: &str, items: Vec<Text>, positive: bool) -> Result<(), ThreadError> {
        self.find(owner, thread).await?;
        if items.len() > MOST_RATED {
            return Err(invalid("item_ids", format!("at most {MOST_RATED} items at once")));
        }
        let created = now_ms();
        let mut writes = Vec::new();
        for item in items {
            self.store().item(owner, thread, &item).await?.ok_or_else(no_item)?;
            writes.push(Write::Feedback { item, positive, created });
        }
        Ok(self.store().apply(owner, thread, writes).await?)
    }

    /// An action for which the page waits. A model that is to be told of it is told in the next turn.
    async fn act(&self, asker: Asker<'_>, thread: &str, act: &Act) -> Result<Option<Item>, ThreadError> {
        check_open(&self.find(asker.owner, thread).await?)?;
        let handle = ThreadHandle { threads: self, asker, thread, made: false };
        let (draft, acted) = begin::act(handle, act).await?;
        if acted.ran.output.outcome != ToolOutcome::Ok {
            return Err(conflict("action_failed", &output_text(&acted.ran.output.output)));
        }
        self.store().apply(asker.owner, thread, draft.writes).await?;
        Ok(acted.item)
    }
}

/// What a user may call a thread.
fn checked_title(title: &str) -> Result<String, ThreadError> {
    let title = one_line(title);
    if title.is_empty() || title.chars().count() > LONGEST_GIVEN {
        return Err(invalid("title", format!("must have 1 to {LONGEST_GIVEN} characters")));
    }
    Ok(title)
}

async fn delete_files(asker: Asker<'_>, files: Vec<Text>) {
    for file in files {
        // Their messages are gone whatever becomes of them; what is left over is swept later.
        if let Err(error) = asker.files.delete(asker.owner, &file).await {
            tracing::warn!(%error, "a file of a deleted thread was not deleted");
        }
    }
}
