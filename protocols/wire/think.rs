//! Thoughts between `<think>` tags, taken out of a text that streams (upstream notes 9.2).
//!
//! Tags count only at the very start of an answer: anywhere else they are what the answer is about. A closing tag
//! that nothing has opened never hides text (corner case 104).

use crate::error::Failure;

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// Whitespace before a tag, in bytes; with more of it there is no tag.
const MOST_SPACE: usize = 256;

/// Thoughts that are held back while it is not sure that they are some, in bytes.
const MOST_HELD: usize = 256 << 10;

/// What a piece of text turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// The answer.
    Text,
    /// The thoughts before it.
    Reasoning,
}

/// Splits the text of one answer.
#[derive(Debug)]
pub struct ThinkSplit {
    state: State,
    /// What cannot be told yet.
    held: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// An opening tag may come.
    Before,
    /// The opening tag is taken for granted; up to the number of bytes there is no closing tag.
    Assumed(usize),
    /// Between the tags.
    Inside,
    /// Behind the closing tag and before the answer: line ends mean nothing.
    After,
    /// In the answer.
    Text,
}

impl ThinkSplit {
    /// A splitter for answers that bring both tags.
    pub const fn new() -> Self {
        Self { state: State::Before, held: String::new() }
    }

    /// A splitter for answers that leave the opening tag out. All is held back until the closing tag comes; if it
    /// never does, all was text.
    pub const fn assuming_open() -> Self {
        Self { state: State::Assumed(0), held: String::new() }
    }

    /// Reads more text and gives what can be told of it.
    ///
    /// # Errors
    /// Those of `each`.
    pub fn push(
        &mut self,
        piece: &str,
        each: &mut impl FnMut(Voice, &str) -> Result<(), Box<Failure>>,
    ) -> Result<(), Box<Failure>> {
        if piece.is_empty() {
            return Ok(());
        }
        if self.state == State::Text {
            return each(Voice::Text, piece);
        }
        self.held.push_str(piece);
        while self.advance(each)? {}
        Ok(())
    }

    /// Says that the text is over and gives what was held back.
    ///
    /// # Errors
    /// Those of `each`.
    pub fn finish(
        &mut self,
        each: &mut impl FnMut(Voice, &str) -> Result<(), Box<Failure>>,
    ) -> Result<(), Box<Failure>> {
        let voice = if self.state == State::Inside { Voice::Reasoning } else { Voice::Text };
        self.state = State::Text;
        self.give(self.held.len(), voice, each)
    }

    /// Takes one step; false when more text is needed.
    fn advance(
        &mut self,
        each: &mut impl FnMut(Voice, &str) -> Result<(), Box<Failure>>,
    ) -> Result<bool, Box<Failure>> {
        match self.state {
            State::Text => {
                self.give(self.held.len(), Voice::Text, each)?;
                return Ok(false);
            }
            State::Before => {
                let start = self.held.trim_start();
                let near = self.held.len() - start.len() <= MOST_SPACE;
                if near && start.starts_with(OPEN) {
                    self.skip_opening();
                } else if near && OPEN.starts_with(start) {
                    return Ok(false);
                } else {
                    self.state = State::Text;
                }
            }
            State::Assumed(searched) => {
                let start = self.held.trim_start();
                let within = |end: usize| end <= MOST_HELD;
                if start.starts_with(OPEN) && within(self.held.len() - start.len() + OPEN.len()) {
                    self.skip_opening();
                } else if find_close(&self.held, searched).is_some_and(|at| within(at + CLOSE.len())) {
                    self.state = State::Inside;
                } else if self.held.len() > MOST_HELD {
                    self.state = State::Text;
                } else {
                    self.state = State::Assumed(self.held.len());
                    return Ok(false);
                }
            }
            State::Inside => match find_close(&self.held, 0) {
                Some(at) => {
                    self.give(at, Voice::Reasoning, each)?;
                    self.held.drain(..CLOSE.len());
                    self.state = State::After;
                }
                None => {
                    let sure = self.held.len() - half_close(&self.held);
                    self.give(sure, Voice::Reasoning, each)?;
                    return Ok(false);
                }
            },
            State::After => {
                let answer = self.held.trim_start_matches(['\n', '\r']).len();
                self.held.drain(..self.held.len() - answer);
                if answer == 0 {
                    return Ok(false);
                }
                self.state = State::Text;
            }
        }
        Ok(true)
    }

    fn skip_opening(&mut self) {
        let space = self.held.len() - self.held.trim_start().len();
        self.held.drain(..space + OPEN.len());
        self.state = State::Inside;
    }

    fn give(
        &mut self,
        bytes: usize,
        voice: Voice,
        each: &mut impl FnMut(Voice, &str) -> Result<(), Box<Failure>>,
    ) -> Result<(), Box<Failure>> {
        if bytes > 0 {
            each(voice, &self.held[..bytes])?;
            self.held.drain(..bytes);
        }
        Ok(())
    }
}

