use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

#[test]
fn addresses_that_are_closed_or_none_are_refused_before_anything_is_sent() {
    use FenceError::{Closed, Credentials, NoAddress};
    let fence = Fence::new(vec!["http://10.1.2.3:8080".into()]);
    for (url, expected) in [
        ("https://example.com/a?b=c", Ok(())),
        ("http://1.1.1.1/", Ok(())),
        ("http://10.1.2.3:8080/anything", Ok(())),
        ("http://10.1.2.3/", Err(Closed)),
        ("https://10.1.2.3:8080/", Err(Closed)),
        ("http://127.0.0.1/", Err(Closed)),
        ("http://2130706433/", Err(Closed)),
        ("http://0x7f000001/", Err(Closed)),
        ("http://0177.0.0.1/", Err(Closed)),
        ("http://127.1/", Err(Closed)),
        ("http://127.0.0.1./", Err(Closed)),
        ("http://①②⑦.0.0.1/", Err(Closed)),
        ("http://0/", Err(Closed)),
        ("http://169.254.169.254/latest/meta-data/", Err(Closed)),
        ("http://[::1]/", Err(Closed)),
        ("http://[::ffff:169.254.169.254]/", Err(Closed)),
        ("http://[::ffff:7f00:1]/", Err(Closed)),
        ("http://[fd00:ec2::254]/", Err(Closed)),
        ("http://[64:ff9b::7f00:1]/", Err(Closed)),
        ("http://[2002:7f00:1::]/", Err(Closed)),
        ("http://user@example.com/", Err(Credentials)),
        ("http://user:secret@example.com/", Err(Credentials)),
        ("http://example.com@127.0.0.1/", Err(Credentials)),
        ("file:///etc/passwd", Err(NoAddress)),
        ("ftp://example.com/", Err(NoAddress)),
        ("gopher://example.com/", Err(NoAddress)),
        ("data:text/html,hello", Err(NoAddress)),
        ("javascript:alert(1)", Err(NoAddress)),
        ("http://", Err(NoAddress)),
        ("http:///", Err(NoAddress)),
        ("/etc/passwd", Err(NoAddress)),
        ("", Err(NoAddress)),
    ] {
        assert_eq!(fence.check(url).map(|_| ()), expected, "{url}");
    }
    assert_eq!(fence.check(&format!("http://example.com/{}", "a".repeat(LONGEST))), Err(NoAddress));
}

/// A server on this machine that gives these answers, one for each connection, and its port.
#[test]
fn a_listed_name_may_lead_inside_but_never_to_the_link_itself() {
    for (host, open) in [
        ("127.0.0.1", true),
        ("10.0.0.1", true),
        ("[::1]", true),
        ("169.254.169.254", false),
        ("[::ffff:169.254.169.254]", false),
        ("[fe80::1]", false),
        ("[fd00:ec2::254]", false),
        ("0.0.0.0", false),
        ("[::]", false),
        ("100.100.100.200", false),
        ("224.0.0.1", false),
    ] {
        let origin = format!("http://{host}");
        let fence = Fence::new(vec![origin.clone()]);
        assert_eq!(fence.check(&origin).is_ok(), open, "{host}");
    }
}

async fn server(answers: Vec<String>) -> (u16, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(connection.read_u8().await.unwrap());
            }
            asked.push(String::from_utf8(head).unwrap());
            connection.write_all(answer.as_bytes()).await.unwrap();
        }
        asked
    });
    (port, serving)
}

fn here(name: &'static str) -> Lookup {
    Lookup::new(move |asked| async move {
        assert_eq!(asked, name);
        Ok::<_, io::Error>(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)])
    })
}

#[tokio::test]
async fn a_name_that_leads_inside_is_closed_where_it_is_looked_up() {
    let (port, serving) = server(vec!["HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".into()]).await;
    let fence = Fence::with_lookup(Vec::new(), here("public.example"));
    assert_eq!(fence.get(&format!("http://public.example:{port}/"), 100).await, Err(FenceError::Closed));
    assert!(!serving.is_finished(), "somebody connected");
    serving.abort();
}

#[tokio::test]
async fn every_request_looks_its_name_up_for_its_own_connection() {
    let (port, serving) = server(vec!["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".into()]).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    // First outside, then inside: what a name that is bound anew does.
    let lookup = Lookup::new(move |_| {
        let first = count.fetch_add(1, Ordering::Relaxed) == 0;
        async move { Ok(if first { Vec::new() } else { vec![IpAddr::V4(Ipv4Addr::LOCALHOST)] }) }
    });
    let fence = Fence::with_lookup(Vec::new(), lookup);
    let url = format!("http://rebound.example:{port}/");
    assert_eq!(fence.get(&url, 100).await, Err(FenceError::Unreachable));
    assert_eq!(fence.get(&url, 100).await, Err(FenceError::Closed));
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    serving.abort();
}

#[tokio::test]
async fn a_redirect_is_checked_like_an_address() {
    for (to, expected) in [
        ("http://169.254.169.254/latest/", FenceError::Closed),
        ("http://[::ffff:127.0.0.1]/", FenceError::Closed),
        ("file:///etc/passwd", FenceError::NoAddress),
        ("http://user:secret@listed.example/", FenceError::Credentials),
        ("//2130706433/", FenceError::Closed),
    ] {
        let answer = format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
        let (port, serving) = server(vec![answer]).await;
        let origin = format!("http://listed.example:{port}");
        let fence = Fence::with_lookup(vec![origin.clone()], here("listed.example"));
        assert_eq!(fence.get(&origin, 100).await, Err(expected), "{to}");
        serving.await.unwrap();
    }
}

#[tokio::test]
async fn redirects_end_and_answers_have_a_bound() {
    let again = "HTTP/1.1 302 Found\r\nlocation: /again\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let (port, serving) = server(vec![again.to_owned(); REDIRECTS + 1]).await;
    let origin = format!("http://listed.example:{port}");
    let fence = Fence::with_lookup(vec![origin.clone()], here("listed.example"));
    assert_eq!(fence.get(&origin, 100).await, Err(FenceError::Redirects));
    let asked = serving.await.unwrap();
    assert!(asked.iter().all(|head| !head.contains("authorization") && !head.contains("cookie")), "{asked:?}");

    let large = "HTTP/1.1 200 OK\r\ncontent-type: text/HTML; charset=utf-8\r\ncontent-length: 11\r\n\r\n01234567890";
    for (largest, fits) in [(11, true), (10, false)] {
        let (port, serving) = server(vec![large.to_owned()]).await;
        let origin = format!("http://listed.example:{port}");
        let fence = Fence::with_lookup(vec![origin.clone()], here("listed.example"));
        match fence.get(&origin, largest).await {
            Ok(fetched) => {
                assert!(fits);
                assert_eq!((fetched.media_type.as_str(), fetched.body.len(), fetched.status), ("text/html", 11, 200));
            }
            Err(error) => assert_eq!((error, fits), (FenceError::TooLarge(10), false)),
        }
        serving.await.unwrap();
    }
}
