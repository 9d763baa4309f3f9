//! What the model is told of a conversation that the gateway keeps.

use serde_json::{Value, json};

use crate::support::memory;
use crate::talk::{Talk, id_of, opening};

fn said(role: &str, text: &str) -> Value {
    json!([role, [text]])
}

#[tokio::test]
async fn ten_turns_with_a_restart_between_them_are_one_conversation() {
    let path = std::env::temp_dir().join(format!("chatwire-threads-{}-ten.db", std::process::id()));
    let mut talk = Talk::with(|setup| setup.store = Some(path.clone())).await;
    let mut body = json!({ "say": "message 0" });
    let mut expected = Vec::new();
    let mut thread = String::new();
    for number in 0..10 {
        if number == 5 {
            talk.gateway.stopper.stop();
            talk.gateway.task.await.unwrap();
            talk = Talk::with(|setup| setup.store = Some(path.clone())).await;
        }
        expected.push(said("user", &format!("message {number}")));
        let (answer, told) = talk.turn(&body, &format!("text answer {number}\nfinish stop")).await;
        assert_eq!(told, json!(expected), "turn {number}");
        expected.push(said("assistant", &format!("answer {number}")));
        thread = id_of(&answer);
        body = json!({ "thread": thread, "say": format!("message {}", number + 1) });
    }
    let items = talk.items(&thread).await;
    let ids: std::collections::BTreeSet<&str> = items.iter().map(|item| item["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), items.len(), "no id is given twice");
    let texts = |kind: &str| items.iter().filter(|item| item["body"]["kind"] == kind).count();
    assert_eq!((texts("user"), texts("assistant")), (10, 10));
    drop(talk);
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", path.display()));
    }
}

#[tokio::test]
async fn a_long_history_is_cut_at_a_message_of_the_user() {
    let talk = Talk::with(|setup| {
        let mut memory = memory();
        memory.history = 3;
        setup.memory = Some(memory);
        setup.system = Some("Be kind.".to_owned());
    })
    .await;
    let thread = talk.thread("one").await;
    talk.turn(&json!({ "thread": thread, "say": "two" }), "text second\nfinish stop").await;
    let (_, told) = talk.turn(&json!({ "thread": thread, "say": "three" }), "text third\nfinish stop").await;
    let first = told[1].clone();
    assert_eq!(told[0], said("system", "Be kind."));
    assert_eq!(first[0], "user", "{told}");
    assert!(told.as_array().unwrap().len() <= 4, "{told}");
    assert_eq!(told.as_array().unwrap().last().unwrap(), &said("user", "three"));
}

#[tokio::test]
async fn a_retry_answers_the_same_message_again() {
    let talk = Talk::start().await;
    let (first, _) = talk.turn(&json!({ "say": "one" }), "text wrong\nfinish stop").await;
    let thread = id_of(&first);
    let message = first.events()[0]["message"].as_str().unwrap().to_owned();
    let user = opening(&first)["added"][0]["id"].as_str().unwrap().to_owned();
    for after in [json!(user), json!(message), Value::Null] {
        let message = if after == json!(message) {
            // The assistant's message has another id after each answer.
            let items = talk.kind(&thread, "assistant").await;
            items[0]["origin"]["message"].clone()
        } else {
            after
        };
        let (again, told) = talk.turn(&json!({ "thread": thread, "retry": message }), "text better\nfinish stop").await;
        assert_eq!(told, json!([said("user", "one")]));
        assert_eq!(again.events()[0]["regenerate"], true);
        assert_eq!(talk.kind(&thread, "assistant").await.len(), 1);
        assert_eq!(talk.kind(&thread, "user").await[0]["id"], user.as_str());
    }
}

#[tokio::test]
async fn a_message_that_is_sent_again_takes_its_own_place() {
    let talk = Talk::start().await;
    let (first, _) =
        talk.turn(&json!({ "thread": "t", "make": true, "id": "m1", "say": "one" }), "text a\nfinish stop").await;
    assert_eq!(opening(&first)["made"], true);
    talk.turn(&json!({ "thread": "t", "make": true, "id": "m2", "say": "two" }), "text b\nfinish stop").await;
    let (edited, told) =
        talk.turn(&json!({ "thread": "t", "make": true, "id": "m1", "say": "better" }), "text c\nfinish stop").await;
    assert_eq!(told, json!([said("user", "better")]));
    assert_eq!(opening(&edited)["made"], false);
    let users = talk.kind("t", "user").await;
    assert_eq!(users.len(), 1);
    assert_eq!(users[0]["created"], opening(&first)["added"][0]["created"], "it keeps its time");
    let answer = talk.kind("t", "assistant").await[0]["id"].clone();
    let taken = talk.ask(&json!({ "thread": "t", "make": true, "id": answer, "say": "x" })).await;
    assert_eq!((taken.status, &taken.json()["refused"]), (409, &json!("id_taken")));
}

#[tokio::test]
async fn a_model_that_the_user_chose_answers_again() {
    let talk = Talk::start().await;
    let page = json!({ "say": "one", "chosen": "any/special" });
    let page = crate::support::page::Page::post_with(talk.gateway.addr, talk.user, &page).await;
    let asked = talk.fake.asked().await;
    assert_eq!(asked.body["model"], "special");
    asked.answer("text ok\nfinish stop\n").await;
    assert_eq!(page.answer().await.status, 200);
}
