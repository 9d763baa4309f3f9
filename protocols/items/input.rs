//! Items to what a model reads.

use std::collections::BTreeMap;

use super::Item;
use crate::chat::Message;
use crate::event::{File, Text};

/// The bytes of uploaded files, by the ids of their attachments.
pub type Pasted = BTreeMap<Text, File>;

/// The conversation of these items, oldest first, as a model reads it.
pub fn messages(_items: &[Item], _pasted: &Pasted) -> Vec<Message> {
    Vec::new()
}
