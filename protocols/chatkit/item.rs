//! Items of a thread as ChatKit has them (ChatKit notes 5.2).

use serde_json::Value;

use super::object::{Object, address};
use super::task::{annotation, task};
use super::thread::attachment;
use crate::chat::citations;
use crate::event::{Citation, File, Text};
use crate::items::{
    AssistantMessage, Body, Form, FormState, Item, PageRun, PageRunState, Question, Said, Tag, UserMessage, Workflow,
};
use crate::wire::time::utc;

/// An item of this thread; `None` for what no page is shown and for what ChatKit has no form for.
pub(super) fn item(item: &Item, thread: &str) -> Option<Value> {
    if item.hidden {
        return None;
    }
    let head = |kind| head(&item.id, thread, item.created, kind);
    let object = match &item.body {
        Body::User(message) => user(head("user_message"), message, &item.id, thread),
        Body::Assistant(message) => head("assistant_message").set("content", vec![content(message)]),
        Body::File(made) => head("generated_image").set("image", image(&item.id, &made.file)?),
        Body::Workflow(done) => head("workflow").set("workflow", finished(done)),
        Body::PageCall(call) => page_call(head("client_tool_call"), call)?,
        Body::Widget(widget) => shown_widget(head("widget"), &widget.root, widget.copy_text.as_deref()),
        Body::Form(form) => asked(head("structured_input"), form),
        Body::EndOfTurn => head("end_of_turn"),
        Body::ToolCall(_) | Body::Data(_) | Body::Note(_) => return None,
    };
    Some(object.into())
}

/// What every item begins with.
pub(super) fn head(id: &str, thread: &str, created: u64, kind: &str) -> Object {
    Object::default().set("id", id).set("thread_id", thread).set("created_at", utc(created)).set("type", kind)
}

/// A piece of the assistant's text. There is exactly one in a message.
pub(super) fn output_text(text: &str, annotations: Vec<Value>) -> Value {
    Object::default().set("annotations", annotations).set("text", text).set("type", "output_text").into()
}

fn content(message: &AssistantMessage) -> Value {
    let length = message.text.chars().count();
    let annotations = citations(&message.marks).map(|citation| annotation(citation, position(citation, length)));
    output_text(&message.text, annotations.collect())
}

/// Behind how many characters a citation's marker stands: behind the passage, where the provider says which it is.
fn position(citation: &Citation, length: usize) -> u32 {
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    u32::try_from(citation.end.unwrap_or(length).min(length)).unwrap_or(u32::MAX)
}

/// A picture; `None` for a file that is none, or that the provider keeps.
pub(super) fn image(id: &str, file: &File) -> Option<Value> {
    if !file.media_type.starts_with("image/") {
        return None;
    }
    let url = file.source.to_url(&file.media_type)?;
    Some(Object::default().set("id", id).set("url", url).into())
}

/// A workflow that goes on.
pub(super) fn begun_workflow() -> Value {
    workflow(Vec::new(), None)
}

fn finished(done: &Workflow) -> Value {
    let summary = Object::default().set("duration", done.duration / 1000);
    let shown = done.tasks.iter().filter(|each| each.is_shown());
    workflow(shown.map(|each| task(each, false)).collect(), Some(summary.into()))
}

fn workflow(tasks: Vec<Value>, summary: Option<Value>) -> Value {
    Object::default()
        .set("type", "reasoning")
        .set("tasks", tasks)
        .maybe("summary", summary)
        .set("expanded", false)
        .into()
}

fn page_call(head: Object, call: &PageRun) -> Option<Object> {
    let (status, output) = match call.state {
        PageRunState::Pending => ("pending", None),
        PageRunState::Completed => ("completed", call.output.clone()),
        PageRunState::Queued | PageRunState::Abandoned => return None,
    };
    let call = head
        .set("status", status)
        .set("call_id", call.call.as_str())
        .set("name", call.name.as_str())
        .set("arguments", call.arguments.as_object().cloned().unwrap_or_default())
        .maybe("output", output);
    Some(call)
}

/// A widget as it is now.
pub(super) fn shown_widget(head: Object, root: &Value, copy_text: Option<&str>) -> Object {
    head.set("widget", root.clone()).maybe("copy_text", copy_text)
}

fn asked(head: Object, form: &Form) -> Object {
    let status = match form.state {
        FormState::Pending => "pending",
        FormState::Answered => "answered",
        FormState::Skipped => "skipped",
    };
    head.set("status", status).set("inputs", form.questions.iter().map(question).collect::<Vec<_>>())
}

fn question(question: &Question) -> Value {
    let answer = question
        .answer
        .as_ref()
        .map(|values| Object::default().set("values", values.clone()).set("skipped", values.is_empty()));
    let object = Object::default()
        .set("id", question.id.as_str())
        .set("question", question.question.as_str())
        .maybe("answer", answer);
    if question.options.is_empty() {
        return object.set("type", "freeform").maybe("description", question.description.as_deref()).into();
    }
    let options = question.options.iter().map(|option| Object::default().set("value", option.as_str()).into());
    object
        .set("type", "multiple_choice")
        .set("options", options.collect::<Vec<Value>>())
        .set("multiple", question.multiple)
        .into()
}

fn user(head: Object, message: &UserMessage, id: &Text, thread: &str) -> Object {
    let mut content: Vec<Value> = Vec::new();
    let mut attachments: Vec<Value> = message.attachments.iter().map(|each| attachment(each, None)).collect();
    for said in &message.content {
        match said {
            Said::Text { text } => {
                content.push(Object::default().set("type", "input_text").set("text", text.as_str()).into());
            }
            Said::Tag(mentioned) => content.push(tag(mentioned)),
            Said::File(file) => {
                attachments.push(inline_file(file, &format!("{id}_file_{}", attachments.len()), thread))
            }
            Said::Data(_) => {}
        }
    }
    let choice = message.tool.as_deref().map(|tool| Object::default().set("id", tool));
    let options = Object::default().maybe("tool_choice", choice).maybe("model", message.model.as_deref());
    head.set("content", content)
        .set("attachments", attachments)
        .maybe("quoted_text", message.quoted.as_deref())
        .set("inference_options", options)
}

fn tag(tag: &Tag) -> Value {
    Object::default()
        .set("type", "input_tag")
        .set("id", tag.id.as_str())
        .set("text", tag.text.as_str())
        .set("data", tag.data.clone())
        .maybe("group", tag.group.as_deref())
        .set("interactive", tag.interactive)
        .into()
}

/// A file inside a message, as pages of other dialects send it: here an attachment without an upload.
fn inline_file(file: &File, id: &str, thread: &str) -> Value {
    let preview = file.source.to_url(&file.media_type).as_deref().and_then(address);
    let preview = preview.filter(|_| file.media_type.starts_with("image/"));
    Object::default()
        .set("id", id)
        .set("name", file.name.as_deref().unwrap_or("file"))
        .set("mime_type", file.media_type.as_str())
        .set("thread_id", thread)
        .set("type", if preview.is_some() { "image" } else { "file" })
        .maybe("preview_url", preview)
        .into()
}
