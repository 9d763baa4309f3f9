//! Reads the answer of `/api/chat`: JSON lines, or one JSON document where it does not stream.

use serde_json::{Map, Value};

use super::wire::{Call, Function, Line, Message};
use crate::blocks::Blocks;
use crate::error::{Failure, FailureKind};
use crate::event::{
    BlockId, BlockKind, Event, Finish, FinishReason, Runs, StepEnd, Text, ToolCall, ToolKind, Usage, Warning,
};
use crate::failure;
use crate::order::first_step;
use crate::protocol::{DecodeContext, Decoder, Progress};
use crate::wire::alike::Alike;
use crate::wire::json::{Carry, Escaped, Raw};
use crate::wire::ndjson::Reader;
use crate::wire::sse::{excerpt, too_long};
use crate::wire::think::{ThinkSplit, Voice};

/// Turns the bytes of one answer into events.
#[derive(Debug)]
pub(super) struct StreamDecoder {
    reader: Reader,
    step: Step,
}

impl StreamDecoder {
    /// A decoder. `think` takes tagged thoughts out of the text; `context_size` is the model's context in tokens, if
    /// the configuration says it.
    pub(super) fn new(context: &DecodeContext, think: Option<ThinkSplit>, context_size: Option<u64>) -> Self {
        Self { reader: Reader::new(context.limits.line), step: Step::new(context, think, context_size) }
    }
}

impl Decoder for StreamDecoder {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<Event>) {
        let step = &mut self.step;
        if step.ended {
            return;
        }
        if let Err(failure) = self.reader.feed(bytes, |line| step.line(line, out)) {
            step.fail(*failure, out);
        }
    }

    fn finish(&mut self, out: &mut Vec<Event>) {
        let step = &mut self.step;
        if step.ended {
            return;
        }
        match self.reader.finish(|line| step.last_line(line, out)) {
            Ok(()) => step.body_ended(out),
            Err(failure) => step.fail(*failure, out),
        }
    }

    fn progress(&self) -> Progress {
        if self.step.ended { Progress::Ended } else { Progress::Open }
    }
}

/// The model call as far as it has come.
#[derive(Debug)]
struct Step {
    blocks: Blocks,
    alike: Alike<Voice>,
    current: Option<(Voice, BlockId)>,
    think: Option<ThinkSplit>,
    carry: Carry,
    model: Option<Text>,
    context_size: Option<u64>,
    /// The lines of a document that is written over several of them.
    document: String,
    limit: usize,
    next_call: u64,
    /// Something of an answer has come.
    seen: bool,
    /// The first event has been given.
    started: bool,
    ended: bool,
}

impl Step {
    fn new(context: &DecodeContext, think: Option<ThinkSplit>, context_size: Option<u64>) -> Self {
        Self {
            blocks: Blocks::new(context),
            alike: Alike::default(),
            current: None,
            think,
            carry: Carry::default(),
            model: None,
            context_size,
            document: String::new(),
            limit: context.limits.line,
            next_call: 0,
            seen: false,
            started: false,
            ended: false,
        }
    }

