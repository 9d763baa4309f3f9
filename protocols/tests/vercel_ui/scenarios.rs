//! Turns as events, one for each thing that the UI message stream must be able to say.

use chatwire_protocols::error::{Failure, FailureKind};
use chatwire_protocols::event::{
    BlockId, BlockKind, CancelledBy, Citation, Data, Event, File, FileSource, Finish, FinishReason, Mark, Runs,
    StepEnd, StepStart, Text, ToolAwait, ToolCall, ToolKind, ToolOutcome, ToolResult, ToolSays, TurnEnd, Usage, Wants,
    Warning,
};
use serde_json::{Value, json};

/// A turn under construction.
#[derive(Default)]
pub struct Turn {
    pub events: Vec<Event>,
    block: u32,
    finish: FinishReason,
}

impl Turn {
    pub fn new() -> Self {
        Self { events: vec![Event::TurnStart { turn: "turn".into() }], ..Self::default() }
    }

    fn push(mut self, event: Event) -> Self {
        self.events.push(event);
        self
    }

    pub fn step(self) -> Self {
        self.push(Event::StepStart(Box::new(StepStart { model: Some("gpt-x".into()), ..StepStart::default() })))
    }

    fn block(mut self, kind: BlockKind, pieces: &[&str], marks: Vec<Mark>, whole: bool) -> Self {
        let block = BlockId(self.block);
        self.block += 1;
        self.events.push(Event::BlockStart { block, kind });
        self.events.extend(pieces.iter().map(|text| Event::BlockDelta { block, text: Text::from(*text) }));
        self.events.extend(marks.into_iter().map(|mark| Event::BlockMark { block, mark: Box::new(mark) }));
        self.push(Event::BlockEnd { block, whole })
    }

    pub fn text(self, pieces: &[&str]) -> Self {
        self.block(BlockKind::Text, pieces, Vec::new(), true)
    }

    pub fn call(self, id: &str, name: &str, runs: Runs, arguments: &[&str]) -> Self {
        self.block(call(id, name, ToolKind::Function, runs), arguments, Vec::new(), true)
    }

    pub fn result(self, result: ToolResult) -> Self {
        self.push(Event::ToolResult(Box::new(result)))
    }

    pub fn failed(self, id: &str, outcome: ToolOutcome, why: &str) -> Self {
        self.result(ToolResult::failed(id, outcome, why))
    }

    fn wait(self, call: &str, wants: Wants) -> Self {
        self.push(Event::ToolAwait(Box::new(ToolAwait { call: call.into(), wants })))
    }

    fn data(self, name: &str, id: Option<&str>, value: Value, keep: bool) -> Self {
        self.push(Event::Data(Box::new(Data { name: name.into(), id: id.map(Text::from), value, keep, ask: None })))
    }

    pub fn end_step(mut self, finish: FinishReason) -> Self {
        self.finish = finish;
        let finish = Finish { reason: finish, raw: None };
        self.push(Event::StepEnd(Box::new(StepEnd { finish, ..StepEnd::default() })))
    }

    pub fn end(self) -> Self {
        let usage = Usage { input: Some(12), output: Some(7), ..Usage::default() };
        let finish = Finish { reason: self.finish, raw: None };
        self.push(Event::TurnEnd(Box::new(TurnEnd { finish, usage })))
    }

    pub fn stop(self) -> Self {
        self.end_step(FinishReason::Stop).end()
    }
}

fn call(id: &str, name: &str, kind: ToolKind, runs: Runs) -> BlockKind {
    BlockKind::ToolInput(Box::new(ToolCall { id: id.into(), name: name.into(), kind, runs, index: 0 }))
}

fn citation(url: Option<&str>, title: Option<&str>, kind: &str) -> Mark {
    let (url, title) = (url.map(str::to_owned), title.map(str::to_owned));
    Mark::Citation(Citation { kind: kind.into(), url, title, ..Citation::default() })
}

fn says(call: &str, text: &str) -> Box<ToolSays> {
    Box::new(ToolSays { call: call.into(), text: text.into() })
}

