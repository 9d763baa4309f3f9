//! Calls that the provider runs itself: shown as they go, never executed, never answered (upstream notes 8, corner
//! case 99).
//!
//! The input of a hosted call is known early (a search shows only that it searches), streamed (code, MCP arguments)
//! or known at its end. What it says of its result is kept small: a page wants the query and the output, not the
//! 70 kB of tool definitions of an MCP server, and an image once (corner cases 142 and 143).

use serde_json::{Map, Value, json};

use super::text::{Done, Sent, mark};
use super::wire::{self, argument_text};
use crate::blocks::Blocks;
use crate::event::{
    BlockId, BlockKind, Event, File, FileSource, Runs, Text, ToolAwait, ToolCall, ToolKind, ToolOutcome, ToolResult,
    ToolSays, Wants,
};
use crate::wire::json::Raw;

/// When the input of a kind is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    /// At the start, as far as it is known at all.
    Early,
    /// It comes in pieces of JSON.
    Json,
    /// It comes in pieces of code, which become the member `code`.
    Code,
    /// At the end of the item.
    Late,
}

fn input_of(kind: &str) -> Input {
    match kind {
        "web_search_call" | "file_search_call" | "image_generation_call" | "mcp_list_tools" => Input::Early,
        "mcp_call" => Input::Json,
        "code_interpreter_call" => Input::Code,
        _ => Input::Late,
    }
}

/// A provider-run call in the stream.
#[derive(Debug)]
pub(super) struct Hosted {
    kind: Text,
    call: Text,
    block: BlockId,
    input: Input,
    sent: Sent,
}

impl Hosted {
    /// Begins the call's block.
    pub(super) fn start(
        kind: &str,
        index: u32,
        item: &wire::Item<'_>,
        raw: Raw<'_>,
        blocks: &mut Blocks,
        out: &mut Vec<Event>,
    ) -> Result<Self, Box<crate::error::Failure>> {
        let call = match item.id.text().or_else(|| item.call_id.text()) {
            Some(id) => id,
            None => blocks.make_call_id(),
        };
        let block = blocks.start(
            BlockKind::ToolInput(Box::new(ToolCall {
                id: call.clone(),
                name: wire::word(item.name),
                kind: ToolKind::Other(kind.into()),
                runs: Runs::Provider,
                index,
            })),
            out,
        )?;
        let hosted = Self { kind: kind.into(), call, block, input: input_of(kind), sent: Sent::default() };
        if hosted.input != Input::Late && kind != "mcp_list_tools" {
            hosted.remember(raw, blocks, out);
        }
        if hosted.input == Input::Early {
            let known = early_input(kind, item);
            blocks.push_str(block, &known, out)?;
            hosted.end_input(blocks, out);
        }
        Ok(hosted)
    }

    /// A piece of streamed input.
    pub(super) fn delta(&mut self, piece: Raw<'_>, blocks: &mut Blocks, out: &mut Vec<Event>) -> Done {
        let from = out.len();
        match (self.input, piece.string()) {
            (Input::Json, Some(piece)) => {
                blocks.push(self.block, piece, out)?;
                self.sent.add_events(&out[from..]);
            }
            (Input::Code, Some(_)) => self.code(inside(piece), blocks, out)?,
            _ => {}
        }
        Ok(())
    }

    /// The whole of a streamed input: the input is over.
    pub(super) fn whole(&mut self, whole: Raw<'_>, blocks: &mut Blocks, out: &mut Vec<Event>) -> Done {
        if !blocks.is_open(self.block) {
            return Ok(());
        }
        match self.input {
            Input::Json => {
                let whole = argument_text(whole);
                if let Some(rest) = self.sent.rest(&whole) {
                    self.sent.add(rest);
                    blocks.push_str(self.block, rest, out)?;
                }
            }
            Input::Code => {
                let sent = self.sent;
                if let Some(rest) = sent.rest(inside(whole)) {
                    self.code(rest, blocks, out)?;
                }
                blocks.push_str(self.block, if self.sent.is_empty() { "{\"code\":\"\"}" } else { "\"}" }, out)?;
            }
            Input::Early | Input::Late => {}
        }
        self.end_input(blocks, out);
        Ok(())
    }

    /// The provider says how far the call is.
    pub(super) fn progress(&self, state: &str, blocks: &Blocks, out: &mut Vec<Event>) {
        if !blocks.is_open(self.block) {
            out.push(Event::ToolProgress(Box::new(ToolSays { call: self.call.clone(), text: state.into() })));
        }
    }

