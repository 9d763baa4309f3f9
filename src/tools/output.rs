//! The bound of a tool's output, and the words on what was left out.

use chatwire_protocols::event::{Text, output_text};
use serde_json::Value;

use super::ToolOutput;

/// How much of a call's streamed output the page still gets.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    left: usize,
    said: bool,
}

impl Room {
    /// Room for so many bytes.
    pub const fn new(bytes: usize) -> Self {
        Self { left: bytes, said: false }
    }

    /// The piece, or what of it fits with words on the rest; nothing once those have been said.
    pub fn fit(&mut self, piece: Text) -> Option<Text> {
        if piece.len() <= self.left {
            self.left -= piece.len();
            return Some(piece).filter(|piece| !piece.is_empty());
        }
        if std::mem::replace(&mut self.said, true) {
            return None;
        }
        let kept = floor(&piece, self.left);
        self.left = 0;
        let mut cut = Text::from(piece.get(..kept).unwrap_or_default());
        cut.push_str("\n[The rest is not shown.]");
        Some(cut)
    }
}

/// Cuts an output to so many bytes of text. What is cut is said at its end, for the model to know.
pub fn bound(output: ToolOutput, limit: usize) -> ToolOutput {
    let mut text = match &output.output {
        Value::String(text) if text.len() <= limit => return output,
        Value::Null | Value::Bool(_) | Value::Number(_) => return output,
        other => output_text(other),
    };
    if text.len() <= limit {
        return output;
    }
    let whole = text.len();
    text.truncate(floor(&text, limit));
    text.push_str(&format!("\n[Cut: the first {} of {whole} bytes are shown.]", text.len()));
    ToolOutput { output: Value::String(text), ..output }
}

/// The last boundary between two characters that is not behind `at`.
pub fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_cut_is_said() {
        let long = |output| bound(ToolOutput::ok(output), 9).output;
        assert_eq!(long(json!("123456789")), json!("123456789"));
        assert_eq!(long(json!([1, 2, 3])), json!([1, 2, 3]));
        assert_eq!(long(json!("12345678é0")), json!("12345678\n[Cut: the first 8 of 11 bytes are shown.]"));
        assert_eq!(long(json!({"a": [1, 2, 3]})), json!("{\"a\":[1,2\n[Cut: the first 9 of 13 bytes are shown.]"));
        let failed = bound(ToolOutput::error("1234567890"), 4);
        assert_eq!(failed.outcome, chatwire_protocols::event::ToolOutcome::Error);
    }

    #[test]
    fn streamed_output_ends_with_words_on_the_rest() {
        for (limit, shown) in
            [(5, "abcd\n[The rest is not shown.]"), (6, "abcdé\n[The rest is not shown.]"), (10, "abcdéfghi")]
        {
            let mut room = Room::new(limit);
            let pieces = ["abc", "", "dé", "fgh", "i"].into_iter().filter_map(|piece| room.fit(piece.into()));
            assert_eq!(pieces.collect::<Vec<_>>().concat(), shown);
        }
    }
}
