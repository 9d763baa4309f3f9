//! Servers that are added, changed and taken out while others run.

use std::sync::Arc;

use chatwire_protocols::event::ToolOutcome;
use serde_json::json;

use crate::{Kept, fake, fake_with, run, text};

#[tokio::test]
async fn a_new_configuration_starts_what_is_new_and_leaves_what_is_the_same() {
    let named = |name: &str, script: &str| {
        let mut server = fake(script);
        name.clone_into(&mut server.name);
        Arc::new(server)
    };
    let kept = Kept::start([]);
    kept.0.apply(&[named("stays", "plain"), named("goes", "plain")]);
    let stays = kept.tool("stays", "fake_grows").await;
    let goes = kept.tool("goes", "fake_echo").await;
    // What this process has learned shows that it is the same afterwards.
    run(stays, json!({})).await;
    kept.0.apply(&[named("stays", "plain"), named("new", "plain")]);
    kept.connected("new").await;
    assert!(kept.0.wait_for("stays", |status| status.tools.iter().any(|tool| tool.name == "later")).await);
    assert!(kept.tools("goes").await.is_empty());
    let output = run(goes, json!({})).await.1;
    assert_eq!(output.outcome, ToolOutcome::Error);
    let reports = kept.0.report();
    let names: Vec<&str> = reports.iter().map(|report| report.plan.name.as_str()).collect();
    assert_eq!(names, ["new", "stays"]);
    kept.0.close().await;
}

#[tokio::test]
async fn a_changed_server_is_another_process_and_calls_of_the_old_one_end_as_errors() {
    let kept = Kept::start([fake("plain")]);
    let (hang, env) = (kept.tool("fake", "fake_hang").await, kept.tool("fake", "fake_env").await);
    let hanging = tokio::spawn(run(hang, json!({})));
    run(kept.tool("fake", "fake_echo").await, json!({})).await;
    kept.0.apply(&[Arc::new(fake_with("plain", &[("NEW", "new")]))]);
    assert_eq!(hanging.await.unwrap().1.outcome, ToolOutcome::Error);
    kept.connected("fake").await;
    assert!(text(&kept.call("env", json!({})).await).contains("NEW=new"));
    // The tool of a turn that began before is that of the old process.
    assert_eq!(run(env, json!({})).await.1.outcome, ToolOutcome::Error);
    kept.0.close().await;
}
