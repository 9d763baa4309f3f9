//! Which event may follow which. Nothing else checks that, and nothing else closes what was left open.
//!
//! ```text
//! turn     = [TurnStart] beside* step* (TurnEnd | Failed | Cancelled)
//! step     = StepStart (block | tool | beside)* StepEnd
//! block    = BlockStart (BlockDelta | BlockMark)* BlockEnd        blocks may interleave; ids only grow
//! tool     = ToolStart | ToolDelta | ToolProgress | ToolAwait | ToolResult     behind their call's BlockEnd
//! beside   = Data | Warning | Now | Spent                                 anywhere before the end
//! ```
//!
//! Results of gateway-run tools stand inside the step that called them or between steps. A call has one final
//! result. Everything that is open is closed before an end: blocks as not whole, and calls that will get no result
//! any more as interrupted. Nothing follows the end.

use std::collections::HashSet;

use crate::error::{Failure, FailureKind};
use crate::event::{BlockId, BlockKind, Event, Runs, StepStart, Text, ToolOutcome, ToolResult};
use crate::history::unused;

/// Watches one turn.
#[derive(Debug, Default)]
pub struct Order {
    step_open: bool,
    ended: bool,
    next: u32,
    open: Vec<OpenBlock>,
    calls: Vec<Call>,
    /// Ids of calls in earlier turns of the conversation.
    earlier: HashSet<Text>,
    breaches: u32,
}

#[derive(Debug)]
struct OpenBlock {
    block: BlockId,
    call: Option<usize>,
}

#[derive(Debug)]
struct Call {
    /// The id as the decoder says it.
    given: Text,
    /// The id as the page sees it: the same, unless it was given twice.
    shown: Text,
    runs: Runs,
    input_ended: bool,
    /// Somebody outside was asked: the page for an output, or a person for an approval.
    awaited: bool,
    answered: bool,
}

/// What to do with an event.
enum Verdict {
    Pass,
    Drop,
}

impl Order {
    /// Says which ids of calls the conversation has already: a new call of this turn gets none of them.
    pub fn know_calls(&mut self, ids: impl IntoIterator<Item = Text>) {
        self.earlier.extend(ids);
    }

    /// Says that a call of an earlier turn will be answered in this one: an approval, or a page's output.
    pub fn expect_result(&mut self, call: &Text) {
        self.calls.push(Call {
            given: call.clone(),
            shown: call.clone(),
            runs: Runs::Page,
            input_ended: true,
            awaited: false,
            answered: false,
        });
    }

    /// True if this turn has made a call, or is expected to answer it.
    pub fn knows(&self, call: &Text) -> bool {
        self.calls.iter().any(|known| known.given == *call || known.shown == *call)
    }

    /// Passes an event on to `out`, with the repairs it needs in front; drops it where it is not legal.
    pub fn admit(&mut self, mut event: Event, out: &mut Vec<Event>) {
        match self.judge(&mut event, out) {
            Verdict::Pass => out.push(event),
            Verdict::Drop => self.breaches += 1,
        }
    }

    /// Ends a turn that nobody has ended: as a failure, for a broken answer never looks finished.
    pub fn finish(&mut self, out: &mut Vec<Event>) {
        if !self.ended {
            let failure = Failure::new(FailureKind::Internal, "the turn stopped without an end");
            self.admit(Event::Failed(Box::new(failure)), out);
        }
    }

    /// True when the turn's last event has passed.
    pub const fn ended(&self) -> bool {
        self.ended
    }

    /// The id of the next block.
    pub const fn next_block(&self) -> u32 {
        self.next
    }

    /// How many events had to be dropped or repaired: 0 for every decoder of ours.
    pub const fn breaches(&self) -> u32 {
        self.breaches
    }

