//! Lines that differ from the one before in nothing but a few values.
//!
//! Nearly every line of nearly every stream is like that: a new piece of text, and beside it a number, a time or
//! padding that nobody reads. What stands around these values is compared as bytes, and the text is taken out without
//! reading the rest again. A line is taken only if reading it would say the same of it; anything else goes the long
//! way, through the decoder's own reading.

use super::json::Raw;

/// Longer lines are not remembered.
const MOST_BYTES: usize = 4096;

/// Most values that may differ, the text among them.
const MOST_GAPS: usize = 4;

/// After so many lines that were remembered for nothing, few are.
const PATIENCE: u32 = 8;

/// What is remembered of the last line, if it said nothing but a piece of text. `S` tells whose text it is.
#[derive(Debug)]
pub(crate) struct Alike<S> {
    said: Option<S>,
    /// The name of the line's event.
    name: String,
    /// What stands around the values, one after the other.
    fixed: String,
    gaps: [Gap; MOST_GAPS],
    gap_count: usize,
    /// How many lines in a row were remembered or passed over without one like them.
    misses: u32,
}

impl<S> Default for Alike<S> {
    fn default() -> Self {
        Self {
            said: None,
            name: String::new(),
            fixed: String::new(),
            gaps: [Gap::default(); MOST_GAPS],
            gap_count: 0,
            misses: 0,
        }
    }
}

/// A value that may differ.
#[derive(Clone, Copy, Debug, Default)]
struct Gap {
    /// Where it begins and ends in the line; while lines are compared, only the length before it counts.
    start: usize,
    end: usize,
    text: bool,
}

impl<S: Copy> Alike<S> {
    /// Whose text the line is and the text itself, a JSON string, if nothing else is new.
    pub fn read<'a>(&mut self, name: &str, line: &'a str) -> Option<(S, Raw<'a>)> {
        let said = self.said.filter(|_| self.is_named(name))?;
        let text = self.text(line)?;
        self.misses = 0;
        Some((said, text))
    }

    /// Remembers a line that said nothing but `text`; the values in `free` mean nothing and may differ too. All of
    /// them must be borrowed from the line.
    pub fn learn(&mut self, name: &str, line: &str, said: S, text: Raw<'_>, free: &[Raw<'_>]) {
        self.said = None;
        self.misses = self.misses.wrapping_add(1);
        if line.len() > MOST_BYTES || (self.misses > PATIENCE && !self.misses.is_multiple_of(32)) {
            return;
        }
        if self.measure(line, text, free).is_some() {
            self.name.clear();
            self.name.push_str(name);
            self.said = Some(said);
        }
    }

    /// Remembers nothing: the line said something else.
    pub const fn forget(&mut self) {
        self.said = None;
    }

    /// The C library compares nothing at all through the address of an empty string, where there may be no memory:
    /// that gives the right answer, but takes as long as the whole rest.
    fn is_named(&self, name: &str) -> bool {
        self.name.len() == name.len() && (name.is_empty() || self.name == name)
    }

    fn text<'a>(&self, line: &'a str) -> Option<Raw<'a>> {
        let (mut rest, mut fixed, mut at, mut text) = (line, self.fixed.as_str(), 0, None);
        for gap in &self.gaps[..self.gap_count] {
            let (before, behind) = fixed.split_at_checked(gap.start - at)?;
            let (value, more) = split_value(rest.strip_prefix(before)?)?;
            if gap.text {
                text = Some(Raw::new(value)).filter(|text| text.string().is_some());
            }
            (rest, fixed, at) = (more, behind, gap.end);
        }
        text.filter(|_| rest == fixed)
    }

    fn measure(&mut self, line: &str, text: Raw<'_>, free: &[Raw<'_>]) -> Option<()> {
        text.string()?;
        self.gaps[0] = gap(line, text, true)?;
        self.gap_count = 1;
        for value in free.iter().filter(|value| split_value(value.get()).is_some_and(|(_, more)| more.is_empty())) {
            *self.gaps.get_mut(self.gap_count)? = gap(line, *value, false)?;
            self.gap_count += 1;
        }
        let gaps = &mut self.gaps[..self.gap_count];
        gaps.sort_unstable_by_key(|gap| gap.start);
        self.fixed.clear();
        let mut at = 0;
        for gap in gaps {
            self.fixed.push_str(line.get(at..gap.start)?);
            at = gap.end;
        }
        self.fixed.push_str(line.get(at..)?);
        Some(())
    }
}

