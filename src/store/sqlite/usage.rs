//! Usage.

use rusqlite::{Connection, ToSql, params};

use crate::store::{ModelUsage, Owner, StoreError, UsageRow};

pub fn add(connection: &Connection, owner: &Owner, usage: &UsageRow) -> Result<(), StoreError> {
    let sql = "INSERT INTO usage (owner, turn, step, model, input, cached_input, output, reasoning, created_at, thread)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (owner, turn, step) DO NOTHING";
    connection.prepare_cached(sql)?.execute(params![
        owner.as_str(),
        usage.turn,
        usage.step,
        usage.model,
        usage.input,
        usage.cached_input,
        usage.output,
        usage.reasoning,
        usage.created,
        usage.thread
    ])?;
    Ok(())
}

pub fn by_model(connection: &Connection, owner: &Owner, since: u64) -> Result<Vec<ModelUsage>, StoreError> {
    sums(connection, "created_at >= ?2", params![owner.as_str(), since.min(i64::MAX as u64)])
}

pub fn of_thread(connection: &Connection, owner: &Owner, thread: &str) -> Result<Vec<ModelUsage>, StoreError> {
    sums(connection, "thread = ?2", params![owner.as_str(), thread])
}

/// What is spent stays spent when the thread is gone.
pub fn forget_thread(connection: &Connection, owner: &Owner, thread: &str) -> Result<(), StoreError> {
    let sql = "UPDATE usage SET thread = NULL WHERE owner = ?1 AND thread = ?2";
    connection.prepare_cached(sql)?.execute([owner.as_str(), thread])?;
    Ok(())
}

fn sums(connection: &Connection, which: &str, values: &[&dyn ToSql]) -> Result<Vec<ModelUsage>, StoreError> {
    let sql = format!(
        "SELECT model, count(*), coalesce(sum(input), 0), coalesce(sum(cached_input), 0),
            coalesce(sum(output), 0), coalesce(sum(reasoning), 0)
        FROM usage WHERE owner = ?1 AND {which} GROUP BY model ORDER BY model"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(values, |row| {
        Ok(ModelUsage {
            model: row.get(0)?,
            calls: row.get(1)?,
            input: row.get(2)?,
            cached_input: row.get(3)?,
            output: row.get(4)?,
            reasoning: row.get(5)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
