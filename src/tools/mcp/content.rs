//! What comes out of a call: texts and values for the model's eyes, images and files beside them.

use chatwire_protocols::event::{File, FileSource, ToolOutcome};
use rmcp::model::{CallToolResult, ContentBlock, ResourceContents};
use serde_json::{Value, json};

use crate::tools::ToolOutput;

/// Most files in one result, and most bytes of base64 in all of them.
const FILES: usize = 16;
const BYTES: usize = 8 << 20;

const UNREADABLE: &str = "[a part that cannot be read]";

/// The output of a call.
pub fn output(result: CallToolResult) -> ToolOutput {
    let mut parts = Parts::default();
    for block in result.content {
        parts.block(block);
    }
    parts.finish(result.structured_content, result.is_error == Some(true))
}

/// The output in a result of which not everything can be read. Nothing if it is no result of a call at all.
pub fn output_in(result: &Value) -> Option<ToolOutput> {
    let blocks = result.get("content")?.as_array()?;
    let mut parts = Parts::default();
    for block in blocks {
        match serde_json::from_value::<ContentBlock>(block.clone()) {
            Ok(block) => parts.block(block),
            Err(_) => parts.text(UNREADABLE),
        }
    }
    let failed = result.get("isError").and_then(Value::as_bool).unwrap_or_default();
    Some(parts.finish(result.get("structuredContent").cloned(), failed))
}

#[derive(Default)]
struct Parts {
    text: String,
    files: Vec<File>,
    bytes: usize,
}

impl Parts {
    fn block(&mut self, block: ContentBlock) {
        match block {
            ContentBlock::Text(text) => self.text(&text.text),
            ContentBlock::Image(image) => self.file(&image.mime_type, image.data, None),
            ContentBlock::Audio(audio) => self.file(&audio.mime_type, audio.data, None),
            ContentBlock::Resource(resource) => match resource.resource {
                ResourceContents::TextResourceContents { uri, text, .. } => self.text(&format!("{uri}:\n{text}")),
                ResourceContents::BlobResourceContents { uri, mime_type, blob, .. } => {
                    let media_type = mime_type.unwrap_or_else(|| "application/octet-stream".to_owned());
                    let name = uri.rsplit('/').next().filter(|name| !name.is_empty()).map(str::to_owned);
                    self.file(&media_type, blob, name);
                }
                _ => self.text(UNREADABLE),
            },
            ContentBlock::ResourceLink(link) => {
                let about = link.description.map(|about| format!(": {about}")).unwrap_or_default();
                self.text(&format!("[{} at {}{about}]", link.title.unwrap_or(link.name), link.uri));
            }
            _ => self.text(UNREADABLE),
        }
    }

    fn text(&mut self, text: &str) {
        if !self.text.is_empty() && !text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(text);
    }

    /// The file goes beside the text, which says that there is one: not every model sees it.
    fn file(&mut self, media_type: &str, data: String, name: Option<String>) {
        let size = size(data.len() / 4 * 3);
        let about = name
            .as_ref()
            .map_or_else(|| format!("{media_type}, {size}"), |name| format!("{name}, {media_type}, {size}"));
        if self.files.len() == FILES || self.bytes + data.len() > BYTES {
            return self.text(&format!("[{about}: too much to show]"));
        }
        self.text(&format!("[{about}]"));
        self.bytes += data.len();
        self.files.push(File { media_type: media_type.into(), source: FileSource::Base64(data), name });
    }

    /// A value wins over its own text. Both are there where they differ.
    fn finish(self, structured: Option<Value>, failed: bool) -> ToolOutput {
        let output = match structured.filter(|value| !value.is_null()) {
            None => Value::String(self.text),
            Some(value) if self.text.is_empty() || same(&self.text, &value) => value,
            Some(value) if failed => Value::String(format!("{}\n{value}", self.text)),
            Some(value) => json!({ "content": self.text, "structuredContent": value }),
        };
        let outcome = if failed { ToolOutcome::Error } else { ToolOutcome::Ok };
        ToolOutput { outcome, output, files: self.files }
    }
}

fn same(text: &str, value: &Value) -> bool {
    let read = serde_json::from_str::<Value>(text);
    // Servers wrap what is no object, to have one.
    read.is_ok_and(|read| read == *value) || value.get("result").is_some_and(|result| result.as_str() == Some(text))
}

fn size(bytes: usize) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..1_048_576 => format!("{} KB", bytes / 1024),
        _ => format!("{} MB", bytes / 1_048_576),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(result: Value) -> ToolOutput {
        output(serde_json::from_value(result).unwrap())
    }

    #[test]
    fn texts_are_joined_and_files_stand_beside_them() {
        let data = "A".repeat(16 << 10);
        let output = of(json!({"content": [
            {"type": "text", "text": "one"},
            {"type": "image", "data": data, "mimeType": "image/png"},
            {"type": "resource", "resource": {"uri": "file:///a/b.pdf", "mimeType": "application/pdf", "blob": "QUJD"}},
            {"type": "resource", "resource": {"uri": "demo://1", "text": "inside"}},
            {"type": "resource_link", "uri": "demo://2", "name": "two", "description": "the second"},
        ]}));
        let lines = "one\n[image/png, 12 KB]\n[b.pdf, application/pdf, 3 bytes]\ndemo://1:\ninside\n\
                     [two at demo://2: the second]";
        assert_eq!(output.output, json!(lines));
        let files: Vec<_> = output.files.iter().map(|file| (file.media_type.as_str(), file.name.as_deref())).collect();
        assert_eq!(files, [("image/png", None), ("application/pdf", Some("b.pdf"))]);
        assert_eq!(output.outcome, ToolOutcome::Ok);
    }

    #[test]
    fn a_value_wins_over_its_own_text() {
        let text = |text: &str| json!([{"type": "text", "text": text}]);
        for (result, output) in [
            (json!({"content": [], "structuredContent": {"a": 1}}), json!({"a": 1})),
            (json!({"content": text("{\"a\": 1}"), "structuredContent": {"a": 1}}), json!({"a": 1})),
            (json!({"content": text("7"), "structuredContent": {"result": "7"}}), json!({"result": "7"})),
            (
                json!({"content": text("warm"), "structuredContent": {"a": 1}}),
                json!({"content": "warm", "structuredContent": {"a": 1}}),
            ),
        ] {
            assert_eq!(of(result).output, output);
        }
    }

    #[test]
    fn an_error_is_one_with_its_text() {
        let output = of(json!({"content": [{"type": "text", "text": "no such place"}], "isError": true}));
        assert_eq!((output.outcome, output.output), (ToolOutcome::Error, json!("no such place")));
    }

    #[test]
    fn what_cannot_be_read_is_said_and_hides_nothing_else() {
        let result = json!({"content": [{"type": "smell", "data": 1}, {"type": "text", "text": "fine"}]});
        let output = output_in(&result).unwrap();
        assert_eq!(output.output, json!("[a part that cannot be read]\nfine"));
        assert_eq!(output_in(&json!({"tools": []})), None);
    }

    #[test]
    fn files_have_a_bound() {
        let image = json!({"type": "image", "data": "A".repeat(5 << 20), "mimeType": "image/png"});
        let large = of(json!({"content": [image, image]}));
        assert_eq!(large.files.len(), 1);
        assert_eq!(large.output, json!("[image/png, 3 MB]\n[image/png, 3 MB: too much to show]"));
        let small = json!({"type": "image", "data": "QUJD", "mimeType": "image/png"});
        assert_eq!(of(json!({"content": vec![small; 40]})).files.len(), FILES);
    }
}