/// Where a value stands that is borrowed from the line: its address tells.
fn gap(line: &str, value: Raw<'_>, text: bool) -> Option<Gap> {
    let start = (value.get().as_ptr() as usize).checked_sub(line.as_ptr() as usize)?;
    let end = start.checked_add(value.get().len()).filter(|end| *end <= line.len())?;
    Some(Gap { start, end, text })
}

/// The valid JSON string or whole number at the beginning, and what follows it.
fn split_value(json: &str) -> Option<(&str, &str)> {
    let bytes = json.as_bytes();
    let length = match bytes.first()? {
        b'"' => string_length(bytes)?,
        b'0' => 1,
        b'1'..=b'9' => bytes.iter().take_while(|byte| byte.is_ascii_digit()).count(),
        _ => return None,
    };
    json.split_at_checked(length)
}

fn string_length(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += plain_length(bytes.get(at..)?);
        at += match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => escape_length(bytes.get(at + 1..)?)?,
            0..0x20 => return None,
            _ => 1,
        };
    }
}

/// How many bytes of a string mean themselves, looking at eight at a time; less than eight at the end are not seen.
fn plain_length(bytes: &[u8]) -> usize {
    let (words, _) = bytes.as_chunks();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // The highest bit of a byte stands where the byte is below `most`; borrowing spoils only what follows.
        let below = |word: u64, most: u8| word.wrapping_sub(EACH * u64::from(most)) & !word & (EACH << 7);
        let equal = |byte: u8| below(word ^ (EACH * u64::from(byte)), 1);
        let special = below(word, 0x20) | equal(b'"') | equal(b'\\');
        if special != 0 {
            return at * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    words.len() * 8
}

const EACH: u64 = 0x0101_0101_0101_0101;

fn escape_length(behind: &[u8]) -> Option<usize> {
    match behind.first()? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' => behind.get(1..5)?.iter().all(u8::is_ascii_hexdigit).then_some(6),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;

    /// Remembers `text` in a line, and what `free` names as meaningless.
    fn learned(line: &str, text: &str, free: &[&str]) -> Alike<u8> {
        let borrowed = |value: &str| {
            let at = line.find(value).unwrap();
            Raw::new(&line[at..at + value.len()])
        };
        let free: Vec<Raw<'_>> = free.iter().map(|value| borrowed(value)).collect();
        let mut alike = Alike::default();
        alike.learn("n", line, 7, borrowed(text), &free);
        alike
    }

    fn line(seq: &str, text: &str, end: &str, padding: &str) -> String {
        format!(r#"{{"seq":{seq},"è":{{"text":{text}}},"end":{end},"pad":{padding}}}"#)
    }

    #[test]
    fn only_the_text_and_what_means_nothing_may_differ() {
        let first = line("9", "\"é\"", "null", "\"x\"");
        let mut alike = learned(&first, "\"é\"", &["\"x\"", "9"]);
        for (seq, text, padding) in
            [("10", "\"\"", "\"\""), ("0", r#""a\"b\\\n\u00e9\ud83d""#, r#""\"}""#), ("123456", "\"\u{2028}😀\"", "5")]
        {
            let like = line(seq, text, "null", padding);
            assert_eq!(alike.read("n", &like), Some((7, Raw::new(text))), "{like}");
            assert_eq!(alike.read("m", &like), None, "an event of another name");
        }
        for other in [
            line("10", "\"a\"", "\"stop\"", "\"\""),
            line("10", "5", "null", "\"\""),
            line("10", "null", "null", "\"\""),
            line("1.5", "\"a\"", "null", "\"\""),
            line("10", "\"a\",\"x\":\"\"", "null", "\"\""),
            line("10", "\"a\"", "null", "\"\"") + " ",
        ] {
            assert_eq!(alike.read("n", &other), None, "{other}");
        }
        for cut in (0..first.len()).filter(|cut| first.is_char_boundary(*cut)) {
            assert_eq!(alike.read("n", &first[..cut]), None);
        }
    }

    #[test]
    fn a_line_that_is_no_json_is_not_like_any() {
        let mut alike = learned(&line("9", "\"a\"", "null", "\"x\""), "\"a\"", &["9"]);
        for (seq, text) in [("1", "\"a\tb\""), ("1", r#""\q""#), ("1", r#""\u12g4""#), ("01", "\"a\""), ("-", "\"a\"")]
        {
            let wrong = line(seq, text, "null", "\"x\"");
            assert!(serde_json::from_str::<&RawValue>(&wrong).is_err());
            assert_eq!(alike.read("n", &wrong), None, "{wrong}");
        }
    }

    #[test]
    fn nothing_is_remembered_of_long_lines_of_other_values_and_after_forgetting() {
        let long = line("9", &format!("\"{}\"", "a".repeat(MOST_BYTES)), "null", "\"x\"");
        assert_eq!(learned(&long, "\"aaa", &[]).read("n", &long), None);
        assert_eq!(learned(&long, "\"x\"", &[]).read("n", &long), None);
        let short = line("9", "\"a\"", "null", "\"x\"");
        assert_eq!(learned(&short, "null", &[]).read("n", &short), None);
        let mut alike = Alike::default();
        alike.learn("n", &short, 7, Raw::new("\"from elsewhere\""), &[]);
        assert_eq!(alike.read("n", &short), None);
        let mut alike = learned(&short, "\"a\"", &[]);
        alike.forget();
        assert_eq!(alike.read("n", &short), None);
    }

    #[test]
    fn streams_without_like_lines_are_given_up_and_tried_again() {
        let lines: Vec<String> = (0..100).map(|at| line("9", "\"a\"", &at.to_string(), "\"x\"")).collect();
        let mut alike = Alike::default();
        let mut remembered = 0;
        for line in &lines {
            assert_eq!(alike.read("n", line), None);
            let at = line.find("\"a\"").unwrap();
            alike.learn("n", line, 7, Raw::new(&line[at..at + 3]), &[]);
            remembered += u32::from(alike.said.is_some());
        }
        assert_eq!(remembered, PATIENCE + 3);
    }

    #[test]
    fn eight_bytes_at_a_time_stop_where_one_byte_at_a_time_does() {
        for special in 0..=255 {
            for at in 0..16 {
                for after in [0, b'!', b'"', b'#', b'[', b'\\', b']', 0x1F, 0x20, 0x21, 0x7F, 0x80, 0xFF] {
                    let mut bytes = [b'a'; 16];
                    bytes[at] = special;
                    if let Some(next) = bytes.get_mut(at + 1) {
                        *next = after;
                    }
                    let stops = |byte: &u8| matches!(byte, 0..0x20 | b'"' | b'\\');
                    assert_eq!(plain_length(&bytes), bytes.iter().position(stops).unwrap_or(16), "{bytes:?}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_value_is_split_off_where_serde_json_ends_it(json in "[\"\\\\0-9u/bna{}, é\u{1}\u{7f}😀]{0,12}") {
            let mut values = serde_json::Deserializer::from_str(&json).into_iter::<&RawValue>();
            let first = values.next().and_then(Result::ok).map(RawValue::get);
            match split_value(&json) {
                Some((value, _)) if value.starts_with('"') => prop_assert_eq!(first, Some(value)),
                Some((value, more)) => {
                    prop_assert!(serde_json::from_str::<u128>(value).is_ok() || value.len() > 12);
                    prop_assert!(value == "0" || !more.starts_with(|next: char| next.is_ascii_digit()));
                }
                // A value of another kind, white space in front, or no value at all.
                None => prop_assert!(!first.is_some_and(|value| json.starts_with(value) && value.starts_with('"'))),
            }
        }
    }
}
