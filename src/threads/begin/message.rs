//! A message of the user.

use chatwire_protocols::error::CallerError;
use chatwire_protocols::event::Text;
use chatwire_protocols::items::{Attachment, Body, Item, Said, UserMessage};
use chatwire_protocols::operation::Place;
use chatwire_protocols::wire::address::{LONGEST_ID, check_id};

use super::retry::last_message;
use crate::clock::now_ms;
use crate::store::{Sequence, Write};
use crate::threads::draft::{Draft, ThreadHandle, is_user};
use crate::threads::error::{conflict, invalid, no_attachment};
use crate::threads::{ThreadError, new_id};

/// Most files of one message.
const MOST_FILES: usize = 32;

/// The message at its place in the thread: at the end, or that of a kept one, with all behind it gone, where a page
/// sends one again, perhaps changed.
pub async fn message(
    handle: ThreadHandle<'_>,
    id: Option<Text>,
    mut message: UserMessage,
    place: Place,
) -> Result<Draft, ThreadError> {
    if is_blank(&message) {
        return Err(CallerError::new(400, "empty_message", "a message needs a text or an attachment").into());
    }
    if id.as_deref().is_some_and(|id| !is_sane_id(id)) {
        return Err(invalid("id", format!("an id has 1 to {LONGEST_ID} visible characters")));
    }
    let stored = replaced(handle, id.as_deref(), &message, place).await?;
    message.attachments = attachments(handle, message.attachments).await?;
    let mut draft = handle.draft(stored.as_ref().map(|(sequence, _)| *sequence)).await?;
    let attached: Vec<Text> = message.attachments.iter().map(|attachment| attachment.id.clone()).collect();
    let body = Body::User(message);
    if let Some((_, kept)) = stored {
        let item = Item { body, hidden: false, ..kept };
        draft.added.push(item.clone());
        draft.cut_behind(&item.id);
        draft.abandon_all();
        draft.put(item);
    } else {
        let id = id.unwrap_or_else(|| new_id("msg"));
        let item = Item { id, created: now_ms(), hidden: false, origin: None, body };
        draft.added.push(item.clone());
        draft.abandon_all();
        draft.add(item);
    }
    draft.writes.extend(attached.into_iter().map(Write::Attach));
    Ok(draft)
}

/// The kept message whose place a message takes, as [`Place::replaced`] says it.
async fn replaced(
    handle: ThreadHandle<'_>,
    id: Option<&str>,
    message: &UserMessage,
    place: Place,
) -> Result<Option<(Sequence, Item)>, ThreadError> {
    let known = match id {
        Some(id) => handle.item(id).await?,
        None => None,
    };
    match (known, &place) {
        (Some((_, item)), _) if !is_user(&item) => {
            Err(conflict("id_taken", "this id is that of something else in the thread"))
        }
        (Some(known), _) => Ok(Some(known)),
        (None, Place::Next) => Ok(None),
        (None, Place::Again) => last_message(handle, None).await,
        (None, Place::Behind(_)) => {
            let rows = handle.all().await?;
            let items: Vec<Item> = rows.iter().map(|(_, item)| item.clone()).collect();
            let found = place.replaced(id, message, &items).map(|item| item.id.clone());
            Ok(rows.into_iter().find(|(_, item)| Some(&item.id) == found.as_ref()))
        }
    }
}

/// True if an id that a page made can be kept.
pub fn is_sane_id(id: &str) -> bool {
    check_id("id", id).is_ok()
}

/// What is known of the files that a message names, which must be uploaded and of no other thread.
async fn attachments(handle: ThreadHandle<'_>, named: Vec<Attachment>) -> Result<Vec<Attachment>, ThreadError> {
    if named.len() > MOST_FILES {
        return Err(invalid("attachments", format!("a message may have at most {MOST_FILES}")));
    }
    let mut found: Vec<Attachment> = Vec::new();
    for Attachment { id, .. } in named {
        if found.iter().any(|attachment| attachment.id == id) {
            continue;
        }
        let known = handle.threads.store().attachment(handle.asker.owner, &id).await?;
        let mut attachment = known.ok_or_else(no_attachment)?;
        if !attachment.uploaded {
            let message = "the bytes of an attachment have not been sent";
            return Err(CallerError::new(400, "attachment_not_uploaded", message).into());
        }
        if attachment.thread.as_deref().is_some_and(|thread| thread != handle.thread) {
            return Err(conflict("attachment_taken", "an attachment belongs to another thread"));
        }
        attachment.thread = Some(handle.thread.into());
        found.push(attachment);
    }
    Ok(found)
}

fn is_blank(message: &UserMessage) -> bool {
    let blank = |said: &Said| matches!(said, Said::Text { text } if text.trim().is_empty());
    message.attachments.is_empty() && message.content.iter().all(blank)
}
