//! The machine on its own: inputs in, events and actions out.

use std::collections::VecDeque;
use std::sync::Arc;

use chatwire_protocols::chat::{Approval, CallPart, ChatRequest, Message, Part, Role, ToolChoice, ToolSpec};
use chatwire_protocols::error::{Failure, FailureKind};
use chatwire_protocols::event::{
    BlockId, BlockKind, CancelledBy, Data, Event, Finish, FinishReason, PageCall, Runs, StepEnd, StepStart, ToolCall,
    ToolKind as Kind, ToolOutcome, Usage,
};
use chatwire_protocols::order::Order;
use serde_json::json;

use super::{Action, Input, Machine, ToolRun};
use crate::config::plan::{ToolKind, ToolPlan};
use crate::tools::{Arguments, Permission, Said, ToolOutput, Toolbox};

/// A machine with the tools `quick`, `slow` and `strict` of the gateway, `ask` that needs an approval, and `page` of
/// the page.
struct Turn {
    machine: Machine,
    events: Vec<Event>,
    running: Vec<ToolRun>,
    calling: bool,
}

fn plan(name: &str, approval: bool) -> Arc<ToolPlan> {
    let kind = ToolKind::Fixed(json!(name));
    Arc::new(ToolPlan {
        permission: if approval { Permission::Ask } else { Permission::Allow },
        ..ToolPlan::new(name, kind)
    })
}

impl Turn {
    fn new(max_steps: u32) -> Self {
        Self::with(max_steps, false, Vec::new())
    }

    /// A turn behind this conversation.
    fn with(max_steps: u32, page_calls: bool, earlier: Vec<Message>) -> Self {
        let page = ToolSpec { name: "page".into(), description: None, parameters: json!({}), strict: None };
        let mut chat = ChatRequest {
            messages: vec![Message::text(Role::User, "hi")],
            tools: vec![page],
            tool_choice: ToolChoice::Required,
            ..ChatRequest::default()
        };
        let mut strict = ToolPlan::new("strict", ToolKind::Fixed(json!(1)));
        strict.arguments = Arguments::new(json!({"type": "object", "required": ["x"]})).unwrap();
        let tools = [plan("quick", false), plan("slow", false), plan("ask", true), Arc::new(strict)];
        let toolbox = Toolbox::new(&tools, &mut chat.tools).asking(true);
        chat.messages.extend(earlier);
        let machine = Machine::new("turn".into(), chat, toolbox, max_steps).with_page_calls(page_calls);
        let mut turn = Self { machine, events: Vec::new(), running: Vec::new(), calling: false };
        turn.input(Input::Start);
        turn
    }

    fn input(&mut self, input: Input) {
        match self.machine.input(input, &mut self.events) {
            Action::Wait => {}
            Action::Call => self.calling = true,
            Action::Run(runs) => (self.calling, self.running) = (false, runs),
            Action::End => (self.calling, self.running) = (false, Vec::new()),
        }
    }

    /// A step with these calls (`name` or `name ARGUMENTS`; the id is the name).
    fn step(&mut self, calls: &[&str], reason: FinishReason) {
        assert!(self.calling, "a model is asked");
        self.calling = false;
        let first = self.machine.next_block();
        let mut events = VecDeque::from([Event::StepStart(Box::<StepStart>::default())]);
        for (at, call) in calls.iter().enumerate() {
            let (name, arguments) = call.split_once(' ').unwrap_or((call, "{}"));
            let block = BlockId(first + at as u32);
            let call =
                ToolCall { id: name.into(), name: name.into(), kind: Kind::Function, runs: Runs::Page, index: 0 };
            events.push_back(Event::BlockStart { block, kind: BlockKind::ToolInput(Box::new(call)) });
            events.push_back(Event::BlockDelta { block, text: arguments.into() });
            events.push_back(Event::BlockEnd { block, whole: true });
        }
        let usage = Usage { input: Some(1), ..Usage::default() };
        let end = StepEnd { finish: Finish { reason, raw: None }, usage, ..StepEnd::default() };
        events.push_back(Event::StepEnd(Box::new(end)));
        for event in events {
            self.input(Input::Upstream(event));
        }
    }

