use super::*;

#[test]
fn text_is_the_same_for_every_cut_and_line_end() {
    let decoded = decode(&stream(&[&text(r#""Grüß \"Gott\"\n""#), &text(r#""ha""#), &text(r#""ha 😀""#)]));
    assert_eq!(decoded.answer.text(), "Grüß \"Gott\"\nhaha 😀");
    assert_eq!(decoded.outcome(), "complete");
}

#[test]
fn event_lines_may_be_missing_or_behind_their_data() {
    let delta = r#"{"output_index":0,"delta":"hi"}"#;
    let body = format!(
        "data: {CREATED}\nevent: response.in_progress\n\nevent: response.output_text.delta\ndata: {delta}\n\ndata: {delta}\nevent: response.output_text.delta\n\ndata: {COMPLETED}\n\n"
    );
    assert_eq!(decode(&body).answer.text(), "hihi");
}

#[test]
fn padding_escapes_spaces_and_several_data_lines_are_read() {
    let body = format!(
        "\u{feff}data:{CREATED}\n\ndata: {{\"type\" : \"response.output\\u005ftext.delta\",\ndata: \"delta\":\"a\\/b\" , \"x\":1 }}   \n\ndata: {COMPLETED}\n\n"
    );
    assert_eq!(decode(&body).answer.text(), "a/b");
}

#[test]
fn heartbeats_are_skipped() {
    let body = format!(
        ": keepalive\n\ndata: {CREATED}\n\ndata:\n\ndata: : keepalive\n\nid: 5\n\nretry: 3\n\nevent: ping\ndata: {{}}\n\ndata: {{\"type\":\"ping\"}}\n\nevent: keepalive\ndata: {{\"type\":\"keepalive\",\"sequence_number\":3}}\n\n{}data: {COMPLETED}\n\n",
        sse(&[&text("\"x\"")])
    );
    let decoded = decode(&body);
    assert_eq!((decoded.answer.text().as_str(), decoded.outcome()), ("x", "complete"));
}

#[test]
fn a_last_event_without_its_blank_line_counts_if_it_is_whole() {
    let body = stream(&[&text("\"x\"")]);
    assert_eq!(decode(body.trim_end()).outcome(), "complete");
    assert_eq!(decode(&body[..body.len() - 5]).outcome(), "cut");
}

#[test]
fn halves_of_a_surrogate_pair_are_joined_and_lone_ones_replaced() {
    let decoded = decode(&stream(&[&text(r#""a\ud83d""#), &text(r#""\ude00b\ud83d""#)]));
    assert_eq!(decoded.answer.text(), "a😀b\u{fffd}");
}

#[test]
fn broken_json_is_malformed_and_keeps_what_was_said() {
    let decoded = decode(&sse(&[CREATED, &text("\"x\""), "{\"type\":", COMPLETED]));
    assert_eq!((decoded.answer.text().as_str(), decoded.outcome()), ("x", "malformed"));
}

#[test]
fn a_page_instead_of_a_stream_is_malformed() {
    let failure = events(&[b"<html><body>502 Bad Gateway"]);
    assert!(matches!(&failure[1], Event::Failed(failure) if failure.kind.label() == "malformed"), "{failure:?}");
}

#[test]
fn a_failure_in_an_error_line_is_told() {
    let body = format!("data: {CREATED}\n\nerror: {{\"message\":\"boom\",\"code\":500}}\n\n");
    let decoded = decode(&body);
    assert_eq!((decoded.outcome(), &decoded.json()["error"]["message"]), ("server", &"boom".into()));
}

#[test]
fn another_response_inside_one_is_malformed() {
    let again = decode(&sse(&[CREATED, CREATED, &text("\"x\""), COMPLETED]));
    assert_eq!(again.outcome(), "complete");
    let spliced = decode(&sse(&[CREATED, &text("\"x\""), CREATED, COMPLETED]));
    assert_eq!((spliced.outcome(), spliced.answer.text().as_str()), ("malformed", "x"));
}

#[test]
fn lines_items_parts_and_arguments_are_bounded() {
    let limits = Limits { line: 4000, arguments: 20, blocks: 3 };
    let label = |body: &str| {
        let mut decoder = decoder(limits);
        let mut out = Vec::new();
        decoder.feed(body.as_bytes(), &mut out);
        decoder.finish(&mut out);
        match out.last() {
            Some(Event::Failed(failure)) => failure.kind.label(),
            _ => "complete",
        }
    };
    let message = r#"{"type":"response.output_item.added","item":{"type":"message"}}"#;
    assert_eq!(label(&stream(&[message; 3])), "complete");
    assert_eq!(label(&stream(&[message; 4])), "malformed");
    let summary =
        |at: u32| format!(r#"{{"type":"response.reasoning_summary_text.delta","summary_index":{at},"delta":"x"}}"#);
    assert_eq!(label(&stream(&[&summary(0), &summary(1), &summary(2), &summary(3)])), "malformed");
    let part = |at: u32| format!(r#"{{"type":"response.output_text.delta","content_index":{at},"delta":"x"}}"#);
    assert_eq!(label(&stream(&[&part(0), &part(1), &part(2), &part(3)])), "malformed");
    let arguments = r#"{"type":"response.function_call_arguments.delta","output_index":0,"delta":"0123456789a"}"#;
    assert_eq!(label(&stream(&[arguments, arguments])), "malformed", "before the call is known");
    let added = r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"function_call","name":"f","call_id":"c"}}"#;
    assert_eq!(label(&stream(&[added, arguments, arguments])), "malformed", "in an open call");
    assert_eq!(label(&format!("data: {}", "x".repeat(4001))), "malformed");
}