    fn judge(&mut self, event: &mut Event, out: &mut Vec<Event>) -> Verdict {
        if self.ended {
            return Verdict::Drop;
        }
        match event {
            Event::BlockDelta { block, text } => self.pass_if(!text.is_empty() && self.is_open(*block)),
            Event::BlockMark { block, .. } => self.pass_if(self.is_open(*block)),
            Event::BlockStart { block, kind } => self.start(*block, kind, out),
            Event::BlockEnd { block, .. } => match self.open.iter().position(|open| open.block == *block) {
                Some(at) => {
                    if let Some(call) = self.open.remove(at).call {
                        self.calls[call].input_ended = true;
                    }
                    Verdict::Pass
                }
                None => Verdict::Drop,
            },
            Event::ToolStart { call } => self.about_call(call, false),
            Event::ToolDelta(says) | Event::ToolProgress(says) => self.about_call(&mut says.call, false),
            Event::ToolAwait(wait) => {
                let verdict = self.about_call(&mut wait.call, false);
                let called = self.calls.iter_mut().rev().find(|call| !call.answered && call.shown == wait.call);
                if let (Verdict::Pass, Some(call)) = (&verdict, called) {
                    call.awaited = true;
                }
                verdict
            }
            Event::ToolResult(result) => self.about_call(&mut result.call, result.last),
            Event::StepStart(_) => {
                if self.step_open {
                    return Verdict::Drop;
                }
                self.step_open = true;
                Verdict::Pass
            }
            Event::StepEnd(_) => {
                if !self.step_open {
                    return Verdict::Drop;
                }
                self.close_blocks(out);
                self.step_open = false;
                Verdict::Pass
            }
            Event::TurnEnd(_) | Event::Failed(_) | Event::Cancelled { .. } => {
                self.close_blocks(out);
                self.answer_calls(matches!(event, Event::TurnEnd(_)), out);
                self.ended = true;
                Verdict::Pass
            }
            Event::TurnStart { .. } | Event::Data(_) | Event::Spent(_) | Event::Warning(_) | Event::Now { .. } => {
                Verdict::Pass
            }
        }
    }

    fn start(&mut self, block: BlockId, kind: &mut BlockKind, out: &mut Vec<Event>) -> Verdict {
        if block.0 < self.next {
            return Verdict::Drop;
        }
        if !self.step_open {
            self.breaches += 1;
            self.step_open = true;
            out.push(Event::StepStart(Box::default()));
        }
        self.next = block.0 + 1;
        let call = match kind {
            BlockKind::ToolInput(call) => {
                let given = call.id.clone();
                if self.is_taken(&given) {
                    call.id = unused(&given, |id| self.is_taken(id));
                }
                self.calls.push(Call {
                    given,
                    shown: call.id.clone(),
                    runs: call.runs,
                    input_ended: false,
                    awaited: false,
                    answered: false,
                });
                Some(self.calls.len() - 1)
            }
            BlockKind::Text | BlockKind::Reasoning { .. } | BlockKind::Refusal | BlockKind::File(_) => None,
        };
        self.open.push(OpenBlock { block, call });
        Verdict::Pass
    }

    /// An event about a call: the call must be known, its input complete, its final result not yet given.
    fn about_call(&mut self, id: &mut Text, answers: bool) -> Verdict {
        let known = self.calls.iter_mut().rev().find(|call| !call.answered && (call.given == *id || call.shown == *id));
        match known {
            Some(call) if call.input_ended => {
                call.answered = answers;
                if *id != call.shown {
                    *id = call.shown.clone();
                }
                Verdict::Pass
            }
            _ => Verdict::Drop,
        }
    }

    fn close_blocks(&mut self, out: &mut Vec<Event>) {
        for open in self.open.drain(..) {
            self.breaches += 1;
            if let Some(call) = open.call {
                self.calls[call].input_ended = true;
            }
            out.push(Event::BlockEnd { block: open.block, whole: false });
        }
    }

