//! Threads by their newest activity, and by what was said in them.

use rusqlite::{Connection, params};

use super::{items, threads};
use crate::store::{Owner, StoreError, Thread};

pub fn recent(
    connection: &Connection,
    owner: &Owner,
    matching: Option<&str>,
    limit: u32,
) -> Result<Vec<Thread>, StoreError> {
    let matching = matching.map(str::to_lowercase);
    let sql =
        format!("SELECT {} FROM threads WHERE owner = ?1 ORDER BY updated_at DESC, sequence DESC", threads::COLUMNS);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut found = Vec::new();
    for row in statement.query_map([owner.as_str()], threads::thread)? {
        if found.len() >= limit as usize {
            break;
        }
        let (_, thread) = row?;
        let matches = match &matching {
            Some(text) => is_titled(&thread, text) || has_said(connection, owner, &thread.id, text)?,
            None => true,
        };
        if matches {
            found.push(thread);
        }
    }
    Ok(found)
}

fn is_titled(thread: &Thread, text: &str) -> bool {
    thread.title.as_ref().is_some_and(|title| title.to_lowercase().contains(text))
}

/// The engine of the store knows capitals of ASCII alone, so the texts are compared here.
fn has_said(connection: &Connection, owner: &Owner, thread: &str, text: &str) -> Result<bool, StoreError> {
    let sql =
        "SELECT body FROM items WHERE owner = ?1 AND thread = ?2 AND hidden = 0 AND kind IN ('user', 'assistant')";
    let mut statement = connection.prepare_cached(sql)?;
    let bodies = statement.query_map(params![owner.as_str(), thread], |row| row.get::<_, String>(0))?;
    for body in bodies {
        if items::said(&body?).is_some_and(|said| said.to_lowercase().contains(text)) {
            return Ok(true);
        }
    }
    Ok(false)
}
