//! Images and documents as content blocks (upstream notes 4.1).

use serde_json::{Map, Value, json};

use crate::event::{File, FileSource};
use crate::wire::base64;

/// The image types that the API takes.
const IMAGES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];

/// The block for a file; `None` for one that cannot be said.
pub(super) fn block(file: &File) -> Option<Map<String, Value>> {
    let block = match kind(file)? {
        Kind::Image => json!({"type": "image", "source": source(&file.source, image_type(file))}),
        Kind::Pdf => json!({"type": "document", "source": source(&file.source, Some("application/pdf"))}),
        Kind::Text => json!({"type": "document", "source": text(&file.source)?}),
    };
    let Value::Object(mut block) = block else { return None };
    if let Some(name) = file.name.as_deref().filter(|_| block["type"] == "document") {
        block.insert("title".to_owned(), name.into());
    }
    // An image of a type that the API does not take has no source.
    block["source"].is_object().then_some(block)
}

enum Kind {
    Image,
    Pdf,
    Text,
}

/// Told from the media type; for a link without one from the end of its path.
fn kind(file: &File) -> Option<Kind> {
    let media_type = file.media_type.as_str();
    if media_type.starts_with("image/") {
        return Some(Kind::Image);
    }
    match (media_type, &file.source) {
        ("application/pdf", _) => Some(Kind::Pdf),
        (text, FileSource::Base64(_) | FileSource::Provider(_)) if text.starts_with("text/") => Some(Kind::Text),
        ("" | "application/octet-stream", FileSource::Url(url)) => {
            let path = url.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
            let ends = |endings: &[&str]| endings.iter().any(|ending| path.ends_with(ending));
            if ends(&[".pdf"]) {
                Some(Kind::Pdf)
            } else {
                ends(&[".png", ".jpg", ".jpeg", ".gif", ".webp"]).then_some(Kind::Image)
            }
        }
        _ => None,
    }
}

/// The type of an image among those that the API takes, also where the page named it wrongly or only as `image/*`.
fn image_type(file: &File) -> Option<&str> {
    let FileSource::Base64(data) = &file.source else { return Some("") };
    let seen = [("iVBOR", "image/png"), ("/9j/", "image/jpeg"), ("R0lG", "image/gif"), ("UklG", "image/webp")]
        .into_iter()
        .find_map(|(start, media_type)| data.starts_with(start).then_some(media_type));
    let named = if file.media_type == "image/jpg" { "image/jpeg" } else { file.media_type.as_str() };
    seen.or_else(|| IMAGES.contains(&named).then_some(named))
}

fn source(source: &FileSource, media_type: Option<&str>) -> Value {
    match (source, media_type) {
        (FileSource::Base64(data), Some(media_type)) => {
            json!({"type": "base64", "media_type": media_type, "data": data})
        }
        (FileSource::Base64(_), None) => Value::Null,
        (FileSource::Url(url), _) => json!({"type": "url", "url": url}),
        (FileSource::Provider(id), _) => json!({"type": "file", "file_id": id}),
    }
}

/// A text goes as text, not as base64.
fn text(source: &FileSource) -> Option<Value> {
    match source {
        FileSource::Base64(data) => {
            let text = String::from_utf8(base64::decode(data)?).ok().filter(|text| !text.trim().is_empty())?;
            Some(json!({"type": "text", "media_type": "text/plain", "data": text}))
        }
        FileSource::Provider(id) => Some(json!({"type": "file", "file_id": id})),
        FileSource::Url(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(media_type: &str, source: FileSource, name: Option<&str>) -> Value {
        block(&File { media_type: media_type.into(), source, name: name.map(str::to_owned) }).into()
    }

    fn base64(data: &str) -> FileSource {
        FileSource::Base64(data.to_owned())
    }

    fn url(url: &str) -> FileSource {
        FileSource::Url(url.to_owned())
    }

    #[test]
    fn images_are_said_from_every_source() {
        let block = |source: Value| json!({"type": "image", "source": source});
        assert_eq!(
            said("image/jpg", base64("AAAA"), Some("x")),
            block(json!({"type": "base64", "media_type": "image/jpeg", "data": "AAAA"}))
        );
        assert_eq!(
            said("image/*", base64("iVBORw"), None),
            block(json!({"type": "base64", "media_type": "image/png", "data": "iVBORw"}))
        );
        assert_eq!(said("image/png", url("https://a/b"), None), block(json!({"type": "url", "url": "https://a/b"})));
        assert_eq!(said("", url("https://a/b.PNG?x"), None), block(json!({"type": "url", "url": "https://a/b.PNG?x"})));
        assert_eq!(
            said("image/png", FileSource::Provider("file_1".to_owned()), None),
            block(json!({"type": "file", "file_id": "file_1"}))
        );
    }

    #[test]
    fn documents_are_pdfs_and_texts() {
        assert_eq!(
            said("application/pdf", base64("JVBE"), Some("a.pdf")),
            json!({"type": "document", "title": "a.pdf",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}})
        );
        assert_eq!(
            said("text/csv", base64("YSxi"), None),
            json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a,b"}})
        );
        assert_eq!(said("", url("https://a/b.pdf"), None)["type"], "document");
    }

    #[test]
    fn what_the_api_does_not_take_has_no_block() {
        for (media_type, source) in [
            ("image/svg+xml", base64("PHN2")),
            ("audio/wav", base64("AAAA")),
            ("text/plain", url("https://a/b.txt")),
            ("text/plain", base64("/////w==")),
            ("text/plain", base64("")),
            ("", url("https://a/b")),
        ] {
            assert_eq!(said(media_type, source, None), Value::Null, "{media_type}");
        }
    }
}
