//! The replay provider: recorded answers, no network.

use std::path::PathBuf;
use std::time::Duration;

use chatwire::config::plan::Source;
use serde_json::json;

use crate::support::page::{Answer, Page};
use crate::support::{Setup, fixed};

const INDEX: &str = r#"
[[scripts]]
name = "weather"
words = ["weather"]
after = "sunny"
[[scripts]]
name = "sunny"
[[scripts]]
name = "busy"
words = ["busy"]
status = 429
headers = { retry-after = "3" }
"#;

/// A folder that goes when the test does.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("chatwire-{name}-{}", std::process::id()));
        std::fs::create_dir_all(path.join("lines")).unwrap();
        std::fs::write(path.join("replay.toml"), INDEX).unwrap();
        let files = [
            ("text", "text hello\nfinish stop\n"),
            ("weather", "call c weather {}\nfinish tool_calls\n"),
            ("sunny", "text sunny\nfinish stop\n"),
        ];
        for (name, text) in files {
            std::fs::write(path.join(format!("lines/{name}.ndjson")), text).unwrap();
        }
        std::fs::write(path.join("lines/busy.json"), "{\"error\":{\"message\":\"busy\"}}").unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn ask(name: &str, user: &str) -> Answer {
    let folder = Folder::new(name);
    let mut setup = Setup::new(&[]);
    setup.sources = vec![Source::Replay { folder: Some(folder.0.clone()), pace: Some(Duration::from_millis(1)) }];
    setup.tools = vec![fixed("weather", json!("sun"))];
    let gateway = setup.start().await;
    Page::post(gateway.addr, &json!({"user": user})).await.answer().await
}

#[tokio::test]
async fn plain_words_play_the_default() {
    assert_eq!(ask("default", "hi").await.text(), "hello");
}

#[tokio::test]
async fn words_choose_a_script_and_its_tool_loop_runs_through() {
    let answer = ask("tool", "how is the Weather?").await;
    assert_eq!(answer.names().iter().filter(|name| *name == "step_start").count(), 2);
    assert!(answer.text().ends_with("sunny"), "{}", answer.body);
}

#[tokio::test]
async fn an_error_status_is_played_as_the_provider_would_send_it() {
    let answer = ask("busy", "are you busy").await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("3")));
}
