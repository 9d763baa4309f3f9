//! Tools that are a request to a server, as the configuration describes them.

use chatwire::config::plan::ToolPlan;
use serde_json::{Value, json};

use crate::support::fake::{Asked, Fake};
use crate::support::page::{Answer, Page};
use crate::support::{Gateway, Setup, configured, nobody};

const TOKEN: &str = "canary-token-0123";

fn tool(server: &str, parameters: &str, http: &str) -> ToolPlan {
    let text = format!("[tools.call]\nparameters = {parameters}\n[tools.call.http]\n{http}");
    let text = text.replace("SERVER", server);
    let env = |name: &str| (name == "TOKEN").then(|| TOKEN.to_owned());
    configured(&text, "call", &env)
}

const ORDER: &str = r#"{ type = "object", properties = { id = {}, note = {}, tags = {} }, required = ["id"] }"#;

/// A turn in which the model calls the tool once.
struct Turn {
    provider: Fake,
    server: Fake,
    page: Page,
    _gateway: Gateway,
}

impl Turn {
    async fn begin(http: &str, arguments: &Value) -> Self {
        let (provider, server) = (Fake::start().await, Fake::start().await);
        let mut setup = Setup::new(&[provider.addr]);
        setup.tools = vec![tool(&format!("http://{}", server.addr), ORDER, http)];
        let gateway = setup.start().await;
        let page = Page::post(gateway.addr, &json!({"user": "hi"})).await;
        provider.asked().await.answer(&format!("call c call {arguments}\nfinish tool_calls\n")).await;
        Self { provider, server, page, _gateway: gateway }
    }

    async fn asked(&self) -> Asked {
        self.server.asked().await
    }

    /// What the model is told of the call, and the page's answer.
    async fn end(self) -> (String, Answer) {
        let asked = self.provider.asked().await;
        let told = asked.body["messages"][2][1][0].as_str().unwrap().to_owned();
        asked.answer("text done\nfinish stop\n").await;
        (told, self.page.answer().await)
    }
}

/// The request that comes of these lines.
async fn asked(http: &str, arguments: &Value) -> (String, Value) {
    let turn = Turn::begin(http, arguments).await;
    let asked = turn.asked().await;
    (asked.head.clone(), asked.body)
}

/// What the model is told when the server answers so.
async fn told(http: &str, status: &str, headers: &str, body: &str) -> String {
    let turn = Turn::begin(http, &json!({"id": 7})).await;
    turn.asked().await.refuse(status, headers, body).await;
    let (told, answer) = turn.end().await;
    assert_eq!(answer.end()["event"], "turn_end", "{}", answer.body);
    for secret in [TOKEN, "127.0.0.1", "SERVER-TEXT"] {
        assert!(!(told.contains("Error") && answer.body.contains(secret)), "{secret} in {}", answer.body);
    }
    told
}

const JSON: &str = "content-type: application/json; charset=utf-8\r\n";

#[tokio::test]
async fn the_request_is_what_the_file_says_with_the_arguments_in_their_places() {
    let http = r#"
        url = "SERVER/v1/orders/{id}?full=1"
        query = { note = "about {note}", left_out = "{tags}", key = { env = "TOKEN" } }
        headers = { X-Plain = "plain", x-secret = { env = "TOKEN" } }
        bearer = { env = "TOKEN" }
    "#;
    let (head, body) = asked(http, &json!({"id": "a/b c", "note": "x&y=1"})).await;
    let first = head.lines().next().unwrap();
    assert_eq!(first, format!("GET /v1/orders/a%2Fb%20c?full=1&note=about%20x%26y%3D1&key={TOKEN} HTTP/1.1"));
    for line in ["x-plain: plain", &format!("x-secret: {TOKEN}"), &format!("authorization: Bearer {TOKEN}")] {
        assert!(head.lines().any(|given| given.eq_ignore_ascii_case(line)), "{line} in {head}");
    }
    assert_eq!(body, Value::Null);
    assert!(!head.contains("content-type"), "{head}");
}

#[tokio::test]
async fn a_body_is_all_arguments_or_what_the_file_makes_of_them() {
    let arguments = json!({"id": 7, "tags": ["a", {"b": null}]});
    let (head, body) = asked("url = \"SERVER/\"\nmethod = \"POST\"", &arguments).await;
    assert!(head.starts_with("POST / HTTP/1.1") && head.contains("content-type: application/json"), "{head}");
    assert_eq!(body, arguments);
    let http = r#"
        url = "SERVER"
        method = "DELETE"
        body = { order = { id = "{id}", label = "No. {id}" }, tags = "{tags}", note = "{note}", fixed = 1 }
    "#;
    let (head, body) = asked(http, &arguments).await;
    assert!(head.starts_with("DELETE / HTTP/1.1"), "{head}");
    let order = json!({"id": 7, "label": "No. 7"});
    assert_eq!(body, json!({"order": order, "tags": ["a", {"b": null}], "fixed": 1}));
}

