use super::*;
use crate::chat::{CallPart, ChatRequest, citations};
use crate::event::{Citation, Event, Mark, Runs, ToolKind};
use crate::fold::{Answer, End};
use crate::history::tidy;
use crate::items::{Attachment, Change, Folder, FormState, Note, Question, Style};
use crate::sample_turns as sample;

fn kept(events: &[Event], style: Style) -> Vec<Item> {
    let mut folder = Folder::new("m".into(), style);
    let mut changes = Vec::new();
    folder.event(&Event::TurnStart { turn: "turn_1".into() }, &mut changes);
    events.iter().for_each(|event| folder.event(event, &mut changes));
    let mut items: Vec<Item> = Vec::new();
    for change in changes {
        match change {
            Change::Finished(item) => items.push(*item),
            Change::Replaced(item) => {
                let at = items.iter().position(|held| held.id == item.id).unwrap();
                items[at] = *item;
            }
            _ => {}
        }
    }
    items
}

/// Messages with what items say otherwise on purpose: neighbouring texts are one, blank ones none, citations stand
/// where they are shown, and data are not the model's.
fn comparable(messages: Vec<Message>) -> Vec<Message> {
    let mut compared = Vec::new();
    for mut message in messages {
        let mut parts: Vec<Part> = Vec::new();
        for part in message.parts {
            match (part, parts.last_mut()) {
                (Part::Data { .. }, _) => {}
                (Part::Text { text, marks }, Some(Part::Text { text: before, marks: held })) => {
                    before.push_str(&text);
                    held.extend(placeless(&marks));
                }
                (Part::Text { text, marks }, _) => parts.push(Part::Text { text, marks: placeless(&marks) }),
                (part, _) => parts.push(part),
            }
        }
        parts.retain(|part| part.as_text().is_none_or(|text| !text.trim().is_empty()));
        parts.retain(|part| !matches!(part, Part::Reasoning { text, marks } if text.is_empty() && marks.is_empty()));
        message.parts = parts;
        if !message.parts.is_empty() {
            compared.push(message);
        }
    }
    compared
}

fn placeless(marks: &[Mark]) -> Vec<Mark> {
    let others = marks.iter().filter(|mark| !matches!(mark, Mark::Citation(_))).cloned();
    let cited = citations(marks).map(|cited| Mark::Citation(Citation { start: None, end: None, ..cited.clone() }));
    others.chain(cited).collect()
}

#[test]
fn the_model_reads_of_items_what_it_reads_of_the_answer() {
    for style in [Style { page_calls: false }, Style { page_calls: true }] {
        for (name, events) in samples() {
            let answer = Answer::of(&events);
            let mut read = messages(&kept(&events, style), &Pasted::new());
            if matches!(answer.end, Some(End::Cancelled(_))) {
                let note = read.pop().unwrap();
                assert_eq!(note.role, Role::User, "{name}: a note is last");
            }
            let sorted = |messages: Vec<Message>| {
                // Results are stored as they come; `tidy` puts them behind their calls in order either way.
                let mut warnings = Vec::new();
                tidy(&ChatRequest { messages, ..ChatRequest::default() }, &mut warnings)
            };
            assert_eq!(sorted(comparable(read)), sorted(comparable(answer.messages())), "{name}");
        }
    }
}

/// The sample turns, and the golden answers of every provider.
fn samples() -> Vec<(String, Vec<Event>)> {
    let mut all: Vec<(String, Vec<Event>)> =
        sample::all().into_iter().map(|(name, events)| (name.to_owned(), events)).collect();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/golden");
    for case in std::fs::read_dir(folder).unwrap() {
        for file in std::fs::read_dir(case.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap();
            let Some(protocol) = name.strip_prefix("upstream.").and_then(|rest| rest.split('.').next()) else {
                continue;
            };
            let spec = crate::find(protocol).and_then(|protocol| protocol.upstream.as_ref()).unwrap();
            let upstream = (spec.make)(&crate::options::Options::default());
            let bytes = std::fs::read(&path).unwrap();
            all.push((path.display().to_string(), crate::transcode::decode(&*upstream, [&*bytes])));
        }
    }
    assert!(all.len() > 60, "the golden answers are missing");
    all
}

fn item(id: &str, body: Body) -> Item {
    Item { id: id.into(), created: 0, hidden: false, origin: None, body }
}

fn said(text: &str) -> Item {
    item("u", Body::User(UserMessage { content: vec![Said::Text { text: text.into() }], ..UserMessage::default() }))
}

