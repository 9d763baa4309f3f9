//! Turns for the tests of encoders: what a page may get to see, each in the order that [`Order`] admits.

use serde_json::{Value, json};

use crate::error::{Failure, FailureKind};
use crate::event::{
    BlockId, BlockKind, CancelledBy, Citation, Data, Event, File, FileSource, Finish, FinishReason, Mark, Runs,
    StepEnd, StepStart, Text, ToolAwait, ToolCall, ToolKind, ToolOutcome, ToolResult, ToolSays, TurnEnd, Usage, Wants,
};
use crate::order::Order;
use crate::protocol::{Encoder, ReplyContext};

/// A turn being written.
#[derive(Default)]
pub(crate) struct Turn {
    order: Order,
    events: Vec<Event>,
    steps: u32,
    next: u32,
}

impl Turn {
    pub(crate) fn event(mut self, event: Event) -> Self {
        self.order.admit(event, &mut self.events);
        self
    }

    pub(crate) fn step(mut self) -> Self {
        let step = self.steps;
        self.steps += 1;
        self.event(Event::StepStart(Box::new(StepStart { step, ..StepStart::default() })))
    }

    pub(crate) fn start(mut self, kind: BlockKind) -> Self {
        let block = BlockId(self.next);
        self.next += 1;
        self.event(Event::BlockStart { block, kind })
    }

    pub(crate) fn delta(self, block: u32, text: &str) -> Self {
        self.event(Event::BlockDelta { block: BlockId(block), text: text.into() })
    }

    pub(crate) fn end(self, block: u32, whole: bool) -> Self {
        self.event(Event::BlockEnd { block: BlockId(block), whole })
    }

    /// A whole block of these pieces.
    pub(crate) fn block(self, kind: BlockKind, pieces: &[&str]) -> Self {
        let block = self.next;
        pieces.iter().fold(self.start(kind), |turn, piece| turn.delta(block, piece)).end(block, true)
    }

    pub(crate) fn text(self, pieces: &[&str]) -> Self {
        self.block(BlockKind::Text, pieces)
    }

    pub(crate) fn call(self, id: &str, name: &str, runs: Runs, pieces: &[&str]) -> Self {
        self.block(tool(id, name, runs), pieces)
    }

    /// A mark on the newest block, which must be open.
    pub(crate) fn mark(self, mark: Mark) -> Self {
        let block = BlockId(self.next - 1);
        self.event(Event::BlockMark { block, mark: Box::new(mark) })
    }

    pub(crate) fn result(self, call: &str, output: Value) -> Self {
        self.event(Event::ToolResult(Box::new(ToolResult::ok(call, output))))
    }

    pub(crate) fn failed_result(self, call: &str, outcome: ToolOutcome, why: &str) -> Self {
        self.event(Event::ToolResult(Box::new(ToolResult::failed(call, outcome, why))))
    }

    pub(crate) fn step_end(self, reason: FinishReason) -> Self {
        let end = StepEnd { finish: Finish { reason, raw: None }, usage: usage(1), ..StepEnd::default() };
        self.event(Event::StepEnd(Box::new(end)))
    }

    /// A turn that has not ended.
    pub(crate) fn events_so_far(self) -> Vec<Event> {
        self.events
    }

    /// The end of the last step and of the turn.
    pub(crate) fn done(self, reason: FinishReason) -> Vec<Event> {
        let usage = usage(u64::from(self.steps));
        let turn = self.step_end(reason);
        turn.event(Event::TurnEnd(Box::new(TurnEnd { finish: Finish { reason, raw: None }, usage }))).events
    }

    /// The end of a turn that had said what it wanted to.
    pub(crate) fn done_plainly(self) -> Vec<Event> {
        self.done(FinishReason::Stop)
    }

    pub(crate) fn failed(self, kind: FailureKind) -> Vec<Event> {
        self.event(Event::Failed(Failure::boxed(kind, "secret: sk-123 at 10.0.0.1"))).events
    }

