//! Two texts line by line, with what differs, some lines around it, and control characters made visible.

use std::fmt::Write as _;

/// Lines of agreement shown around a difference.
const CONTEXT: usize = 2;

/// Characters shown of one line.
const WIDTH: usize = 400;

/// Table cells spent on finding the smallest difference; beyond that the middle parts are shown whole.
const EFFORT: usize = 4_000_000;

/// What must change in `expected` to become `got`, as lines with `-` and `+`; empty if nothing must.
pub fn diff(expected: &[u8], got: &[u8]) -> String {
    if expected == got {
        return String::new();
    }
    let (old, new) = (lines(expected), lines(got));
    render(&changes(&old, &new))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Change<'a> {
    Same(&'a [u8]),
    Gone(&'a [u8]),
    Come(&'a [u8]),
}

/// Lines with their ends: a missing or different line end is a difference too.
fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').collect()
}

fn changes<'a>(old: &[&'a [u8]], new: &[&'a [u8]]) -> Vec<Change<'a>> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (&old[head..], &new[head..]);
    let tail = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(a, b)| a == b).count();
    let (old_middle, new_middle) = (&old_rest[..old_rest.len() - tail], &new_rest[..new_rest.len() - tail]);
    let mut found: Vec<Change<'a>> = old[..head].iter().map(|line| Change::Same(line)).collect();
    middle(old_middle, new_middle, &mut found);
    found.extend(old_rest[old_rest.len() - tail..].iter().map(|line| Change::Same(line)));
    found
}

/// The longest common subsequence, where that is affordable.
fn middle<'a>(old: &[&'a [u8]], new: &[&'a [u8]], found: &mut Vec<Change<'a>>) {
    if old.len().saturating_mul(new.len()) > EFFORT {
        found.extend(old.iter().map(|line| Change::Gone(line)));
        found.extend(new.iter().map(|line| Change::Come(line)));
        return;
    }
    let width = new.len() + 1;
    let mut common = vec![0u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i * width + j] = if old[i] == new[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            found.push(Change::Same(old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || (i < old.len() && common[(i + 1) * width + j] >= common[i * width + j + 1]) {
            found.push(Change::Gone(old[i]));
            i += 1;
        } else {
            found.push(Change::Come(new[j]));
            j += 1;
        }
    }
}

fn render(changes: &[Change<'_>]) -> String {
    let mut out = String::new();
    let differs = |change: &Change<'_>| !matches!(change, Change::Same(_));
    let mut skipped = false;
    for (at, change) in changes.iter().enumerate() {
        let near = &changes[at.saturating_sub(CONTEXT)..(at + CONTEXT + 1).min(changes.len())];
        if !near.iter().any(differs) {
            skipped = true;
            continue;
        }
        if std::mem::take(&mut skipped) {
            out.push_str("  ...\n");
        }
        let (sign, line) = match change {
            Change::Same(line) => (' ', line),
            Change::Gone(line) => ('-', line),
            Change::Come(line) => ('+', line),
        };
        let _ = writeln!(out, "{sign} {}", visible(line));
    }
    out
}

/// A line as one can read it: control and invisible characters by name, other bytes as they are.
fn visible(line: &[u8]) -> String {
    let (line, ended) = line.strip_suffix(b"\n").map_or((line, false), |line| (line, true));
    let text = String::from_utf8_lossy(line);
    let mut out = String::with_capacity(text.len());
    for character in text.chars().take(WIDTH) {
        match character {
            '\r' => out.push('␍'),
            '\t' => out.push('␉'),
            '\u{85}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{feff}' => {
                let _ = write!(out, "{}", character.escape_unicode());
            }
            other if other.is_control() => {
                let _ = write!(out, "{}", other.escape_unicode());
            }
            other => out.push(other),
        }
    }
    if text.chars().nth(WIDTH).is_some() {
        let _ = write!(out, " … ({} bytes)", line.len());
    }
    if !ended {
        out.push_str(" ⟨no line end⟩");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_have_no_difference() {
        assert_eq!(diff(b"a\nb\n", b"a\nb\n"), "");
        assert_eq!(diff(b"", b""), "");
    }

    #[test]
    fn a_difference_is_shown_with_its_surroundings() {
        let shown = diff(b"1\n2\n3\n4\n5\n6\n7\n8\n", b"1\n2\n3\n4\nfive\n6\n7\n8\n");
        assert_eq!(shown, "  ...\n  3\n  4\n- 5\n+ five\n  6\n  7\n");
    }

    #[test]
    fn added_and_removed_lines_keep_the_rest_together() {
        assert_eq!(diff(b"a\nb\nc\n", b"a\nc\nd\n"), "  a\n- b\n  c\n+ d\n");
    }

    #[test]
    fn what_cannot_be_seen_is_named() {
        assert_eq!(diff(b"a\n", b"a\r\n"), "- a\n+ a␍\n");
        assert_eq!(diff(b"a\n", b"a"), "- a\n+ a ⟨no line end⟩\n");
        assert_eq!(diff(b"", "\u{feff}x\u{1}\u{2028}\n".as_bytes()), "+ \\u{feff}x\\u{1}\\u{2028}\n");
    }

    #[test]
    fn huge_differences_are_affordable() {
        let old = "x\n".repeat(3000);
        let new = "y\n".repeat(3000);
        assert_eq!(diff(old.as_bytes(), new.as_bytes()).lines().count(), 6000);
    }
}
