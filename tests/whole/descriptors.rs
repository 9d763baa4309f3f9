//! A gateway without a file descriptor left for its providers.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use serde_json::json;

use crate::Folder;
use crate::binary::Gateway;
use crate::page::post;
use crate::provider::Provider;

/// Lets the gateway open nothing more, or as much as it may.
fn starve(gateway: &Gateway, starves: bool) {
    let process = gateway.process();
    let open = std::fs::read_dir(format!("/proc/{process}/fd")).unwrap();
    let open: BTreeSet<u64> = open.map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap()).collect();
    let free = (0..).find(|number| !open.contains(number)).unwrap();
    let current = if starves { free } else { free + 100 };
    // That of this process is the gateway's, which has come from it.
    let maximum = getrlimit(Resource::Nofile).maximum;
    let pid = Pid::from_raw(process.try_into().unwrap());
    prlimit(pid, Resource::Nofile, Rlimit { current: Some(current), maximum }).unwrap();
}

/// Asks on a connection that is open already, and reads an answer that is one document.
fn ask(socket: &mut TcpStream, body: &str) -> String {
    let head = "POST /chat HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    write!(socket, "{head}content-length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let read = socket.read(&mut piece).unwrap();
        assert_ne!(read, 0, "the connection stays open");
        answer.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&answer);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("one document");
            if body.len() == length.parse::<usize>().unwrap() {
                return text.into_owned();
            }
        }
    }
}

#[test]
fn a_provider_is_not_blamed_for_descriptors_that_we_do_not_have() {
    let provider = Provider::start();
    let address = &provider.address;
    let folder = Folder::with(&format!(
        r#"
[server]
watch = false

[providers.p]
protocol = "openai-chat"
base_url = "{address}"
circuit_breaker = {{ failures = 1, cool_down = "10m", max_cool_down = "10m" }}

[models.m]
targets = ["p/one", "p/two"]

[[routes]]
path = "/chat"
protocol = "vercel-auto"
model = "m"
attempts_header = true
"#
    ));
    let (gateway, mut log) = folder.logging();
    let said = json!({"id": "c", "messages": [{"id": "u", "role": "user", "parts": [{"type": "text", "text": "hi"}]}]});
    let mut page = TcpStream::connect(gateway.address.trim_start_matches("http://")).unwrap();
    page.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    // The connection is taken for sure when something has been answered on it.
    assert!(ask(&mut page, "{}").starts_with("HTTP/1.1 400 "));
    starve(&gateway, true);
    for _ in 0..3 {
        let answer = ask(&mut page, &said.to_string());
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(answer.contains("\r\nretry-after: 1\r\n"), "{answer}");
        assert!(answer.contains("\r\nx-chatwire-attempts: p/one=exhausted\r\n"), "no other is asked: {answer}");
        assert!(answer.contains("The gateway has no free connections. Please try again in a moment."), "{answer}");
        log.until("RLIMIT_NOFILE");
    }
    starve(&gateway, false);
    provider.says("hello");
    let heard = post(&gateway.address, "/chat", &said);
    assert!(heard.status == 200 && heard.body.contains("hello"), "its circuit is as it was: {}", heard.body);
}