    pub(crate) fn cancelled(self, by: CancelledBy) -> Vec<Event> {
        self.event(Event::Cancelled { by }).events
    }
}

pub(crate) fn tool(id: &str, name: &str, runs: Runs) -> BlockKind {
    BlockKind::ToolInput(Box::new(ToolCall {
        id: id.into(),
        name: name.into(),
        kind: ToolKind::Function,
        runs,
        index: 0,
    }))
}

fn usage(steps: u64) -> Usage {
    Usage {
        input: Some(12 * steps),
        output: Some(7 * steps),
        total: Some(19 * steps),
        reasoning: Some(3 * steps),
        ..Usage::default()
    }
}

/// What the gateway knows when it opens the reply to one of these.
pub(crate) fn context() -> ReplyContext {
    ReplyContext {
        turn: "turn-1".into(),
        message: "msg-1".into(),
        model: "chat-model".into(),
        created: 1_700_000_000,
        kept: None,
    }
}

/// What an encoder writes for each event.
pub(crate) fn frames(mut encoder: impl Encoder, events: &[Event]) -> Vec<String> {
    events
        .iter()
        .map(|event| {
            let mut out = bytes::BytesMut::new();
            encoder.event(event, &mut out);
            String::from_utf8(out.to_vec()).unwrap()
        })
        .collect()
}

/// All that an encoder writes.
pub(crate) fn encoded(encoder: impl Encoder, events: &[Event]) -> String {
    frames(encoder, events).concat()
}

pub(crate) fn text() -> Vec<Event> {
    Turn::default()
        .step()
        .text(&["Hel", "lo, ", "Grüße ", "👋🏽", " \"quoted\"\n2nd\u{2028}line"])
        .done(FinishReason::Stop)
}

pub(crate) fn reasoning() -> Vec<Event> {
    let thoughts = || BlockKind::Reasoning { summary: true };
    Turn::default()
        .step()
        .start(thoughts())
        .delta(0, "let me ")
        .delta(0, "think")
        .mark(Mark::Signature { signature: "sig".into() })
        .mark(Mark::Signature { signature: "-1".into() })
        .end(0, true)
        .block(thoughts(), &["again"])
        .start(thoughts())
        .mark(Mark::Redacted { data: "xyz".to_owned() })
        .end(2, true)
        .start(thoughts())
        .mark(Mark::Signature { signature: "only".into() })
        .end(3, true)
        .text(&["42"])
        .done(FinishReason::Stop)
}

/// A tool that the gateway runs behind the model's end.
pub(crate) fn gateway_tool() -> Vec<Event> {
    Turn::default()
        .step()
        .text(&["Looking it up. "])
        .call("call_1", "weather", Runs::Gateway, &["{\"ci", "ty\":\"Zü", "rich\"}"])
        .step_end(FinishReason::ToolCalls)
        .event(Event::ToolStart { call: "call_1".into() })
        .event(says(Event::ToolProgress, "call_1", "asking"))
        .event(says(Event::ToolDelta, "call_1", "7 "))
        .event(says(Event::ToolDelta, "call_1", "°C"))
        .event(Event::Spent(Box::default()))
        .result("call_1", json!({"tempC": 7, "sky": "fog"}))
        .step()
        .text(&["It is 7", " °C."])
        .done(FinishReason::Stop)
}

fn says(event: fn(Box<ToolSays>) -> Event, call: &str, text: &str) -> Event {
    event(Box::new(ToolSays { call: call.into(), text: text.into() }))
}

pub(crate) fn page_tool() -> Vec<Event> {
    Turn::default()
        .step()
        .call("c1", "askColor", Runs::Page, &["{\"question\":", "\"which?\"}"])
        .step_end(FinishReason::ToolCalls)
        .event(Event::ToolAwait(Box::new(ToolAwait { call: "c1".into(), wants: Wants::Output })))
        .event(Event::TurnEnd(Box::new(TurnEnd {
            finish: Finish { reason: FinishReason::ToolCalls, raw: None },
            usage: usage(1),
        })))
        .events
}

