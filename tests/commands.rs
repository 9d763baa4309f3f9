//! The `golden` and `transcode` commands, as one runs them.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const LINES: &str = concat!(
    r#"{"model":"m","message":{"role":"assistant","content":"Good"},"done":false}"#,
    "\n",
    r#"{"model":"m","message":{"role":"assistant","content":" day"},"done":true,"done_reason":"stop"}"#,
    "\n",
);

fn chatwire(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_chatwire"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that refuses its arguments does not read.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A folder of its own for one test, gone when the test is over.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("chatwire-{}-{name}", std::process::id()));
        fs::create_dir_all(folder.join("case")).unwrap();
        fs::write(folder.join("case/upstream.ollama.ndjson"), LINES).unwrap();
        Self(folder)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn every_golden_file_is_as_it_should_be() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/golden");
    let output = chatwire(&["golden", folder.to_str().unwrap()], "");
    assert!(output.status.success(), "{}{}", out(&output), err(&output));
    assert!(out(&output).ends_with(" passed, 0 failed\n"), "{}", out(&output));
}

#[test]
fn golden_reports_what_is_missing_writes_it_and_shows_what_has_changed() {
    let folder = Folder::new("bless");
    let missing = chatwire(&["golden", folder.path()], "");
    assert_eq!(missing.status.code(), Some(1));
    assert!(out(&missing).contains("case/message.json"), "{}", out(&missing));

    let written = chatwire(&["golden", folder.path(), "--bless"], "");
    assert_eq!(written.status.code(), Some(0), "{}", out(&written));
    assert!(out(&written).contains("wrote case/vercel-ui-stream.out"), "{}", out(&written));
    assert_eq!(chatwire(&["golden", folder.path()], "").status.code(), Some(0));

    let events = folder.0.join("case/events.jsonl");
    let changed = fs::read_to_string(&events).unwrap().replace(" day", "\tnight");
    fs::write(&events, changed).unwrap();
    let differs = chatwire(&["golden", folder.path()], "");
    assert_eq!(differs.status.code(), Some(1));
    assert!(out(&differs).contains("case/events.jsonl\n"), "{}", out(&differs));
    assert!(
        out(&differs).contains("\n    + {\"event\":\"block_delta\",\"block\":0,\"text\":\" day\"}\n"),
        "{}",
        out(&differs)
    );
    assert!(out(&differs).ends_with(" passed, 1 failed\n"), "{}", out(&differs));
}

#[test]
fn golden_checks_a_dialect_with_options_where_its_file_exists() {
    let folder = Folder::new("options");
    fs::write(folder.0.join("case/callback-sse@legacy_fields=true.out"), "").unwrap();
    assert_eq!(chatwire(&["golden", folder.path(), "--bless"], "").status.code(), Some(0));
    let bytes = fs::read_to_string(folder.0.join("case/callback-sse@legacy_fields=true.out")).unwrap();
    assert!(bytes.contains("\"accumulated\":\"Good day\""), "{bytes}");

    fs::write(folder.0.join("case/callback-sse@legacy_feilds=true.out"), "").unwrap();
    let wrong = chatwire(&["golden", folder.path()], "");
    assert_eq!(wrong.status.code(), Some(1));
    assert!(out(&wrong).contains("did you mean `legacy_fields`?"), "{}", out(&wrong));
}

#[test]
fn golden_of_a_folder_without_cases_fails() {
    let folder = Folder::new("empty");
    fs::remove_file(folder.0.join("case/upstream.ollama.ndjson")).unwrap();
    assert_eq!(chatwire(&["golden", folder.path()], "").status.code(), Some(1));
    assert_eq!(chatwire(&["golden", "/nowhere/at/all"], "").status.code(), Some(1));
}

#[test]
fn transcode_reads_standard_input_or_a_file() {
    let piped = chatwire(&["transcode", "--from", "ollama", "--to", "vercel-text"], LINES);
    assert_eq!((piped.status.code(), out(&piped).as_str()), (Some(0), "Good day"));
    let folder = Folder::new("file");
    let file = folder.0.join("case/upstream.ollama.ndjson");
    let read = chatwire(&["transcode", "--from", "ollama", "--to", "vercel-text", file.to_str().unwrap()], "");
    assert_eq!(out(&read), out(&piped));
}

#[test]
fn transcode_to_events_is_one_json_object_a_line() {
    let output = chatwire(&["transcode", "--from", "ollama", "--to", "events"], LINES);
    let events: Vec<Value> = out(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.first().unwrap()["event"], "turn_start");
    assert_eq!(events.last().unwrap()["event"], "turn_end");
}

#[test]
fn transcode_to_message_is_one_json_object_also_of_an_answer_that_failed() {
    let output = chatwire(&["transcode", "--from", "ollama", "--to", "message"], LINES);
    let message: Value = serde_json::from_str(&out(&output)).unwrap();
    assert_eq!((message["outcome"].as_str(), message["text"].as_str()), (Some("complete"), Some("Good day")));

    let failed = chatwire(&["transcode", "--from", "ollama", "--to", "message"], "{\"error\":\"no such model\"}\n");
    let message: Value = serde_json::from_str(&out(&failed)).unwrap();
    assert_eq!((failed.status.code(), message["outcome"].as_str()), (Some(0), Some("error")));

    let cut = chatwire(&["transcode", "--from", "ollama", "--to", "message"], LINES.lines().next().unwrap());
    let message: Value = serde_json::from_str(&out(&cut)).unwrap();
    assert_eq!((cut.status.code(), message["outcome"].as_str()), (Some(0), Some("truncated")));
}

#[test]
fn transcode_says_what_was_probably_meant() {
    for (arguments, said) in [
        (["--from", "olama", "--to", "events"], "did you mean `ollama`?"),
        (["--from", "ollama", "--to", "vercel-ui-strem"], "did you mean `vercel-ui-stream`?"),
        (["--from", "callback-sse", "--to", "events"], "providers do not speak `callback-sse`"),
        (["--from", "ollama", "--to", "ollama"], "pages do not speak `ollama`"),
    ] {
        let output = chatwire(&[&["transcode"][..], &arguments].concat(), LINES);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(err(&output).contains(said), "{arguments:?}: {}", err(&output));
        assert_eq!(out(&output), "");
    }
    let output = chatwire(&["transcode", "--from", "ollama", "--to", "events", "/nowhere/at/all"], "");
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("/nowhere/at/all"), "{}", err(&output));
}
