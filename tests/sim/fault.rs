//! What goes wrong with an answer of a provider.

use std::collections::VecDeque;
use std::time::Duration;

use crate::random::Random;
use crate::wire::{self, Frame};

/// What goes wrong.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    None,
    /// No answer comes at all.
    NoHead,
    /// The connection cannot be made.
    NoConnection,
    /// An answer that says no.
    Status(u16),
    /// The body ends behind so many thousandths of its bytes: by itself, or broken, or never.
    Cut(usize, How),
    /// The provider says in its own words that it failed, behind so many thousandths of its events.
    Error(usize),
    /// Bytes that mean nothing.
    Garbage(usize),
    /// An event comes twice, is missing, or changes places with the next.
    Twice(usize),
    Missing(usize),
    Swapped(usize),
    /// Nothing more but signs of life.
    Heartbeats(usize),
    /// It never stops talking.
    Endless,
    /// Whole, and then more than there should be.
    TwoEnds,
    Behind,
    NeverCloses,
    /// Reading it panics: a fault of ours.
    Panics(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Clean,
    Broken,
    Never,
}

/// What must become of a turn whose last answer this is, if nobody disturbs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    Finish,
    Fail,
    Either,
}

/// What a body does next.
#[derive(Clone, Debug)]
pub enum Act {
    Bytes(Vec<u8>),
    Sleep(Duration),
    Broken,
    Never,
    Panic,
    /// A text of no script, over and over.
    Endless(Vec<u8>),
}

/// A body, and what is known of it.
#[derive(Clone, Debug)]
pub struct Body {
    pub acts: VecDeque<Act>,
    /// Where each frame ends, counted in bytes of the body.
    pub ends: Vec<(usize, Frame)>,
    pub expect: Expect,
    /// True if it says something else than its script.
    pub corrupt: bool,
}

impl Fault {
    pub fn draw(random: &mut Random) -> Self {
        let at = random.below(1001);
        match random.below(24) {
            0..=5 => Self::None,
            6 | 7 => Self::Cut(at, How::Clean),
            8 | 9 => Self::Cut(at, How::Broken),
            10 | 11 => Self::Cut(at, How::Never),
            12 => Self::NoHead,
            13 => Self::NoConnection,
            14 => Self::Status(random.pick(&[400, 401, 404, 408, 413, 429, 500, 502, 503, 529])),
            15 => Self::Error(at),
            16 => Self::Garbage(at),
            17 => Self::Twice(at),
            18 => Self::Missing(at),
            19 => Self::Swapped(at),
            20 if random.one_in(3) => Self::Endless,
            20 => Self::Heartbeats(at),
            21 => Self::TwoEnds,
            22 => {
                if random.one_in(2) {
                    Self::Behind
                } else {
                    Self::NeverCloses
                }
            }
            _ => {
                if random.one_in(4) {
                    Self::Panics(at)
                } else {
                    Self::Cut(0, How::Clean)
                }
            }
        }
    }

