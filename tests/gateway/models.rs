//! Which model answers.

use serde_json::json;

use crate::support::Setup;
use crate::support::fake::Fake;
use crate::support::page::Page;

#[tokio::test]
async fn a_model_that_is_not_offered_is_the_callers_mistake() {
    let fake = Fake::start().await;
    let gateway = Setup::new(&[fake.addr]).start().await;
    let answer = Page::post(gateway.addr, &json!({"user": "hi", "model": "other"})).await.answer().await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.json()["refused"], "unknown_model");
    assert_eq!(answer.json()["path"], "model");
}

#[tokio::test]
async fn a_pattern_passes_on_the_rest_of_the_name() {
    let fake = Fake::start().await;
    let gateway = Setup::new(&[fake.addr]).start().await;
    let page = Page::post(gateway.addr, &json!({"user": "hi", "model": "any/vendor/one"})).await;
    let asked = fake.asked().await;
    assert_eq!(asked.body["model"], "vendor/one");
    asked.answer("text a\nfinish stop\n").await;
    assert_eq!(page.answer().await.status, 200);
    let answer = Page::post(gateway.addr, &json!({"user": "hi", "model": "any/"})).await.answer().await;
    assert_eq!((answer.status, answer.json()["refused"].as_str()), (404, Some("unknown_model")));
}

#[tokio::test]
async fn a_route_may_ignore_the_pages_model() {
    let fake = Fake::start().await;
    let mut setup = Setup::new(&[fake.addr]);
    setup.force_model = true;
    let gateway = setup.start().await;
    let page = Page::post(gateway.addr, &json!({"user": "hi", "model": "other"})).await;
    fake.asked().await.answer("text a\nfinish stop\n").await;
    assert_eq!(page.answer().await.status, 200);
}

#[tokio::test]
async fn a_conversation_that_cannot_be_said_to_the_provider_is_the_callers_mistake() {
    let fake = Fake::start().await;
    let gateway = Setup::new(&[fake.addr]).start().await;
    let answer = Page::post(gateway.addr, &json!({"user": "unsayable"})).await.answer().await;
    assert_eq!((answer.status, answer.json()["why"].as_str()), (400, Some("user: cannot be said")));
}
