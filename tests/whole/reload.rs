//! The configuration is changed while the program runs: a signal tells it so, or the file itself.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::Folder;
use crate::page::{Heard, post};

/// Long enough that only a fault reaches it.
const LONG: Duration = Duration::from_secs(30);
const STREAMS: usize = 200;
const RELOADS: usize = 50;
const SECRET: &str = "sk-canary-reload-3";

/// A provider that says a word to all who listen, over and over, until it is told to end.
struct Talker {
    address: String,
    listeners: Arc<Mutex<Vec<TcpStream>>>,
    asked: Receiver<()>,
}

impl Talker {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/v1", listener.local_addr().unwrap());
        let listeners = Arc::new(Mutex::new(Vec::new()));
        let (tell, asked) = channel();
        let talker = Self { address, listeners: Arc::clone(&listeners), asked };
        // It ends with the test's process.
        thread::spawn(move || {
            for socket in listener.incoming() {
                let mut socket = socket.unwrap();
                let mut request = Vec::new();
                let mut piece = [0; 4096];
                while !request.ends_with(b"}") {
                    let read = socket.read(&mut piece).unwrap();
                    request.extend_from_slice(&piece[..read]);
                }
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
                socket.write_all(format!("{head}{}", chunk("begin ", false)).as_bytes()).unwrap();
                listeners.lock().unwrap().push(socket);
                tell.send(()).unwrap();
            }
        });
        talker
    }

    /// Says a word to all; gives how many heard it.
    fn say(&self, word: &str) -> usize {
        let said = chunk(word, false);
        let mut listeners = self.listeners.lock().unwrap();
        listeners.iter_mut().map(|socket| socket.write_all(said.as_bytes()).unwrap()).count()
    }

    fn end(&self) {
        for mut socket in self.listeners.lock().unwrap().drain(..) {
            socket.write_all(format!("{}data: [DONE]\n\n", chunk("end", true)).as_bytes()).unwrap();
        }
    }

    fn config(&self, model: &str, more: &str) -> String {
        format!(
            "[providers.p]\nprotocol = \"openai-chat\"\nbase_url = \"{}\"\napi_key = {{ file = \"key\" }}\n\
             [models.m]\ntargets = [\"p/{model}\"]\n\
             [[routes]]\npath = \"/chat\"\nprotocol = \"callback-sse\"\nmodel = \"m\"\n{more}",
            self.address
        )
    }
}

fn chunk(word: &str, last: bool) -> String {
    let finish = if last { json!("stop") } else { json!(null) };
    let choice = json!({"index": 0, "delta": {"content": word}, "finish_reason": finish});
    format!("data: {}\n\n", json!({"id": "c", "object": "chat.completion.chunk", "choices": [choice]}))
}

fn ask(address: &str) -> Heard {
    post(address, "/chat", &json!({"session_id": "s", "messages": [{"role": "user", "content": "hi"}]}))
}

/// A route that is there in some of the configurations.
fn extra(path: &str) -> String {
    format!("[[routes]]\npath = \"{path}\"\nprotocol = \"vercel-text\"\nmodel = \"m\"\n")
}

#[test]
fn two_hundred_streams_outlive_fifty_reloads() {
    let talker = Talker::start();
    let config = |model: &str, more: &str| format!("[server]\nwatch = false\n{}", talker.config(model, more));
    let folder = Folder::with(&config("first", ""));
    std::fs::write(folder.0.join("key"), SECRET).unwrap();
    let (gateway, mut log) = folder.logging();
    let pages: Vec<_> = (0..STREAMS)
        .map(|_| {
            let address = gateway.address.clone();
            thread::Builder::new().stack_size(256 << 10).spawn(move || ask(&address)).unwrap()
        })
        .collect();
    for _ in 0..STREAMS {
        talker.asked.recv_timeout(LONG).expect("all streams are open");
    }
    let (mut longest, begun) = (Duration::ZERO, Instant::now());
    for number in 0..RELOADS {
        let good = number % 2 == 0;
        folder.configure(&match good {
            true => config(&format!("model-{number}"), &extra(&format!("/extra-{number}"))),
            false => config("broken", "tols = []\n"),
        });
        let told = if good { "the configuration was read again" } else { "the file has mistakes" };
        let sent = Instant::now();
        gateway.signal("HUP");
        assert_eq!(talker.say(&format!("{number} ")), STREAMS);
        log.until(told);
        longest = longest.max(sent.elapsed());
    }
    let whole = begun.elapsed();
    talker.end();
    let words: String = (0..RELOADS).map(|number| format!("{number} ")).collect();
    let expected = format!("begin {words}end");
    for page in pages {
        let heard = page.join().unwrap();
        assert_eq!((heard.status, heard.whole), (200, true));
        let events = heard.events();
        let said = events.iter().filter_map(|event| event["data"]["content"].as_str());
        assert_eq!(said.collect::<String>(), expected);
        assert_eq!(events.last().unwrap()["type"], "complete");
    }
    assert!(!log.seen.contains(SECRET) && log.seen.contains("route `/extra-48`"), "{}", log.seen);
    eprintln!("{STREAMS} streams, {RELOADS} reloads in {whole:?}, the longest {longest:?}");
}

#[test]
fn a_changed_file_is_noticed_and_what_changed_is_logged() {
    let talker = Talker::start();
    let folder = Folder::with(&talker.config("m", &extra("/old")));
    std::fs::write(folder.0.join("key"), SECRET).unwrap();
    let (gateway, mut log) = folder.logging();
    let status = |path: &str| post(&gateway.address, path, &json!({})).status;
    assert_eq!((status("/old"), status("/new")), (400, 404));
    folder.configure(&talker.config("m", &extra("/new")));
    log.until("the configuration was read again");
    assert_eq!((status("/old"), status("/new")), (404, 400));
    for line in ["configuration: route `/new` added", "configuration: route `/old` removed"] {
        assert!(log.seen.contains(line), "{line}: {}", log.seen);
    }
    // A key that is rotated is noticed too, and nothing shows it.
    std::fs::write(folder.0.join("key"), format!("{SECRET}-2")).unwrap();
    log.until("the configuration was read again");
    assert!(log.seen.contains("configuration: file `"), "{}", log.seen);
    folder.configure("[server]\nwhatch = true\n");
    log.until("the file has mistakes");
    log.until("did you mean `watch`?");
    assert_eq!(status("/new"), 400);
    assert!(!log.seen.contains(SECRET));
}