/// Two calls whose pieces interleave, one without arguments; results in the other order.
pub(crate) fn parallel_tools() -> Vec<Event> {
    Turn::default()
        .step()
        .start(tool("a1", "weather", Runs::Gateway))
        .start(tool("a2", "time", Runs::Gateway))
        .delta(0, "{\"id\":12345678901234567890")
        .end(1, true)
        .delta(0, ",\n \"x\":1.0}")
        .end(0, true)
        .step_end(FinishReason::ToolCalls)
        .result("a2", json!("12:00"))
        .result("a1", json!("sun"))
        .step()
        .text(&["done"])
        .done(FinishReason::Stop)
}

pub(crate) fn failing_tools() -> Vec<Event> {
    Turn::default()
        .step()
        .call("f1", "weather", Runs::Gateway, &["{\"city\":\"?\"}"])
        .call("f2", "pay", Runs::Gateway, &[])
        .call("f3", "weather", Runs::Gateway, &["{\"city\":"])
        .step_end(FinishReason::ToolCalls)
        .failed_result("f1", ToolOutcome::Error, "no such city")
        .failed_result("f2", ToolOutcome::Denied, "the user said no")
        .failed_result("f3", ToolOutcome::Error, "arguments are not valid JSON")
        .step()
        .text(&["I could not."])
        .done(FinishReason::Stop)
}

/// The first of two page-run calls is whole, the second is cut by the token limit.
pub(crate) fn cut_page_tool() -> Vec<Event> {
    Turn::default()
        .step()
        .call("c1", "askColor", Runs::Page, &["{\"q\":1}"])
        .start(tool("c2", "askColor", Runs::Page))
        .delta(1, "{\"q\":")
        .end(1, false)
        .step_end(FinishReason::Length)
        .failed_result("c2", ToolOutcome::Error, "cut")
        .event(Event::TurnEnd(Box::new(TurnEnd {
            finish: Finish { reason: FinishReason::Length, raw: None },
            usage: usage(1),
        })))
        .events
}

/// A search that the provider runs, with a result that is replaced; free text for a custom tool.
pub(crate) fn provider_and_custom_tools() -> Vec<Event> {
    let call = |id: &str, name: &str, kind, runs| {
        BlockKind::ToolInput(Box::new(ToolCall { id: id.into(), name: name.into(), kind, runs, index: 0 }))
    };
    let preview = ToolResult { last: false, ..ToolResult::ok("ws", json!("searching")) };
    Turn::default()
        .step()
        .block(call("ws", "", ToolKind::Other("web_search_call".into()), Runs::Provider), &["{\"query\":\"Bern\"}"])
        .event(Event::ToolResult(Box::new(preview)))
        .result("ws", json!(["a", "b"]))
        .block(call("cu", "shell", ToolKind::Custom, Runs::Gateway), &["ls ", "\"x\"\n"])
        .result("cu", json!({"files": []}))
        .text(&["ok"])
        .done(FinishReason::Stop)
}

pub(crate) fn extras() -> Vec<Event> {
    let data = |name: &str, id: Option<&str>, value, keep| {
        Event::Data(Box::new(Data { name: name.into(), id: id.map(Text::from), value, keep, ask: None }))
    };
    let source = |url: Option<&str>, title: Option<&str>| {
        Mark::Citation(Citation { url: url.map(str::to_owned), title: title.map(str::to_owned), ..Citation::default() })
    };
    let file = |source| BlockKind::File(Box::new(File { media_type: "image/png".into(), source, name: None }));
    Turn::default()
        .event(data("status", Some("s"), json!({"step": 1}), true))
        .step()
        .event(data("ping", None, json!(null), false))
        .start(BlockKind::Text)
        .delta(0, "see ")
        .mark(source(Some("https://example.org/a"), Some("A")))
        .mark(source(Some("https://example.org/a"), None))
        .mark(source(None, Some("a file")))
        .mark(source(Some("https://example.org/b"), None))
        .delta(0, "A")
        .end(0, true)
        .block(file(FileSource::Base64("iVBORw0KGgo=".to_owned())), &[])
        .block(file(FileSource::Url("https://example.org/p.png".to_owned())), &[])
        .block(file(FileSource::Provider("file-1".to_owned())), &[])
        .done(FinishReason::Length)
}

