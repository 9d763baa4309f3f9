//! Servers that misbehave.

use std::collections::BTreeSet;
use std::path::PathBuf;

use chatwire::tools::mcp::plan::Transport;
use chatwire::tools::mcp::{Offer, State};
use chatwire_protocols::event::ToolOutcome;
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use crate::server::LIFE;
use crate::support::{LONG, fixed, nobody};
use crate::{Kept, SHORT, fake, fake_with, plan, program, text};

#[tokio::test]
async fn a_server_that_cannot_be_started_says_why_in_words_for_pages() {
    for (transport, reason) in [
        (Transport::Process(program("no-such-command", &[])), "its command or its folder is not there"),
        (Transport::Process(program("/", &[])), "its command may not be run"),
    ] {
        let kept = Kept::start([plan("fake", transport)]);
        assert_eq!(kept.failed("fake").await, reason);
        assert!(kept.tools("fake").await.is_empty());
    }
    for (script, reason) in [
        ("dead", "its process ended (exit status: 7)"),
        ("babble", "it prints what is no MCP"),
        ("refuses", "it refuses to start: not with …"),
    ] {
        let kept = Kept::start([fake_with(script, &[("TOKEN", "canary-0123456789")])]);
        assert_eq!(kept.failed("fake").await, reason);
    }
}

#[tokio::test]
async fn a_server_that_never_answers_has_failed_when_its_time_is_over() {
    for (script, reason) in
        [("silent", "it did not start within 300ms"), ("unlisted", "it does not list its tools in time")]
    {
        let mut server = fake(script);
        server.start_timeout = if script == "silent" { SHORT } else { 10 * SHORT };
        let kept = Kept::start([server]);
        assert_eq!(kept.failed("fake").await, reason);
    }
}

#[tokio::test]
async fn an_address_where_nobody_is_has_failed() {
    let headers = vec![];
    let url = format!("http://{}/mcp", nobody().await);
    let kept = Kept::start([plan("fake", Transport::Http(chatwire::tools::mcp::plan::Address { url, headers }))]);
    assert_eq!(kept.failed("fake").await, "it cannot be reached");
}

#[tokio::test]
async fn of_too_many_tools_the_first_are_taken() {
    let kept = Kept::start([fake("many")]);
    kept.connected("fake").await;
    let tools = kept.tools("fake").await;
    assert_eq!((tools.len(), tools[127].name.as_str()), (128, "fake_t127"));
    let mut server = fake("many");
    server.only = Some(vec!["t4999".to_owned(), "no such".to_owned()]);
    let kept = Kept::start([server]);
    kept.connected("fake").await;
    let names: Vec<String> = kept.tools("fake").await.iter().map(|tool| tool.name.clone()).collect();
    assert_eq!(names, ["fake_t4999"]);
}

#[tokio::test]
async fn a_list_without_an_end_has_one() {
    let kept = Kept::start([fake("endless")]);
    kept.connected("fake").await;
    assert!(kept.tools("fake").await.is_empty());
}

#[tokio::test]
async fn tools_whose_schema_is_none_are_left_out_and_hide_no_others() {
    let kept = Kept::start([fake("wrong")]);
    kept.connected("fake").await;
    let tools = kept.tools("fake").await;
    let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names[..4], ["fake_good", "fake_untyped", "fake_a_b_c_d", "fake_a_b_c_d_2"]);
    assert_eq!((names.len(), names[4].len()), (5, 64));
    assert_eq!(tools[1].arguments.schema(), &json!({"type": "object", "properties": {}}));
}

#[tokio::test]
async fn names_of_several_servers_and_the_gateways_own_stay_apart() {
    let (mut one, mut other) = (fake("plain"), fake("plain"));
    (one.name, other.name) = ("one".to_owned(), "other".to_owned());
    let kept = Kept::start([one, other]);
    let offer = |server: &str, tool: &str| Offer { server: server.to_owned(), tool: Some(tool.to_owned()) };
    let mut tools = vec![std::sync::Arc::new(fixed("fake_echo", json!(1)))];
    kept.connected("one").await;
    kept.connected("other").await;
    kept.0.add(&[offer("one", "echo"), offer("other", "echo"), offer("other", "env")], &mut tools).await;
    let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["fake_echo", "fake_echo_2", "fake_echo_3", "fake_env"]);
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), 4);
}

