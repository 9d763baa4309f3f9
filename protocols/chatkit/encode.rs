//! A turn as the events of the ChatKit component (ChatKit notes 6, 7 and 13).

use bytes::BytesMut;
use serde_json::{Map, Value};

use super::frame::{keep_alive, write, write_text_delta, write_update};
use super::item::{begun_workflow, head, item, output_text, shown_widget};
use super::object::Object;
use super::task::{annotation, task};
use super::thread::bare_thread;
use super::widget::{Step, step};
use crate::error::FailureKind;
use crate::event::{CancelledBy, Data, Event, FinishReason};
use crate::items::{Body, Change, Folder, Item, ItemId, PageRunState, Style, Task, Thread, ThreadStatus, data};
use crate::protocol::{Encoder, KeptContext, ReplyContext};

/// Writes the events of one turn.
pub(super) struct Encode {
    view: View,
    allow_cancel: bool,
    changes: Vec<Change>,
    workflow: Option<Workflow>,
}

/// A turn as items, and what a reply to it begins with: the same in both dialects.
pub(super) struct View {
    /// The thread.
    pub(super) thread: Thread,
    /// What is said before the turn, until it is.
    pub(super) opening: Option<Box<KeptContext>>,
    /// True once the page has been asked to run something: no item follows.
    pub(super) asked: bool,
    /// True once the turn has shown something that is an answer.
    spoke: bool,
    folder: Folder,
}

impl View {
    pub(super) fn new(context: &ReplyContext) -> Self {
        let opening = context.kept.clone().unwrap_or_else(|| Box::new(unkept(context)));
        let mut folder = Folder::new(context.message.clone(), Style { page_calls: true });
        // A turn that is not kept says neither its id nor the time.
        let begin =
            [Event::TurnStart { turn: context.turn.clone() }, Event::Now { ms: context.created.saturating_mul(1000) }];
        begin.iter().for_each(|event| folder.event(event, &mut Vec::new()));
        Self { thread: opening.thread.clone(), opening: Some(opening), asked: false, spoke: false, folder }
    }

    pub(super) fn fold(&mut self, event: &Event, changes: &mut Vec<Change>) {
        self.folder.event(event, changes);
    }

    /// An item as the page may see it now; nothing behind the call that ends the turn.
    pub(super) fn shown(&mut self, finished: &Item) -> Option<Value> {
        if self.asked {
            return None;
        }
        let shown = item(finished, &self.thread.id)?;
        self.asked = is_pending(finished);
        self.spoke |= !matches!(finished.body, Body::User(_) | Body::Workflow(_));
        Some(shown)
    }

    /// What is said before the turn has been said: what was shown until now is no answer.
    pub(super) const fn opened(&mut self) {
        self.spoke = false;
    }

    /// The error that ends a turn, if this event ends it with one. Whoever stopped a turn knows why it ended.
    pub(super) fn error(&self, event: &Event) -> Option<ToldError> {
        match event {
            Event::Failed(failure) => Some(ToldError::of(failure.kind)),
            Event::Cancelled { by: CancelledBy::Shutdown } => Some(ToldError::of(FailureKind::Shutdown)),
            // The dialect has no word for how an answer ended, so one of which nothing can be seen would look like none.
            Event::TurnEnd(end) if !self.spoke && !self.asked => match end.finish.reason {
                FinishReason::Stop => None,
                FinishReason::ContentFilter => Some(ToldError::of(FailureKind::ContentFilter)),
                FinishReason::Length | FinishReason::ToolCalls | FinishReason::Pause => Some(ToldError::SILENT),
                FinishReason::Error | FinishReason::Other => Some(ToldError::of(FailureKind::Empty)),
            },
            _ => None,
        }
    }
}

/// True for a call that the page is asked to run now.
pub(super) fn is_pending(item: &Item) -> bool {
    matches!(&item.body, Body::PageCall(run) if run.state == PageRunState::Pending)
}

/// What stands for the thread of a turn that is in none.
fn unkept(context: &ReplyContext) -> KeptContext {
    let created = context.created.saturating_mul(1000);
    let thread = Thread {
        id: "thr_0".to_owned(),
        title: None,
        status: ThreadStatus::Active,
        metadata: Map::new(),
        created,
        updated: created,
    };
    KeptContext { thread, made: false, added: Vec::new(), replaced: Vec::new(), shown: Vec::new(), usage: Vec::new() }
}

/// An open workflow as the page has it.
struct Workflow {
    tasks: Vec<ShownTask>,
}

struct ShownTask {
    task: Task,
    /// Bytes of the thought that the page has.
    sent: usize,
}

impl Encode {
    pub(super) fn new(context: &ReplyContext, allow_cancel: bool) -> Self {
        Self { view: View::new(context), allow_cancel, changes: Vec::new(), workflow: None }
    }

