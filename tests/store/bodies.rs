//! An item of every sort, with everything in it that has a shape of its own.

use chatwire::store::{Attachment, Item};
use chatwire_protocols::PROTOCOLS;
use chatwire_protocols::chat::{Approval, CallPart, ResultPart};
use chatwire_protocols::event::{Citation, File, FileSource, Mark, Runs, ToolKind, ToolOutcome};
use chatwire_protocols::items::{
    AssistantMessage, Body, Form, FormState, KeptCall, KeptData, MadeFile, Note, Origin, PageRun, PageRunState,
    Question, Said, Tag, Task, UserMessage, Widget, Workflow,
};
use serde_json::{Map, Value, json};

/// One of each, the hidden ones hidden; of those with marks one for each protocol there is.
pub fn all() -> Vec<Item> {
    let bodies = [
        Body::User(user()),
        Body::User(UserMessage::default()),
        Body::Assistant(AssistantMessage {
            text: "Tea \u{0}\n".to_owned(),
            marks: marks(),
            refusal: true,
            whole: false,
        }),
        Body::File(MadeFile { file: file(), call: None }),
        Body::File(MadeFile { file: file(), call: Some("c1".into()) }),
        Body::Workflow(Workflow {
            tasks: vec![
                Task::Thought { text: String::new(), summary: true, marks: marks() },
                Task::Call(Box::new(KeptCall { call: call(), result: None, full: None })),
            ],
            duration: 1234,
        }),
        Body::ToolCall(KeptCall { call: call(), result: Some(result()), full: None }),
        page_call(PageRunState::Queued),
        page_call(PageRunState::Pending),
        page_call(PageRunState::Completed),
        page_call(PageRunState::Abandoned),
        Body::Widget(Widget { root: free(), copy_text: Some("Sunny".to_owned()), name: "weather".into() }),
        form(FormState::Pending),
        form(FormState::Answered),
        form(FormState::Skipped),
        Body::Data(KeptData { name: "fact".into(), id: None, value: Value::Null }),
        Body::Note(Note { text: "x".to_owned() }),
        Body::EndOfTurn,
    ];
    let origin = Origin { turn: "turn_1".into(), message: "msg_1".into(), step: 3 };
    bodies
        .into_iter()
        .enumerate()
        .map(|(at, body)| Item {
            id: format!("i{at}").into(),
            created: 1_700_000_000_000 + at as u64,
            hidden: matches!(body, Body::ToolCall(_) | Body::Note(_)),
            origin: (at > 1).then(|| origin.clone()),
            body,
        })
        .collect()
}

/// Any JSON, in an order of its own.
fn free() -> Value {
    json!({"z": 1, "kind": "note", "a": ["\u{2028}", null, 1.5, u64::MAX, -1, {"深": "い"}], "marks": [1]})
}

fn members() -> Map<String, Value> {
    free().as_object().cloned().unwrap()
}

fn file() -> File {
    File { media_type: "image/png".into(), source: FileSource::Base64("iVBO".to_owned()), name: Some("é".to_owned()) }
}

fn marks() -> Vec<Mark> {
    let citation = Citation { kind: "url".into(), url: Some("https://a.example".to_owned()), ..Citation::default() };
    let mut marks = vec![
        Mark::Citation(Citation { start: Some(1), end: Some(u64::MAX), ..citation }),
        Mark::Signature { signature: "s==".into() },
        Mark::Redacted { data: "r".to_owned() },
    ];
    marks.extend(PROTOCOLS.iter().map(|protocol| Mark::Opaque {
        protocol: protocol.name,
        key: "k".into(),
        value: free(),
    }));
    marks
}

fn user() -> UserMessage {
    let tag = Tag {
        id: "t".to_owned(),
        text: "@tea".to_owned(),
        data: members(),
        group: Some("g".to_owned()),
        interactive: true,
    };
    let attachment = Attachment {
        id: "atc_1".into(),
        name: "a.png".to_owned(),
        media_type: "image/png".to_owned(),
        size: 7,
        thread: Some("t".into()),
        uploaded: true,
        created: 5,
        preview: None,
    };
    let data = KeptData { name: "place".into(), id: Some("d".into()), value: free() };
    UserMessage {
        content: vec![Said::Text { text: "hi".to_owned() }, Said::Tag(tag), Said::File(file()), Said::Data(data)],
        attachments: vec![attachment],
        quoted: Some("q".to_owned()),
        model: Some("m".into()),
        tool: Some("s".into()),
        extra: members(),
    }
}

fn call() -> CallPart {
    CallPart {
        id: "call_1".into(),
        name: "get_weather".into(),
        arguments: "{\"half\":".to_owned(),
        kind: ToolKind::Function,
        runs: Runs::Gateway,
        approval: Some(Approval { id: "ap".into(), approved: None, reason: Some("why".to_owned()) }),
        marks: marks(),
    }
}

fn result() -> ResultPart {
    ResultPart {
        call: "call_1".into(),
        name: "get_weather".into(),
        outcome: ToolOutcome::Error,
        output: free(),
        files: vec![file(), File { source: FileSource::Url("https://a.example/x".to_owned()), name: None, ..file() }],
        runs: Runs::Provider,
    }
}

fn page_call(state: PageRunState) -> Body {
    Body::PageCall(PageRun {
        call: "call_2".into(),
        name: "switch_theme".into(),
        arguments: free(),
        state,
        output: (state == PageRunState::Completed).then_some(Value::Null),
        by_model: state == PageRunState::Pending,
    })
}

fn form(state: FormState) -> Body {
    let question = |answer| Question {
        id: "q".to_owned(),
        question: "Tea?".to_owned(),
        options: vec!["yes".to_owned()],
        multiple: true,
        description: None,
        answer,
    };
    let questions = vec![question(None), question(Some(vec![])), question(Some(vec!["yes".to_owned()]))];
    Body::Form(Form { state, call: "call_3".into(), questions })
}
