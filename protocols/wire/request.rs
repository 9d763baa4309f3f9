//! Request bodies whose messages are written from their own types, because argument text goes in as it was written.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

/// A body: `members`, in which a `messages` member of `null` keeps the place of the messages.
#[derive(Debug)]
pub struct Body<'a, M> {
    /// All members.
    pub members: &'a Map<String, Value>,
    /// The messages.
    pub messages: &'a [M],
}

impl<M: Serialize> Serialize for Body<'_, M> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.members.len()))?;
        for (key, value) in self.members {
            if key == "messages" && value.is_null() {
                map.serialize_entry(key, self.messages)?;
            } else {
                map.serialize_entry(key, value)?;
            }
        }
        map.end()
    }
}
