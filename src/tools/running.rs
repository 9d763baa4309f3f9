//! The calls of one step, running side by side in the turn's own task.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};

use chatwire_protocols::event::{Data, Text, ToolOutcome};
use serde_json::Value;
use tokio::sync::mpsc::Receiver;

use super::output::{Room, bound};
use super::summary::{Summaries, Summed};
use super::widget::Filling;
use super::{Said, Speaker, ToolFuture, ToolInput, ToolOutput};
use crate::config::plan::{ToolKind, ToolPlan};
use crate::limits::Meter;
use crate::upstream::Upstreams;

/// Something that a running call gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// It says something.
    Said(Said),
    /// It is over: the last that it gives.
    Finished(ToolOutput),
}

/// Running calls. Dropping them stops them.
#[derive(Default)]
pub struct Running {
    /// Where tools call models from.
    upstreams: Option<Arc<Upstreams>>,
    /// How long results are summarised, if they are.
    summaries: Option<Arc<Summaries>>,
    /// Counts what these models use.
    meter: Meter,
    calls: Vec<Call>,
    /// The call that is asked first: a talkative one must not silence the others.
    next: usize,
}

struct Call {
    id: Text,
    state: State,
    said: Receiver<Said>,
    room: Room,
    max_output: usize,
    card: Option<Card>,
    /// Said behind what has been given last.
    behind: Option<Said>,
}

/// The widget of a call, as its output grows.
struct Card {
    tool: Arc<ToolPlan>,
    arguments: Value,
    output: String,
    /// How long the output was when the widget was made last.
    made: usize,
}

enum State {
    Runs(ToolFuture),
    Finished(ToolOutput),
}

impl Running {
    /// None yet. Tools that need a model call it from there.
    pub fn new(upstreams: Arc<Upstreams>) -> Self {
        Self { upstreams: Some(upstreams), ..Self::default() }
    }

    /// The same, with summaries of long results.
    #[must_use]
    pub fn summing(self, summaries: Option<Arc<Summaries>>) -> Self {
        Self { summaries, ..self }
    }

    /// The same; what models use for the calls is counted here.
    #[must_use]
    pub fn counted_by(self, meter: Meter) -> Self {
        Self { meter, ..self }
    }

    /// Begins a call.
    pub fn start(&mut self, tool: Arc<ToolPlan>, input: ToolInput) {
        let (speaker, said) = Speaker::new();
        let card = tool.widget.is_some().then(|| Card {
            tool: Arc::clone(&tool),
            arguments: input.arguments.clone(),
            output: String::new(),
            made: 0,
        });
        let summaries = self.summaries.clone().filter(|_| tool.summarise);
        let models = self.upstreams.clone().map(|upstreams| Models { upstreams, meter: self.meter.clone() });
        self.calls.push(Call {
            id: input.call.clone(),
            said,
            room: Room::new(tool.max_output),
            max_output: tool.max_output,
            card,
            behind: None,
            state: State::Runs(Box::pin(run_summed(tool, input, speaker, models, summaries))),
        });
    }

    /// True if none is running.
    pub const fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// The next thing that a call gives, with the call's id.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<(Text, Heard)> {
        let count = self.calls.len();
        for offset in 0..count {
            let at = (self.next + offset) % count;
            let Poll::Ready(heard) = self.calls[at].poll(cx) else { continue };
            let finished = matches!(heard, Heard::Finished(_));
            let id = if finished { self.calls.swap_remove(at).id } else { self.calls[at].id.clone() };
            self.next = at + 1;
            return Poll::Ready((id, heard));
        }
        Poll::Pending
    }

    /// Stops all.
    pub fn clear(&mut self) {
        self.calls.clear();
    }
}

