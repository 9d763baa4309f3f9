//! Another answer to a message of the user.

use chatwire_protocols::error::CallerError;
use chatwire_protocols::event::Text;
use chatwire_protocols::items::Item;

use crate::store::{Direction, PageQuery, Sequence};
use crate::threads::ThreadError;
use crate::threads::draft::{Draft, ThreadHandle, is_user};
use crate::threads::error::no_item;

/// How many items are looked at together.
const STRIDE: u32 = 200;

/// The thread up to the message that is to be answered again: the one named, the one that the named answer answers, or
/// the last.
pub async fn retry(handle: ThreadHandle<'_>, after: Option<Text>) -> Result<Draft, ThreadError> {
    let (sequence, id) = match &after {
        None => last_message(handle, None).await?.map(found).ok_or_else(no_item)?,
        Some(id) => match handle.item(id).await? {
            Some((sequence, item)) if is_user(&item) => (sequence, item.id),
            Some(_) => {
                let message = "only a user's message can be answered again";
                return Err(CallerError::new(400, "not_a_message", message).into());
            }
            None => last_message(handle, Some(id)).await?.map(found).ok_or_else(no_item)?,
        },
    };
    let mut draft = handle.draft(Some(sequence)).await?;
    draft.cut_behind(&id);
    draft.regenerate = true;
    Ok(draft)
}

/// The last message of the user, or the last in front of this message of the assistant.
pub async fn last_message(
    handle: ThreadHandle<'_>,
    before: Option<&Text>,
) -> Result<Option<(Sequence, Item)>, ThreadError> {
    let mut after = None;
    let mut passed = before.is_none();
    loop {
        let query = PageQuery { after, limit: STRIDE, direction: Direction::NewestFirst };
        let page = handle.threads.store().items(handle.asker.owner, handle.thread, query, true).await?;
        for (sequence, item) in page.rows {
            passed |= belongs(&item, before);
            if passed && is_user(&item) {
                return Ok(Some((sequence, item)));
            }
            after = Some(sequence);
        }
        if !page.more {
            return Ok(None);
        }
    }
}

fn found((sequence, item): (Sequence, Item)) -> (Sequence, Text) {
    (sequence, item.id)
}

fn belongs(item: &Item, message: Option<&Text>) -> bool {
    item.origin.as_ref().is_some_and(|origin| Some(&origin.message) == message)
}