    fn tool_finishes(&mut self, name: &str) {
        self.input(Input::ToolFinished { call: name.into(), output: ToolOutput::ok(json!(name)) });
    }

    fn results(&self) -> Vec<(String, ToolOutcome)> {
        let results = self.events.iter().filter_map(|event| match event {
            Event::ToolResult(result) => Some((result.call.to_string(), result.outcome)),
            _ => None,
        });
        results.collect()
    }

    /// The turn has exactly one end, at its end, and its events are in order.
    fn check(&self) {
        let ends = self.events.iter().filter(|event| event.is_terminal()).count();
        assert_eq!((ends, self.events.last().is_some_and(Event::is_terminal)), (1, true), "{:?}", self.events);
        let (mut order, mut out) = (Order::default(), Vec::new());
        self.events.iter().for_each(|event| order.admit(event.clone(), &mut out));
        assert_eq!((order.breaches(), &out), (0, &self.events));
    }
}

fn ok(names: &[&str]) -> Vec<(String, ToolOutcome)> {
    names.iter().map(|name| ((*name).to_owned(), ToolOutcome::Ok)).collect()
}

fn asks(name: &str) -> Said {
    let ask = PageCall { name: "record".into(), arguments: json!({}) };
    Said::Data(Box::new(Data { name: name.into(), id: None, value: json!(1), keep: true, ask: Some(Box::new(ask)) }))
}

/// A turn in which a tool asks something of the page.
fn turn_with_ask(page_calls: bool) -> Turn {
    let mut turn = Turn::with(5, page_calls, Vec::new());
    turn.step(&["quick", "slow"], FinishReason::ToolCalls);
    turn.input(Input::ToolSaid { call: "quick".into(), said: asks("fact") });
    turn.tool_finishes("quick");
    turn.tool_finishes("slow");
    turn
}

#[test]
fn a_page_with_page_calls_is_waited_for_when_a_tool_asks_it() {
    let turn = turn_with_ask(true);
    turn.check();
    assert_eq!(turn.results(), ok(&["quick", "slow"]));
    let Some(Event::TurnEnd(end)) = turn.events.last() else { panic!("{:?}", turn.events.last()) };
    assert_eq!(end.finish.reason, FinishReason::ToolCalls);
}

#[test]
fn other_pages_are_told_and_the_turn_goes_on() {
    let mut turn = turn_with_ask(false);
    assert!(turn.events.iter().any(|event| matches!(event, Event::Data(_))));
    turn.step(&[], FinishReason::Stop);
    turn.check();
}

#[test]
fn an_approved_tool_that_asks_the_page_ends_the_turn_before_the_first_step() {
    let call = CallPart {
        id: "c".into(),
        name: "ask".into(),
        arguments: "{}".to_owned(),
        kind: Kind::Function,
        runs: Runs::Gateway,
        approval: Some(Approval { id: "a".into(), approved: Some(true), reason: None }),
        marks: Vec::new(),
    };
    let mut turn = Turn::with(5, true, vec![Message::new(Role::Assistant, vec![Part::ToolCall(call)])]);
    turn.input(Input::ToolSaid { call: "c".into(), said: asks("fact") });
    turn.input(Input::ToolFinished { call: "c".into(), output: ToolOutput::ok(json!("c")) });
    assert_eq!(turn.results(), ok(&["c"]));
    let Some(Event::TurnEnd(end)) = turn.events.last() else { panic!("{:?}", turn.events.last()) };
    assert_eq!((end.finish.reason, turn.machine.steps()), (FinishReason::ToolCalls, 0));
}

#[test]
fn an_answer_without_end_fails_at_its_bound() {
    let mut turn = Turn::new(5);
    let block = BlockId(0);
    turn.input(Input::Upstream(Event::StepStart(Box::default())));
    turn.input(Input::Upstream(Event::BlockStart { block, kind: BlockKind::Text }));
    let piece = "x".repeat(1 << 20);
    for _ in 0..40 {
        turn.input(Input::Upstream(Event::BlockDelta { block, text: piece.as_str().into() }));
    }
    turn.check();
    assert!(
        matches!(turn.events.last(), Some(Event::Failed(failure)) if failure.kind == FailureKind::Malformed),
        "{:?}",
        turn.events.last()
    );
    let deltas = turn.events.iter().filter(|event| matches!(event, Event::BlockDelta { .. })).count();
    assert_eq!(deltas, 31, "what came before the bound is kept");
}

