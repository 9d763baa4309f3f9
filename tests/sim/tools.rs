//! Tools that do what tools do, and what they should not.

use std::sync::Arc;
use std::time::Duration;

use chatwire::config::plan::{ToolKind, ToolPlan};
use chatwire::tools::{Speaker, Tool, ToolFuture, ToolInput, ToolOutput};
use serde_json::json;
use tokio::time::sleep;

/// How long a tool may take.
const LIMIT: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct Named(&'static str);

pub fn tools() -> Vec<Arc<ToolPlan>> {
    let code = ["quick", "slow", "fails", "hangs", "panics", "streams"];
    let code = code.map(|name| (name, ToolKind::Code(Arc::new(Named(name)))));
    let all = code.into_iter().chain([("page", ToolKind::Page)]);
    let plan = |(name, kind)| Arc::new(ToolPlan { timeout: LIMIT, max_output: 4 << 10, ..ToolPlan::new(name, kind) });
    all.map(plan).collect()
}

impl Tool for Named {
    fn run(&self, _: ToolInput, speaker: Speaker) -> ToolFuture {
        let name = self.0;
        Box::pin(async move {
            match name {
                "slow" => sleep(Duration::from_secs(3)).await,
                "fails" => return ToolOutput::error("It did not work."),
                "hangs" => std::future::pending().await,
                "panics" => panic!("on purpose"),
                "streams" => {
                    for piece in 0..20 {
                        speaker.output(format!("line {piece}\n")).await;
                        speaker.progress("still busy").await;
                        if piece % 7 == 0 {
                            sleep(Duration::from_millis(50)).await;
                        }
                    }
                    return ToolOutput::ok(json!("x".repeat(10_000)));
                }
                _ => {}
            }
            ToolOutput::ok(json!({ "tempC": 7 }))
        })
    }

    fn streams(&self) -> bool {
        self.0 == "streams"
    }
}