    /// The item is over: the rest of its input, then its result and its files.
    pub(super) fn end(
        &mut self,
        item: &wire::Item<'_>,
        raw: Raw<'_>,
        blocks: &mut Blocks,
        out: &mut Vec<Event>,
    ) -> Done {
        match self.input {
            Input::Early => {}
            Input::Json => self.whole(item.arguments, blocks, out)?,
            Input::Code => self.whole(item.code, blocks, out)?,
            Input::Late => {
                blocks.push_str(self.block, &late_input(item), out)?;
                self.remember(raw, blocks, out);
                self.end_input(blocks, out);
            }
        }
        if self.kind == "mcp_approval_request" {
            let wants = Wants::Approval(self.call.clone());
            out.push(Event::ToolAwait(Box::new(ToolAwait { call: self.call.clone(), wants })));
            return Ok(());
        }
        let status = item.status.text();
        out.push(Event::ToolResult(Box::new(ToolResult {
            call: self.call.clone(),
            outcome: outcome(status.as_deref(), item),
            output: output(&self.kind, item, raw),
            last: true,
            status,
            files: Vec::new(),
        })));
        for file in files(&self.kind, item) {
            let block = blocks.start(BlockKind::File(Box::new(file)), out)?;
            blocks.end(block, true, out);
        }
        Ok(())
    }

    /// Ends the block of a call whose item has no end.
    pub(super) fn cut(&self, blocks: &mut Blocks, out: &mut Vec<Event>) {
        blocks.end(self.block, false, out);
    }

    /// Code goes as it is escaped from the provider's string into ours.
    fn code(&mut self, escaped: &str, blocks: &mut Blocks, out: &mut Vec<Event>) -> Done {
        if escaped.is_empty() {
            return Ok(());
        }
        if self.sent.is_empty() {
            blocks.push_str(self.block, "{\"code\":\"", out)?;
        }
        self.sent.add(escaped);
        blocks.push_str(self.block, escaped, out)
    }

    fn end_input(&self, blocks: &mut Blocks, out: &mut Vec<Event>) {
        if blocks.is_open(self.block) {
            blocks.end(self.block, true, out);
            // The call waits for a person: nothing runs yet.
            if self.kind != "mcp_approval_request" {
                out.push(Event::ToolStart { call: self.call.clone() });
            }
        }
    }

    /// Keeps the item, so that it can be sent back: without its results, which the result event holds.
    fn remember(&self, raw: Raw<'_>, blocks: &Blocks, out: &mut Vec<Event>) {
        if let Some(mut item) = raw.value::<Map<String, Value>>() {
            item.retain(|key, value| !value.is_null() && key != "result");
            blocks.mark(self.block, mark("item", item), out);
        }
    }
}

/// What stands between the quotes of a JSON string, still escaped.
fn inside(raw: Raw<'_>) -> &str {
    raw.get().strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or("")
}

fn early_input(kind: &str, item: &wire::Item<'_>) -> String {
    match kind {
        "web_search_call" if item.action.is_object() => item.action.get().to_owned(),
        "file_search_call" if item.queries.get().len() > "[]".len() && item.queries.is_array() => {
            format!("{{\"queries\":{}}}", item.queries.get())
        }
        "mcp_list_tools" if item.server_label.string().is_some() => {
            format!("{{\"server_label\":{}}}", item.server_label.get())
        }
        _ => "{}".to_owned(),
    }
}

fn late_input(item: &wire::Item<'_>) -> String {
    if let Some(code) = item.code.string().map(|_| item.code.get()) {
        return format!("{{\"code\":{code}}}");
    }
    let known = [item.arguments, item.action, item.input, item.operation].into_iter().find(|member| !member.is_null());
    known.map_or_else(|| "{}".to_owned(), |member| argument_text(member).into_owned())
}

fn outcome(status: Option<&str>, item: &wire::Item<'_>) -> ToolOutcome {
    match status {
        Some("incomplete") => ToolOutcome::Interrupted,
        Some("failed" | "cancelled") => ToolOutcome::Error,
        _ if item.error.is_null() => ToolOutcome::Ok,
        _ => ToolOutcome::Error,
    }
}