    /// Answers the calls that nobody will answer any more. After a whole turn, page-run calls wait for the page, and
    /// calls that need an approval for the person.
    fn answer_calls(&mut self, whole: bool, out: &mut Vec<Event>) {
        for call in &mut self.calls {
            let waits = whole && (call.runs == Runs::Page || call.awaited);
            if !(call.answered || waits) {
                call.answered = true;
                out.push(Event::ToolResult(Box::new(ToolResult::failed(
                    call.shown.clone(),
                    ToolOutcome::Interrupted,
                    "The answer ended before the tool did.",
                ))));
            }
        }
    }

    fn pass_if(&self, legal: bool) -> Verdict {
        if legal { Verdict::Pass } else { Verdict::Drop }
    }

    fn is_taken(&self, id: &Text) -> bool {
        self.earlier.contains(id) || self.calls.iter().any(|call| call.given == *id || call.shown == *id)
    }

    fn is_open(&self, block: BlockId) -> bool {
        self.open.iter().any(|open| open.block == block)
    }
}

/// A step on its own as a turn: what a decoder gives, between a start and an end. For transcoding and tests; the
/// gateway's turn has tools and several steps.
#[derive(Debug, Default)]
pub struct SingleStep {
    order: Order,
}

impl SingleStep {
    /// Passes a decoder's events on, and ends the turn where the step ends.
    pub fn admit(&mut self, events: impl IntoIterator<Item = Event>, out: &mut Vec<Event>) {
        for event in events {
            let end = match &event {
                Event::StepEnd(end) => {
                    Some(crate::event::TurnEnd { finish: end.finish.clone(), usage: end.usage.clone() })
                }
                _ => None,
            };
            self.order.admit(event, out);
            if let Some(end) = end {
                self.order.admit(Event::TurnEnd(Box::new(end)), out);
            }
        }
    }

    /// Ends the turn if nothing has.
    pub fn finish(&mut self, out: &mut Vec<Event>) {
        self.order.finish(out);
    }

    /// How many events had to be dropped or repaired.
    pub const fn breaches(&self) -> u32 {
        self.order.breaches()
    }
}