impl Call {
    /// What was said comes before the result.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Heard> {
        if let Some(said) = self.behind.take() {
            return Poll::Ready(Heard::Said(said));
        }
        if let State::Runs(future) = &mut self.state {
            let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
            let output = match polled {
                Ok(Poll::Pending) => None,
                Ok(Poll::Ready(output)) => Some(bound(output, self.max_output)),
                Err(_) => Some(ToolOutput::error("The tool failed inside.")),
            };
            if let Some(output) = output {
                self.said.close();
                self.state = State::Finished(output);
            }
        }
        while let Poll::Ready(Some(said)) = self.said.poll_recv(cx) {
            if let Some(said) = self.fit(said) {
                self.behind = self.card.as_mut().and_then(|card| card.grow(&said, &self.id));
                return Poll::Ready(Heard::Said(said));
            }
        }
        match &mut self.state {
            State::Runs(_) => Poll::Pending,
            State::Finished(output) => {
                let card = self.card.take().filter(|_| output.outcome == ToolOutcome::Ok);
                if let Some(said) = card.and_then(|card| {
                    let whole = output.full.as_ref().unwrap_or(&output.output);
                    card.finish(whole, &self.id)
                }) {
                    return Poll::Ready(Heard::Said(said));
                }
                Poll::Ready(Heard::Finished(std::mem::replace(output, ToolOutput::error(""))))
            }
        }
    }

    fn fit(&mut self, said: Said) -> Option<Said> {
        match said {
            Said::Output(piece) => self.room.fit(piece).map(Said::Output),
            // A summary has its own bound, which is shorter.
            Said::Summary(_) | Said::Progress(_) | Said::Data(_) | Said::Spent(_) => Some(said),
        }
    }
}

impl Card {
    /// The widget as far as the output is. Not made anew for each piece of a long one.
    fn grow(&mut self, said: &Said, call: &Text) -> Option<Said> {
        let Said::Output(piece) = said else { return None };
        self.output.push_str(piece);
        if self.output.len() < self.made + self.made / 16 + 1 {
            return None;
        }
        self.made = self.output.len();
        self.show(&Value::String(self.output.clone()), true, call)
    }

    fn finish(self, output: &Value, call: &Text) -> Option<Said> {
        self.show(output, false, call)
    }

    fn show(&self, result: &Value, streaming: bool, call: &Text) -> Option<Said> {
        let filling = Filling { arguments: &self.arguments, result, streaming };
        match self.tool.widget.as_ref()?.render(&filling) {
            Ok(root) => {
                let (name, value) = (self.tool.name.as_str().into(), filling.data(&root));
                let data = Data { name, id: Some(call.clone()), value, keep: true, ask: None };
                Some(Said::Data(Box::new(data)))
            }
            Err(why) => {
                tracing::warn!(tool = self.tool.name, why, "a widget could not be made");
                None
            }
        }
    }
}

/// Where a call may ask models.
#[derive(Clone)]
pub(super) struct Models {
    pub upstreams: Arc<Upstreams>,
    /// Counts what they use.
    pub meter: Meter,
}

/// A call, and the summary of its result if that is too long.
async fn run_summed(
    tool: Arc<ToolPlan>,
    input: ToolInput,
    speaker: Speaker,
    models: Option<Models>,
    summaries: Option<Arc<Summaries>>,
) -> ToolOutput {
    let Some((summaries, from)) = summaries.zip(models.clone()) else {
        return run(tool, input, speaker, models).await;
    };
    let arguments = input.arguments.clone();
    let output = run(Arc::clone(&tool), input, speaker.clone(), models).await;
    let call = Summed { tool: &tool.name, arguments: &arguments, max_output: tool.max_output };
    summaries.apply(from, &speaker, call, output).await
}

/// The whole of a call, within its time.
async fn run(tool: Arc<ToolPlan>, input: ToolInput, speaker: Speaker, models: Option<Models>) -> ToolOutput {
    let running = async {
        match &tool.kind {
            ToolKind::Fixed(output) => ToolOutput::ok(output.clone()),
            ToolKind::Code(code) => code.run(input, speaker).await,
            ToolKind::Page | ToolKind::Form => ToolOutput::error("This tool runs in the page."),
            ToolKind::Write(writer) => match models {
                Some(models) => writer.run(models, input, speaker, tool.timeout, tool.max_output).await,
                None => ToolOutput::error("No model can be called from here."),
            },
        }
    };
    tokio::time::timeout(tool.timeout, running).await.unwrap_or_else(|_| {
        tracing::warn!(tool = tool.name, "a tool took longer than its limit");
        ToolOutput::error(format!("The tool took longer than {:?} and was stopped.", tool.timeout))
    })
}