/// The turn of this name.
pub fn turn(name: &str) -> Turn {
    use ToolOutcome::{Denied, Error};
    let new = Turn::new;
    let calls = FinishReason::ToolCalls;
    match name {
        "text" => new().step().text(&["Hel", "lo, ", "Grüße 👋🏽", " \"quoted\"\n2nd\u{2028}line"]).stop(),
        "reasoning" => new()
            .step()
            .block(
                BlockKind::Reasoning { summary: false },
                &["let me ", "think"],
                vec![Mark::Signature { signature: "Si".into() }, Mark::Signature { signature: "g".into() }],
                true,
            )
            .text(&["42"])
            .stop(),
        "redacted" => new()
            .step()
            .block(BlockKind::Reasoning { summary: false }, &[], vec![Mark::Redacted { data: "X".into() }], true)
            .block(BlockKind::Reasoning { summary: true }, &[], Vec::new(), true)
            .text(&["42"])
            .stop(),
        "refusal" => new().step().block(BlockKind::Refusal, &["I cannot."], Vec::new(), true).stop(),
        "empty" => new().step().text(&[]).stop(),
        "length" => new().step().text(&["so far"]).end_step(FinishReason::Length).end(),
        "tool" => new()
            .step()
            .text(&["Looking. "])
            .call("call_1", "weather", Runs::Gateway, &["{\"ci", "ty\":\"Zü", "rich\"\n}"])
            .end_step(calls)
            .push(Event::ToolStart { call: "call_1".into() })
            .result(ToolResult::ok("call_1", json!({"tempC": 7})))
            .step()
            .text(&["It is 7 °C."])
            .stop(),
        "parallel" => {
            let (a, b) = (BlockId(0), BlockId(1));
            let mut turn = new().step();
            let start =
                |block, id, name| Event::BlockStart { block, kind: call(id, name, ToolKind::Function, Runs::Gateway) };
            let delta = |block, text: &str| Event::BlockDelta { block, text: text.into() };
            turn.events.extend([
                start(a, "a1", "weather"),
                start(b, "a2", "clock"),
                delta(a, "{\"city\":"),
                delta(b, "{}"),
                delta(a, "\"Bern\"}"),
                Event::BlockEnd { block: b, whole: true },
                Event::BlockEnd { block: a, whole: true },
            ]);
            turn.block = 2;
            turn.result(ToolResult::ok("a2", json!("12:00")))
                .result(ToolResult::ok("a1", json!(null)))
                .end_step(calls)
                .step()
                .text(&["done"])
                .stop()
        }
        "tool-fails" => new()
            .step()
            .call("f1", "weather", Runs::Gateway, &[])
            .end_step(calls)
            .failed("f1", Error, "no such city")
            .step()
            .text(&["sorry"])
            .stop(),
        "provider-tool" => new()
            .step()
            .call("w1", "web_search", Runs::Provider, &["{\"q\":\"x\"}"])
            .result(ToolResult::ok("w1", json!([{"url": "https://a/b"}])))
            .text(&["found"])
            .stop(),
        "custom-tool" => new()
            .step()
            .block(call("x1", "patch", ToolKind::Custom, Runs::Gateway), &["*** begin"], Vec::new(), true)
            .end_step(calls)
            .result(ToolResult::ok("x1", json!("ok")))
            .step()
            .text(&["patched"])
            .stop(),
        "progress" => new()
            .step()
            .call("g1", "build", Runs::Gateway, &["{}"])
            .end_step(calls)
            .push(Event::ToolProgress(says("g1", "half")))
            .push(Event::ToolDelta(says("g1", "line")))
            .result(ToolResult { last: false, ..ToolResult::ok("g1", json!("50 %")) })
            .result(ToolResult::ok("g1", json!("100 %")))
            .step()
            .text(&["built"])
            .stop(),
        "client-tool" => new().step().call("c1", "askColor", Runs::Page, &["{}"]).end_step(calls).end(),
        "bad-arguments" => new()
            .step()
            .call("b1", "pay", Runs::Page, &["{\"eur\":"])
            .end_step(calls)
            .failed("b1", Error, "The arguments were not valid.")
            .step()
            .text(&["sorry"])
            .stop(),
        "cut-call" => new()
            .step()
            .block(call("k1", "pay", ToolKind::Function, Runs::Page), &["{\"eur\":5"], Vec::new(), false)
            .push(Event::Failed(Failure::boxed(FailureKind::Cut, "eof at 10.0.0.1"))),
        "approval" => new()
            .step()
            .call("p1", "pay", Runs::Gateway, &["{\"eur\":5}"])
            .end_step(calls)
            .wait("p1", Wants::Approval("ap1".into()))
            .end(),
        "approved" => new().result(ToolResult::ok("p1", json!({"paid": true}))).step().text(&["Paid."]).stop(),
        "denied" => new().failed("p1", Denied, "The user said no.").step().text(&["Not paid."]).stop(),
        "sources" => {
            let marks = vec![
                citation(Some("https://a/1"), Some("One"), "url_citation"),
                citation(Some("https://a/1"), Some("One"), "url_citation"),
                citation(Some("https://a/2"), None, "url_citation"),
                citation(None, Some("Report"), "page_location"),
                citation(None, Some("Report"), "page_location"),
                citation(None, None, "char_location"),
            ];
            new().step().block(BlockKind::Text, &["see"], marks, true).stop()
        }
        "file" => {
            let file = |source| {
                BlockKind::File(Box::new(File { media_type: "image/png".into(), source, name: Some("a.png".into()) }))
            };
            new()
                .step()
                .block(file(FileSource::Base64("iVBORw0KGgo=".into())), &[], Vec::new(), true)
                .block(file(FileSource::Provider("file-1".into())), &[], Vec::new(), true)
                .text(&["drawn"])
                .stop()
        }
        "data" => new()
            .data("status", Some("s"), json!({"step": 1}), true)
            .step()
            .data("status", Some("s"), json!({"step": 2}), true)
            .data("ping", None, json!(null), false)
            .push(Warning::event("setting-dropped", "temperature was left out"))
            .text(&["x"])
            .stop(),
        "failed" => new().step().text(&["I was about"]).push(Event::Failed(Failure::boxed(
            FailureKind::RateLimit,
            "key sk-1 at http://10.0.0.1 is over its limit",
        ))),
        "failed-early" => new().push(Event::Failed(Failure::boxed(FailureKind::Connect, "refused"))),
        "failed-between" => new()
            .step()
            .call("f1", "weather", Runs::Gateway, &["{}"])
            .end_step(calls)
            .push(Event::Failed(Failure::boxed(FailureKind::Timeout, "x"))),
        "cancelled" => new().step().text(&["I was"]).push(Event::Cancelled { by: CancelledBy::User }),
        "shutdown" => new().step().text(&["I was"]).push(Event::Cancelled { by: CancelledBy::Shutdown }),
        other => panic!("no turn named {other}"),
    }
}
