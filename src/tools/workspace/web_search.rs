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

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::tools::Net;
    use crate::tools::http::{Address, Body, Take};

    #[test]
    fn what_was_found_is_told_in_three_words_each() {
        let http = HttpTool {
            net: Net::default(),
            method: Method::GET,
            address: Address::parse("https://search.example.com/?q={query}").unwrap(),
            query: Vec::new(),
            headers: Vec::new(),
            body: Body::Empty,
            take: Take::Whole,
            success: Vec::new(),
            max_response: 1,
        };
        let pointers = ["/title", "/link/href", "/summary"].map(str::to_owned);
        let tool = WebSearch { http, pointers, most: 2 };
        let list = json!([
            {"title": "One", "link": {"href": "https://one.example"}, "summary": "First.", "secret": "x"},
            {"title": 2, "summary": "Second."},
            {"title": "Three"},
        ]);
        let told = json!([{"title": "One", "url": "https://one.example", "text": "First."}, {"text": "Second."}]);
        assert_eq!(tool.shown(&list), ToolOutput::ok(told));
        assert_eq!(tool.shown(&json!({"error": 1})).outcome, ToolOutcome::Error);
    }
}