    fn open(&mut self, out: &mut BytesMut) {
        let Some(opening) = self.view.opening.take() else { return };
        if opening.made {
            write(out, "thread.created", Object::default().set("thread", bare_thread(&opening.thread)));
        }
        for added in &opening.added {
            self.finished(added, "thread.item.done", out);
        }
        let options = Object::default().set("allow_cancel", self.allow_cancel);
        write(out, "stream_options", Object::default().set("stream_options", options));
        for replaced in &opening.replaced {
            match &replaced.body {
                // The page knows what it has answered.
                Body::PageCall(_) => {}
                _ => self.finished(replaced, "thread.item.replaced", out),
            }
        }
        for shown in &opening.shown {
            self.finished(shown, "thread.item.done", out);
        }
        self.view.opened();
    }

    fn change(&mut self, change: Change, out: &mut BytesMut) {
        match change {
            Change::TextOpened { item, created } => {
                let begun = self.head(&item, created, "assistant_message").set("content", Vec::<Value>::new());
                write(out, "thread.item.added", Object::default().set("item", begun));
                let part = part(0).set("content", output_text("", Vec::new()));
                write_update(out, &item, "assistant_message.content_part.added", part);
            }
            Change::TextGrew { item, text } => write_text_delta(out, &item, &text),
            Change::TextCited { item, index, at, citation } => {
                let annotation = part(0).set("annotation_index", index).set("annotation", annotation(&citation, at));
                write_update(out, &item, "assistant_message.content_part.annotation_added", annotation);
            }
            Change::WorkflowOpened { item, created } => {
                self.workflow = Some(Workflow { tasks: Vec::new() });
                let begun = self.head(&item, created, "workflow").set("workflow", begun_workflow());
                write(out, "thread.item.added", Object::default().set("item", begun));
            }
            Change::TaskAdded { item, index, task: added } => {
                write_update(out, &item, "workflow.task.added", numbered(index).set("task", task(&added, true)));
                if let Some(workflow) = &mut self.workflow {
                    let sent = thought(&added).len();
                    workflow.tasks.push(ShownTask { task: added, sent });
                }
            }
            Change::TaskGrew { item, index, text } => self.think(&item, index, &text, out),
            Change::TaskChanged { item, index, task: changed } => {
                let Some(shown) = self.task(index) else { return };
                let now = task(&changed, true);
                if task(&shown.task, true) != now {
                    write_update(out, &item, "workflow.task.updated", numbered(index).set("task", now));
                }
                shown.task = changed;
            }
            Change::WidgetOpened { item, created, root, copy_text } => {
                let begun = shown_widget(self.head(&item, created, "widget"), &root, copy_text.as_deref());
                write(out, "thread.item.added", Object::default().set("item", begun));
            }
            Change::WidgetChanged { item, from, to } => change_widget(&item, &from, &to, out),
            Change::Finished(done) => {
                self.wind_up(&done, out);
                self.finished(&done, "thread.item.done", out);
            }
            Change::Replaced(done) => self.finished(&done, "thread.item.replaced", out),
            Change::CallAnswered(_) => {}
        }
    }

    /// A thought has grown. The page takes it whole each time, so it gets it again only when it is longer by a fair
    /// part: all of them together are a few times as long as the thought, and not its square.
    fn think(&mut self, item: &ItemId, index: u32, piece: &str, out: &mut BytesMut) {
        let Some(shown) = self.task(index) else { return };
        if let Task::Thought { text, .. } = &mut shown.task {
            text.push_str(piece);
        }
        let length = thought(&shown.task).len();
        if length - shown.sent >= (shown.sent / 4).max(40) {
            shown.sent = length;
            write_update(out, item, "workflow.task.updated", numbered(index).set("task", task(&shown.task, true)));
        }
    }

    fn task(&mut self, index: u32) -> Option<&mut ShownTask> {
        self.workflow.as_mut()?.tasks.get_mut(usize::try_from(index).ok()?)
    }

    /// Sends what an item's end brings beside the item itself.
    fn wind_up(&mut self, done: &Item, out: &mut BytesMut) {
        let id = ItemId::from(&*done.id);
        match &done.body {
            Body::Assistant(_) => {
                let Some(shown) = item(done, &self.view.thread.id) else { return };
                let content = shown["content"][0].clone();
                write_update(out, &id, "assistant_message.content_part.done", part(0).set("content", content));
            }
            Body::Workflow(_) if !done.hidden => {
                let Some(workflow) = self.workflow.take() else { return };
                for (index, shown) in (0..).zip(&workflow.tasks) {
                    let last = task(&shown.task, false);
                    if shown.sent < thought(&shown.task).len() || is_unanswered(&shown.task) {
                        write_update(out, &id, "workflow.task.updated", numbered(index).set("task", last));
                    }
                }
            }
            _ => {}
        }
    }

