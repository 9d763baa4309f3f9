//! Parts of lists.

use chatwire_protocols::items::{Body, Item, Thread};
use chatwire_protocols::operation::{List, Page};

use super::error::{no_item, no_thread};
use super::{Asker, ThreadError, Threads};
use crate::store::{Direction, Owner, PageQuery, Sequence};

/// How many are given where the page does not say.
const USUAL: u32 = 20;

/// Most that are given at once.
pub const MOST: u32 = 10_000;

impl Threads {
    /// A page of the threads. What is deleted while a page is read does not move the others.
    pub(super) async fn threads(&self, owner: &Owner, list: &List) -> Result<Page<Thread>, ThreadError> {
        let after = match &list.after {
            Some(id) => Some(self.store().thread(owner, id).await?.ok_or_else(no_thread)?.0),
            None => None,
        };
        let page = self.store().threads(owner, query(list, after)).await?;
        Ok(Page { rows: page.rows.into_iter().map(|(_, thread)| thread).collect(), more: page.more })
    }

    /// A page of what a thread shows.
    pub(super) async fn items(&self, asker: Asker<'_>, thread: &str, list: &List) -> Result<Page<Item>, ThreadError> {
        let owner = asker.owner;
        let after = match &list.after {
            Some(id) => Some(self.store().item(owner, thread, id).await?.ok_or_else(no_item)?.0),
            None => None,
        };
        let page = self.store().items(owner, thread, query(list, after), false).await?;
        let mut rows: Vec<Item> = page.rows.into_iter().map(|(_, item)| item).collect();
        rows.iter_mut().for_each(|item| show(asker, item));
        Ok(Page { rows, more: page.more })
    }

    /// All of a thread, hidden items too: the newest, where there are more than one answer can hold.
    pub(super) async fn whole(&self, asker: Asker<'_>, thread: &str) -> Result<Vec<Item>, ThreadError> {
        let query = PageQuery { after: None, limit: MOST, direction: Direction::NewestFirst };
        let page = self.store().items(asker.owner, thread, query, true).await?;
        let mut items: Vec<Item> = page.rows.into_iter().rev().map(|(_, item)| item).collect();
        items.iter_mut().for_each(|item| show(asker, item));
        Ok(items)
    }
}

/// Puts in what does not last.
pub fn show(asker: Asker<'_>, item: &mut Item) {
    if let Body::User(message) = &mut item.body {
        message.attachments.iter_mut().for_each(|attachment| asker.files.show(asker.owner, attachment));
    }
}

fn query(list: &List, after: Option<Sequence>) -> PageQuery {
    let limit = list.limit.filter(|limit| *limit > 0).unwrap_or(USUAL).min(MOST);
    let direction = if list.oldest_first { Direction::OldestFirst } else { Direction::NewestFirst };
    PageQuery { after, limit, direction }
}