impl Default for ThinkSplit {
    fn default() -> Self {
        Self::new()
    }
}

/// Where the closing tag is, if the first `searched` bytes hold no whole one.
fn find_close(held: &str, searched: usize) -> Option<usize> {
    let from = searched.saturating_sub(CLOSE.len());
    memchr::memmem::find(&held.as_bytes()[from..], CLOSE.as_bytes()).map(|at| from + at)
}

/// How many bytes at the end may be the beginning of a closing tag.
fn half_close(held: &str) -> usize {
    (1..CLOSE.len()).rev().find(|length| held.ends_with(&CLOSE[..*length])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split_by(mut splitter: ThinkSplit, pieces: &[&str]) -> (String, String) {
        let (mut reasoning, mut text) = (String::new(), String::new());
        let mut each = |voice: Voice, piece: &str| {
            assert!(!piece.is_empty());
            match voice {
                Voice::Text => text.push_str(piece),
                Voice::Reasoning => {
                    assert!(text.is_empty(), "thoughts come before the answer");
                    reasoning.push_str(piece);
                }
            }
            Ok(())
        };
        for piece in pieces {
            splitter.push(piece, &mut each).unwrap();
        }
        splitter.finish(&mut each).unwrap();
        (reasoning, text)
    }

    fn check(make: fn() -> ThinkSplit, whole: &str, reasoning: &str, text: &str) {
        let expected = (reasoning.to_owned(), text.to_owned());
        let letters: Vec<String> = whole.chars().map(String::from).collect();
        let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
        assert_eq!(split_by(make(), &letters), expected, "{whole:?} letter by letter");
        for at in (0..=whole.len()).filter(|at| whole.is_char_boundary(*at)) {
            assert_eq!(split_by(make(), &[&whole[..at], &whole[at..]]), expected, "{whole:?} cut at {at}");
        }
    }

    #[test]
    fn thoughts_at_the_start_are_taken_out() {
        for (whole, reasoning, text) in [
            ("<think>é a</think>\n\nb</think>", "é a", "b</think>"),
            (" \n<think></think>b", "", "b"),
            ("<think>a</thin</think> b", "a</thin", " b"),
            ("<think>never closed </", "never closed </", ""),
            ("<think>a</think>\n", "a", ""),
        ] {
            check(ThinkSplit::new, whole, reasoning, text);
        }
    }

    #[test]
    fn tags_anywhere_else_are_text_and_an_orphan_close_hides_nothing() {
        for whole in ["a <think>b</think>", "thoughts</think>\n\nanswer", "<thin", "  ", "\n<b>", "<<think>"] {
            check(ThinkSplit::new, whole, "", whole);
        }
        check(ThinkSplit::new, &" ".repeat(300), "", &" ".repeat(300));
    }

    #[test]
    fn a_missing_opening_tag_can_be_taken_for_granted() {
        check(ThinkSplit::assuming_open, "a b</think>\nc", "a b", "c");
        check(ThinkSplit::assuming_open, "<think>a</think>c", "a", "c");
        check(ThinkSplit::assuming_open, "no tag at all", "", "no tag at all");
    }

    #[test]
    fn what_is_held_back_is_bounded() {
        let mut splitter = ThinkSplit::assuming_open();
        let mut given = 0;
        for _ in 0..300 {
            let mut each = |_: Voice, piece: &str| {
                given += piece.len();
                Ok(())
            };
            splitter.push(&"x".repeat(1024), &mut each).unwrap();
        }
        assert_eq!(given, 300 * 1024);
    }

    #[test]
    fn bounds_hold_whatever_the_cut() {
        let space = |count: usize| " ".repeat(count);
        let long = "x".repeat(MOST_HELD);
        let cases = [
            (ThinkSplit::new as fn() -> ThinkSplit, format!("{}<think>a</think>b", space(MOST_SPACE))),
            (ThinkSplit::new, format!("{}<think>a</think>b", space(MOST_SPACE + 1))),
            (ThinkSplit::assuming_open, format!("{long}</think>b")),
            (ThinkSplit::assuming_open, format!("{}</think>b", &long[CLOSE.len()..])),
            (ThinkSplit::assuming_open, format!("{}<think>a</think>b", space(MOST_HELD))),
        ];
        for (at, (make, text)) in cases.iter().enumerate() {
            let voices = |size: usize| {
                let (mut split, mut said) = (make(), [String::new(), String::new()]);
                let mut each = |voice: Voice, text: &str| {
                    said[usize::from(voice == Voice::Text)].push_str(text);
                    Ok(())
                };
                for piece in text.as_bytes().chunks(size) {
                    split.push(std::str::from_utf8(piece).unwrap(), &mut each).unwrap();
                }
                split.finish(&mut each).unwrap();
                said
            };
            let whole = voices(text.len());
            for size in [1000, 257, 41] {
                assert!(voices(size) == whole, "case {at} in pieces of {size}");
            }
        }
    }
}