/// The step that begins a turn, as decoders give it.
pub fn first_step(response: Option<Text>, model: Option<Text>) -> Event {
    Event::StepStart(Box::new(StepStart { step: 0, response, model }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{StepEnd, ToolAwait, ToolCall, ToolKind, TurnEnd, Wants};

    fn start(block: u32) -> Event {
        Event::BlockStart { block: BlockId(block), kind: BlockKind::Text }
    }

    fn delta(block: u32) -> Event {
        Event::BlockDelta { block: BlockId(block), text: "x".into() }
    }

    fn end(block: u32) -> Event {
        Event::BlockEnd { block: BlockId(block), whole: true }
    }

    fn call(block: u32, id: &str, runs: Runs) -> Event {
        let call = ToolCall { id: id.into(), name: "f".into(), kind: ToolKind::Function, runs, index: 0 };
        Event::BlockStart { block: BlockId(block), kind: BlockKind::ToolInput(Box::new(call)) }
    }

    fn admitted(events: Vec<Event>) -> (Vec<Event>, u32) {
        let mut order = Order::default();
        let mut out = Vec::new();
        for event in events {
            order.admit(event, &mut out);
        }
        order.finish(&mut out);
        (out, order.breaches())
    }

    #[test]
    fn a_legal_turn_passes_untouched() {
        let events = vec![
            Event::TurnStart { turn: "t".into() },
            first_step(None, None),
            start(0),
            start(1),
            delta(0),
            delta(1),
            end(0),
            end(1),
            Event::StepEnd(Box::<StepEnd>::default()),
            Event::TurnEnd(Box::<TurnEnd>::default()),
        ];
        assert_eq!(admitted(events.clone()), (events, 0));
    }

    #[test]
    fn what_is_open_is_closed_before_an_end() {
        let failure = Failure::new(FailureKind::Cut, "x");
        let (events, _) = admitted(vec![
            first_step(None, None),
            start(0),
            call(1, "c", Runs::Gateway),
            Event::Failed(Box::new(failure.clone())),
            delta(0),
        ]);
        assert_eq!(events[3], Event::BlockEnd { block: BlockId(0), whole: false });
        assert_eq!(events[4], Event::BlockEnd { block: BlockId(1), whole: false });
        assert!(matches!(&events[5], Event::ToolResult(result) if result.outcome == ToolOutcome::Interrupted));
        assert_eq!(events[6..], [Event::Failed(Box::new(failure))]);
    }

    #[test]
    fn a_turn_nobody_ends_fails() {
        let (events, _) = admitted(vec![first_step(None, None)]);
        assert!(matches!(events.last(), Some(Event::Failed(_))));
    }

    #[test]
    fn deltas_of_closed_blocks_and_second_results_are_dropped() {
        let result = || Event::ToolResult(Box::new(ToolResult::ok("c", 1.into())));
        let (events, breaches) = admitted(vec![
            first_step(None, None),
            call(0, "c", Runs::Gateway),
            result(),
            end(0),
            delta(0),
            result(),
            result(),
            Event::StepEnd(Box::default()),
            Event::TurnEnd(Box::default()),
        ]);
        assert_eq!(events.len(), 6);
        assert_eq!(breaches, 3);
    }

    #[test]
    fn a_repeated_call_id_is_made_unique_and_its_result_follows() {
        let (events, _) = admitted(vec![
            first_step(None, None),
            call(0, "c", Runs::Gateway),
            end(0),
            Event::ToolResult(Box::new(ToolResult::ok("c", 1.into()))),
            call(1, "c", Runs::Gateway),
            end(1),
            Event::ToolResult(Box::new(ToolResult::ok("c", 2.into()))),
            Event::StepEnd(Box::default()),
            Event::TurnEnd(Box::default()),
        ]);
        assert!(matches!(&events[6], Event::ToolResult(result) if result.call == "c_2"));
    }

    #[test]
    fn a_call_gets_no_id_that_the_conversation_has_already() {
        let mut order = Order::default();
        order.know_calls(["c".into(), "c_2".into()]);
        let mut out = Vec::new();
        for event in [first_step(None, None), call(0, "c", Runs::Page), end(0), call(1, "c", Runs::Page), end(1)] {
            order.admit(event, &mut out);
        }
        let shown: Vec<&str> = out
            .iter()
            .filter_map(|event| match event {
                Event::BlockStart { kind: BlockKind::ToolInput(call), .. } => Some(call.id.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!((shown, order.breaches()), (vec!["c_3", "c_4"], 0));
    }

    #[test]
    fn page_run_calls_wait_after_a_whole_turn() {
        let (events, _) = admitted(vec![
            first_step(None, None),
            call(0, "c", Runs::Page),
            end(0),
            Event::StepEnd(Box::default()),
            Event::TurnEnd(Box::default()),
        ]);
        assert!(!events.iter().any(|event| matches!(event, Event::ToolResult(_))));
    }
    #[test]
    fn a_call_that_needs_an_approval_waits_after_a_whole_turn_and_not_after_a_failure() {
        let wait = ToolAwait { call: "c".into(), wants: Wants::Approval("a".into()) };
        let begin = vec![
            first_step(None, None),
            call(0, "c", Runs::Gateway),
            end(0),
            Event::ToolAwait(Box::new(wait)),
            Event::StepEnd(Box::default()),
        ];
        let results = |last: Event| {
            let (events, _) = admitted([begin.clone(), vec![last]].concat());
            events.iter().filter(|event| matches!(event, Event::ToolResult(_))).count()
        };
        assert_eq!(results(Event::TurnEnd(Box::default())), 0);
        assert_eq!(results(Event::Failed(Failure::boxed(FailureKind::Cut, "x"))), 1);
    }
}
