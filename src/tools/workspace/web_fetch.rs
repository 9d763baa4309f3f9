//! Reading a page of the web, inside the fence.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{arguments, html};
use crate::tools::fence::{Fence, Fetched};
use crate::tools::{Speaker, Tool, ToolFuture, ToolInput, ToolOutput};

pub const DESCRIPTION: &str = "Reads a page of the web and gives its text.";

/// Largest page, in bytes.
const LARGEST: usize = 4 << 20;

pub fn parameters() -> Value {
    json!({
        "type": "object",
        "properties": { "url": { "type": "string", "description": "The address, with http:// or https://." } },
        "required": ["url"],
    })
}

#[derive(Deserialize)]
struct Arguments {
    url: String,
}

/// Reads a page.
#[derive(Clone, Debug)]
pub struct WebFetch {
    /// Where it may go.
    pub fence: Fence,
}

impl Tool for WebFetch {
    fn run(&self, input: ToolInput, _: Speaker) -> ToolFuture {
        let fence = self.fence.clone();
        Box::pin(async move {
            let Arguments { url } = match arguments(input.arguments) {
                Ok(arguments) => arguments,
                Err(why) => return ToolOutput::error(why),
            };
            match fence.get(&url, LARGEST).await {
                Ok(fetched) => shown(&fetched),
                Err(error) => ToolOutput::error(error.to_string()),
            }
        })
    }
}

fn shown(fetched: &Fetched) -> ToolOutput {
    let media = fetched.media_type.as_str();
    let is_page = matches!(media, "text/html" | "application/xhtml+xml");
    let is_text = media.is_empty() || media.starts_with("text/") || media.ends_with("json") || media.ends_with("xml");
    let text = String::from_utf8_lossy(&fetched.body);
    let text = match (is_page, is_text) {
        (true, _) => html::text_of(&text),
        (false, true) => text.into_owned(),
        (false, false) => {
            return ToolOutput::error(format!("This is no text but {media} of {} bytes.", fetched.body.len()));
        }
    };
    if !(200..300).contains(&fetched.status) {
        return ToolOutput::error(format!("The server answered with status {}.\n{text}", fetched.status));
    }
    ToolOutput::ok(Value::String(format!("{}\n\n{text}", fetched.url)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_told_as_text_and_nothing_else_is() {
        let fetched = |media: &str, status, body: &str| Fetched {
            url: "https://a.example/".to_owned(),
            status,
            media_type: media.to_owned(),
            body: body.into(),
        };
        let ok = |text: &str| ToolOutput::ok(Value::String(format!("https://a.example/\n\n{text}")));
        for (fetched, told) in [
            (fetched("text/html", 200, "<p>a<p>b"), ok("a\nb\n")),
            (fetched("application/json", 200, "{}"), ok("{}")),
            (fetched("", 200, "<p>a"), ok("<p>a")),
            (fetched("image/png", 200, "png"), ToolOutput::error("This is no text but image/png of 3 bytes.")),
            (fetched("text/plain", 404, "no"), ToolOutput::error("The server answered with status 404.\nno")),
        ] {
            assert_eq!(shown(&fetched), told);
        }
    }
}