pub(crate) fn approval() -> Vec<Event> {
    let turn = Turn::default()
        .step()
        .call("p1", "pay", Runs::Gateway, &["{\"eur\":5}"])
        .step_end(FinishReason::ToolCalls)
        .event(Event::ToolAwait(Box::new(ToolAwait { call: "p1".into(), wants: Wants::Approval("ap-1".into()) })));
    turn.events_so_far()
}

pub(crate) fn refusal() -> Vec<Event> {
    Turn::default().step().block(BlockKind::Refusal, &["I can", "not."]).done(FinishReason::ContentFilter)
}

pub(crate) fn empty() -> Vec<Event> {
    Turn::default().step().done(FinishReason::Stop)
}

/// Neither step nor usage: an answer from a layer.
pub(crate) fn bare() -> Vec<Event> {
    Turn::default().event(Event::TurnEnd(Box::default())).events
}

pub(crate) fn failed_at_once() -> Vec<Event> {
    Turn::default().failed(FailureKind::Overloaded)
}

pub(crate) fn failed_in_text() -> Vec<Event> {
    Turn::default().step().start(BlockKind::Text).delta(0, "I was").failed(FailureKind::Cut)
}

pub(crate) fn failed_in_arguments() -> Vec<Event> {
    Turn::default()
        .step()
        .start(tool("c1", "askColor", Runs::Page))
        .delta(0, "{\"q")
        .start(tool("c2", "weather", Runs::Gateway))
        .delta(1, "{")
        .failed(FailureKind::Cut)
}

/// A tool runs when the turn fails.
pub(crate) fn failed_between_steps() -> Vec<Event> {
    Turn::default()
        .step()
        .call("c1", "weather", Runs::Gateway, &["{}"])
        .step_end(FinishReason::ToolCalls)
        .failed(FailureKind::Timeout)
}

pub(crate) fn cancelled_in_text(by: CancelledBy) -> Vec<Event> {
    Turn::default().step().start(BlockKind::Text).delta(0, "I was").cancelled(by)
}

pub(crate) fn cancelled_in_tool() -> Vec<Event> {
    Turn::default()
        .step()
        .call("c1", "weather", Runs::Gateway, &["{}"])
        .step_end(FinishReason::ToolCalls)
        .cancelled(CancelledBy::User)
}

/// All of them that end.
pub(crate) fn all() -> Vec<(&'static str, Vec<Event>)> {
    vec![
        ("text", text()),
        ("reasoning", reasoning()),
        ("gateway-tool", gateway_tool()),
        ("page-tool", page_tool()),
        ("parallel-tools", parallel_tools()),
        ("failing-tools", failing_tools()),
        ("cut-page-tool", cut_page_tool()),
        ("provider-and-custom-tools", provider_and_custom_tools()),
        ("extras", extras()),
        ("refusal", refusal()),
        ("empty", empty()),
        ("bare", bare()),
        ("failed-at-once", failed_at_once()),
        ("failed-in-text", failed_in_text()),
        ("failed-in-arguments", failed_in_arguments()),
        ("failed-between-steps", failed_between_steps()),
        ("cancelled-in-text", cancelled_in_text(CancelledBy::User)),
        ("shutdown", cancelled_in_text(CancelledBy::Shutdown)),
        ("cancelled-in-tool", cancelled_in_tool()),
    ]
}
