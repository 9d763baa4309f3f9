//! Server-sent events, lines of JSON and thoughts in a text: whatever the cut, the same comes out, and no more than went in.

use chatwire_protocols::wire::ndjson;
use chatwire_protocols::wire::sse::{self, Piece};
use chatwire_protocols::wire::think::{ThinkSplit, Voice};

use crate::{Input, cuts};

const WIDE: usize = 1 << 20;
const NARROW: usize = 50;

/// Checks one input.
///
/// # Panics
/// Something does not hold.
pub fn check(data: &[u8]) {
    let mut input = Input(data);
    let seed = input.byte();
    let (body, pieces) = (input.0, cuts(input.0, seed));

    let whole = events(&[body], WIDE);
    assert_eq!(whole, events(&pieces, WIDE), "a cut changes the events");
    // A byte that is no UTF-8 becomes three.
    let length: usize = whole.iter().flatten().map(String::len).sum();
    assert!(length <= 3 * body.len() + 16 * whole.iter().len(), "more events than bytes");
    let _ = events(&pieces, NARROW);

    let whole = lines(&[body], WIDE);
    assert_eq!(whole, lines(&pieces, WIDE), "a cut changes the lines");
    let _ = lines(&pieces, NARROW);

    let text = String::from_utf8_lossy(body);
    for split in [ThinkSplit::new, ThinkSplit::assuming_open] {
        let (whole, all) = voices(split(), [&*text]);
        let (cut, _) = voices(split(), text.split_inclusive(|letter| (letter as u32 ^ u32::from(seed)) % 3 == 0));
        assert_eq!(whole, cut, "a cut changes what is thought");
        assert!(all <= text.len(), "more text than there was");
    }
}

/// The events in words; `Err` if it failed.
fn events(pieces: &[&[u8]], limit: usize) -> Result<Vec<String>, ()> {
    let mut reader = sse::Reader::new(limit);
    let mut seen = Vec::new();
    let mut each = |piece: Piece<'_>| {
        seen.push(match piece {
            Piece::Event { name, data, terminated } => format!("{name}|{data}|{terminated}"),
            Piece::Comment => "#".to_owned(),
            Piece::Field { name, value } => format!("{name}={value}"),
            Piece::Document(text) => text.to_owned(),
        });
    };
    for piece in pieces {
        reader.feed(piece, &mut each).map_err(drop)?;
    }
    reader.finish(&mut each).map_err(drop)?;
    Ok(seen)
}

fn lines(pieces: &[&[u8]], limit: usize) -> Result<Vec<String>, ()> {
    let mut reader = ndjson::Reader::new(limit);
    let mut seen = Vec::new();
    for piece in pieces {
        reader.feed(piece, |line| seen.push(line.to_owned())).map_err(drop)?;
    }
    reader.finish(|line| seen.push(line.to_owned())).map_err(drop)?;
    Ok(seen)
}

/// What is said in which voice, joined; and how much.
fn voices<'a>(mut split: ThinkSplit, pieces: impl IntoIterator<Item = &'a str>) -> (Vec<(Voice, String)>, usize) {
    let mut said: Vec<(Voice, String)> = Vec::new();
    let mut each = |voice: Voice, text: &str| {
        match said.last_mut() {
            Some((last, held)) if *last == voice => held.push_str(text),
            _ => said.push((voice, text.to_owned())),
        }
        Ok(())
    };
    for piece in pieces {
        split.push(piece, &mut each).expect("nothing here fails");
    }
    split.finish(&mut each).expect("nothing here fails");
    let all = said.iter().map(|(_, text)| text.len()).sum();
    (said, all)
}
