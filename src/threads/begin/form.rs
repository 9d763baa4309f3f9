//! The answers to a form.

use std::collections::BTreeMap;

use chatwire_protocols::error::CallerError;
use chatwire_protocols::event::{Text, ToolOutcome};
use chatwire_protocols::items::{Body, Form, FormState, form_output};

use crate::threads::ThreadError;
use crate::threads::draft::{Draft, ThreadHandle, skip};
use crate::threads::error::{conflict, no_item};

/// Puts the answers into the form and into the call that asked.
pub async fn form(
    handle: ThreadHandle<'_>,
    id: &Text,
    answers: Option<BTreeMap<String, Vec<String>>>,
) -> Result<Draft, ThreadError> {
    let (_, mut item) = handle.item(id).await?.ok_or_else(no_item)?;
    let Body::Form(form) = &mut item.body else {
        return Err(CallerError::new(400, "not_a_form", "this item is no form").into());
    };
    if form.state != FormState::Pending {
        return Err(conflict("not_pending", "this form waits for no answers"));
    }
    match answers {
        Some(answers) => fill(form, answers),
        None => skip(form),
    }
    let (call, output) = (form.call.clone(), form_output(form).unwrap_or_default());
    let mut draft = handle.draft(None).await?;
    draft.continues = item.origin.as_ref().map(|origin| origin.message.clone());
    draft.replaced.push(item.clone());
    draft.put(item);
    draft.settle(&call, ToolOutcome::Ok, output);
    draft.go_on();
    Ok(draft)
}

/// Answers that nobody asked for are left out, and so are all but the first where one may be chosen.
fn fill(form: &mut Form, mut answers: BTreeMap<String, Vec<String>>) {
    form.state = FormState::Answered;
    for question in &mut form.questions {
        let mut values = answers.remove(&question.id).unwrap_or_default();
        if !question.multiple {
            values.truncate(1);
        }
        question.answer = Some(values);
    }
}