#[tokio::test]
async fn a_server_that_dies_in_a_call_is_an_error_and_started_anew() {
    let kept = Kept::start([fake("plain")]);
    let (exit, echo) = (kept.tool("fake", "fake_exit").await, kept.tool("fake", "fake_echo").await);
    let output = crate::run(exit, json!({})).await.1;
    assert_eq!(text(&output), "The tool server `fake` broke off during the call.");
    // A turn that began before goes on with what there is now.
    let gone = crate::run(echo.clone(), json!({})).await.1;
    assert_eq!(gone.outcome, ToolOutcome::Error);
    let again = async {
        loop {
            kept.connected("fake").await;
            let output = crate::run(echo.clone(), json!({})).await.1;
            // It may be seen as it was before its end.
            if output.outcome == ToolOutcome::Ok {
                return output;
            }
        }
    };
    let output = tokio::time::timeout(LONG, again).await.expect("it comes back");
    assert_eq!(text(&output), "{}");
    kept.0.close().await;
}

#[tokio::test]
async fn what_prints_no_mcp_for_ever_is_ended_and_what_logs_a_lot_is_not() {
    let kept = Kept::start([fake_with("plain", &[("TOKEN", "canary-0123456789")])]);
    assert_eq!(text(&kept.call("logs", json!({})).await), "logged");
    assert_eq!(text(&kept.call("talks_for_ever", json!({})).await), "begun");
    assert_eq!(text(&kept.call("echo", json!({})).await), "{}");
    kept.0.close().await;
    let kept = Kept::start([fake("plain")]);
    let output = kept.call("babbles_for_ever", json!({})).await;
    assert_eq!(text(&output), "The tool server `fake` broke off during the call.");
    kept.0.close().await;
}

#[tokio::test]
async fn a_message_that_is_too_large_is_not_kept() {
    let mut server = fake("plain");
    server.timeout = 10 * SHORT;
    let kept = Kept::start([server]);
    let output = kept.call("too_large", json!({})).await;
    assert_eq!(output.outcome, ToolOutcome::Error);
    assert_eq!(text(&kept.call("echo", json!({})).await), "{}");
    kept.0.close().await;
}

#[tokio::test]
async fn a_server_ends_with_all_that_it_has_started() {
    for dropped in [false, true] {
        let life = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = life.local_addr().unwrap().to_string();
        let kept = Kept::start([fake_with("plain", &[(LIFE, &address)])]);
        let (mut server, _) = life.accept().await.unwrap();
        assert_eq!(text(&kept.call("starts_another", json!({})).await), "started");
        let (mut other, _) = life.accept().await.unwrap();
        let process = std::fs::read_dir("/proc/self/task").is_ok();
        if dropped {
            drop(kept);
        } else {
            kept.0.close().await;
            assert!(!process || zombies().is_empty(), "{:?}", zombies());
        }
        for end in [&mut server, &mut other] {
            // A reset is an end as well.
            let ended = tokio::time::timeout(LONG, end.read(&mut [0])).await;
            assert!(matches!(ended.expect("the process ends"), Ok(0) | Err(_)));
        }
    }
}

/// Children of this process that have ended and that nobody has taken note of, as far as they are servers.
fn zombies() -> Vec<PathBuf> {
    let me = std::process::id().to_string();
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| Some(entry.ok()?.path()));
    let of_me = processes.filter(|path| {
        let stat = std::fs::read_to_string(path.join("stat")).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        fields.first() == Some(&"Z") && fields.get(1) == Some(&me.as_str())
    });
    of_me.collect()
}

#[tokio::test]
async fn a_server_that_ends_again_and_again_is_tried_less_and_less_often() {
    let kept = Kept::start([fake("dead")]);
    let begun = std::time::Instant::now();
    let mut failures = 0;
    // Each failure is told once.
    let seen = kept.0.wait_for("fake", |status| {
        failures += u32::from(matches!(status.state, State::Failed(_)));
        failures == 3
    });
    assert!(tokio::time::timeout(LONG, seen).await.unwrap());
    assert!(begun.elapsed() >= std::time::Duration::from_millis(1500), "after 0.5 s and 1 s more");
}