#[test]
fn a_users_message_has_its_files_its_tags_and_its_quote() {
    let tag = Tag {
        id: "t1".into(),
        text: "Ada".into(),
        data: serde_json::Map::from_iter([("mail".to_owned(), json!("a@b"))]),
        group: None,
        interactive: false,
    };
    let attachment = |id: &str| Attachment {
        id: id.into(),
        name: "a \"b\".png".into(),
        media_type: "image/png".into(),
        size: 1,
        thread: None,
        uploaded: true,
        created: 0,
        preview: None,
    };
    let message = UserMessage {
        content: vec![
            Said::Text { text: "Ask ".into() },
            Said::Tag(tag.clone()),
            Said::Text { text: " and ".into() },
            Said::Tag(tag),
        ],
        attachments: vec![attachment("f1"), attachment("f2")],
        quoted: Some("so it is".into()),
        ..UserMessage::default()
    };
    let file =
        File { media_type: "image/png".into(), source: crate::event::FileSource::Base64("AA".into()), name: None };
    let pasted = Pasted::from([("f1".into(), file.clone())]);
    let items = [item("u", Body::User(message))];
    let parts = &messages(&items, &pasted)[0].parts;
    assert_eq!(
        parts[..],
        [
            Part::text("Ask @Ada and @Ada"),
            Part::File(file),
            Part::text("[The attached file \"a \\\"b\\\".png\" cannot be read.]"),
            Part::text("[The user refers to this passage:]\nso it is"),
            Part::text(
                "[What the user mentions:]\n- @Ada: {\"id\":\"t1\",\"text\":\"Ada\",\"data\":{\"mail\":\"a@b\"}}"
            ),
        ]
    );
    let later = [items[0].clone(), said("and?")];
    assert_eq!(messages(&later, &pasted)[0].parts.len(), 4, "a quote is for the newest message only");
}

fn call(id: &str, result: bool) -> Item {
    let call = CallPart {
        id: id.into(),
        name: "ask".into(),
        arguments: "{}".into(),
        kind: ToolKind::Function,
        runs: Runs::Page,
        approval: None,
        marks: Vec::new(),
    };
    let mut kept = KeptCall { call, result: None, full: None };
    if result {
        kept.answer(&crate::event::ToolResult::ok(id, json!("blue")));
    }
    let origin = crate::items::Origin { turn: "turn_1".into(), message: "m".into(), step: 0 };
    Item { origin: Some(origin), hidden: true, ..item("call_1_1", Body::ToolCall(kept)) }
}

#[test]
fn a_pending_call_in_front_of_a_message_stays_valid() {
    let read = messages(&[said("a"), call("c", false), said("b")], &Pasted::new());
    let mut warnings = Vec::new();
    let tidied = tidy(&ChatRequest { messages: read, ..ChatRequest::default() }, &mut warnings);
    let roles: Vec<Role> = tidied.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant, Role::Tool, Role::User]);
}

#[test]
fn a_form_is_its_calls_result_once_it_is_answered() {
    let form = |state, answer: Option<Vec<String>>| {
        let question = Question {
            id: "q".into(),
            question: "Which?".into(),
            options: Vec::new(),
            multiple: false,
            description: None,
            answer,
        };
        item("f", Body::Form(Form { state, call: "c".into(), questions: vec![question] }))
    };
    let read = |form: Item| messages(&[said("a"), call("c", false), form], &Pasted::new());
    assert_eq!(read(form(FormState::Pending, None)).len(), 2);
    let Part::ToolResult(result) = &read(form(FormState::Answered, Some(vec!["blue".into()])))[2].parts[0] else {
        panic!()
    };
    assert_eq!(result.output["answers"][0]["values"], json!(["blue"]));
    let skipped = read(form(FormState::Skipped, Some(Vec::new())));
    let Part::ToolResult(result) = &skipped[2].parts[0] else { panic!() };
    assert_eq!((&result.output["status"], &result.output["answers"][0]["skipped"]), (&json!("skipped"), &json!(true)));
}

#[test]
fn notes_are_read_where_they_stand() {
    let note = item("n", Body::Note(Note { text: "It was stopped.".into() }));
    let read = messages(&[said("a"), call("c", true), note, said("b")], &Pasted::new());
    let roles: Vec<Role> = read.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant, Role::Tool, Role::User, Role::User]);
    assert_eq!(read[3].joined_text(), "It was stopped.");
}
