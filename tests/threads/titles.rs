//! What threads are called.

use serde_json::json;

use crate::support::fake::Fake;
use crate::support::page::Page;
use crate::support::{memory, model_at};
use crate::talk::{Talk, id_of, opening};

/// A conversation that another model names.
async fn named_by(fake: &Fake) -> Talk {
    let model = model_at(fake.addr, "small");
    Talk::with(|setup| {
        let mut memory = memory();
        memory.title_model = Some(model);
        setup.memory = Some(memory);
    })
    .await
}

#[tokio::test]
async fn a_thread_is_called_by_its_first_words() {
    let talk = Talk::start().await;
    let (answer, _) = talk.turn(&json!({ "say": "How\n is  the weather?" }), "text ok\nfinish stop").await;
    assert_eq!(opening(&answer)["thread"]["title"], "How is the weather?");
    let thread = id_of(&answer);
    talk.turn(&json!({ "thread": thread, "say": "And tomorrow?" }), "text ok\nfinish stop").await;
    let found = talk.get(&json!({ "op": "thread", "thread": thread })).await;
    assert_eq!(found["thread"]["title"], "How is the weather?");
}

#[tokio::test]
async fn a_small_model_names_a_thread_beside_its_first_answer() {
    let titles = Fake::start().await;
    let talk = named_by(&titles).await;
    let page = Page::post_with(talk.gateway.addr, talk.user, &json!({ "say": "x".repeat(3000) })).await;
    let (asked, title) = (talk.fake.asked().await, titles.asked().await);
    assert_eq!(title.body["max_tokens"], 30);
    assert_eq!(title.body["messages"][1][1][0].as_str().unwrap().len(), 2000);
    title.answer("text \"Weather today.\"\nfinish stop\n").await;
    let mut page = page;
    page.until("thread-title").await;
    asked.answer("text ok\nfinish stop\n").await;
    let answer = page.answer().await;
    assert_eq!(opening(&answer)["thread"]["title"], json!(null));
    let data = answer.events().into_iter().find(|event| event["event"] == "data").unwrap();
    assert_eq!((&data["value"], &data["keep"]), (&json!({ "title": "Weather today" }), &json!(false)));
    let found = talk.get(&json!({ "op": "thread", "thread": id_of(&answer) })).await;
    assert_eq!(found["thread"]["title"], "Weather today");
}

#[tokio::test]
async fn a_name_that_a_user_gives_meanwhile_stays() {
    let titles = Fake::start().await;
    let talk = named_by(&titles).await;
    let mut page = Page::post_with(talk.gateway.addr, talk.user, &json!({ "say": "hello" })).await;
    let (asked, title) = (talk.fake.asked().await, titles.asked().await);
    page.until("opening").await;
    let threads = talk.get(&json!({ "op": "threads" })).await;
    let thread = threads["threads"][0]["id"].as_str().unwrap().to_owned();
    talk.get(&json!({ "op": "rename", "thread": thread, "title": "Mine" })).await;
    title.answer("text Theirs\nfinish stop\n").await;
    asked.answer("text ok\nfinish stop\n").await;
    let answer = page.answer().await;
    assert!(!answer.names().contains(&"data".to_owned()), "{}", answer.body);
    // The next turn begins when all of this one is over.
    talk.turn(&json!({ "thread": thread, "say": "more" }), "text ok\nfinish stop").await;
    let found = talk.get(&json!({ "op": "thread", "thread": thread })).await;
    assert_eq!(found["thread"]["title"], "Mine");
}

#[tokio::test]
async fn the_first_words_name_a_thread_where_the_model_fails() {
    let titles = Fake::start().await;
    let talk = named_by(&titles).await;
    let mut page = Page::post_with(talk.gateway.addr, talk.user, &json!({ "say": "hello there" })).await;
    let (asked, title) = (talk.fake.asked().await, titles.asked().await);
    title.refuse("400 Bad Request", "", "{}").await;
    page.until("thread-title").await;
    asked.answer("text ok\nfinish stop\n").await;
    let thread = id_of(&page.answer().await);
    let found = talk.get(&json!({ "op": "thread", "thread": thread })).await;
    assert_eq!(found["thread"]["title"], "hello there");
}
