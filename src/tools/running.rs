//! The calls of one step, running side by side in the turn's own task.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll};

use chatwire_protocols::event::Text;

use super::{ToolFuture, ToolInput, ToolOutput, run};
use crate::config::plan::ToolPlan;

/// Running calls. Dropping them stops them.
#[derive(Default)]
pub struct Running {
    calls: Vec<(Text, ToolFuture)>,
}

impl Running {
    /// Begins a call.
    pub fn start(&mut self, tool: &ToolPlan, input: ToolInput) {
        self.calls.push((input.call.clone(), run(tool, input)));
    }

    /// True if none is running.
    pub const fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// The next call that finishes, with what came out.
    pub fn poll_finished(&mut self, cx: &mut Context<'_>) -> Poll<(Text, ToolOutput)> {
        for at in 0..self.calls.len() {
            let future = &mut self.calls[at].1;
            let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
            let output = match polled {
                Ok(Poll::Pending) => continue,
                Ok(Poll::Ready(output)) => output,
                Err(_) => ToolOutput::error("The tool failed inside."),
            };
            return Poll::Ready((self.calls.swap_remove(at).0, output));
        }
        Poll::Pending
    }

    /// Stops all.
    pub fn clear(&mut self) {
        self.calls.clear();
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.calls.iter().map(|(call, _)| call)).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Waker;

    use chatwire_protocols::event::ToolOutcome;
    use serde_json::json;

    use super::*;
    use crate::config::plan::ToolKind;
    use crate::tools::Tool;

    #[derive(Debug)]
    struct Panics;

    impl Tool for Panics {
        fn run(&self, _: ToolInput) -> ToolFuture {
            Box::pin(async { panic!("on purpose") })
        }
    }

    #[test]
    fn a_tool_that_panics_gives_an_error_result() {
        let tool = ToolPlan {
            name: "f".into(),
            description: None,
            parameters: json!({}),
            approval: false,
            kind: ToolKind::Code(Arc::new(Panics)),
        };
        let mut running = Running::default();
        running.start(&tool, ToolInput { call: "c".into(), arguments: json!({}) });
        let Poll::Ready((call, output)) = running.poll_finished(&mut Context::from_waker(Waker::noop())) else {
            panic!("it has finished")
        };
        assert_eq!((call.as_str(), output.outcome), ("c", ToolOutcome::Error));
        assert!(running.is_empty());
    }
}
