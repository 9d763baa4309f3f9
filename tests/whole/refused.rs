//! What a ChatKit page may not do, where it takes a whole gateway to show it.

use chatwire::store::{Owner, Sqlite, Store as _, Write};
use chatwire_protocols::items::ThreadStatus;
use serde_json::{Value, json};

use crate::Folder;
use crate::client_tools::{results, went_well};
use crate::page::{ask, get, listed, say, send, send_as};
use crate::provider::Provider;
use crate::restarted::config;

/// Nothing but the store locks a thread.
fn set_status(folder: &Folder, thread: &str, status: ThreadStatus) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (store, owner) = (Sqlite::open(&folder.store()).unwrap(), Owner::local());
        let (_, mut found) = store.thread(&owner, thread).await.unwrap().unwrap();
        found.status = status;
        store.apply(&owner, thread, vec![Write::Thread(found)]).await.unwrap();
    });
}

#[test]
fn a_locked_or_closed_thread_is_read_and_not_changed() {
    let provider = Provider::start();
    let folder = Folder::with(&config(&provider));
    let mut gateway = folder.gateway();
    provider.says("hello");
    let events = went_well(&send(&gateway.address, &say(None, "hi")));
    provider.told();
    let thread = events[0]["thread"]["id"].as_str().unwrap().to_owned();
    let before = listed(&gateway.address, "items.list", Some(&thread));
    let item = before[0]["id"].clone();
    let locked = ThreadStatus::Locked(Some("Under review.".to_owned()));
    for (status, code) in [(locked, "thread_locked"), (ThreadStatus::Closed(None), "thread_closed")] {
        gateway.kill();
        set_status(&folder, &thread, status);
        gateway = folder.gateway();
        let action = json!({"type": "x"});
        for (operation, more) in [
            ("threads.add_user_message", say(Some(&thread), "hi")["params"].clone()),
            ("threads.add_client_tool_output", json!({"result": 1})),
            ("threads.add_structured_input", json!({"item_id": item, "input": {}})),
            ("threads.retry_after_item", json!({"item_id": item})),
            ("threads.custom_action", json!({"item_id": item, "action": action})),
            ("threads.sync_custom_action", json!({"item_id": item, "action": action})),
        ] {
            let mut params = more;
            params["thread_id"] = thread.as_str().into();
            let refused = send(&gateway.address, &json!({"type": operation, "params": params}));
            assert_eq!((refused.status, &refused.json()["error"]["code"]), (409, &json!(code)), "{operation}");
        }
        assert!(provider.is_idle());
        assert_eq!(listed(&gateway.address, "items.list", Some(&thread)), before);
        let read = ask(&gateway.address, "threads.get_by_id", &json!({"thread_id": thread}));
        assert_eq!(read["status"]["type"], code.trim_start_matches("thread_"));
        assert_eq!(read["items"]["data"], json!(before));
    }
}

#[test]
fn a_widget_that_its_data_does_not_fit_costs_the_widget_alone() {
    let provider = Provider::start();
    let more = "\n[tools.card]\nfixed = { result = { city = 7 } }\nwidget = \"card.widget\"\n\n[[routes]]\n";
    let text = config(&provider).replacen("\n[[routes]]\n", more, 1).replace("\"clock\", ", "\"clock\", \"card\", ");
    let folder = Folder::with(&text);
    let template = r#"{"type": "Card", "children": [{"type": "Text", "value": {{ city | tojson }}}]}"#;
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    folder.write("card.widget", &json!({"version": "1.0", "name": "card", "template": template, "jsonSchema": schema}));
    let gateway = folder.gateway();
    provider.calls(&[("call_1", "card", json!({}))]);
    provider.says("There it is.");
    let events = went_well(&send(&gateway.address, &say(None, "hi")));
    provider.told();
    assert_eq!(results(&provider.told()), [("call_1", r#"{"city":7}"#)]);
    let thread = events[0]["thread"]["id"].as_str().unwrap();
    let kinds: Vec<Value> =
        listed(&gateway.address, "items.list", Some(thread)).iter().map(|item| item["type"].clone()).collect();
    assert_eq!(kinds, ["user_message", "assistant_message"]);
}

#[test]
fn another_users_thread_item_and_file_look_like_unknown_ones() {
    let provider = Provider::start();
    let owners = "[owner]\nheader = \"x-user\"\n\n[attachments]\npath = \"/files\"\n";
    let folder = Folder::with(&format!("{owners}{}", config(&provider)));
    let gateway = folder.gateway();
    let as_user = |user: &str, operation: &str, params: Value| {
        send_as(&gateway.address, user, &json!({"type": operation, "params": params}))
    };
    provider.says("hello");
    let events = went_well(&as_user("kaz", "threads.create", say(None, "secret")["params"].clone()));
    provider.told();
    let thread = events[0]["thread"]["id"].clone();
    let item = events[1]["item"]["id"].clone();
    let made =
        as_user("kaz", "attachments.create", json!({"name": "a.txt", "size": 1, "mime_type": "text/plain"})).json();
    let before = as_user("kaz", "items.list", json!({"thread_id": thread})).body;
    let message = |files: &[&Value]| {
        let mut input = say(None, "hi")["params"]["input"].clone();
        input["attachments"] = json!(files);
        input
    };
    let (nobodys, no_item, no_file) = (json!("thr_unknown"), json!("msg_unknown"), json!("atc_unknown"));
    let all = |thread: &Value, item: &Value, file: &Value| {
        [
            ("threads.add_user_message", json!({"thread_id": thread, "input": message(&[])})),
            ("threads.create", json!({"input": message(&[file])})),
            ("threads.add_client_tool_output", json!({"thread_id": thread, "result": 1})),
            ("threads.add_structured_input", json!({"thread_id": thread, "item_id": item, "input": {}})),
            ("threads.retry_after_item", json!({"thread_id": thread, "item_id": item})),
            ("threads.custom_action", json!({"thread_id": thread, "item_id": item, "action": {"type": "x"}})),
            ("threads.sync_custom_action", json!({"thread_id": thread, "item_id": item, "action": {"type": "x"}})),
            ("threads.get_by_id", json!({"thread_id": thread})),
            ("threads.list", json!({"after": thread})),
            ("threads.update", json!({"thread_id": thread, "title": "mine"})),
            ("threads.delete", json!({"thread_id": thread})),
            ("items.list", json!({"thread_id": thread})),
            ("items.feedback", json!({"thread_id": thread, "item_ids": [item], "kind": "positive"})),
            ("attachments.delete", json!({"attachment_id": file})),
        ]
    };
    let theirs = all(&thread, &item, &made["id"]);
    for ((operation, theirs), (_, unknown)) in theirs.into_iter().zip(all(&nobodys, &no_item, &no_file)) {
        let (theirs, unknown) = (as_user("mia", operation, theirs), as_user("mia", operation, unknown));
        assert_eq!((theirs.status, theirs.body), (unknown.status, unknown.body), "{operation}");
    }
    assert_eq!(as_user("kaz", "items.list", json!({"thread_id": thread})).body, before);
    assert_eq!(as_user("mia", "threads.list", json!({})).json()["data"], json!([]), "nothing half made");
    assert!(provider.is_idle());
    assert_eq!(get(&gateway.address, "/health")["status"], "ok");
}
