//! The REST interface of facts, in the shapes of the facts app: the list of those that are saved, and the decision about
//! one of them.

use chatwire_protocols::wire::time::utc;
use serde_json::{Value, json};

use crate::store::{Direction, Fact, FactStatus, MOST_FACTS, Owner, Store, StoreError};

/// Something that can be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation<'a> {
    /// The saved facts.
    List,
    /// A decision about one fact.
    Decide(&'a str, FactStatus),
}

impl<'a> Operation<'a> {
    /// What stands at a path below that of the list; nothing if nothing does.
    pub fn at(below: &'a str) -> Option<Self> {
        if below.is_empty() {
            return Some(Self::List);
        }
        let (id, verb) = below.strip_prefix('/')?.split_once('/')?;
        let status = match verb {
            "save" => FactStatus::Saved,
            "discard" => FactStatus::Discarded,
            _ => return None,
        };
        (!id.is_empty()).then_some(Self::Decide(id, status))
    }

    /// True if it changes something.
    pub const fn writes(&self) -> bool {
        matches!(self, Self::Decide(..))
    }
}

/// Does what was asked for: the body, or nothing if the owner has no such fact.
///
/// # Errors
/// The store's.
pub async fn answer(store: &dyn Store, owner: &Owner, operation: Operation<'_>) -> Result<Option<Value>, StoreError> {
    match operation {
        Operation::List => {
            let facts = store.facts(owner, FactStatus::Saved, Direction::OldestFirst, MOST_FACTS).await?;
            Ok(Some(json!({ "facts": facts.iter().map(to_json).collect::<Vec<_>>() })))
        }
        Operation::Decide(id, status) => {
            let fact = store.set_fact_status(owner, id, status).await?;
            Ok(fact.map(|fact| json!({ "fact": to_json(&fact) })))
        }
    }
}

/// A fact as pages get it (the facts app: camel case, and a time of UTC that does not say so).
pub fn to_json(fact: &Fact) -> Value {
    json!({ "id": fact.id, "text": fact.text, "status": fact.status.name(), "createdAt": naive_utc(fact.created) })
}

/// Milliseconds since 1970 as `2026-11-20T14:16:51.123000`.
fn naive_utc(milliseconds: u64) -> String {
    let mut time = utc(milliseconds);
    time.truncate(time.trim_end_matches('Z').len());
    time + "000"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_of_utc_and_do_not_say_so() {
        let cases = [
            (0, "1970-01-01T00:00:00.000000"),
            (951_827_696_789, "2000-02-29T12:34:56.789000"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999000"),
            (1_709_251_200_000, "2024-03-01T00:00:00.000000"),
            (1_767_225_599_000, "2025-12-31T23:59:59.000000"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000000"),
        ];
        for (milliseconds, text) in cases {
            assert_eq!(naive_utc(milliseconds), text);
        }
    }

    #[test]
    fn only_the_paths_of_the_facts_app_mean_something() {
        assert_eq!(Operation::at(""), Some(Operation::List));
        assert_eq!(Operation::at("/f/save"), Some(Operation::Decide("f", FactStatus::Saved)));
        assert_eq!(Operation::at("/f/discard"), Some(Operation::Decide("f", FactStatus::Discarded)));
        for below in ["/", "s", "/f", "/f/", "//save", "/f/forget", "/f/save/", "/f/g/save"] {
            assert_eq!(Operation::at(below), None, "{below}");
        }
    }
}
