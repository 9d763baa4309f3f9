//! Files and images in a page's messages, in every spelling the releases have had.

use crate::error::CallerError;
use crate::event::{File, FileSource, Text};
use crate::wire::body::Node;

/// Reads a file part or an attachment: `url` since AI SDK 5 and in attachments, `data` in AI SDK 4 and in model
/// messages, `image` in model messages, `providerReference` since AI SDK 7.
///
/// # Errors
/// There is no such member, or it is no string.
pub(super) fn read(node: &Node<'_>) -> Result<File, CallerError> {
    let said = ["mediaType", "mimeType", "contentType"].iter().find_map(|key| node.get(key)?.str().ok());
    let name = ["filename", "name"].iter().find_map(|key| node.get(key)?.str().ok()).map(str::to_owned);
    let Some(place) = ["url", "data", "image"].iter().find_map(|key| node.get(key)) else {
        let kept = node.get("providerReference").and_then(|all| all.value.as_object()?.values().next()?.as_str());
        return match kept {
            Some(id) => Ok(File {
                media_type: said.unwrap_or(UNKNOWN).into(),
                source: FileSource::Provider(id.to_owned()),
                name,
            }),
            None => Err(node.required("url").map_or_else(|error| error, |url| url.expected("a string"))),
        };
    };
    let text = place.str()?;
    let (found, source) = if ["data:", "http://", "https://"].iter().any(|scheme| text.starts_with(scheme)) {
        FileSource::from_url(text)
    } else if node.get("url").is_some() {
        (None, FileSource::Url(text.to_owned()))
    } else {
        (None, FileSource::Base64(text.to_owned()))
    };
    let guess = match &source {
        FileSource::Base64(data) => image_type(data),
        FileSource::Url(_) | FileSource::Provider(_) => None,
    };
    let unknown = if node.get("image").is_some() { "image/*" } else { UNKNOWN };
    let media_type: Text = said.or(found).or(guess).unwrap_or(unknown).into();
    Ok(File { media_type, source, name })
}

const UNKNOWN: &str = "application/octet-stream";

/// The type of an image by the first bytes of its base64 text.
fn image_type(base64: &str) -> Option<&'static str> {
    const STARTS: [(&str, &str); 4] =
        [("iVBORw0KGgo", "image/png"), ("/9j/", "image/jpeg"), ("R0lGOD", "image/gif"), ("UklGR", "image/webp")];
    STARTS.iter().find(|(start, _)| base64.starts_with(start)).map(|(_, name)| *name)
}
