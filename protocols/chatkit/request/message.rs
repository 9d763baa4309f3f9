//! A message of the user (ChatKit notes 3.1).

use serde_json::Map;

use super::read::{flag, ids, listed, optional_text, text};
use crate::error::CallerError;
use crate::event::Text;
use crate::items::{Attachment, Said, Tag, UserMessage};
use crate::wire::body::Node;

/// Most letters of what the page's menus and tags are called.
const LONGEST_NAME: usize = 1000;

/// Reads a message that says something.
pub(super) fn read(input: &Node<'_>) -> Result<UserMessage, CallerError> {
    input.object()?;
    let content = listed(&input.required("content")?, said)?;
    let attachments = input.get("attachments").map_or(Ok(Vec::new()), |named| ids(&named))?;
    let (model, tool) = choices(input)?;
    let blank = |said: &Said| matches!(said, Said::Text { text } if text.trim().is_empty());
    if attachments.is_empty() && content.iter().all(blank) {
        return Err(input.required("content")?.wrong("is empty; there is nothing to answer"));
    }
    Ok(UserMessage {
        content,
        attachments: attachments.into_iter().map(named).collect(),
        quoted: optional_text(input, "quoted_text")?,
        model,
        tool,
        extra: Map::new(),
    })
}

fn said(part: &Node<'_>) -> Result<Said, CallerError> {
    part.object()?;
    let kind = part.required("type")?;
    match kind.str()? {
        "input_text" => Ok(Said::Text { text: part.required("text")?.str()?.to_owned() }),
        "input_tag" => Ok(Said::Tag(Tag {
            id: text(&part.required("id")?, LONGEST_NAME)?.to_owned(),
            text: part.required("text")?.str()?.to_owned(),
            data: part.get("data").map_or(Ok(Map::new()), |data| data.object().cloned())?,
            group: optional_text(part, "group")?,
            interactive: flag(part, "interactive")?,
        })),
        _ => Err(kind.wrong("must be one of input_text, input_tag")),
    }
}

/// What the user chose in the page's menus: a model and a tool, by names of the page's own.
fn choices(input: &Node<'_>) -> Result<(Option<Text>, Option<Text>), CallerError> {
    let Some(options) = input.get("inference_options") else { return Ok((None, None)) };
    options.object()?;
    let model = options.get("model").filter(|model| model.value != "");
    let model = model.map(|model| text(&model, LONGEST_NAME).map(Into::into)).transpose()?;
    let Some(choice) = options.get("tool_choice") else { return Ok((model, None)) };
    choice.object()?;
    Ok((model, Some(text(&choice.required("id")?, LONGEST_NAME)?.into())))
}

/// A file of which only the id is known; the store knows the rest.
const fn named(id: Text) -> Attachment {
    Attachment {
        id,
        name: String::new(),
        media_type: String::new(),
        size: 0,
        thread: None,
        uploaded: false,
        created: 0,
        preview: None,
    }
}