    fn line(&mut self, text: &str, out: &mut Vec<Event>) {
        if self.ended {
            return;
        }
        let result = if let Some((voice, text)) = self.alike.read("", text) {
            self.hear(voice, text, out)
        } else if self.document.is_empty() {
            self.alike.forget();
            match serde_json::from_str::<Line<'_>>(text) {
                Ok(line) => self.read(&line, text, out),
                Err(error) if error.is_eof() && !self.seen => self.keep(text),
                Err(_) => Err(unreadable(text)),
            }
        } else {
            self.keep(text)
        };
        if let Err(failure) = result {
            self.fail(*failure, out);
        }
    }

    /// The last line has no end of its own: it counts if it is whole.
    fn last_line(&mut self, text: &str, out: &mut Vec<Event>) {
        let cut = serde_json::from_str::<Line<'_>>(text).is_err_and(|error| error.is_eof());
        if !cut || !self.document.is_empty() {
            self.line(text, out);
        }
        self.seen |= cut;
    }

    fn keep(&mut self, text: &str) -> Result<(), Box<Failure>> {
        if self.document.len() + text.len() > self.limit {
            return Err(too_long(self.limit));
        }
        if !self.document.is_empty() {
            self.document.push('\n');
        }
        self.document.push_str(text);
        Ok(())
    }

    fn body_ended(&mut self, out: &mut Vec<Event>) {
        let document = std::mem::take(&mut self.document);
        if !document.is_empty() {
            match serde_json::from_str::<Line<'_>>(&document) {
                Err(error) if error.is_eof() => self.seen = true,
                _ => self.line(&document, out),
            }
        }
        if self.ended {
            return;
        }
        self.fail(
            if self.seen {
                Failure::new(FailureKind::Cut, "the stream stopped before its last line")
            } else {
                Failure::new(FailureKind::Empty, "the stream has no line")
            },
            out,
        );
    }

    fn read(&mut self, line: &Line<'_>, text: &str, out: &mut Vec<Event>) -> Result<(), Box<Failure>> {
        self.seen = true;
        if let Some(model) = line.model.str().filter(|model| !model.is_empty())
            && self.model.as_deref() != Some(&*model)
        {
            self.model = Some(Text::from(model));
        }
        self.start(out);
        if !line.error.is_null() {
            let value = serde_json::from_str(text).unwrap_or(Value::Null);
            return Err(Box::new(failure::from_value(&value, None)));
        }
        if let Some(message) = line.message.parse::<Message<'_>>() {
            self.hear(Voice::Reasoning, message.thinking, out)?;
            self.hear(Voice::Text, message.content, out)?;
            if let Some((voice, piece)) = only_text(line, &message) {
                self.alike.learn("", text, voice, piece, &[line.created_at]);
            }
            if message.tool_calls.is_array() {
                for call in message.tool_calls.parse::<Vec<Raw<'_>>>().unwrap_or_default() {
                    self.call(call, out)?;
                }
            }
        }
        if line.done.get() == "true" {
            self.complete(line.done_reason, text, out)?;
        }
        Ok(())
    }

    fn start(&mut self, out: &mut Vec<Event>) {
        if !self.started {
            self.started = true;
            out.push(first_step(None, self.model.clone()));
        }
    }

    fn hear(&mut self, voice: Voice, text: Raw<'_>, out: &mut Vec<Event>) -> Result<(), Box<Failure>> {
        match (voice, piece(text)) {
            (Voice::Reasoning, Some(piece)) => self.say(Voice::Reasoning, piece, out),
            (Voice::Text, Some(piece)) => self.content(piece, out),
            (_, None) => Ok(()),
        }
    }

    fn content(&mut self, piece: Escaped<'_>, out: &mut Vec<Event>) -> Result<(), Box<Failure>> {
        let Some(mut think) = self.think.take() else { return self.say(Voice::Text, piece, out) };
        let mut text = Text::default();
        piece.unescape_into(&mut self.carry, &mut text);
        let result = think.push(&text, &mut |voice, piece| self.say_plain(voice, piece, out));
        self.think = Some(think);
        result
    }

    fn say(&mut self, voice: Voice, piece: Escaped<'_>, out: &mut Vec<Event>) -> Result<(), Box<Failure>> {
        let block = self.open(voice, out)?;
        self.blocks.push(block, piece, out)
    }

    fn say_plain(&mut self, voice: Voice, piece: &str, out: &mut Vec<Event>) -> Result<(), Box<Failure>> {
        let block = self.open(voice, out)?;
        self.blocks.push_str(block, piece, out)
    }

    fn open(&mut self, voice: Voice, out: &mut Vec<Event>) -> Result<BlockId, Box<Failure>> {
        if let Some((current, block)) = self.current {
            if current == voice {
                return Ok(block);
            }
            self.close(out);
        }
        let kind = match voice {
            Voice::Text => BlockKind::Text,
            Voice::Reasoning => BlockKind::Reasoning { summary: false },
        };
        let block = self.blocks.start(kind, out)?;
        self.current = Some((voice, block));
        Ok(block)
    }

    fn close(&mut self, out: &mut Vec<Event>) {
        if let Some((_, block)) = self.current.take() {
            self.blocks.end(block, true, out);
        }
    }

    /// A call comes whole, in any line, in older versions without an id; calls of one tool differ by position only.
    fn call(&mut self, raw: Raw<'_>, out: &mut Vec<Event>) -> Result<(), Box<Failure>> {
        let call = raw.parse::<Call<'_>>().unwrap_or_default();
        let function = call.function.parse::<Function<'_>>().unwrap_or_default();
        self.flush_thoughts(out)?;
        self.close(out);
        let index = function.index.count().filter(|index| *index >= self.next_call).unwrap_or(self.next_call);
        self.next_call = index.saturating_add(1);
        let kind = BlockKind::ToolInput(Box::new(ToolCall {
            id: call.id.text().unwrap_or_else(|| self.blocks.make_call_id()),
            name: function.name.text().unwrap_or_default(),
            kind: ToolKind::Function,
            runs: Runs::Page,
            index: u32::try_from(index).unwrap_or(u32::MAX),
        }));
        let block = self.blocks.start(kind, out)?;
        match function.arguments.string() {
            Some(text) => self.blocks.push(block, text, out)?,
            None if function.arguments.is_null() => {}
            None => self.blocks.push_str(block, function.arguments.get(), out)?,
        }
        self.blocks.end(block, true, out);
        Ok(())
    }

    fn complete(&mut self, reason: Raw<'_>, text: &str, out: &mut Vec<Event>) -> Result<(), Box<Failure>> {
        self.flush_thoughts(out)?;
        self.close(out);
        let usage = usage(text);
        if let (Some(size), Some(total)) = (self.context_size, usage.total)
            && total >= size
        {
            let message = format!("the answer fills the context of {size} tokens: earlier messages may have been cut");
            out.push(Warning::event("context-full", message));
        }
        out.push(Event::StepEnd(Box::new(StepEnd {
            finish: finish(reason, self.next_call > 0),
            usage,
            response: None,
            model: self.model.clone(),
        })));
        self.ended = true;
        Ok(())
    }

    fn fail(&mut self, mut failure: Failure, out: &mut Vec<Event>) {
        if self.ended {
            return;
        }
        self.start(out);
        // What was held back is part of the partial answer; a bound that it breaks is broken already.
        let _ = self.flush_thoughts(out);
        self.blocks.end_all(false, out);
        failure.step = Some(Box::new(StepEnd {
            finish: Finish { reason: FinishReason::Error, raw: None },
            model: self.model.clone(),
            ..StepEnd::default()
        }));
        out.push(Event::Failed(Box::new(failure)));
        self.ended = true;
    }

    fn flush_thoughts(&mut self, out: &mut Vec<Event>) -> Result<(), Box<Failure>> {
        let Some(mut think) = self.think.take() else { return Ok(()) };
        let mut rest = Text::default();
        self.carry.flush(&mut rest);
        think.push(&rest, &mut |voice, piece| self.say_plain(voice, piece, out))?;
        think.finish(&mut |voice, piece| self.say_plain(voice, piece, out))
    }
}