#[test]
fn results_wait_for_those_before_them_and_stand_inside_their_step() {
    let mut turn = Turn::new(5);
    turn.step(&["slow", "quick"], FinishReason::ToolCalls);
    turn.tool_finishes("quick");
    assert!(turn.results().is_empty() && !turn.calling);
    turn.tool_finishes("slow");
    assert_eq!(turn.results(), ok(&["slow", "quick"]));
    assert!(matches!(turn.events.last(), Some(Event::StepEnd(_))));
    turn.step(&[], FinishReason::Stop);
    turn.check();
}

#[test]
fn the_next_step_is_told_what_was_said_and_may_answer_freely() {
    let mut turn = Turn::new(5);
    assert_eq!(turn.machine.chat().tool_choice, ToolChoice::Required);
    turn.step(&["quick"], FinishReason::Stop);
    turn.tool_finishes("quick");
    let chat = turn.machine.chat();
    assert_eq!(chat.tool_choice, ToolChoice::Auto);
    let roles: Vec<Role> = chat.messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant, Role::Tool]);
    assert!(matches!(&chat.messages[2].parts[0], Part::ToolResult(result) if result.output == json!("quick")));
}

#[test]
fn who_runs_a_call_is_decided_by_its_name() {
    let mut turn = Turn::new(5);
    turn.step(&["quick", "page", "nobody"], FinishReason::ToolCalls);
    let runs: Vec<Runs> = turn
        .events
        .iter()
        .filter_map(|event| match event {
            Event::BlockStart { kind: BlockKind::ToolInput(call), .. } => Some(call.runs),
            _ => None,
        })
        .collect();
    assert_eq!(runs, [Runs::Gateway, Runs::Page, Runs::Gateway]);
    assert_eq!(turn.running.len(), 1);
}

#[test]
fn a_repeated_call_id_in_a_later_step_gets_its_own_result() {
    let mut turn = Turn::new(5);
    turn.step(&["quick"], FinishReason::ToolCalls);
    turn.tool_finishes("quick");
    turn.step(&["quick"], FinishReason::ToolCalls);
    assert_eq!(turn.running[0].input.call, "quick_2");
    turn.tool_finishes("quick_2");
    turn.step(&[], FinishReason::Stop);
    assert_eq!(turn.results(), ok(&["quick", "quick_2"]));
    turn.check();
}

#[test]
fn what_a_tool_says_stands_between_its_start_and_its_result() {
    let mut turn = Turn::new(5);
    turn.step(&["slow", "quick"], FinishReason::ToolCalls);
    let before = turn.events.len();
    let data = Data { name: "x".into(), id: None, value: json!(1), keep: true, ask: None };
    for (call, said) in [
        ("quick", Said::Output("a".into())),
        ("slow", Said::Progress("b".into())),
        ("nobody", Said::Output("never".into())),
        ("quick", Said::Data(Box::new(data))),
    ] {
        turn.input(Input::ToolSaid { call: call.into(), said });
    }
    assert!(matches!(
        &turn.events[before..],
        [Event::ToolDelta(piece), Event::ToolProgress(line), Event::Data(_)] if piece.call == "quick" && line.call == "slow"
    ));
    turn.tool_finishes("quick");
    // Its result waits for the other's, but it has had its say.
    turn.input(Input::ToolSaid { call: "quick".into(), said: Said::Output("late".into()) });
    assert_eq!(turn.events.len(), before + 3);
    turn.tool_finishes("slow");
    turn.step(&[], FinishReason::Stop);
    turn.check();
}

#[test]
fn a_call_whose_arguments_do_not_fit_never_runs() {
    let mut turn = Turn::new(5);
    turn.step(&["strict {\"y\":1}"], FinishReason::ToolCalls);
    assert!(turn.running.is_empty() && turn.calling, "the model is asked again");
    assert_eq!(turn.results(), [("strict".to_owned(), ToolOutcome::Error)]);
    turn.step(&["strict {\"x\":1}"], FinishReason::ToolCalls);
    assert_eq!(turn.running.len(), 1);
}