#[tokio::test]
async fn an_argument_that_would_lead_elsewhere_is_not_sent() {
    for id in [json!(".."), json!("x/../../admin"), json!(""), json!(["x"]), json!(null)] {
        let turn = Turn::begin("url = \"SERVER/orders/{id}\"", &json!({"id": id})).await;
        // The model is asked again although the server never answers.
        let (told, _) = turn.end().await;
        assert!(told.starts_with("result c Error"), "{id}: {told}");
    }
}

#[tokio::test]
async fn the_result_is_taken_as_the_file_says() {
    let body = r#"{"data":[{"name":"x"}],"n":1}"#;
    for (result, headers, body, expected) in [
        ("whole", JSON, body, body),
        ("whole", "content-type: application/problem+json\r\n", "[1]", "[1]"),
        ("whole", "content-type: text/plain\r\n", "[1]", "\"[1]\""),
        ("text", JSON, "[1]", "\"[1]\""),
        ("/data/0/name", JSON, body, "\"x\""),
        ("/data/0", "", body, "{\"name\":\"x\"}"),
    ] {
        let http = format!("url = \"SERVER\"\nresult = \"{result}\"");
        let told = told(&http, "200 OK", headers, body).await;
        assert_eq!(told, format!("result c Ok {expected}"), "{result} {headers}");
    }
}

#[tokio::test]
async fn a_failure_of_the_server_is_a_short_result_without_its_words() {
    let secret = format!("SERVER-TEXT {TOKEN}");
    let to = "location: http://169.254.169.254/\r\n";
    for (result, status, headers, body, words) in [
        ("whole", "404 Not Found", "", secret.as_str(), "status 404 (Not Found)"),
        ("whole", "500 Internal Server Error", JSON, &secret, "status 500"),
        ("whole", "302 Found", to, "", "sends elsewhere (status 302)"),
        ("whole", "204 No Content", JSON, "", "no JSON"),
        ("/data", "200 OK", JSON, "{\"SERVER-TEXT\":1}", "does not have what was asked for"),
        ("whole", "200 OK", JSON, "SERVER-TEXT", "no JSON"),
        ("whole", "200 OK", "content-encoding: gzip\r\n", "SERVER-TEXT", "cannot be read"),
        ("whole", "200 OK", "", "SERVER-TEXT, which is long", "larger than 20 bytes"),
    ] {
        let http =
            format!("url = \"SERVER\"\nresult = \"{result}\"\nmax_response = 20\nbearer = {{ env = \"TOKEN\" }}");
        let told = told(&http, status, headers, body).await;
        assert!(told.starts_with("result c Error") && told.contains(words), "{status}: {told}");
    }
}

#[tokio::test]
async fn the_file_may_say_which_statuses_go_well() {
    let http = "url = \"SERVER\"\nsuccess = [200, 404]";
    assert_eq!(told(http, "404 Not Found", "", "none").await, "result c Ok \"none\"");
    assert!(told(http, "201 Created", "", "made").await.contains("Error"));
}

#[tokio::test]
async fn a_server_that_is_not_there_costs_the_call_alone() {
    let (provider, gone) = (Fake::start().await, nobody().await);
    let mut setup = Setup::new(&[provider.addr]);
    setup.tools = vec![tool(&format!("http://{gone}"), ORDER, "url = \"SERVER/{id}\"")];
    let gateway = setup.start().await;
    let page = Page::post(gateway.addr, &json!({"user": "hi"})).await;
    provider.asked().await.answer("call c call {\"id\":1}\nfinish tool_calls\n").await;
    let asked = provider.asked().await;
    assert!(asked.body.to_string().contains("cannot be reached"), "{}", asked.body);
    asked.answer("text done\nfinish stop\n").await;
    let answer = page.answer().await;
    assert!(!answer.body.contains(&gone.to_string()), "{}", answer.body);
}

#[tokio::test]
async fn a_request_is_closed_when_the_page_leaves() {
    let turn = Turn::begin("url = \"SERVER\"", &json!({"id": 1})).await;
    let asked = turn.asked().await;
    drop(turn.page);
    asked.closed().await;
}