/// The text of a line that says nothing else, and whose it is.
fn only_text<'a>(line: &Line<'_>, message: &Message<'a>) -> Option<(Voice, Raw<'a>)> {
    if line.done.get() == "true" || message.tool_calls.is_array() {
        return None;
    }
    match (piece(message.thinking), piece(message.content)) {
        (Some(_), None) => Some((Voice::Reasoning, message.thinking)),
        (None, Some(_)) => Some((Voice::Text, message.content)),
        _ => None,
    }
}

/// A string that is not empty.
fn piece(raw: Raw<'_>) -> Option<Escaped<'_>> {
    raw.string().filter(|_| raw.get() != "\"\"")
}

fn unreadable(text: &str) -> Box<Failure> {
    let message = format!("a line that is no JSON object: {}", excerpt(text.as_bytes()));
    Box::new(Failure { type_: Some("protocol".to_owned()), ..Failure::new(FailureKind::Malformed, message) })
}

/// The words of upstream notes 6.1. A reason that is there but empty means that the server gave up its connection
/// (upstream notes 5.2).
fn finish(reason: Raw<'_>, calls: bool) -> Finish {
    let raw = reason.str().map(Text::from);
    let reason = match raw.as_deref() {
        None | Some("stop") => FinishReason::Stop,
        Some("length") => FinishReason::Length,
        Some(_) => FinishReason::Other,
    };
    Finish { reason: reason.with_calls(calls), raw }
}

/// The counts of the last line. A count of 0 is left out by the server: missing is not known, not an error (corner
/// case 124).
fn usage(text: &str) -> Usage {
    let mut raw: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
    raw.retain(|key, _| key.ends_with("_count") || key.ends_with("_duration"));
    let count = |key: &str| raw.get(key).and_then(|count| Raw::new(&count.to_string()).count());
    let (input, output) = (count("prompt_eval_count"), count("eval_count"));
    Usage {
        input,
        output,
        total: input.zip(output).map(|(input, output)| input.saturating_add(output)),
        raw: (!raw.is_empty()).then(|| Box::new(Value::Object(raw))),
        ..Usage::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cuts::every_cut;
    use crate::fold::{Answer, Piece};
    use crate::protocol::Limits;

    fn context() -> DecodeContext {
        DecodeContext { seed: "s".into(), ..DecodeContext::default() }
    }

    fn answer(body: &str) -> Value {
        answer_with(body, || None).to_json()
    }

    fn answer_with(body: &str, think: fn() -> Option<ThinkSplit>) -> Answer {
        every_cut(&|| Box::new(StreamDecoder::new(&context(), think(), None)), body.as_bytes()).0
    }

    fn text_line(text: &str) -> String {
        format!("{{\"message\":{{\"content\":{}}},\"done\":false}}\n", json!(text))
    }

    const DONE: &str = "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":3,\"eval_count\":4,\"eval_duration\":9}\n";

    #[test]
    fn thoughts_text_and_calls_of_one_line_come_in_this_order() {
        let body = format!(
            "{{\"model\":\"m\",\"message\":{{\"tool_calls\":[{{\"id\":\"i\",\"function\":{{\"index\":0,\"name\":\"f\",\"arguments\":{{\"a\": [1.0, 12345678901234567890123]}}}}}}],\"content\":\"c\",\"thinking\":\"t\"}},\"done\":false}}\n{}{DONE}",
            text_line("after"),
        );
        let answer = answer_with(&body, || None);
        let kinds: Vec<&str> = answer
            .pieces
            .iter()
            .map(|piece| match piece {
                Piece::Reasoning { text, .. } | Piece::Text(text, _) => text,
                Piece::Tool(tool) => tool.arguments.as_str(),
                _ => "-",
            })
            .collect();
        assert_eq!(kinds, ["-", "t", "c", "{\"a\": [1.0, 12345678901234567890123]}", "after"]);
        let json = answer.to_json();
        assert_eq!(
            (&json["finish"], &json["finish_reason"], &json["model"]),
            (&json!("tool_calls"), &json!("stop"), &json!("m"))
        );
        assert_eq!(json["usage"]["input_tokens"], 3);
        assert_eq!(json["usage_raw"], json!({"prompt_eval_count": 3, "eval_count": 4, "eval_duration": 9}));
    }

    #[test]
    fn calls_without_ids_get_some_and_position_tells_them_apart() {
        let call = "{\"function\":{\"name\":\"f\",\"arguments\":{}}}";
        let body = format!(
            "{{\"message\":{{\"tool_calls\":[{call},{call}]}}}}\n{{\"message\":{{\"tool_calls\":[{{\"function\":{{\"index\":0,\"name\":\"f\"}}}}]}},\"done\":true}}\n"
        );
        let json = answer(&body);
        let calls: Vec<_> = json["tool_calls"]
            .as_array()
            .unwrap()
            .iter()
            .map(|call| (&call["id"], &call["index"], &call["arguments"]))
            .collect();
        assert_eq!(
            calls,
            [
                (&json!("call_s_0"), &json!(0), &json!({})),
                (&json!("call_s_1"), &json!(1), &json!({})),
                (&json!("call_s_2"), &json!(2), &json!({}))
            ]
        );
        assert_eq!(
            (&json["finish"], &json["finish_reason"], &json["usage"]),
            (&json!("tool_calls"), &Value::Null, &Value::Null)
        );
    }

    #[test]
    fn arguments_of_the_wrong_type_are_passed_on_for_the_check() {
        for (wire, raw, valid) in [("\"{\\\"a\\\":1}\"", "{\"a\":1}", true), ("null", "", true), ("[1]", "[1]", false)]
        {
            let body = format!(
                "{{\"message\":{{\"tool_calls\":[{{\"function\":{{\"name\":\"f\",\"arguments\":{wire}}}}}]}},\"done\":true}}"
            );
            let json = answer(&body);
            assert_eq!(json["tool_calls"][0]["arguments_raw"], raw);
            assert_eq!(json["tool_calls"][0]["arguments_valid"], valid);
        }
    }

    #[test]
    fn an_error_line_fails_the_answer_and_keeps_the_text() {
        let body = format!("{}{{\"error\":\"error parsing tool call: raw='[1]'\"}}\n{DONE}", text_line("half"));
        let json = answer(&body);
        assert_eq!((&json["outcome"], &json["text"]), (&json!("error"), &json!("half")));
        assert_eq!(json["error"], json!({"message": "error parsing tool call: raw='[1]'", "type": null, "code": null}));
    }

    #[test]
    fn a_body_that_stops_early_is_cut_and_one_without_lines_is_empty() {
        let kind = |body: &str| {
            let (_, events) = every_cut(&|| Box::new(StreamDecoder::new(&context(), None, None)), body.as_bytes());
            match events.last() {
                Some(Event::Failed(failure)) => failure.kind,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(kind(&text_line("a")), FailureKind::Cut);
        assert_eq!(kind(&format!("{}{{\"message\":", text_line("a"))), FailureKind::Cut);
        assert_eq!(kind("{\"message\":{\"con"), FailureKind::Cut);
        assert_eq!(kind("{\n\"message\":{\n\"con"), FailureKind::Cut);
        assert_eq!(kind(""), FailureKind::Empty);
        assert_eq!(kind("\n \r\n"), FailureKind::Empty);
        assert_eq!(kind("<html>\n<h1>502</h1>"), FailureKind::Malformed);
        assert_eq!(kind("upstream connect error"), FailureKind::Malformed);
        assert_eq!(kind(&format!("{}oops\n{DONE}", text_line("a"))), FailureKind::Malformed);
    }

    #[test]
    fn line_ends_blank_lines_a_bom_and_separators_in_text_do_no_harm() {
        let lines = format!("\u{feff}{}\n\n{DONE}", text_line("a\u{2028}\u{85}é"));
        for body in [lines.clone(), lines.replace('\n', "\r\n"), lines.trim_end().to_owned()] {
            let json = answer(&body);
            assert_eq!((&json["outcome"], &json["text"]), (&json!("complete"), &json!("a\u{2028}\u{85}é")));
        }
    }

    #[test]
    fn surrogate_halves_in_two_lines_are_joined() {
        let body =
            format!("{{\"message\":{{\"content\":\"\\ud83d\"}}}}\n{{\"message\":{{\"content\":\"\\ude00\"}}}}\n{DONE}");
        assert_eq!(answer(&body)["text"], "😀");
        assert_eq!(answer_with(&body, || Some(ThinkSplit::new())).text(), "😀");
    }

    #[test]
    fn an_answer_that_does_not_stream_is_read_also_over_several_lines() {
        let whole = json!({"model": "m", "message": {"role": "assistant", "content": "hi", "thinking": "t"}, "done": true, "done_reason": "length", "eval_count": 2});
        for body in [whole.to_string(), serde_json::to_string_pretty(&whole).unwrap()] {
            let json = answer(&body);
            assert_eq!(
                (&json["text"], &json["reasoning"], &json["finish"]),
                (&json!("hi"), &json!("t"), &json!("length"))
            );
            assert_eq!((&json["usage"]["output_tokens"], &json["usage"]["input_tokens"]), (&json!(2), &Value::Null));
        }
    }

    #[test]
    fn reasons_are_mapped_and_unknown_ones_fail_nothing() {
        for (raw, reason) in [
            ("\"stop\"", "stop"),
            ("null", "stop"),
            ("\"length\"", "length"),
            ("\"load\"", "other"),
            ("\"\"", "other"),
            ("\"new\"", "other"),
            ("7", "stop"),
        ] {
            let json = answer(&format!("{{\"message\":{{\"content\":\"x\"}},\"done\":true,\"done_reason\":{raw}}}"));
            assert_eq!((&json["outcome"], &json["finish"]), (&json!("complete"), &json!(reason)), "{raw}");
        }
    }

    #[test]
    fn members_of_unexpected_types_cost_only_themselves() {
        let body = format!(
            "{{\"model\":5,\"message\":{{\"content\":7,\"thinking\":null,\"tool_calls\":{{}}}}}}\n{{\"message\":\"x\",\"more\":[]}}\n{}{DONE}",
            text_line("ok"),
        );
        assert_eq!(answer(&body)["text"], "ok");
        let floats = "{\"done\":true,\"prompt_eval_count\":\"3\",\"eval_count\":4.0}";
        assert_eq!(answer(floats)["usage"]["total_tokens"], 7);
    }

    #[test]
    fn tags_stay_in_the_text_unless_they_are_asked_to_be_split() {
        let body = format!("{}{}{DONE}", text_line("<think>hm</thi"), text_line("nk>\n\nyes"));
        let kept = answer_with(&body, || None);
        assert_eq!((kept.text().as_str(), kept.reasoning().as_str()), ("<think>hm</think>\n\nyes", ""));
        let split = answer_with(&body, || Some(ThinkSplit::new()));
        assert_eq!((split.text().as_str(), split.reasoning().as_str()), ("yes", "hm"));
        let orphan = format!("{}{DONE}", text_line("hm</think>yes"));
        assert_eq!(answer_with(&orphan, || Some(ThinkSplit::new())).text(), "hm</think>yes");
        let assumed = answer_with(&orphan, || Some(ThinkSplit::assuming_open()));
        assert_eq!((assumed.text().as_str(), assumed.reasoning().as_str()), ("yes", "hm"));
    }

    #[test]
    fn what_is_held_back_comes_before_a_call_and_before_a_failure() {
        let call = "{\"message\":{\"tool_calls\":[{\"function\":{\"name\":\"f\"}}]}}\n";
        let answer = answer_with(&format!("{}{call}{DONE}", text_line("<thin")), || Some(ThinkSplit::new()));
        assert!(matches!(&answer.pieces[1], Piece::Text(text, _) if text == "<thin"));
        assert_eq!(answer_with(&text_line("<thin"), || Some(ThinkSplit::new())).text(), "<thin");
    }

    #[test]
    fn a_full_context_is_reported() {
        let make = |size| move || -> Box<dyn Decoder> { Box::new(StreamDecoder::new(&context(), None, Some(size))) };
        let warned =
            |size| every_cut(&make(size), DONE.as_bytes()).1.iter().any(|event| matches!(event, Event::Warning(_)));
        assert!(warned(7));
        assert!(!warned(8));
    }

    #[test]
    fn limits_hold() {
        let limits = Limits { line: 200, arguments: 20, blocks: 2 };
        let make =
            || -> Box<dyn Decoder> { Box::new(StreamDecoder::new(&DecodeContext { limits, ..context() }, None, None)) };
        let long = "x".repeat(201);
        let calls = "{\"message\":{\"tool_calls\":[{\"function\":{\"name\":\"f\"}}]}}\n".repeat(3);
        let arguments = "{\"message\":{\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{\"a\":\"12345678901234567890\"}}}]}}\n";
        let pretty = "{\n".to_owned() + &"\"a\":1,\n".repeat(40);
        for body in [long.as_str(), &calls, arguments, &pretty] {
            let (_, events) = every_cut(&make, body.as_bytes());
            assert!(
                matches!(events.last(), Some(Event::Failed(failure)) if failure.kind == FailureKind::Malformed),
                "{body}"
            );
        }
    }
}
