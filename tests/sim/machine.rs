//! The machine under inputs in any order, also those that nobody should give.

use std::sync::Arc;

use chatwire::config::plan::{ToolKind, ToolPlan};
use chatwire::tools::{Said, ToolOutput, Toolbox};
use chatwire::turn::{Action, Input, Machine};
use chatwire_protocols::chat::{ChatRequest, Message, Role};
use chatwire_protocols::error::{Failure, FailureKind};
use chatwire_protocols::event::{
    BlockId, BlockKind, CancelledBy, Event, Finish, FinishReason, Runs, StepEnd, ToolCall, ToolKind as Kind, ToolResult,
};
use chatwire_protocols::order::Order;
use proptest::prelude::*;
use serde_json::json;

/// Calls have few ids, so that they meet.
const IDS: [&str; 3] = ["a", "b", "c"];
const NAMES: [&str; 4] = ["quick", "slow", "page", "nobody"];

#[derive(Clone, Debug)]
enum Given {
    StepStart,
    Text(u32),
    Call(u32, usize, usize),
    Delta(u32, &'static str),
    End(u32, bool),
    Result(usize),
    StepEnd(FinishReason),
    Failed,
    Ended,
    Said(usize),
    Finished(usize),
    Cancel,
    Fail,
}

fn given() -> impl Strategy<Value = Given> {
    let reason = prop_oneof![
        Just(FinishReason::Stop),
        Just(FinishReason::ToolCalls),
        Just(FinishReason::Length),
        Just(FinishReason::Pause),
        Just(FinishReason::Error),
    ];
    prop_oneof![
        3 => Just(Given::StepStart),
        4 => (0..6_u32).prop_map(Given::Text),
        6 => (0..6_u32, 0..IDS.len(), 0..NAMES.len()).prop_map(|(block, id, name)| Given::Call(block, id, name)),
        6 => (0..6_u32, prop_oneof![Just("{}"), Just("{"), Just("x"), Just("")]).prop_map(|(block, text)| Given::Delta(block, text)),
        6 => (0..6_u32, any::<bool>()).prop_map(|(block, whole)| Given::End(block, whole)),
        1 => (0..IDS.len()).prop_map(Given::Result),
        4 => reason.prop_map(Given::StepEnd),
        1 => Just(Given::Failed),
        1 => Just(Given::Ended),
        3 => (0..IDS.len()).prop_map(Given::Said),
        6 => (0..IDS.len()).prop_map(Given::Finished),
        1 => Just(Given::Cancel),
        1 => Just(Given::Fail),
    ]
}

fn input(given: &Given, base: u32) -> Input {
    let failure = || Failure::boxed(FailureKind::Server, "no");
    let block = |at: u32| BlockId(base.saturating_sub(2) + at);
    match *given {
        Given::StepStart => Input::Upstream(Event::StepStart(Box::default())),
        Given::Text(at) => Input::Upstream(Event::BlockStart { block: block(at), kind: BlockKind::Text }),
        Given::Call(at, id, name) => {
            let (id, name) = (IDS[id].into(), NAMES[name].into());
            let call = ToolCall { id, name, kind: Kind::Function, runs: Runs::Page, index: 0 };
            Input::Upstream(Event::BlockStart { block: block(at), kind: BlockKind::ToolInput(Box::new(call)) })
        }
        Given::Delta(at, text) => Input::Upstream(Event::BlockDelta { block: block(at), text: text.into() }),
        Given::End(at, whole) => Input::Upstream(Event::BlockEnd { block: block(at), whole }),
        Given::Result(id) => Input::Upstream(Event::ToolResult(Box::new(ToolResult::ok(IDS[id], json!(1))))),
        Given::StepEnd(reason) => {
            let finish = Finish { reason, raw: None };
            Input::Upstream(Event::StepEnd(Box::new(StepEnd { finish, ..StepEnd::default() })))
        }
        Given::Failed => Input::Upstream(Event::Failed(failure())),
        Given::Ended => Input::UpstreamEnded,
        Given::Said(id) => Input::ToolSaid { call: IDS[id].into(), said: Said::Progress("busy".into()) },
        Given::Finished(id) => Input::ToolFinished { call: IDS[id].into(), output: ToolOutput::ok(json!(1)) },
        Given::Cancel => Input::Cancel(CancelledBy::User),
        Given::Fail => Input::Fail(failure()),
    }
}

fn machine(max_steps: u32) -> Machine {
    let mut chat = ChatRequest { messages: vec![Message::text(Role::User, "hi")], ..ChatRequest::default() };
    let plan = |name: &str, kind| Arc::new(ToolPlan::new(name, kind));
    let fixed = || ToolKind::Fixed(json!(1));
    let tools = [plan("quick", fixed()), plan("slow", fixed()), plan("page", ToolKind::Page)];
    let toolbox = Toolbox::new(&tools, &mut chat.tools);
    Machine::new("turn".into(), chat, toolbox, max_steps)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn whatever_happens_a_turn_has_one_end_and_its_events_are_in_order(
        all in proptest::collection::vec(given(), 0..60),
        max_steps in 1..4_u32,
    ) {
        let (mut machine, mut out) = (machine(max_steps), Vec::new());
        let mut calls = u32::from(matches!(machine.input(Input::Start, &mut out), Action::Call));
        for given in all {
            let (before, ended) = (out.len(), machine.ended());
            let action = machine.input(input(&given, machine.next_block()), &mut out);
            if ended {
                prop_assert_eq!(out.len(), before, "something follows the end");
                prop_assert!(matches!(action, Action::End));
            }
            prop_assert_eq!(machine.ended(), matches!(action, Action::End), "{:?}", action);
            calls += u32::from(matches!(action, Action::Call));
        }
        machine.input(Input::Cancel(CancelledBy::User), &mut out);
        prop_assert!(machine.ended() && calls <= max_steps);
        prop_assert_eq!(out.iter().filter(|event| event.is_terminal()).count(), 1);
        prop_assert!(out.last().is_some_and(Event::is_terminal));
        let (mut order, mut again) = (Order::default(), Vec::new());
        out.iter().for_each(|event| order.admit(event.clone(), &mut again));
        prop_assert_eq!((order.breaches(), again), (0, out));
    }
}
