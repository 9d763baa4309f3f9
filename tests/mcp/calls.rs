//! Calls of a server that is there, and what comes out of them.

use chatwire::tools::ToolOutput;
use chatwire::tools::{Running, ToolInput};
use chatwire_protocols::event::{FileSource, ToolOutcome};
use serde_json::json;

use crate::{Kept, SHORT, fake, fake_with, run, text};

const TOKEN: &str = "canary-0123456789";

#[tokio::test]
async fn a_call_goes_to_the_server_and_its_result_comes_back() {
    let kept = Kept::start([fake("plain")]);
    let output = kept.call("echo", json!({"a": [1, "é"]})).await;
    assert_eq!(output, ToolOutput::ok(json!("{\"a\":[1,\"é\"]}")));
    let fails = kept.call("fails", json!({})).await;
    assert_eq!(fails, ToolOutput::error("no such place"));
    kept.0.close().await;
}

#[tokio::test]
async fn images_stand_beside_the_text_and_long_texts_are_cut() {
    let kept = Kept::start([fake("plain")]);
    let image = kept.call("image", json!({})).await;
    assert_eq!(text(&image), "a dot\n[image/png, 9 bytes]");
    assert_eq!(image.files[0].source, FileSource::Base64("iVBORw0KGgo=".to_owned()));
    let large = kept.call("large", json!({})).await;
    assert!(text(&large).ends_with("\n[Cut: the first 65536 of 1048576 bytes are shown.]"));
    kept.0.close().await;
}

#[tokio::test]
async fn progress_is_told_as_it_comes_and_never_backwards() {
    let kept = Kept::start([fake("plain")]);
    let (progress, output) = run(kept.tool("fake", "fake_progress").await, json!({})).await;
    // The last may lose the race against the result.
    assert!(["1 of 3", "2 of 3", "3 of 3"].starts_with(&[progress[0].as_str()]), "{progress:?}");
    assert_eq!(progress.get(1).map(String::as_str), Some("2 of 3"));
    assert!(!progress.iter().any(|line| line.starts_with("1.5")), "{progress:?}");
    assert_eq!(text(&output), "done");
    kept.0.close().await;
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_is_called_off_at_the_server() {
    let kept = Kept::start([fake("plain")]);
    let mut running = Running::default();
    let input = ToolInput { call: "c".into(), arguments: json!({}), scope: std::sync::Arc::default() };
    running.start(kept.tool("fake", "fake_hang").await, input);
    // Its first progress shows that it is on its way.
    std::future::poll_fn(|cx| running.poll_next(cx)).await;
    drop(running);
    assert_eq!(text(&kept.call("called_off", json!({})).await), "1 called off");
    kept.0.close().await;
}

#[tokio::test]
async fn a_call_out_of_time_is_an_error_and_called_off() {
    let mut server = fake("plain");
    server.timeout = SHORT;
    let kept = Kept::start([server]);
    let output = kept.call("hang", json!({})).await;
    assert_eq!(text(&output), "The tool took longer than 300ms and was stopped.");
    assert_eq!(text(&kept.call("called_off", json!({})).await), "1 called off");
    kept.0.close().await;
}

#[tokio::test]
async fn a_server_gets_a_clean_environment_and_its_own_folder() {
    let folder = std::env::temp_dir().canonicalize().unwrap();
    let mut server = fake_with("plain", &[("TOKEN", TOKEN)]);
    let chatwire::tools::mcp::plan::Transport::Process(program) = &mut server.transport else { panic!() };
    program.folder = folder.clone();
    let kept = Kept::start([server]);
    let env = kept.call("env", json!({})).await;
    let names: Vec<&str> = text(&env).lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    let own = ["TOKEN", crate::server::SCRIPT];
    let passed = ["HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER"];
    assert!(names.contains(&"PATH") && names.contains(&"TOKEN"), "{names:?}");
    for name in names {
        assert!(own.contains(&name) || passed.contains(&name), "{name} was passed on");
    }
    assert_eq!(text(&kept.call("folder", json!({})).await), folder.display().to_string());
    kept.0.close().await;
}

#[tokio::test]
async fn a_refusal_is_told_without_secrets_and_a_senseless_answer_is_an_error() {
    let kept = Kept::start([fake_with("plain", &[("TOKEN", TOKEN)])]);
    let refusal = kept.call("refuses", json!({})).await;
    assert_eq!(refusal.outcome, ToolOutcome::Error);
    assert_eq!(text(&refusal), "The tool server refused the call: wrong …");
    let garbled = kept.call("garble", json!({})).await;
    assert_eq!(garbled, ToolOutput::error("The tool server's answer cannot be read."));
    assert_eq!(text(&kept.call("echo", json!({})).await), "{}");
    kept.0.close().await;
}

#[tokio::test]
async fn a_list_that_changes_is_followed() {
    let kept = Kept::start([fake("plain")]);
    let before = kept.tools("fake").await.len();
    assert_eq!(text(&kept.call("grows", json!({})).await), "grown");
    assert!(kept.0.wait_for("fake", |status| status.tools.len() == before + 1).await);
    kept.tool("fake", "fake_later").await;
    kept.0.close().await;
}
