//! Dictation: what users speak goes to a provider as a form, and comes back as text.

use std::sync::Arc;
use std::time::Duration;

use chatwire::config::plan::{Source, Transcription};
use chatwire::upstream::{MOST_AUDIO, Unheard, Upstreams};
use chatwire_protocols::error::FailureKind;

use crate::support::fake::Fake;
use crate::support::{KEY, LONG, Setup, nobody};

/// What the gateway's engine has in its hands.
fn hearing(setup: Setup) -> (Arc<Upstreams>, Transcription) {
    let plan = Setup { transcription: true, ..setup }.plan();
    let to = plan.routes[0].transcription.clone().unwrap();
    (Arc::new(Upstreams::new(&plan, None).unwrap()), to)
}

async fn answered(status: &'static str, body: &'static str) -> Result<String, Unheard> {
    let fake = Fake::start().await;
    let (upstreams, to) = hearing(Setup::new(&[fake.addr]));
    let asking = tokio::spawn(async move { upstreams.transcribe(&to, b"sound", "audio/mp4").await });
    fake.asked_raw().await.refuse(status, "content-type: application/json\r\n", body).await;
    asking.await.unwrap()
}

fn kind(heard: Result<String, Unheard>) -> FailureKind {
    match heard {
        Err(Unheard::Failure(failure)) => {
            assert!(!failure.message.contains(KEY), "{failure}");
            failure.kind
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_sound_goes_out_as_a_form_and_the_text_comes_back() {
    let fake = Fake::start().await;
    let (upstreams, to) = hearing(Setup::new(&[fake.addr]));
    let asking =
        tokio::spawn(async move { upstreams.transcribe(&to, b"\x00\xff sound", "audio/webm;codecs=opus").await });
    let asked = fake.asked_raw().await;
    assert!(asked.head.starts_with("POST /v1/audio/transcriptions HTTP/1.1\r\n"), "{}", asked.head);
    let head = asked.head.to_ascii_lowercase();
    assert!(head.contains(&format!("authorization: bearer {KEY}")), "{head}");
    let boundary = head.split_once("content-type: multipart/form-data; boundary=").unwrap().1;
    let boundary = boundary.lines().next().unwrap();
    let form = String::from_utf8_lossy(&asked.bytes).into_owned();
    let expected = format!(
        "--{boundary}\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nmodel-0\r\n\
         --{boundary}\r\ncontent-disposition: form-data; name=\"response_format\"\r\n\r\njson\r\n\
         --{boundary}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"speech.webm\"\r\n\
         content-type: audio/webm\r\n\r\n\0\u{FFFD} sound\r\n--{boundary}--\r\n"
    );
    assert_eq!(form, expected);
    asked.refuse("200 OK", "", r#"{"text":"Put the kettle on.","usage":{"type":"duration"}}"#).await;
    assert_eq!(asking.await.unwrap(), Ok("Put the kettle on.".to_owned()));
}

#[tokio::test]
async fn what_a_provider_does_wrong_is_a_typed_failure() {
    let refused = r#"{"error":{"message":"wrong key sk-canary-0123456789"}}"#;
    assert_eq!(kind(answered("401 Unauthorized", refused).await), FailureKind::Auth);
    assert_eq!(kind(answered("200 OK", "not json").await), FailureKind::Malformed);
    assert_eq!(kind(answered("200 OK", "{\"text\":null}").await), FailureKind::Malformed);
    assert_eq!(answered("200 OK", "{\"text\":\"\"}").await, Ok(String::new()), "silence");
    let (upstreams, to) = hearing(Setup::new(&[nobody().await]));
    assert_eq!(kind(upstreams.transcribe(&to, b"x", "audio/ogg").await), FailureKind::Connect);

    let fake = Fake::start().await;
    let mut setup = Setup::new(&[fake.addr]);
    setup.timeouts.first_byte = Duration::from_millis(50);
    let (upstreams, to) = hearing(setup);
    assert_eq!(kind(upstreams.transcribe(&to, b"x", "audio/ogg").await), FailureKind::Timeout);
}

#[tokio::test]
async fn what_the_page_does_wrong_reaches_no_provider() {
    let (upstreams, to) = hearing(Setup::new(&[nobody().await]));
    let large = vec![0; MOST_AUDIO + 1];
    for (audio, media_type, status) in
        [(&b"x"[..], "text/plain", 415), (b"x", "", 415), (b"", "audio/webm", 400), (&large, "audio/webm", 413)]
    {
        match tokio::time::timeout(LONG, upstreams.transcribe(&to, audio, media_type)).await.unwrap() {
            Err(Unheard::Caller(error)) => assert_eq!(error.status, status, "{media_type}"),
            other => panic!("{media_type}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_provider_of_recordings_hears_the_same_always() {
    let mut setup = Setup::new(&[]);
    setup.sources = vec![Source::Replay { folder: None, pace: None }];
    let (upstreams, to) = hearing(setup);
    assert_eq!(upstreams.transcribe(&to, b"x", "audio/webm").await, Ok("This is what a recording hears.".to_owned()));
}
