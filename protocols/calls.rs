//! Tool calls on their way to a page that takes a call's arguments whole and as a JSON object.
//!
//! Arguments come as pieces of text. An encoder of such a page collects them here until the call's input ends, and
//! learns then what may stand in its frame: the model's own text where that is an object, so that big numbers and
//! the order of keys survive (corner case 98), and nothing at all where the text is cut or no object (corner cases
//! 86 to 88), for such a call must not look as if it could be run.

use crate::event::{BlockId, BlockKind, Runs, ToolCall, ToolKind};
use crate::wire::json::Arguments;

/// What a page reads as the result of a call whose arguments cannot be used.
pub const UNUSABLE: &str = "The model's arguments for this tool were incomplete or not valid, so it was not run.";

/// The calls whose input is still coming. Bounded by the decoder's limits on blocks and on argument bytes.
#[derive(Debug, Default)]
pub struct OpenCalls(Vec<OpenCall>);

#[derive(Debug)]
struct OpenCall {
    block: BlockId,
    call: ToolCall,
    text: String,
}

/// The open blocks of a dialect that shows text as it comes, calls whole, and nothing else.
#[derive(Debug, Default)]
pub struct OpenBlocks {
    texts: Vec<BlockId>,
    calls: OpenCalls,
}

impl OpenBlocks {
    /// A block begins.
    pub fn start(&mut self, block: BlockId, kind: &BlockKind) {
        match kind {
            BlockKind::Text | BlockKind::Refusal => self.texts.push(block),
            BlockKind::ToolInput(call) => self.calls.start(block, call),
            BlockKind::Reasoning { .. } | BlockKind::File(_) => {}
        }
    }

    /// More of a block; true if it is text for the page. Argument text is kept until its call ends.
    pub fn push(&mut self, block: BlockId, piece: &str) -> bool {
        let text = self.texts.contains(&block);
        if !text {
            self.calls.push(block, piece);
        }
        text
    }

    /// A block ends; gives the call if it was one's input.
    pub fn end(&mut self, block: BlockId, whole: bool) -> Option<EndedCall> {
        self.texts.retain(|text| *text != block);
        self.calls.end(block, whole)
    }
}

/// A call whose input has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedCall {
    /// The call.
    pub call: ToolCall,
    /// A JSON object on one line; `None` if the arguments cannot be used.
    pub arguments: Option<String>,
}

impl EndedCall {
    /// The arguments for a frame that cannot do without an object: an empty one where they cannot be used.
    pub fn object(&self) -> &str {
        self.arguments.as_deref().unwrap_or("{}")
    }

    /// True if nobody else will ever answer this call, so that the page must be told at once that it will not run:
    /// its arguments are unusable, and it is the page that would have run it. A call that the gateway or the provider
    /// runs always gets its result from there.
    pub fn is_lost(&self) -> bool {
        self.arguments.is_none() && self.call.runs == Runs::Page
    }
}

impl OpenCalls {
    /// A call's input begins.
    pub fn start(&mut self, block: BlockId, call: &ToolCall) {
        self.0.push(OpenCall { block, call: call.clone(), text: String::new() });
    }

    /// More argument text. Gives the call that it belongs to.
    pub fn push(&mut self, block: BlockId, piece: &str) -> Option<&ToolCall> {
        let open = self.0.iter_mut().rev().find(|open| open.block == block)?;
        open.text.push_str(piece);
        Some(&open.call)
    }

    /// A block ends; gives the call if it was one's input.
    pub fn end(&mut self, block: BlockId, whole: bool) -> Option<EndedCall> {
        let at = self.0.iter().position(|open| open.block == block)?;
        let OpenCall { call, text, .. } = self.0.swap_remove(at);
        let arguments = if whole { object(&call.kind, &text) } else { None };
        Some(EndedCall { call, arguments })
    }
}

/// Arguments as a JSON object on one line. The free text of a custom tool becomes its only member, `input`.
pub(crate) fn object(kind: &ToolKind, text: &str) -> Option<String> {
    match kind {
        ToolKind::Custom => Some(serde_json::json!({ "input": text }).to_string()),
        ToolKind::Function | ToolKind::Other(_) => Arguments::text(text).map(|json| on_one_line(&json)),
    }
}

/// In valid JSON, line breaks stand between tokens only, where a space is as good: models do write indented JSON.
fn on_one_line(json: &str) -> String {
    json.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(kind: ToolKind, pieces: &[&str], whole: bool) -> EndedCall {
        let mut calls = OpenCalls::default();
        let call = ToolCall { id: "c".into(), name: "f".into(), kind, runs: Runs::Page, index: 0 };
        calls.start(BlockId(7), &call);
        for piece in pieces {
            assert_eq!(calls.push(BlockId(7), piece), Some(&call));
        }
        assert_eq!(calls.push(BlockId(8), "x"), None);
        let ended = calls.end(BlockId(7), whole).unwrap();
        assert_eq!(calls.end(BlockId(7), whole), None);
        ended
    }

    #[test]
    fn arguments_keep_the_models_own_text_on_one_line() {
        let ended = ended(ToolKind::Function, &["{\n  \"id\": 12345678901234567890", ", \"x\": 1.0\r\n}"], true);
        assert_eq!(ended.arguments.as_deref(), Some("{   \"id\": 12345678901234567890, \"x\": 1.0  }"));
        assert!(!ended.is_lost());
    }

    #[test]
    fn no_arguments_are_an_empty_object_and_cut_ones_are_none() {
        for (pieces, whole, expected) in [
            (&[][..], true, Some("{}")),
            (&["null"][..], true, Some("{}")),
            (&["\"{\\\"a\\\":1}\""][..], true, Some("{\"a\":1}")),
            (&["{\"a\":"][..], true, None),
            (&["[1]"][..], true, None),
            (&["{}"][..], false, None),
            (&[][..], false, None),
        ] {
            let ended = ended(ToolKind::Function, pieces, whole);
            assert_eq!(ended.arguments.as_deref(), expected, "{pieces:?} {whole}");
            assert_eq!(ended.is_lost(), expected.is_none());
        }
    }

    #[test]
    fn the_free_text_of_a_custom_tool_becomes_a_member() {
        assert_eq!(ended(ToolKind::Custom, &["a\n", "\"b\""], true).object(), r#"{"input":"a\n\"b\""}"#);
    }
}
