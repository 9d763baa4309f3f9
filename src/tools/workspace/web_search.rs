//! Searching the web, through a service that the operator names.

use chatwire_protocols::event::ToolOutcome;
use serde_json::{Value, json};

use crate::tools::http::HttpTool;
use crate::tools::{Speaker, Tool, ToolFuture, ToolInput, ToolOutput};

pub const DESCRIPTION: &str = "Searches the web and gives the titles, addresses and summaries of what it finds.";

pub fn parameters() -> Value {
    json!({
        "type": "object",
        "properties": { "query": { "type": "string", "minLength": 1, "description": "What to search for." } },
        "required": ["query"],
    })
}

/// Searches the web.
#[derive(Clone, Debug)]
pub struct WebSearch {
    /// The request to the service, which gives a list.
    pub http: HttpTool,
    /// JSON pointers into each item: its title, address and summary.
    pub pointers: [String; 3],
    /// Most items.
    pub most: usize,
}

impl Tool for WebSearch {
    fn run(&self, input: ToolInput, speaker: Speaker) -> ToolFuture {
        let tool = self.clone();
        let searching = self.http.run(input, speaker);
        Box::pin(async move {
            let output = searching.await;
            if output.outcome == ToolOutcome::Ok { tool.shown(&output.output) } else { output }
        })
    }
}

impl WebSearch {
    fn shown(&self, list: &Value) -> ToolOutput {
        let Some(items) = list.as_array() else {
            return ToolOutput::error("The service's answer does not have what was asked for.");
        };
        let names = ["title", "url", "text"];
        let items = items.iter().take(self.most).map(|item| {
            let members = names.iter().zip(&self.pointers);
            let members = members.filter_map(|(name, pointer)| Some((*name, item.pointer(pointer)?.as_str()?)));
            Value::Object(members.map(|(name, text)| (name.to_owned(), text.into())).collect())
        });
        ToolOutput::ok(Value::Array(items.collect()))
    }
}