    /// The body of an answer with this fault.
    pub fn apply(&self, protocol: &str, mut frames: Vec<Frame>, random: &mut Random) -> Body {
        let mut expect = Expect::Finish;
        let mut corrupt = false;
        let mut rest = VecDeque::new();
        let place = |at: usize, len: usize| at * len / 1000;
        match *self {
            Self::Twice(at) => {
                let at = place(at, frames.len() - 1);
                frames.insert(at, frames[at].clone());
                (expect, corrupt) = (Expect::Either, true);
            }
            Self::Missing(at) => {
                frames.remove(place(at, frames.len() - 1));
                let finishes = frames.iter().any(|frame| frame.finish);
                (expect, corrupt) = (if finishes { Expect::Either } else { Expect::Fail }, true);
            }
            Self::Swapped(at) => {
                if frames.len() > 1 {
                    let at = place(at, frames.len() - 2);
                    frames.swap(at, at + 1);
                }
                (expect, corrupt) = (Expect::Either, true);
            }
            Self::Garbage(at) => {
                let bytes = random.pick(&[
                    &b"\xff\xfe\x00\n\n"[..],
                    b"data: {\"nonsense\": tru\n\n",
                    b"<html>\n\n",
                    b"data: 7\n\n",
                    b"{\n",
                ]);
                let at = place(at, frames.len());
                // What stands behind it may never be read, so it may not have been said.
                frames[at..].iter_mut().for_each(|frame| frame.token = false);
                frames.insert(at, Frame { bytes: bytes.to_vec(), ..Frame::default() });
                (expect, corrupt) = (Expect::Either, true);
            }
            Self::Error(at) => {
                let finish = frames.iter().position(|frame| frame.finish).unwrap_or(0);
                frames.truncate(place(at, finish));
                frames.push(Frame { bytes: wire::error(protocol), ..Frame::default() });
                expect = Expect::Fail;
            }
            Self::TwoEnds => {
                let finish = frames.iter().position(|frame| frame.finish).unwrap_or(0);
                frames.extend_from_within(finish..);
            }
            Self::Behind => {
                let bytes = random.pick(&[
                    &b"data: [DONE]\n\n"[..],
                    b"{\"error\":\"late\"}\n",
                    b"\n\n\n",
                    b"event: error\ndata: {}\n\n",
                ]);
                frames.push(Frame { bytes: bytes.to_vec(), ..Frame::default() });
            }
            Self::NeverCloses => rest.push_back(Act::Never),
            _ => {}
        }
        let mut bytes = Vec::new();
        let mut ends = Vec::new();
        for frame in frames {
            bytes.extend_from_slice(&frame.bytes);
            ends.push((bytes.len(), frame));
        }
        let cut = match *self {
            Self::Cut(at, how) => {
                match how {
                    How::Clean => {}
                    How::Broken => rest.push_back(Act::Broken),
                    How::Never => rest.push_back(Act::Never),
                }
                Some(place(at, bytes.len()))
            }
            Self::Panics(at) => {
                rest.push_back(Act::Panic);
                Some(place(at, bytes.len()))
            }
            Self::Heartbeats(at) => {
                for _ in 0..30 {
                    rest.push_back(Act::Sleep(Duration::from_secs(5)));
                    rest.push_back(Act::Bytes(wire::heartbeat(protocol)));
                }
                let finish = ends.iter().position(|(_, frame)| frame.finish).unwrap_or(0);
                let at = place(at, finish);
                Some(at.checked_sub(1).map_or(0, |at| ends[at].0))
            }
            Self::Endless => {
                let token = ends.iter().rposition(|(_, frame)| frame.token && !frame.text.is_empty());
                token.map(|at| {
                    rest.push_back(Act::Endless(ends[at].1.bytes.clone()));
                    ends[at].0
                })
            }
            _ => None,
        };
        if let Some(at) = cut {
            expect = if at >= needed(&ends) { Expect::Either } else { Expect::Fail };
            if at == bytes.len() && !matches!(self, Self::Panics(_)) {
                expect = Expect::Finish;
            }
            bytes.truncate(at);
        }
        corrupt |= *self == Self::Endless;
        let mut acts = chunks(&bytes, random);
        acts.append(&mut rest);
        Body { acts, ends, expect, corrupt }
    }
}

/// How many bytes say all there is to know: to the end of the finish, without its line ends.
fn needed(ends: &[(usize, Frame)]) -> usize {
    let finish = ends.iter().find(|(_, frame)| frame.finish);
    finish.map_or(usize::MAX, |(end, frame)| {
        end - frame.bytes.iter().rev().take_while(|byte| b"\r\n".contains(byte)).count()
    })
}

/// The bytes in pieces, with pauses.
fn chunks(bytes: &[u8], random: &mut Random) -> VecDeque<Act> {
    let most = random.pick(&[1, 7, 60, 500, 1 << 20]);
    // Byte by byte is slow to simulate, so long answers are not.
    let most = if bytes.len() > 3000 { most.max(60) } else { most };
    let pauses = random.pick(&[2, 20, usize::MAX]);
    let mut acts = VecDeque::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        if pauses != usize::MAX && random.one_in(pauses) && acts.len() < 40 {
            acts.push_back(Act::Sleep(Duration::from_millis(random.pick(&[0, 1, 40, 900, 6000]))));
        }
        let (piece, behind) = rest.split_at(rest.len().min(1 + random.below(most)));
        acts.push_back(Act::Bytes(piece.to_vec()));
        rest = behind;
    }
    acts
}
