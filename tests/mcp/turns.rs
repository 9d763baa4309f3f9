//! Turns that call servers, and what the gateway shows of them.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::fake::Fake;
use crate::support::page::Page;
use crate::support::{Gateway, LONG, Setup, fixed};
use crate::{fake, plan, program};

async fn get(gateway: &Gateway, path: &str) -> Value {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    let answer = Page::raw(gateway.addr, &request).await.answer().await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

/// Asks until a server is as is wanted.
pub async fn until(gateway: &Gateway, server: &str, status: &str) -> Value {
    let asking = async {
        loop {
            let servers = get(gateway, "/api/servers").await;
            let found = servers["servers"].as_array().unwrap().iter().find(|found| found["name"] == server);
            if let Some(found) = found.filter(|found| found["status"] == status) {
                return found.clone();
            }
        }
    };
    tokio::time::timeout(LONG, asking).await.expect("the server changes")
}

#[tokio::test]
async fn a_killed_server_ends_the_call_but_not_the_turn_and_comes_back() {
    let provider = Fake::start().await;
    let mut setup = Setup::new(&[provider.addr]);
    setup.mcp = vec![fake("plain")];
    let gateway = setup.start().await;
    until(&gateway, "fake", "connected").await;
    let mut page = Page::post(gateway.addr, &json!({"user": "hi"})).await;
    let asked = provider.asked().await;
    assert!(asked.body["tools"].to_string().contains("\"fake_hang\""), "{}", asked.body);
    asked.answer("call c fake_hang {}\nfinish tool_calls\n").await;
    let seen = page.until(" hangs").await;
    let process = seen.split("process ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    kill_process(Pid::from_raw(process).unwrap(), Signal::KILL).unwrap();
    let asked = provider.asked().await;
    let told = asked.body["messages"][2].to_string();
    assert!(told.contains("result c Error") && told.contains("broke off"), "{told}");
    asked.answer("text done\nfinish stop\n").await;
    assert_eq!(page.answer().await.end()["event"], "turn_end");
    let failed = until(&gateway, "fake", "failed").await;
    // The first reason is what is seen at once, the second what its exit says.
    let reasons = ["the connection broke", "it closed the connection", "its process ended (signal: 9 (SIGKILL))"];
    assert!(reasons.iter().any(|reason| failed["reason"] == *reason), "{failed}");
    assert_eq!(failed["tools"], json!([]));
    until(&gateway, "fake", "connected").await;
    gateway.stopper.stop();
    gateway.task.await.unwrap();
}

#[tokio::test]
async fn the_gateway_shows_its_tools_and_servers_as_they_are() {
    let provider = Fake::start().await;
    let mut setup = Setup::new(&[provider.addr]);
    setup.tools = vec![fixed("own", json!(1))];
    let mut silent = fake("silent");
    silent.name = "silent".to_owned();
    let dead = plan("dead", chatwire::tools::mcp::plan::Transport::Process(program("no-such-command", &[])));
    setup.mcp = vec![fake("plain"), silent, dead];
    let gateway = setup.start().await;
    let fake = until(&gateway, "fake", "connected").await;
    assert_eq!((&fake["transport"], &fake["reason"]), (&json!("stdio"), &Value::Null));
    assert!(fake["tools"].as_array().unwrap().contains(&json!("fake_echo")));
    let dead = until(&gateway, "dead", "failed").await;
    assert_eq!(dead["reason"], "its command or its folder is not there");
    until(&gateway, "silent", "connecting").await;
    let tools = get(&gateway, "/api/tools").await;
    let schema = json!({"type": "object", "properties": {}});
    let own = json!({
        "name": "own", "description": "", "input_schema": schema, "supports_streaming": false, "server": null,
    });
    let echo = json!({
        "name": "fake_echo", "description": "Does echo.", "input_schema": schema, "supports_streaming": false,
        "server": "fake",
    });
    assert_eq!((&tools["tools"][0], &tools["tools"][1]), (&own, &echo));
    for (request, status) in
        [("POST /api/tools", 405), ("GET /api/other", 404), ("GET /api", 404), ("OPTIONS /api/tools", 204)]
    {
        let request = format!("{request} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        assert_eq!(Page::raw(gateway.addr, &request).await.answer().await.status, status, "{request}");
    }
    gateway.stopper.stop();
    tokio::time::timeout(LONG, gateway.task).await.expect("a silent server holds nothing up").unwrap();
}

#[tokio::test]
async fn a_page_that_leaves_calls_its_calls_off() {
    let provider = Fake::start().await;
    let mut setup = Setup::new(&[provider.addr]);
    setup.mcp = vec![fake("plain")];
    let gateway = setup.start().await;
    until(&gateway, "fake", "connected").await;
    let mut page = Page::post(gateway.addr, &json!({"user": "hi"})).await;
    provider.asked().await.answer("call c fake_hang {}\nfinish tool_calls\n").await;
    page.until("process ").await;
    drop(page);
    let page = Page::post(gateway.addr, &json!({"user": "hi"})).await;
    provider.asked().await.answer("call d fake_called_off {}\nfinish tool_calls\n").await;
    let asked = provider.asked().await;
    assert!(asked.body["messages"][2].to_string().contains("1 called off"), "{}", asked.body);
    asked.answer("text done\nfinish stop\n").await;
    page.answer().await;
    gateway.stopper.stop();
    gateway.task.await.unwrap();
}

#[tokio::test]
async fn an_image_goes_to_the_model_beside_the_result() {
    let provider = Fake::start().await;
    let mut setup = Setup::new(&[provider.addr]);
    setup.mcp = vec![fake("plain")];
    let gateway = setup.start().await;
    until(&gateway, "fake", "connected").await;
    let page = Page::post(gateway.addr, &json!({"user": "hi"})).await;
    provider.asked().await.answer("call c fake_image {}\nfinish tool_calls\n").await;
    let asked = provider.asked().await;
    let told = &asked.body["messages"][2][1][0];
    assert_eq!(told, "result c Ok \"a dot\\n[image/png, 9 bytes]\" and image/png");
    asked.answer("text done\nfinish stop\n").await;
    let events = page.answer().await.events();
    let result = events.iter().find(|event| event["event"] == "tool_result").unwrap();
    assert_eq!(result["files"][0]["media_type"], "image/png");
    gateway.stopper.stop();
    gateway.task.await.unwrap();
}