impl fmt::Debug for Running {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.calls.iter().map(|call| &call.id)).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chatwire_protocols::event::ToolOutcome;
    use serde_json::json;

    use super::*;
    use crate::tools::Tool;

    /// Runs a closure as a tool.
    struct Code<F>(F);

    impl<F> fmt::Debug for Code<F> {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("Code")
        }
    }

    impl<F: Fn(Speaker) -> ToolFuture + Send + Sync> Tool for Code<F> {
        fn run(&self, _: ToolInput, speaker: Speaker) -> ToolFuture {
            (self.0)(speaker)
        }
    }

    fn tool(code: impl Fn(Speaker) -> ToolFuture + Send + Sync + 'static) -> ToolPlan {
        ToolPlan::new("f", ToolKind::Code(Arc::new(Code(code))))
    }

    fn input(call: &str) -> ToolInput {
        ToolInput { call: call.into(), arguments: json!({}), scope: Arc::default() }
    }

    /// All that the calls give.
    async fn all(mut running: Running) -> Vec<(String, Heard)> {
        let mut heard = Vec::new();
        while !running.is_empty() {
            let (call, given) = std::future::poll_fn(|cx| running.poll_next(cx)).await;
            heard.push((call.to_string(), given));
        }
        heard
    }

    async fn outcome(tool: ToolPlan) -> ToolOutput {
        let mut running = Running::default();
        running.start(Arc::new(tool), input("c"));
        match all(running).await.pop() {
            Some((_, Heard::Finished(output))) => output,
            other => panic!("{other:?} is no end"),
        }
    }

    #[tokio::test]
    async fn a_tool_that_panics_gives_an_error_result() {
        for tool in [tool(|_| panic!("on purpose")), tool(|_| Box::pin(async { panic!("on purpose") }))] {
            assert_eq!(outcome(tool).await.outcome, ToolOutcome::Error);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_tool_that_takes_too_long_gives_an_error_result() {
        let mut slow = tool(|_| Box::pin(std::future::pending()));
        slow.timeout = Duration::from_secs(7);
        let output = outcome(slow).await;
        assert_eq!(output, ToolOutput::error("The tool took longer than 7s and was stopped."));
    }

    #[tokio::test]
    async fn an_output_is_cut_at_its_limit() {
        let mut long = tool(|_| Box::pin(async { ToolOutput::ok(json!("123456")) }));
        long.max_output = 4;
        assert_eq!(outcome(long).await.output, json!("1234\n[Cut: the first 4 of 6 bytes are shown.]"));
    }

    #[tokio::test]
    async fn a_talkative_tool_says_all_before_its_result_and_silences_nobody() {
        let talks = tool(|speaker| {
            Box::pin(async move {
                for at in 0..100 {
                    speaker.output(at.to_string()).await;
                }
                speaker.progress("done").await;
                ToolOutput::ok(json!(null))
            })
        });
        let mut running = Running::default();
        running.start(Arc::new(talks), input("talks"));
        running.start(Arc::new(ToolPlan::new("g", ToolKind::Fixed(json!(1)))), input("quick"));
        let heard = all(running).await;
        let place = heard.iter().position(|(call, _)| call == "quick").unwrap();
        assert!(place <= 2, "the other was heard after {place}");
        assert_eq!(heard.len(), 103);
        let last = &heard[heard.len() - 2..];
        assert_eq!(last[0].1, Heard::Said(Said::Progress("done".into())));
        assert!(matches!(last[1].1, Heard::Finished(_)));
    }

    #[tokio::test]
    async fn a_tools_widget_grows_with_its_output_and_stands_before_its_result() {
        let mut writes = tool(|speaker| {
            Box::pin(async move {
                speaker.output("Dear ").await;
                speaker.output("reader").await;
                ToolOutput::ok(json!("Dear reader"))
            })
        });
        let template = r#"{"type": "Card", "children": [{"type": "Text", "id": "t", "value": {{ result | tojson }}}]}"#;
        let file = json!({"version": "1.0", "name": "note", "template": template}).to_string();
        writes.widget = Some(Arc::new(crate::tools::WidgetTemplate::read(&file).unwrap()));
        let mut running = Running::default();
        running.start(Arc::new(writes), input("c"));
        let widgets: Vec<(bool, String)> = all(running)
            .await
            .into_iter()
            .filter_map(|(_, heard)| match heard {
                Heard::Said(Said::Data(data)) => Some((
                    data.value["streaming"] == true,
                    data.value["widget"]["children"][0]["value"].as_str().unwrap().to_owned(),
                )),
                _ => None,
            })
            .collect();
        let grown = [(true, "Dear "), (true, "Dear reader"), (false, "Dear reader")];
        assert_eq!(widgets, grown.map(|(streaming, text)| (streaming, text.to_owned())));
    }

    #[tokio::test]
    async fn what_is_said_behind_the_result_is_lost() {
        let (keep, kept) = std::sync::mpsc::channel();
        let talks = tool(move |speaker| {
            keep.send(speaker).unwrap();
            Box::pin(async { ToolOutput::ok(json!(1)) })
        });
        assert_eq!(outcome(talks).await.output, json!(1));
        kept.recv().unwrap().output("late").await;
    }
}
