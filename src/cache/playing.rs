//! An answer that is given again, as if a provider said it.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use chatwire_protocols::event::Event;
use tokio::time::Instant;

use super::recording::{Position, Recorded};
use crate::upstream::Alarm;

/// Longest that all pauses of an answer take together.
const LONGEST: Duration = Duration::from_secs(1);

/// Most events that are given at a time.
const BATCH: usize = 64;

/// An answer while it is given. Pages show it as it comes, piece by piece.
pub struct Playing {
    recorded: Arc<Recorded>,
    position: Position,
    /// The next event.
    at: usize,
    /// How many pieces of text have been given.
    pieces: u32,
    begin: Instant,
    pause: Duration,
    alarm: Alarm,
}

impl Playing {
    /// An answer, at this position of a turn.
    pub fn new(recorded: Arc<Recorded>, position: Position, pace: Duration) -> Self {
        let pieces = recorded.events.iter().filter(|event| is_piece(event)).count();
        let pause = LONGEST / u32::try_from(pieces.max(1)).unwrap_or(u32::MAX);
        let begin = Instant::now();
        Self { recorded, position, at: 0, pieces: 0, begin, pause: pause.min(pace), alarm: Alarm::new(begin) }
    }

    /// Gives what is due.
    pub fn poll(&mut self, cx: &mut Context<'_>, out: &mut Vec<Event>) -> Poll<()> {
        let before = out.len();
        while out.len() - before < BATCH {
            let piece = self.recorded.events.get(self.at).is_some_and(is_piece);
            if piece && !self.pause.is_zero() {
                let due = self.begin + self.pause * self.pieces;
                if due > Instant::now() {
                    if out.len() > before {
                        break;
                    }
                    self.alarm.set(due);
                    ready!(self.alarm.poll(cx));
                }
            }
            let Some(event) = self.recorded.moved(self.at, &self.position) else { break };
            self.at += 1;
            self.pieces += u32::from(piece);
            out.push(event);
        }
        Poll::Ready(())
    }

    /// True when all has been given.
    pub fn is_done(&self) -> bool {
        self.at >= self.recorded.events.len()
    }

    /// The target that has said it, by its place in the model's list.
    pub fn target(&self) -> usize {
        self.recorded.target
    }
}

const fn is_piece(event: &Event) -> bool {
    matches!(event, Event::BlockDelta { .. })
}

#[cfg(test)]
mod tests {
    use chatwire_protocols::event::{BlockId, BlockKind, Finish, Runs, StepEnd, ToolCall, ToolKind};
    use proptest::prelude::*;

    use super::*;
    use crate::cache::tests::{answers, question};
    use crate::cache::{Answers, Found};

    /// A call's events: a text of these pieces, and a tool call whose id its decoder has made.
    fn said(pieces: &[String], position: &Position) -> Vec<Event> {
        let (text, tool) = (BlockId(position.first_block), BlockId(position.first_block + 1));
        let call = ToolCall {
            id: format!("call_{}_1", position.seed).into(),
            name: "f".into(),
            kind: ToolKind::Function,
            runs: Runs::Page,
            index: 0,
        };
        let deltas = pieces.iter().map(|piece| Event::BlockDelta { block: text, text: piece.as_str().into() });
        let mut events =
            vec![Event::StepStart(Box::default()), Event::BlockStart { block: text, kind: BlockKind::Text }];
        events.extend(deltas);
        events.push(Event::BlockEnd { block: text, whole: true });
        events.push(Event::BlockStart { block: tool, kind: BlockKind::ToolInput(Box::new(call)) });
        events.push(Event::BlockDelta { block: tool, text: "{}".into() });
        events.push(Event::BlockEnd { block: tool, whole: true });
        let mut end = StepEnd { finish: Finish::default(), ..StepEnd::default() };
        end.usage.cost = Some(chatwire_protocols::cost::Cost(0));
        events.push(Event::StepEnd(Box::new(end)));
        events
    }

    fn position(first_block: u32, seed: &str) -> Position {
        Position { first_block, seed: seed.into() }
    }

    fn record(answers: &Answers, events: &[Event], position: Position) -> Arc<Recorded> {
        let (chat, model) = question();
        let Some(Found::Miss(recorder)) = answers.find(&chat, &model) else { panic!("it is known already") };
        let mut recorder = recorder.at(position);
        for some in events.chunks(3) {
            recorder.hear(some, 1);
        }
        match answers.find(&chat, &model) {
            Some(Found::Hit(recorded, _)) => recorded,
            _ => panic!("it is kept"),
        }
    }

    async fn play(recorded: Arc<Recorded>, position: Position, pace: Duration) -> (Vec<Event>, Duration) {
        let (mut playing, mut out, begin) = (Playing::new(recorded, position, pace), Vec::new(), Instant::now());
        while !playing.is_done() {
            let before = out.len();
            std::future::poll_fn(|cx| playing.poll(cx, &mut out)).await;
            assert!((1..=BATCH).contains(&(out.len() - before)), "something, and not too much");
        }
        (out, begin.elapsed())
    }

    proptest! {
        #[test]
        fn an_answer_comes_back_as_if_it_were_said_here(
            pieces in proptest::collection::vec(".{1,30}", 0..300),
            from in 0_u32..50,
            to in 0_u32..50,
            pace in 0_u64..20,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            runtime.block_on(async {
                let recorded = record(&answers(), &said(&pieces, &position(from, "abc_1")), position(from, "abc_1"));
                let here = position(to, "xyz_7");
                let (events, time) = play(recorded, here.clone(), Duration::from_millis(pace)).await;
                prop_assert_eq!(events, said(&pieces, &here));
                let most = Duration::from_millis(pace * (pieces.len() as u64 + 1)).min(LONGEST);
                prop_assert!(time <= most + Duration::from_millis(2), "{:?}", time);
                Ok(())
            })?;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_piece_comes_at_once_and_the_others_at_their_pace() {
        let pieces: Vec<String> = (0..10).map(|piece| piece.to_string()).collect();
        let recorded = record(&answers(), &said(&pieces, &position(0, "s")), position(0, "s"));
        let (mut playing, begin) = (Playing::new(recorded, position(0, "t"), Duration::from_millis(7)), Instant::now());
        let mut times = Vec::new();
        while !playing.is_done() {
            let mut out = Vec::new();
            std::future::poll_fn(|cx| playing.poll(cx, &mut out)).await;
            times.extend(out.iter().filter(|event| is_piece(event)).map(|_| begin.elapsed().as_millis() as u64));
        }
        assert_eq!(times, (0..11).map(|piece| piece * 7).collect::<Vec<_>>());
    }
}