/// What a page may want to show of a result.
fn output(kind: &str, item: &wire::Item<'_>, raw: Raw<'_>) -> Value {
    match kind {
        "web_search_call" => item.action.value().unwrap_or_else(|| json!({})),
        "file_search_call" => json!({ "queries": value(item.queries), "results": found_files(item.results) }),
        "code_interpreter_call" => json!({ "outputs": code_outputs(item.outputs) }),
        "mcp_call" => members(&[("output", item.output), ("error", item.error)]),
        "mcp_list_tools" | "tool_search_output" => {
            let mut output = members(&[("server_label", item.server_label), ("error", item.error)]);
            output["tools"] = tool_names(item.tools);
            output
        }
        "image_generation_call" => named_members(raw, |key| {
            ["revised_prompt", "prompt", "size", "quality", "background", "output_format"].contains(&key)
        }),
        "tool_search_call" | "program" => json!({}),
        _ if raw.get().len() > OTHER_OUTPUT_BYTES => json!({}),
        _ => named_members(raw, |key| {
            !["type", "id", "call_id", "status", "encrypted_content", "fingerprint", "result"].contains(&key)
        }),
    }
}

/// An item of a kind that is not known shows its members up to this size.
const OTHER_OUTPUT_BYTES: usize = 16 << 10;

fn value(raw: Raw<'_>) -> Value {
    raw.value().unwrap_or_default()
}

fn members(members: &[(&str, Raw<'_>)]) -> Value {
    let known = members.iter().filter(|(_, raw)| !raw.is_null());
    Value::Object(known.map(|(key, raw)| ((*key).to_owned(), value(*raw))).collect())
}

fn named_members(raw: Raw<'_>, wanted: impl Fn(&str) -> bool) -> Value {
    let mut item: Map<String, Value> = raw.value().unwrap_or_default();
    item.retain(|key, value| !value.is_null() && wanted(key));
    Value::Object(item)
}

fn tool_names(tools: Raw<'_>) -> Value {
    let names = wire::list(tools).into_iter().filter_map(|tool| {
        let tool: wire::Item<'_> = tool.parse()?;
        tool.name.owned()
    });
    names.map(Value::String).collect()
}

fn found_files(results: Raw<'_>) -> Value {
    if results.is_null() {
        return Value::Null;
    }
    let files = wire::list(results);
    files.into_iter().map(|file| named_members(file, |key| ["file_id", "filename", "score"].contains(&key))).collect()
}

/// Logs as they are; images by their link, or as a file of their own where the link is the image.
fn code_outputs(outputs: Raw<'_>) -> Value {
    let mut outputs: Vec<Value> = outputs.value().unwrap_or_default();
    for output in &mut outputs {
        let inline = output.get("url").and_then(Value::as_str).is_some_and(|url| url.starts_with("data:"));
        if let (true, Some(output)) = (inline, output.as_object_mut()) {
            output.remove("url");
        }
    }
    Value::Array(outputs)
}

fn files(kind: &str, item: &wire::Item<'_>) -> Vec<File> {
    match kind {
        "image_generation_call" => item
            .result
            .str()
            .filter(|image| !image.is_empty())
            .map(|image| made_image(&image, item))
            .into_iter()
            .collect(),
        "code_interpreter_call" => {
            let outputs: Vec<Value> = item.outputs.value().unwrap_or_default();
            let urls = outputs.iter().filter_map(|output| output.get("url")?.as_str());
            urls.filter(|url| url.starts_with("data:")).map(|url| image_file(url, None)).collect()
        }
        _ => Vec::new(),
    }
}

fn made_image(image: &str, item: &wire::Item<'_>) -> File {
    let format = item.output_format.str().map(|format| format!("image/{format}"));
    if image.starts_with("data:") || image.starts_with("http") {
        return image_file(image, format);
    }
    let media_type = format.unwrap_or_else(|| recognised(image).to_owned());
    File { media_type: media_type.into(), source: FileSource::Base64(image.to_owned()), name: None }
}

fn image_file(url: &str, format: Option<String>) -> File {
    let (media_type, source) = FileSource::from_url(url);
    let media_type = media_type.map(str::to_owned).or(format).unwrap_or_else(|| "image/png".to_owned());
    File { media_type: media_type.into(), source, name: None }
}

/// The media type told from the first bytes; xAI names no format.
fn recognised(base64: &str) -> &'static str {
    let known = [("iVBOR", "image/png"), ("/9j/", "image/jpeg"), ("UklGR", "image/webp"), ("R0lGOD", "image/gif")];
    known.iter().find(|(head, _)| base64.starts_with(head)).map_or("image/png", |(_, media_type)| media_type)
}
