//! Pictures that a page sends.

use crate::error::CallerError;
use crate::event::{File, FileSource};
use crate::wire::base64;
use crate::wire::body::Node;

/// Most pictures of one message.
const MOST: usize = 20;

/// Most bytes of one picture: providers take no more.
const LARGEST: usize = 5 << 20;

const TYPES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/// The pictures of a message.
pub(super) fn images(node: &Node<'_>) -> Result<Vec<File>, CallerError> {
    let images = node.items()?.map(|node| image(&node)).collect::<Result<Vec<_>, _>>()?;
    if images.len() > MOST {
        return Err(node.wrong(format!("a message may have at most {MOST} images")));
    }
    Ok(images)
}

fn image(node: &Node<'_>) -> Result<File, CallerError> {
    node.object()?;
    let media = match node.get("media_type") {
        Some(media) => media,
        // As the history has it.
        None => node.get("mimeType").map_or_else(|| node.required("media_type"), Ok)?,
    };
    let media_type = media.str()?.to_ascii_lowercase();
    if !TYPES.contains(&media_type.as_str()) {
        return Err(media.wrong(format!("must be one of {}", TYPES.join(", "))));
    }
    let data = node.required("base64")?;
    let text = data.str()?;
    // Pages paste what a browser's reader gives them.
    let text = match text.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,")) {
        Some((_, bytes)) => bytes,
        None => text,
    };
    if text.len() / 4 * 3 > LARGEST + 2 {
        return Err(data.wrong(format!("an image may have at most {} MiB", LARGEST >> 20)));
    }
    match base64::decode(text) {
        Some(bytes) if !bytes.is_empty() => {
            let source = FileSource::Base64(text.to_owned());
            Ok(File { media_type: media_type.into(), source, name: None })
        }
        _ => Err(data.wrong("must be standard base64, and not empty")),
    }
}
