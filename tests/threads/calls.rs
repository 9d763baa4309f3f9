//! Calls that a page runs, and calls that a person must allow.

use chatwire::config::plan::ToolKind;
use serde_json::{Value, json};

use crate::support::{fixed, tool};
use crate::talk::{Talk, opening};

/// A page with page-run calls as items, shown one at a time.
async fn asking() -> Talk {
    Talk::with(|setup| {
        setup.page_calls = true;
        setup.tools = ["a", "b", "c"].map(|name| tool(name, ToolKind::Page)).to_vec();
    })
    .await
}

/// A page that answers calls by their ids.
async fn by_id() -> Talk {
    Talk::with(|setup| {
        setup.tools = ["a", "b", "c"].map(|name| tool(name, ToolKind::Page)).to_vec();
        let mut guarded = fixed("guarded", json!("done"));
        guarded.permission = chatwire::tools::Permission::Ask;
        setup.tools.push(guarded);
    })
    .await
}

fn results(told: &Value) -> Vec<String> {
    let messages = told.as_array().unwrap().iter().filter(|message| message[0] == "tool");
    messages.flat_map(|message| message[1].as_array().unwrap()).map(|part| part.as_str().unwrap().to_owned()).collect()
}

fn pending(items: &[Value]) -> Vec<&str> {
    let calls = items.iter().filter(|item| item["body"]["kind"] == "page_call" && item["body"]["state"] == "pending");
    calls.map(|item| item["body"]["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn three_calls_are_shown_one_after_the_other_and_the_model_goes_on_behind_the_last() {
    let talk = asking().await;
    let (thread, _) = talk.calls(&["a", "b", "c"]).await;
    for (output, next) in [(1, "b"), (2, "c")] {
        let answer = talk.ask(&json!({ "thread": thread, "outputs": [{ "output": output }] })).await;
        assert_eq!((answer.status, &answer.end()["event"]), (200, &json!("turn_end")), "{}", answer.body);
        let shown = &opening(&answer)["shown"];
        assert_eq!((&shown[0]["body"]["name"], &shown[0]["hidden"]), (&json!(next), &json!(false)));
        assert_eq!(pending(&talk.items(&thread).await), [next]);
    }
    let first = talk.kind(&thread, "tool_call").await[0]["origin"]["message"].clone();
    let (last, told) =
        talk.turn(&json!({ "thread": thread, "outputs": [{ "output": 3 }] }), "text thanks\nfinish stop").await;
    assert_eq!(results(&told), ["result c0 Ok 1", "result c1 Ok 2", "result c2 Ok 3"]);
    assert_eq!(last.events()[0]["message"], first, "it continues the same message");
    assert_eq!(pending(&talk.items(&thread).await), [""; 0]);
    // Sent again it changes nothing, and with other words it is refused.
    let again = talk.ask(&json!({ "thread": thread, "outputs": [{ "output": 3 }] })).await;
    assert_eq!((again.status, again.text().as_str(), &again.end()["event"]), (200, "", &json!("turn_end")));
    let other = talk.ask(&json!({ "thread": thread, "outputs": [{ "output": {} }] })).await;
    assert_eq!((other.status, &other.json()["refused"]), (409, &json!("no_pending_call")));
}

#[tokio::test]
async fn a_call_that_is_never_answered_does_not_block_the_conversation() {
    let talk = asking().await;
    let (thread, _) = talk.calls(&["a", "b"]).await;
    talk.ask(&json!({ "thread": thread, "outputs": [{ "output": 1 }] })).await;
    let (_, told) = talk.turn(&json!({ "thread": thread, "say": "never mind" }), "text fine\nfinish stop").await;
    let told = results(&told);
    assert_eq!(told[0], "result c0 Ok 1");
    assert!(told[1].starts_with("result c1 Interrupted"), "{told:?}");
    assert_eq!(pending(&talk.items(&thread).await), [""; 0]);
    let late = talk.ask(&json!({ "thread": thread, "outputs": [{ "call": "c1", "output": 2 }] })).await;
    assert_eq!(late.status, 409, "{}", late.body);
}

#[tokio::test]
async fn outputs_come_in_any_order_and_the_model_goes_on_when_all_are_there() {
    let talk = by_id().await;
    let (thread, _) = talk.calls(&["a", "b", "c"]).await;
    let waits = talk.ask(&json!({ "thread": thread, "outputs": [{ "call": "c2", "output": "z" }] })).await;
    assert_eq!((waits.text().as_str(), &waits.end()["event"]), ("", &json!("turn_end")));
    let body =
        json!({ "thread": thread, "outputs": [{ "call": "c1", "error": "broke" }, { "call": "c0", "output": "x" }] });
    let (_, told) = talk.turn(&body, "text ok\nfinish stop").await;
    assert_eq!(results(&told), ["result c0 Ok \"x\"", "result c1 Error \"broke\"", "result c2 Ok \"z\""]);
}

#[tokio::test]
async fn a_page_that_says_all_it_knows_is_passed_over_where_nothing_waits() {
    let talk = by_id().await;
    let (thread, _) = talk.calls(&["a"]).await;
    let outputs = json!([{ "call": "c0", "output": 1 }, { "call": "nobody", "output": 2 }]);
    let strict = talk.ask(&json!({ "thread": thread, "outputs": outputs })).await;
    assert_eq!(strict.status, 409);
    let lenient = json!({ "thread": thread, "lenient": true, "outputs": outputs });
    let (_, told) = talk.turn(&lenient, "fail no").await;
    assert_eq!(results(&told), ["result c0 Ok 1"]);
    // The model has not read it, so that asking again begins the turn that failed.
    let (_, told) = talk.turn(&lenient, "text ok\nfinish stop").await;
    assert_eq!(results(&told), ["result c0 Ok 1"]);
    let over = talk.ask(&lenient).await;
    assert_eq!((over.text().as_str(), &over.end()["event"]), ("", &json!("turn_end")));
}

#[tokio::test]
async fn an_approval_counts_only_as_the_store_has_asked_for_it() {
    let talk = by_id().await;
    let (thread, _) = talk.calls(&["guarded"]).await;
    for wrong in [
        json!({ "call": "c0", "output": "mine" }),
        json!({ "call": "c0", "approval": "approval_other", "approved": true }),
        json!({ "approval": "nothing", "approved": true }),
    ] {
        let refused = talk.ask(&json!({ "thread": thread, "outputs": [wrong] })).await;
        assert_eq!(refused.status, 409, "{wrong}: {}", refused.body);
    }
    let yes = json!({ "call": "c0", "approval": "approval_c0", "approved": true });
    let (answer, told) = talk.turn(&json!({ "thread": thread, "outputs": [yes] }), "text ok\nfinish stop").await;
    assert_eq!(results(&told), ["result c0 Ok \"done\""]);
    assert!(answer.names().contains(&"tool_result".to_owned()), "{}", answer.body);
    let kept = talk.kind(&thread, "tool_call").await;
    assert_eq!(kept[0]["body"]["result"]["output"], "done", "the next turn knows it");
}

#[tokio::test]
async fn what_a_person_denies_is_not_run() {
    let talk = by_id().await;
    let (thread, _) = talk.calls(&["guarded"]).await;
    let no = json!({ "approval": "approval_c0", "approved": "true" });
    let (_, told) = talk.turn(&json!({ "thread": thread, "outputs": [no] }), "text ok\nfinish stop").await;
    assert!(results(&told)[0].starts_with("result c0 Denied"), "{told}");
}
