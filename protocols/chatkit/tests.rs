//! What answers look like to the byte: keys in order, no nulls but in free JSON, defaults always there.

use serde_json::{Value, json};

use super::answer::{answer, refuse};
use crate::chat::{CallPart, ResultPart};
use crate::error::{CallerError, Failure, FailureKind, Refusal};
use crate::event::{Citation, File, FileSource, Mark, Runs, ToolKind, ToolOutcome};
use crate::items::{
    AssistantMessage, Attachment, Body, Form, FormState, Item, KeptCall, KeptData, MadeFile, Note, PageRun,
    PageRunState, Question, Said, Tag, Task, Thread, ThreadStatus, UserMessage, Widget, Workflow,
};
use crate::operation::{Answer, Page, Upload};

fn body(said: &Answer) -> String {
    let document = answer(said);
    assert_eq!((document.status, document.content_type), (200, "application/json"));
    document.body
}

fn item_of(body: Body) -> Item {
    Item { id: "i1".into(), created: 1_763_633_580_120, hidden: false, origin: None, body }
}

/// The item behind what all items begin with.
fn written(kind: &str, item: Body) -> String {
    let page = Page { rows: vec![item_of(item)], more: false };
    let body = body(&Answer::Items("thr_1".into(), page));
    let head =
        format!(r#"{{"data":[{{"id":"i1","thread_id":"thr_1","created_at":"2025-11-20T10:13:00.120Z","type":"{kind}""#);
    let rest = body.strip_prefix(&head).unwrap_or_else(|| panic!("{body}"));
    rest.strip_suffix(r#"}],"has_more":false}"#).unwrap_or_else(|| panic!("{body}")).to_owned()
}

fn thread() -> Thread {
    Thread {
        id: "thr_1".to_owned(),
        title: None,
        status: ThreadStatus::Active,
        metadata: json!({"private": 1}).as_object().unwrap().clone(),
        created: 1_763_633_580_000,
        updated: 1_763_633_581_000,
    }
}

fn file(media_type: &str, preview: Option<&str>) -> Attachment {
    Attachment {
        id: "atc_1".into(),
        name: "a".to_owned(),
        media_type: media_type.to_owned(),
        size: 5,
        thread: Some("thr_1".into()),
        uploaded: true,
        created: 0,
        preview: preview.map(str::to_owned),
    }
}

fn image(source: FileSource) -> File {
    File { media_type: "image/png".into(), source, name: None }
}

fn call(name: &str, runs: Runs, arguments: &str) -> CallPart {
    CallPart {
        id: "c".into(),
        name: name.into(),
        arguments: arguments.to_owned(),
        kind: ToolKind::Function,
        runs,
        approval: None,
        marks: Vec::new(),
    }
}

#[test]
fn a_users_message_has_its_content_files_and_choices() {
    let bare = Body::User(UserMessage::default());
    assert_eq!(written("user_message", bare), r#","content":[],"attachments":[],"inference_options":{}"#);
    let tag = |group: Option<&str>| Tag {
        id: "t".to_owned(),
        text: "Ann".to_owned(),
        data: json!({"b": null, "a": 1}).as_object().unwrap().clone(),
        group: group.map(str::to_owned),
        interactive: false,
    };
    let message = UserMessage {
        content: vec![
            Said::Text { text: "Hi \u{2028}😀".to_owned() },
            Said::Tag(tag(None)),
            Said::Tag(tag(Some("People"))),
            Said::Data(KeptData { name: "d".into(), id: None, value: json!(1) }),
        ],
        attachments: vec![file("image/png", Some("https://gw.example"))],
        quoted: Some("before".to_owned()),
        model: Some("fast".into()),
        tool: Some("search".into()),
        ..UserMessage::default()
    };
    let expected = [
        ",\"content\":[{\"type\":\"input_text\",\"text\":\"Hi \u{2028}😀\"}",
        r#"{"type":"input_tag","id":"t","text":"Ann","data":{"b":null,"a":1},"interactive":false}"#,
        r#"{"type":"input_tag","id":"t","text":"Ann","data":{"b":null,"a":1},"group":"People","interactive":false}]"#,
        r#""attachments":[{"id":"atc_1","name":"a","mime_type":"image/png","thread_id":"thr_1","type":"image""#,
        r#""preview_url":"https://gw.example/"}]"#,
        r#""quoted_text":"before","inference_options":{"tool_choice":{"id":"search"},"model":"fast"}"#,
    ];
    assert_eq!(written("user_message", Body::User(message)), expected.join(","));
}

#[test]
fn a_file_inside_a_message_of_another_dialect_is_an_attachment() {
    let source = FileSource::Provider("f".into());
    let pdf = File { media_type: "application/pdf".into(), source, name: Some("p.pdf".into()) };
    let files = [image(FileSource::Base64("AA==".into())), image(FileSource::Url("/relative".into())), pdf];
    let message = UserMessage { content: files.map(Said::File).to_vec(), ..UserMessage::default() };
    let expected = [
        r#","content":[],"attachments":[{"id":"i1_file_0","name":"file","mime_type":"image/png","thread_id":"thr_1""#,
        r#""type":"image","preview_url":"data:image/png;base64,AA=="}"#,
        r#"{"id":"i1_file_1","name":"file","mime_type":"image/png","thread_id":"thr_1","type":"file"}"#,
        r#"{"id":"i1_file_2","name":"p.pdf","mime_type":"application/pdf","thread_id":"thr_1","type":"file"}]"#,
        r#""inference_options":{}"#,
    ];
    assert_eq!(written("user_message", Body::User(message)), expected.join(","));
}

#[test]
fn an_answer_has_one_text_with_its_sources_behind_their_passages() {
    let cite = |end: Option<u64>| {
        let (url, title) = (Some("https://a/".to_owned()), Some("A".to_owned()));
        Mark::Citation(Citation { url, title, end, ..Citation::default() })
    };
    let marks = vec![cite(Some(2)), Mark::Signature { signature: "s".into() }, cite(None), cite(Some(99))];
    let message = AssistantMessage { text: "é😀x".to_owned(), marks, refusal: false, whole: true };
    let annotations = [2, 3, 3].map(|at| {
        format!(r#"{{"type":"annotation","source":{{"title":"A","type":"url","url":"https://a/"}},"index":{at}}}"#)
    });
    let expected =
        format!(r#","content":[{{"annotations":[{}],"text":"é😀x","type":"output_text"}}]"#, annotations.join(","));
    assert_eq!(written("assistant_message", Body::Assistant(message)), expected);
    let refusal = AssistantMessage { text: "No.".to_owned(), refusal: true, ..AssistantMessage::default() };
    let expected = r#","content":[{"annotations":[],"text":"No.","type":"output_text"}]"#;
    assert_eq!(written("assistant_message", Body::Assistant(refusal)), expected);
}

#[test]
fn thoughts_and_provider_run_calls_are_tasks_of_a_workflow() {
    let thought = |text: &str| Task::Thought { text: text.to_owned(), summary: true, marks: Vec::new() };
    let call = call("web_search_call", Runs::Provider, r#"{"query":"Bern"}"#);
    let result = ResultPart {
        call: "c".into(),
        name: call.name.clone(),
        outcome: ToolOutcome::Ok,
        output: Value::Null,
        files: Vec::new(),
        runs: Runs::Provider,
    };
    let search = Task::Call(Box::new(KeptCall { call, result: Some(result), full: None }));
    let workflow = Workflow { tasks: vec![thought("Hm"), thought(" "), search], duration: 3999 };
    let expected = [
        r#","workflow":{"type":"reasoning","tasks":[{"status_indicator":"none","type":"thought","content":"Hm"}"#,
        r#"{"status_indicator":"complete","type":"web_search","title_query":"Bern","queries":["Bern"],"sources":[]}]"#,
        r#""summary":{"duration":3},"expanded":false}"#,
    ];
    assert_eq!(written("workflow", Body::Workflow(workflow)), expected.join(","));
}

fn page_run(state: PageRunState, output: Option<Value>) -> Body {
    let (call, name) = ("call_1".into(), "record_fact".into());
    Body::PageCall(PageRun { call, name, arguments: json!({"a": null}), state, output, by_model: true })
}

#[test]
fn a_page_run_call_is_pending_or_completed() {
    let head = |status: &str| {
        format!(r#","status":"{status}","call_id":"call_1","name":"record_fact","arguments":{{"a":null}}"#)
    };
    let pending = page_run(PageRunState::Pending, Some(json!("too early")));
    assert_eq!(written("client_tool_call", pending), head("pending"));
    for (output, shown) in [
        (Some(json!({"ok": null})), r#","output":{"ok":null}"#),
        (Some(json!("")), r#","output":"""#),
        (Some(Value::Null), ""),
        (None, ""),
    ] {
        let completed = page_run(PageRunState::Completed, output);
        assert_eq!(written("client_tool_call", completed), head("completed") + shown);
    }
}

#[test]
fn widgets_pictures_and_the_end_of_a_turn() {
    let root = json!({"type": "Card", "children": [{"type": "Text", "value": "7 °C"}]});
    for (copy_text, shown) in [(None, ""), (Some("7".to_owned()), r#","copy_text":"7""#)] {
        let widget = Body::Widget(Widget { root: root.clone(), copy_text, name: "weather".into() });
        assert_eq!(written("widget", widget), format!(r#","widget":{root}{shown}"#));
    }
    let picture = Body::File(MadeFile { file: image(FileSource::Base64("AA==".into())), call: None });
    let shown = r#","image":{"id":"i1","url":"data:image/png;base64,AA=="}"#;
    assert_eq!(written("generated_image", picture), shown);
    assert_eq!(written("end_of_turn", Body::EndOfTurn), "");
}

#[test]
fn a_form_has_choices_and_free_answers() {
    let question = |id: &str, options: &[&str], answer: Option<&[&str]>| Question {
        id: id.to_owned(),
        question: "Q?".to_owned(),
        options: options.iter().map(|&option| option.to_owned()).collect(),
        multiple: false,
        description: Some("D".to_owned()),
        answer: answer.map(|values| values.iter().map(|&value| value.to_owned()).collect()),
    };
    let questions =
        vec![question("a", &["1", "2"], None), question("b", &[], Some(&["x"])), question("c", &[], Some(&[]))];
    let inputs = [
        r#"{"id":"a","question":"Q?","type":"multiple_choice","options":[{"value":"1"},{"value":"2"}],"multiple":false}"#,
        r#"{"id":"b","question":"Q?","answer":{"values":["x"],"skipped":false},"type":"freeform","description":"D"}"#,
        r#"{"id":"c","question":"Q?","answer":{"values":[],"skipped":true},"type":"freeform","description":"D"}"#,
    ];
    let words = ["pending", "answered", "skipped"];
    for (state, word) in [FormState::Pending, FormState::Answered, FormState::Skipped].into_iter().zip(words) {
        let form = Body::Form(Form { state, call: "c".into(), questions: questions.clone() });
        let expected = format!(r#","status":"{word}","inputs":[{}]"#, inputs.join(","));
        assert_eq!(written("structured_input", form), expected);
    }
}

#[test]
fn what_pages_are_not_shown_is_in_no_answer() {
    let source = FileSource::Base64("AA==".into());
    let pdf = File { media_type: "application/pdf".into(), source, name: None };
    let bodies = vec![
        Body::Note(Note { text: "secret".to_owned() }),
        Body::ToolCall(KeptCall { call: call("f", Runs::Gateway, "{}"), result: None, full: None }),
        Body::Data(KeptData { name: "d".into(), id: None, value: json!("secret") }),
        Body::File(MadeFile { file: pdf, call: None }),
        Body::File(MadeFile { file: image(FileSource::Provider("file-1".into())), call: None }),
        page_run(PageRunState::Queued, None),
        page_run(PageRunState::Abandoned, None),
    ];
    let mut rows: Vec<Item> = bodies.into_iter().map(item_of).collect();
    rows.push(Item { hidden: true, id: "last".into(), ..item_of(Body::EndOfTurn) });
    // What is not shown still says where the next page begins.
    let page = Page { rows: rows.clone(), more: true };
    assert_eq!(body(&Answer::Items("thr_1".into(), page)), r#"{"data":[],"has_more":true,"after":"last"}"#);
    for row in rows {
        assert_eq!(body(&Answer::Updated("thr_1".into(), Some(Box::new(row)))), "{}");
    }
}

#[test]
fn threads_show_neither_their_metadata_nor_nulls() {
    let empty = || Page { rows: Vec::new(), more: false };
    let shown = |title: &str, status: &str| {
        let head = r#""id":"thr_1","created_at":"2025-11-20T10:13:00.000Z","status""#;
        format!(r#"{{{title}{head}:{status},"metadata":{{}},"items":{{"data":[],"has_more":false}}}}"#)
    };
    for (status, written) in [
        (ThreadStatus::Active, r#"{"type":"active"}"#),
        (ThreadStatus::Locked(None), r#"{"type":"locked"}"#),
        (ThreadStatus::Locked(Some("Busy".into())), r#"{"type":"locked","reason":"Busy"}"#),
        (ThreadStatus::Closed(Some("Done".into())), r#"{"type":"closed","reason":"Done"}"#),
    ] {
        let said = body(&Answer::Thread(Thread { status, ..thread() }, empty()));
        assert_eq!(said, shown("", written));
    }
    let row = shown(r#""title":"T","#, r#"{"type":"active"}"#);
    for (more, end) in [(false, r#""has_more":false}"#), (true, r#""has_more":true,"after":"thr_1"}"#)] {
        let rows = vec![Thread { title: Some("T".to_owned()), ..thread() }];
        assert_eq!(body(&Answer::Threads(Page { rows, more })), format!(r#"{{"data":[{row}],{end}"#));
    }
    let said = body(&Answer::Thread(thread(), Page { rows: vec![item_of(Body::EndOfTurn)], more: true }));
    assert!(said.ends_with(r#""type":"end_of_turn"}],"has_more":true,"after":"i1"}}"#), "{said}");
}

#[test]
fn attachments_say_where_their_bytes_go_and_where_they_are_seen() {
    let headers = vec![("x-key".to_owned(), "1".to_owned())];
    let upload = Upload { url: "HTTPS://Gw.example".to_owned(), method: "PUT", headers };
    let announced = Attachment { thread: None, ..file("text/plain", None) };
    let expected = [
        r#"{"id":"atc_1","name":"a","mime_type":"text/plain""#,
        r#""upload_descriptor":{"url":"https://gw.example/","method":"PUT","headers":{"x-key":"1"}},"type":"file"}"#,
    ];
    assert_eq!(body(&Answer::Attachment(announced, Some(upload))), expected.join(","));
    for (media_type, preview, shown) in [
        ("image/png", Some("https://gw/p"), r#""type":"image","preview_url":"https://gw/p"}"#),
        // The type wants an absolute address.
        ("image/png", Some("/p"), r#""type":"file"}"#),
        ("image/png", None, r#""type":"file"}"#),
        ("text/plain", Some("https://gw/p"), r#""type":"file"}"#),
    ] {
        let said = body(&Answer::Attachment(file(media_type, preview), None));
        let head = format!(r#"{{"id":"atc_1","name":"a","mime_type":"{media_type}","thread_id":"thr_1","#);
        assert_eq!(said, head + shown);
    }
}

#[test]
fn the_rest_is_an_empty_object_or_a_text() {
    for said in [Answer::Done(true), Answer::Done(false), Answer::Stopped(true), Answer::Updated("t".into(), None)] {
        assert_eq!(body(&said), "{}");
    }
    assert_eq!(body(&Answer::Transcript("a \"b\"".to_owned())), r#"{"text":"a \"b\""}"#);
    let updated = body(&Answer::Updated("thr_2".into(), Some(Box::new(item_of(Body::EndOfTurn)))));
    assert!(updated.starts_with(r#"{"updated_item":{"id":"i1","thread_id":"thr_2","#), "{updated}");
}

#[test]
fn a_refusal_is_json_with_a_code_and_says_nothing_of_the_provider() {
    let mistake = CallerError::invalid("params.thread_id", "is missing");
    let document = refuse(&Refusal::Caller(&mistake));
    assert_eq!((document.status, document.content_type), (400, "application/json"));
    assert_eq!(
        document.body,
        r#"{"error":{"code":"invalid_request","message":"params.thread_id: is missing","path":"params.thread_id"}}"#
    );
    let document = refuse(&Refusal::Caller(&CallerError::new(404, "not_found", "there is no such thread")));
    assert_eq!((document.status, document.body.contains("path")), (404, false));
    let document = refuse(&Refusal::Failure(&Failure::new(FailureKind::RateLimit, "secret")));
    assert_eq!(document.status, 429);
    assert!(document.body.contains(r#""code":"rate_limit""#) && !document.body.contains("secret"));
}