#[test]
fn calls_of_a_cut_or_filtered_step_do_not_run() {
    for reason in [FinishReason::Length, FinishReason::ContentFilter, FinishReason::Error] {
        let mut turn = Turn::new(5);
        turn.step(&["quick"], reason);
        assert!(turn.running.is_empty());
        assert_eq!(turn.results(), [("quick".to_owned(), ToolOutcome::Interrupted)]);
        turn.check();
    }
}

#[test]
fn an_answer_that_the_provider_calls_failed_never_looks_finished() {
    let mut turn = Turn::new(5);
    turn.step(&[], FinishReason::Error);
    assert!(matches!(turn.events.last(), Some(Event::Failed(failure)) if failure.kind == FailureKind::Server));
    turn.check();
}

#[test]
fn running_tools_are_interrupted_when_somebody_stops_the_turn() {
    let mut turn = Turn::new(5);
    turn.step(&["quick", "slow"], FinishReason::ToolCalls);
    turn.tool_finishes("quick");
    turn.input(Input::Cancel(CancelledBy::User));
    let interrupted = ("slow".to_owned(), ToolOutcome::Interrupted);
    assert_eq!(turn.results(), [ok(&["quick"]), vec![interrupted]].concat());
    turn.tool_finishes("slow");
    turn.check();
}

#[test]
fn the_step_limit_ends_the_turn_with_its_results() {
    let mut turn = Turn::new(1);
    turn.step(&["quick"], FinishReason::ToolCalls);
    turn.tool_finishes("quick");
    assert!(!turn.calling);
    assert_eq!(turn.results(), ok(&["quick"]));
    turn.check();
}

#[test]
fn a_pause_is_bounded_by_the_step_limit() {
    let mut turn = Turn::new(3);
    for _ in 0..3 {
        turn.step(&[], FinishReason::Pause);
    }
    let Some(Event::TurnEnd(end)) = turn.events.last() else { panic!("an end") };
    assert_eq!((end.finish.reason, end.usage.input), (FinishReason::Pause, Some(3)));
    turn.check();
}

/// A turn with everything in it, as closures that are applied one by one.
fn script() -> Vec<fn(&mut Turn)> {
    vec![
        |turn| turn.step(&["slow", "nobody", "quick", "quick {\"x\":"], FinishReason::ToolCalls),
        |turn| turn.tool_finishes("quick"),
        |turn| turn.tool_finishes("slow"),
        |turn| turn.step(&[], FinishReason::Pause),
        |turn| turn.step(&["ask", "page", "quick"], FinishReason::Stop),
        |turn| {
            let call = turn.running[0].input.call.clone();
            turn.tool_finishes(&call);
        },
    ]
}

#[test]
fn whatever_happens_at_whatever_point_there_is_one_end_and_nothing_behind_it() {
    let whole = script().len();
    let stops: [fn() -> Input; 4] = [
        || Input::Cancel(CancelledBy::Shutdown),
        || Input::Fail(Failure::boxed(FailureKind::Timeout, "x")),
        || Input::UpstreamEnded,
        || Input::Upstream(Event::Failed(Failure::boxed(FailureKind::Cut, "x"))),
    ];
    for at in 0..whole {
        for stop in stops {
            let mut turn = Turn::new(9);
            script().into_iter().take(at).for_each(|act| act(&mut turn));
            turn.input(stop());
            turn.tool_finishes("slow");
            turn.input(Input::UpstreamEnded);
            turn.input(Input::Cancel(CancelledBy::User));
            turn.check();
        }
    }
    let mut turn = Turn::new(9);
    script().into_iter().for_each(|act| act(&mut turn));
    assert!(matches!(turn.events.last(), Some(Event::TurnEnd(_))), "{:?}", turn.events.last());
    turn.check();
}

#[test]
fn a_result_that_nobody_waits_for_begins_nothing() {
    let mut turn = Turn::new(9);
    turn.tool_finishes("slow");
    assert_eq!((turn.machine.steps(), turn.calling), (1, true));
    turn.step(&["quick"], FinishReason::ToolCalls);
    turn.tool_finishes("quick");
    turn.tool_finishes("quick");
    assert_eq!((turn.machine.steps(), turn.calling), (2, true));
    turn.step(&[], FinishReason::Stop);
    turn.check();
}
