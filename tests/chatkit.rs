//! The official ChatKit types judge what the gateway sends to a ChatKit page.
//!
//! Needs the Python environment that `tests/clients/chatkit/README.md` tells how to make; without it the tests say so
//! and pass. `CI` makes its absence a failure.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod binary;
mod canary;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use binary::Gateway;
use chatwire_protocols::event::{Citation, File, FileSource, Mark};
use chatwire_protocols::items::{
    AssistantMessage, Attachment, Body, Form, FormState, Item, MadeFile, PageRun, PageRunState, Question, Said, Tag,
    Task, Thread, ThreadStatus, UserMessage, Widget, Workflow,
};
use chatwire_protocols::operation::{Answer, Page, Upload};
use chatwire_protocols::options::Options;
use chatwire_protocols::protocol::Frontend;
use chatwire_protocols::transcode;
use serde_json::json;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/chatkit")
}

/// The interpreter that has the official types.
fn python() -> Option<Command> {
    let python = folder().join(".venv/bin/python");
    if python.exists() {
        let mut command = Command::new(python);
        command.arg("-B").current_dir(folder());
        return Some(command);
    }
    assert!(std::env::var_os("CI").is_none(), "CI needs the environment of tests/clients/chatkit");
    eprintln!("skipped: needs the Python environment of tests/clients/chatkit");
    None
}

