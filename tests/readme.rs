//! Every example of the documentation runs: `curl` blocks against the default configuration, `toml` blocks through the
//! configuration's own check.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod binary;
mod canary;

use std::path::{Path, PathBuf};
use std::process::Command;

use binary::Gateway;

/// A fenced block: its language and its text.
struct Block {
    place: String,
    language: String,
    text: String,
}

fn blocks() -> Vec<Block> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages: Vec<PathBuf> = vec![root.join("README.md")];
    pages.extend(std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path()));
    let mut found = Vec::new();
    for page in pages.iter().filter(|page| page.extension().is_some_and(|ending| ending == "md")) {
        let text = std::fs::read_to_string(page).unwrap();
        let mut lines = text.lines().enumerate();
        while let Some((at, line)) = lines.next() {
            if let Some(language) = line.trim_start().strip_prefix("```") {
                let body: Vec<&str> = lines
                    .by_ref()
                    .map(|(_, line)| line)
                    .take_while(|line| !line.trim_start().starts_with("```"))
                    .collect();
                found.push(Block {
                    place: format!("{}:{}", page.file_name().unwrap().to_string_lossy(), at + 1),
                    language: language.to_owned(),
                    text: body.join("\n"),
                });
            }
        }
    }
    found
}

/// Whether some line of `output` reads like `pattern`, in which `…` stands for anything.
fn appears(pattern: &str, output: &str) -> bool {
    output.lines().any(|line| {
        let mut rest = line;
        let mut pieces = pattern.split('…');
        let first = pieces.next().unwrap_or_default();
        let Some(after) = rest.strip_prefix(first) else { return false };
        rest = after;
        pieces.all(|piece| rest.find(piece).map(|at| rest = &rest[at + piece.len()..]).is_some())
    })
}

#[test]
fn every_curl_of_the_documentation_answers_as_shown() {
    let gateway = Gateway::start(&Path::new(env!("CARGO_MANIFEST_DIR")).join("gateway.toml"));
    let blocks = blocks();
    let mut run = 0;
    for (at, block) in blocks.iter().enumerate() {
        if block.language != "sh" || !block.text.starts_with("curl") {
            continue;
        }
        let command = block.text.replace("http://127.0.0.1:8000", &gateway.address);
        let output = Command::new("sh").args(["-c", &command]).output().unwrap();
        canary::look(canary::Place::Answer, &output.stdout);
        let output = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!output.is_empty(), "{}: no output", block.place);
        if let Some(expected) = blocks.get(at + 1).filter(|next| next.language == "text") {
            for pattern in expected.text.lines() {
                assert!(appears(pattern, &output), "{}: no line like {pattern:?} in\n{output}", block.place);
            }
        }
        run += 1;
    }
    assert!(run >= 5, "only {run} examples found");
}

#[test]
fn every_configuration_of_the_documentation_is_right() {
    let environment = |_: &str| Some("a-key-of-more-than-thirty-two-bytes".to_owned());
    let mut seen = 0;
    for block in blocks().iter().filter(|block| block.language == "toml") {
        if let Err(report) = chatwire::config::parse(&block.place, &block.text, &environment) {
            panic!("{}:\n{report}", block.place);
        }
        seen += 1;
    }
    assert!(seen >= 1);
}