    fn finished(&mut self, done: &Item, kind: &str, out: &mut BytesMut) {
        if let Some(shown) = self.view.shown(done) {
            write(out, kind, Object::default().set("item", shown));
        }
    }

    fn head(&self, item: &ItemId, created: u64, kind: &str) -> Object {
        head(item, &self.view.thread.id, created, kind)
    }

    fn data(&mut self, data: &Data, out: &mut BytesMut) {
        match data.name.as_str() {
            data::THREAD_TITLE => {
                if let Some(title) = word(&data.value, "title") {
                    self.view.thread.title = Some(title.to_owned());
                    write(out, "thread.updated", Object::default().set("thread", bare_thread(&self.view.thread)));
                }
            }
            data::EFFECT if !self.view.asked => {
                if let Some(name) = word(&data.value, "name") {
                    let with = data.value.get("data").and_then(Value::as_object).cloned().unwrap_or_default();
                    write(out, "client_effect", Object::default().set("name", name).set("data", with));
                }
            }
            data::NOTICE if !self.view.asked => {
                if let Some(message) = word(&data.value, "message") {
                    let level = word(&data.value, "level").filter(|level| ["warning", "danger"].contains(level));
                    let notice = Object::default().set("level", level.unwrap_or("info")).set("message", message);
                    write(out, "notice", notice.maybe("title", word(&data.value, "title")));
                }
            }
            _ => {}
        }
    }
}

impl Encoder for Encode {
    fn event(&mut self, event: &Event, out: &mut BytesMut) {
        self.open(out);
        match event {
            Event::Data(data) => self.data(data, out),
            Event::ToolProgress(says) if !says.text.trim().is_empty() => {
                write(out, "progress_update", Object::default().set("text", says.text.as_str()));
            }
            _ => {}
        }
        let mut changes = std::mem::take(&mut self.changes);
        self.view.fold(event, &mut changes);
        for change in changes.drain(..) {
            self.change(change, out);
        }
        self.changes = changes;
        if let Some(error) = self.view.error(event) {
            write(out, "error", error.members());
        }
    }

    fn keep_alive(&mut self, out: &mut BytesMut) {
        keep_alive(out);
    }
}

const SILENT: &str = "The answer reached its limit before it said anything. Please try again.";

/// What a page is told of a turn that ended badly.
pub(super) struct ToldError {
    /// A text for the user; nothing where the page's own is as good.
    pub(super) message: Option<&'static str>,
    /// A text for pages that have none of their own.
    pub(super) text: &'static str,
    /// True if asking again may help.
    pub(super) allow_retry: bool,
}

impl ToldError {
    /// The turn reached a limit, of tokens or of steps.
    const SILENT: Self = Self { message: Some(SILENT), text: SILENT, allow_retry: true };

    fn of(kind: FailureKind) -> Self {
        // What the user can do something about is said in words; the page has its own for the rest.
        let told = matches!(
            kind,
            FailureKind::ContentFilter
                | FailureKind::ContextLength
                | FailureKind::Exhausted
                | FailureKind::Overloaded
                | FailureKind::Quota
                | FailureKind::RateLimit
                | FailureKind::Shutdown
        );
        let hopeless = matches!(
            kind,
            FailureKind::Auth
                | FailureKind::BadRequest
                | FailureKind::ContentFilter
                | FailureKind::ContextLength
                | FailureKind::NotFound
                | FailureKind::Quota
        );
        let text = kind.safe_text();
        Self { message: told.then_some(text), text, allow_retry: !hopeless }
    }

    fn members(&self) -> Object {
        let code = if self.message.is_some() { "custom" } else { "stream.error" };
        Object::default().set("code", code).maybe("message", self.message).set("allow_retry", self.allow_retry)
    }
}

fn change_widget(item: &ItemId, from: &Value, to: &Value, out: &mut BytesMut) {
    match step(from, to) {
        Step::Whole => write_update(out, item, "widget.root.updated", Object::default().set("widget", to.clone())),
        Step::Texts(grown) => {
            for text in grown {
                let members = Object::default()
                    .set("component_id", text.component)
                    .set("delta", text.tail)
                    .set("done", text.done);
                write_update(out, item, "widget.streaming_text.value_delta", members);
            }
        }
    }
}

fn part(index: u32) -> Object {
    Object::default().set("content_index", index)
}

fn numbered(index: u32) -> Object {
    Object::default().set("task_index", index)
}

fn thought(task: &Task) -> &str {
    match task {
        Task::Thought { text, .. } => text,
        Task::Call(_) => "",
    }
}

/// True for a call that is shown as running while its workflow is open.
fn is_unanswered(task: &Task) -> bool {
    matches!(task, Task::Call(call) if call.result.is_none())
}

fn word<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str).filter(|word| !word.trim().is_empty())
}

#[cfg(test)]
mod tests;