fn judged(output: &Output) {
    println!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_page_goes_through_its_life_with_every_provider() {
    let Some(mut python) = python() else { return };
    let gateway = Gateway::start(&folder().join("gateway.toml"));
    let urls = ["openai", "responses", "anthropic", "ollama"].map(|name| format!("{}/chatkit/{name}", gateway.address));
    judged(&python.arg("conversation.py").args(urls).output().unwrap());
}

#[test]
fn every_answer_is_what_the_official_types_would_write() {
    let Some(python) = python() else { return };
    let frontend = frontend();
    let lines: String =
        answers().iter().map(|(kind, said)| format!("{kind}\t{}\n", frontend.answer(said).body)).collect();
    judged(&fed(python, "judge.py", lines.as_bytes()));
}

#[test]
fn every_recorded_answer_is_a_stream_that_the_official_types_would_write() {
    let Some(python) = python() else { return };
    let frontend = frontend();
    let mut bodies = Vec::new();
    for (protocol, answer) in recordings() {
        let upstream = chatwire_protocols::find(&protocol).and_then(|found| found.upstream.as_ref()).expect(&protocol);
        let events = transcode::decode(&*(upstream.make)(&Options::default()), [&answer[..]]);
        bodies.extend_from_slice(&transcode::encode(&*frontend, &events));
        bodies.push(0);
    }
    judged(&fed(python, "streams.py", &bodies));
}

fn frontend() -> Arc<dyn Frontend> {
    let spec = chatwire_protocols::find("chatkit").and_then(|found| found.frontend.as_ref()).expect("pages speak it");
    (spec.make)(&Options::default())
}

/// What a script says to this input.
fn fed(mut python: Command, script: &str, input: &[u8]) -> Output {
    let mut child =
        python.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // All of it is read before anything is said.
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

/// Every recorded answer of a provider, and its protocol.
fn recordings() -> Vec<(String, Vec<u8>)> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/golden");
    let mut found = Vec::new();
    for case in fs::read_dir(golden).unwrap() {
        for file in fs::read_dir(case.unwrap().path()).unwrap() {
            let file = file.unwrap();
            let name = file.file_name().into_string().unwrap();
            if let Some((protocol, _)) = name.strip_prefix("upstream.").and_then(|rest| rest.rsplit_once('.')) {
                found.push((protocol.to_owned(), fs::read(file.path()).unwrap()));
            }
        }
    }
    assert!(found.len() > 50, "the recordings are there");
    found
}

/// An answer of every kind, and an item of every kind.
fn answers() -> Vec<(&'static str, Answer)> {
    let thread = "thr_1";
    let items: Vec<Item> = bodies()
        .into_iter()
        .enumerate()
        .map(|(at, body)| Item {
            id: format!("i{at}").into(),
            created: 1_763_633_580_000 + at as u64,
            hidden: false,
            origin: None,
            body,
        })
        .collect();
    let mut all: Vec<_> =
        items.iter().map(|item| ("updated", Answer::Updated(thread.into(), Some(Box::new(item.clone()))))).collect();
    let statuses = [ThreadStatus::Active, ThreadStatus::Locked(None), ThreadStatus::Closed(Some("Over.".to_owned()))];
    let threads: Vec<Thread> = statuses.into_iter().map(thread_that_is).collect();
    let upload = Upload {
        url: "https://gateway.example/files/1".to_owned(),
        method: "POST",
        headers: vec![("authorization".to_owned(), "Bearer t".to_owned())],
    };
    all.extend([
        ("updated", Answer::Updated(thread.into(), None)),
        ("items", Answer::Items(thread.into(), Page { rows: items.clone(), more: true })),
        ("items", Answer::Items(thread.into(), Page { rows: Vec::new(), more: false })),
        ("thread", Answer::Thread(threads[0].clone(), Page { rows: items, more: false })),
        ("threads", Answer::Threads(Page { rows: threads, more: true })),
        ("attachment", Answer::Attachment(attachment("image/png"), None)),
        ("attachment", Answer::Attachment(attachment("application/pdf"), Some(upload))),
        ("transcript", Answer::Transcript("Grüezi 👋".to_owned())),
        ("empty", Answer::Done(true)),
    ]);
    all
}

fn thread_that_is(status: ThreadStatus) -> Thread {
    let (id, title) = ("thr_1".to_owned(), Some("A \"title\"".to_owned()));
    let metadata = json!({"private": null}).as_object().unwrap().clone();
    Thread { id, title, status, metadata, created: 1_763_633_580_123, updated: 1_763_633_580_123 }
}

fn attachment(media_type: &str) -> Attachment {
    Attachment {
        id: "atc_1".into(),
        name: "a b.png".to_owned(),
        media_type: media_type.to_owned(),
        size: 5,
        thread: None,
        uploaded: false,
        created: 0,
        preview: Some("https://gateway.example?file=1".to_owned()),
    }
}

fn bodies() -> Vec<Body> {
    let tag = Tag {
        id: "t1".to_owned(),
        text: "Ann".to_owned(),
        data: json!({"email": null}).as_object().unwrap().clone(),
        group: None,
        interactive: true,
    };
    let png =
        File { media_type: "image/png".into(), source: FileSource::Base64("iVBORw0KGgo=".to_owned()), name: None };
    let message = UserMessage {
        content: vec![Said::Text { text: "Hi\u{2028}".to_owned() }, Said::Tag(tag), Said::File(png.clone())],
        attachments: vec![attachment("image/png"), attachment("text/plain")],
        quoted: Some("before".to_owned()),
        model: Some("fast".into()),
        tool: Some("search".into()),
        ..UserMessage::default()
    };
    let cite = |url: Option<&str>, title: &str| {
        let (url, title) = (url.map(str::to_owned), Some(title.to_owned()));
        Mark::Citation(Citation { url, title, ..Citation::default() })
    };
    let text = AssistantMessage {
        text: "7 °C".to_owned(),
        marks: vec![cite(Some("https://a.example"), ""), cite(None, "a.pdf")],
        refusal: false,
        whole: true,
    };
    let thought = Task::Thought { text: "Hm.".to_owned(), summary: false, marks: Vec::new() };
    let root = json!({"type": "Card", "children": [{"type": "Text", "value": "7 °C", "id": "t"}]});
    let run = |state, output| PageRun {
        call: "call_1".into(),
        name: "get_location".into(),
        arguments: json!({"precise": null}),
        state,
        output,
        by_model: true,
    };
    let question = |options: &[&str], answer| Question {
        id: "q".to_owned(),
        question: "Which?".to_owned(),
        options: options.iter().map(|&option| option.to_owned()).collect(),
        multiple: true,
        description: Some("Any.".to_owned()),
        answer,
    };
    let questions = vec![
        question(&["a", "b"], None),
        question(&["a"], Some(vec!["a".to_owned()])),
        question(&[], Some(Vec::new())),
    ];
    vec![
        Body::User(message),
        Body::User(UserMessage::default()),
        Body::Assistant(text),
        Body::File(MadeFile { file: png, call: None }),
        Body::Workflow(Workflow { tasks: vec![thought], duration: 1500 }),
        Body::PageCall(run(PageRunState::Pending, None)),
        Body::PageCall(run(PageRunState::Completed, Some(json!({"city": null})))),
        Body::Widget(Widget { root, copy_text: Some("7 °C".to_owned()), name: "weather".into() }),
        Body::Form(Form { state: FormState::Answered, call: "c".into(), questions }),
        Body::EndOfTurn,
    ]
}
