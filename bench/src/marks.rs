//! The mark in every frame's text: its number in the answer, the time at which the provider wrote it, and for how long the
//! provider had had the request then. Some dialects say the whole text once more at the end, so a number that was read before
//! is not counted again.

use memchr::memmem;

const BEGIN: &[u8] = b"wq";

/// The text of a frame; times in microseconds.
pub fn text(number: usize, time: u64, held: u64) -> String {
    format!("wq{number}.{time}.{held} and more ")
}

/// What new marks say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct New {
    /// How many there are.
    pub frames: u64,
    /// When the last was written.
    pub time: u64,
    /// For how long the provider had had the request before it wrote the last.
    pub held: u64,
}

/// The marks of one answer.
#[derive(Default)]
pub struct Marks {
    /// The next number.
    next: u64,
}

impl Marks {
    /// How many came.
    pub const fn count(&self) -> u64 {
        self.next
    }

    /// The new ones that the text has; wrong if one was left out. Takes all but a mark that is cut.
    pub fn take(&mut self, text: &mut Vec<u8>) -> Result<New, ()> {
        let mut new = New::default();
        let mut rest = text.as_slice();
        while let Some(found) = memmem::find(rest, BEGIN) {
            let behind = rest.get(found + BEGIN.len()..).unwrap_or_default();
            let Some(length) = behind.iter().position(|byte| *byte != b'.' && !byte.is_ascii_digit()) else {
                rest = rest.get(found..).unwrap_or_default();
                break;
            };
            let (mark, after) = behind.split_at(length);
            rest = after;
            let Some([number, time, held]) = numbers(mark) else { continue };
            if number > self.next {
                return Err(());
            }
            if number == self.next {
                self.next += 1;
                new = New { frames: new.frames + 1, time, held };
            }
        }
        // A mark's first letter may be the last of the text.
        let kept = if rest.starts_with(BEGIN) { rest.len() } else { rest.len().min(BEGIN.len() - 1) };
        text.drain(..text.len() - kept);
        Ok(new)
    }
}

fn numbers(mark: &[u8]) -> Option<[u64; 3]> {
    let mut numbers = std::str::from_utf8(mark).ok()?.split('.').map(str::parse);
    Some([numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(numbers: &[usize]) -> Vec<u8> {
        numbers.iter().map(|number| text(*number, 400 + *number as u64, 7)).collect::<String>().into_bytes()
    }

    #[test]
    fn marks_are_counted_once_however_they_are_cut() {
        let whole = answer(&[0, 1, 2]);
        for cut in 0..whole.len() {
            let (mut marks, mut text) = (Marks::default(), whole[..cut].to_vec());
            let before = marks.take(&mut text).unwrap().frames;
            text.extend_from_slice(&whole[cut..]);
            let behind = marks.take(&mut text).unwrap();
            assert_eq!((before + behind.frames, marks.count()), (3, 3), "cut at {cut}");
            assert!(behind.frames == 0 || (behind.time, behind.held) == (402, 7), "cut at {cut}");
            assert!(text.len() < BEGIN.len(), "cut at {cut}");
        }
    }

    #[test]
    fn text_that_is_said_again_is_not_counted() {
        let mut marks = Marks::default();
        assert_eq!(marks.take(&mut answer(&[0, 1, 0, 1])), Ok(New { frames: 2, time: 401, held: 7 }));
    }

    #[test]
    fn a_frame_that_is_missing_is_noticed() {
        assert_eq!(Marks::default().take(&mut answer(&[0, 2])), Err(()));
    }
}
