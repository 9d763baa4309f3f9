//! Lists, names, feedback.

use serde_json::{Value, json};

use crate::talk::{MIA, Talk};

fn ids(page: &Value, rows: &str) -> Vec<String> {
    page[rows].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_list_is_read_page_by_page_while_it_grows() {
    let talk = Talk::start().await;
    let mut made = Vec::new();
    for number in 0..5 {
        made.push(talk.thread(&format!("thread {number}")).await);
    }
    let first = talk.get(&json!({ "op": "threads", "limit": 2 })).await;
    assert_eq!((ids(&first, "threads"), &first["more"]), (vec![made[4].clone(), made[3].clone()], &json!(true)));
    let new = talk.thread("new").await;
    let second = talk.get(&json!({ "op": "threads", "limit": 2, "after": made[3] })).await;
    assert_eq!(ids(&second, "threads"), [made[2].clone(), made[1].clone()]);
    let last = talk.get(&json!({ "op": "threads", "limit": 2, "after": made[1] })).await;
    assert_eq!((ids(&last, "threads"), &last["more"]), (vec![made[0].clone()], &json!(false)));
    let rising = talk.get(&json!({ "op": "threads", "oldest_first": true, "after": made[4] })).await;
    assert_eq!(ids(&rising, "threads"), [new]);
}

#[tokio::test]
async fn items_are_read_page_by_page_and_hidden_ones_never() {
    let talk = Talk::start().await;
    let thread = talk.thread("zero").await;
    for number in 1..4 {
        let body = json!({ "thread": thread, "say": format!("{number}") });
        talk.turn(&body, "text ok\nfinish stop").await;
    }
    let mut seen = Vec::new();
    let mut after = Value::Null;
    loop {
        let page = talk.get(&json!({ "op": "items", "thread": thread, "limit": 3, "after": after })).await;
        let rows = ids(&page, "rows");
        after = json!(rows.last());
        seen.extend(rows);
        if page["more"] == false {
            break;
        }
    }
    let whole = talk.get(&json!({ "op": "items", "thread": thread, "limit": 9999, "oldest_first": true })).await;
    let mut forward = ids(&whole, "rows");
    forward.reverse();
    assert_eq!(seen, forward);
    assert!(whole["rows"].as_array().unwrap().iter().all(|item| item["hidden"] == false));
    let thread = talk.get(&json!({ "op": "thread", "thread": thread })).await;
    assert_eq!(thread["items"]["rows"][0]["body"]["kind"], "user", "the oldest stands first");
}

#[tokio::test]
async fn users_name_and_rate_what_is_theirs() {
    let mut talk = Talk::start().await;
    let thread = talk.thread("one").await;
    let renamed = talk.get(&json!({ "op": "rename", "thread": thread, "title": " Naïve\n title ✓ " })).await;
    assert_eq!(renamed["thread"]["title"], "Naïve title ✓");
    assert_eq!(renamed["items"]["rows"], json!([]));
    let again = talk.get(&json!({ "op": "thread", "thread": thread })).await;
    assert_eq!(again["thread"]["title"], "Naïve title ✓");
    let answer = talk.kind(&thread, "assistant").await[0]["id"].clone();
    for positive in [true, false] {
        let rate = json!({ "op": "feedback", "thread": thread, "items": [answer], "positive": positive });
        assert_eq!(talk.get(&rate).await, json!({ "done": true }));
    }
    talk.user = MIA;
    assert_eq!(talk.get(&json!({ "op": "threads" })).await["threads"], json!([]));
}
