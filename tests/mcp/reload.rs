//! Servers that are added, changed and taken out while others run.

use std::path::Path;
use std::sync::{Arc, Mutex};

use chatwire::config::{self, Reading, Seen};
use chatwire::server::{Origin, Outcome, bind_reloading};
use chatwire::tools::mcp::ServerPlan;
use chatwire_protocols::event::ToolOutcome;
use serde_json::json;

use crate::support::fake::Fake;
use crate::support::page::Page;
use crate::support::{Gateway, Setup};
use crate::turns::until;
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

/// A server of this name.
fn named(name: &str) -> ServerPlan {
    let mut server = fake("plain");
    name.clone_into(&mut server.name);
    server.prefix = format!("{name}_");
    server
}

#[tokio::test]
async fn servers_come_and_go_while_a_turn_calls_another() {
    let provider = Fake::start().await;
    let addr = provider.addr;
    let planned = move |names: &[&str]| {
        let mut setup = Setup::new(&[addr]);
        setup.mcp = names.iter().map(|name| named(name)).collect();
        setup.plan()
    };
    let names = Arc::new(Mutex::new(vec!["stays", "goes"]));
    let again = Arc::clone(&names);
    let read = move || Reading { plan: Ok(planned(&again.lock().unwrap())), seen: seen() };
    let origin = Origin { seen: seen(), read: Box::new(read) };
    let listening = bind_reloading(planned(&["stays", "goes"]), origin).await.unwrap();
    let (addr, stopper, reloader) = (listening.local_addr().unwrap(), listening.stopper(), listening.reloader());
    let gateway = Gateway { addr, stopper, task: tokio::spawn(listening.serve()) };
    until(&gateway, "stays", "connected").await;
    until(&gateway, "goes", "connected").await;

    let mut page = Page::post(addr, &json!({"user": "hi"})).await;
    let asked = provider.asked().await;
    asked.answer("call a stays_echo {}\ncall b goes_hang {}\nfinish tool_calls\n").await;
    page.until(" hangs").await;
    *names.lock().unwrap() = vec!["stays", "comes"];
    assert!(matches!(reloader.reload().await, Outcome::InForce { .. }));
    // The call of the server that is gone ends as an error, and the turn goes on.
    let asked = provider.asked().await;
    let told = asked.body["messages"].to_string();
    assert!(told.contains("result a Ok") && told.contains("result b Error"), "{told}");
    asked.answer("call c goes_echo {}\ncall d stays_echo {}\nfinish tool_calls\n").await;
    let asked = provider.asked().await;
    let told = asked.body["messages"].to_string();
    assert!(told.contains("result c Error") && told.contains("result d Ok"), "{told}");
    asked.answer("text done\nfinish stop\n").await;
    assert_eq!(page.answer().await.end()["event"], "turn_end");

    until(&gateway, "comes", "connected").await;
    let page = Page::post(addr, &json!({"user": "hi"})).await;
    let asked = provider.asked().await;
    let offered = asked.body["tools"].to_string();
    assert!(
        offered.contains("comes_echo") && offered.contains("stays_echo") && !offered.contains("goes_"),
        "{offered}"
    );
    asked.answer("text done\nfinish stop\n").await;
    page.answer().await;
    gateway.stopper.stop();
    gateway.task.await.unwrap();
}

/// A file that says something, for servers that are in none.
fn seen() -> Seen {
    config::read(Path::new("gateway.toml")).seen
}
