//! HTTP/2 in clear text.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming as Body;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::support::fake::{Asked, Fake};
use crate::support::{Gateway, LONG, Setup};

async fn connect(addr: std::net::SocketAddr) -> SendRequest<Full<Bytes>> {
    let io = TokioIo::new(TcpStream::connect(addr).await.unwrap());
    let (sender, connection) = handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn request(addr: std::net::SocketAddr) -> Request<Full<Bytes>> {
    let request = Request::post(format!("http://{addr}/chat")).header("content-type", "application/json");
    request.body(Full::new(Bytes::from_static(b"{\"user\":\"hi\"}"))).unwrap()
}

async fn text(body: Body) -> String {
    String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn a_stream_works_and_several_share_a_connection() {
    let fake = Fake::start().await;
    let gateway = Setup::new(&[fake.addr]).start().await;
    let mut sender = connect(gateway.addr).await;
    let first = tokio::spawn(sender.send_request(request(gateway.addr)));
    let first_asked = fake.asked().await;
    let second = tokio::spawn(sender.send_request(request(gateway.addr)));
    fake.asked().await.answer("text two\nfinish stop\n").await;
    let second = second.await.unwrap().unwrap().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&second).contains("two"));
    first_asked.answer("text one\nfinish stop\n").await;
    let first = first.await.unwrap().unwrap();
    assert_eq!(first.status(), StatusCode::OK);
    let first = first.collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&first).contains("turn_end"));
}

#[tokio::test]
async fn a_stream_that_nobody_reads_is_cut_and_the_others_go_on() {
    let fake = Fake::start().await;
    let mut setup = Setup::new(&[fake.addr]);
    setup.server.write_timeout = Duration::from_millis(200);
    let gateway = setup.start().await;
    let mut sender = connect(gateway.addr).await;
    let reply = tokio::spawn(sender.send_request(request(gateway.addr)));
    let mut asked = fake.asked().await;
    asked.begin().await;
    asked.send("text one\n").await;
    let stalled = reply.await.unwrap().unwrap().into_body();
    let flood = tokio::spawn(async move {
        let text = format!("text {}\n", "x".repeat(1 << 16));
        while asked.try_send(&text).await {}
    });
    tokio::time::timeout(LONG, flood).await.expect("the provider's stream is closed").unwrap();
    let reply = tokio::spawn(sender.send_request(request(gateway.addr)));
    fake.asked().await.answer("text two\nfinish stop\n").await;
    assert_eq!(reply.await.unwrap().unwrap().status(), StatusCode::OK);
    assert!(stalled.collect().await.is_err(), "a cut answer does not look whole");
}

#[tokio::test]
async fn a_stream_that_is_dropped_closes_the_provider_and_not_the_connection() {
    let fake = Fake::start().await;
    let gateway = Setup::new(&[fake.addr]).start().await;
    let mut sender = connect(gateway.addr).await;
    let reply = tokio::spawn(sender.send_request(request(gateway.addr)));
    let mut asked = fake.asked().await;
    asked.begin().await;
    asked.send("text one\n").await;
    let mut body = reply.await.unwrap().unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    asked.closed().await;
    let reply = tokio::spawn(sender.send_request(request(gateway.addr)));
    fake.asked().await.answer("text two\nfinish stop\n").await;
    assert_eq!(reply.await.unwrap().unwrap().status(), StatusCode::OK);
}

/// Asks for a turn and waits until its provider is asked.
async fn begun(sender: &mut SendRequest<Full<Bytes>>, gateway: &Gateway, fake: &Fake) -> (Body, Asked) {
    let reply = tokio::spawn(sender.send_request(request(gateway.addr)));
    let mut asked = fake.asked().await;
    asked.begin().await;
    asked.send("text one\n").await;
    (reply.await.unwrap().unwrap().into_body(), asked)
}

/// Asks for what is refused before a provider is asked.
async fn refused(sender: &mut SendRequest<Full<Bytes>>, gateway: &Gateway) -> (StatusCode, String, String) {
    let (head, body) = sender.send_request(request(gateway.addr)).await.unwrap().into_parts();
    let wait = head.headers.get("retry-after").expect("it says when").to_str().unwrap().to_owned();
    (head.status, wait, text(body).await)
}

#[tokio::test]
async fn so_many_turns_run_over_all_connections_and_those_beyond_are_refused() {
    let fake = Fake::start().await;
    let mut setup = Setup::new(&[fake.addr]);
    setup.server.max_turns = 3;
    let gateway = setup.start().await;
    let (mut one, mut other) = (connect(gateway.addr).await, connect(gateway.addr).await);
    let (first, first_asked) = begun(&mut one, &gateway, &fake).await;
    let (second, mut second_asked) = begun(&mut one, &gateway, &fake).await;
    let (third, third_asked) = begun(&mut other, &gateway, &fake).await;
    for sender in [&mut one, &mut other] {
        let (status, wait, body) = refused(sender, &gateway).await;
        assert_eq!((status.as_u16(), wait.as_str()), (503, "1"));
        assert_eq!(
            body,
            r#"{"refused":"exhausted","why":"The gateway has no free connections. Please try again in a moment.","path":null}"#
        );
    }
    // A page that leaves gives its place back.
    drop(first);
    first_asked.closed().await;
    let (fourth, fourth_asked) = begun(&mut other, &gateway, &fake).await;
    assert_eq!(refused(&mut one, &gateway).await.0, 503);
    // So does an end.
    second_asked.send("finish stop\n").await;
    second_asked.end().await;
    assert!(text(second).await.contains("turn_end"));
    let (fifth, fifth_asked) = begun(&mut one, &gateway, &fake).await;
    for (body, mut asked) in [(third, third_asked), (fourth, fourth_asked), (fifth, fifth_asked)] {
        asked.send("finish stop\n").await;
        asked.end().await;
        assert!(text(body).await.contains("turn_end"), "a refusal beside it is nothing to it");
    }
}

#[tokio::test]
async fn the_requests_of_an_address_are_counted_over_its_connections() {
    let fake = Fake::start().await;
    let mut setup = Setup::new(&[fake.addr]);
    setup.server.max_connections_per_address = Some(3);
    let gateway = setup.start().await;
    let (mut one, mut other) = (connect(gateway.addr).await, connect(gateway.addr).await);
    let (first, first_asked) = begun(&mut one, &gateway, &fake).await;
    let (_second, _second_asked) = begun(&mut one, &gateway, &fake).await;
    let (_third, _third_asked) = begun(&mut other, &gateway, &fake).await;
    for sender in [&mut one, &mut other] {
        let (status, wait, body) = refused(sender, &gateway).await;
        assert_eq!((status.as_u16(), wait.as_str()), (429, "1"));
        assert!(body.contains("too_many_requests"), "{body}");
    }
    let health = Request::get(format!("http://{}/health", gateway.addr)).body(Full::default()).unwrap();
    assert_eq!(one.send_request(health).await.unwrap().status(), 200, "health is told to everybody");
    drop(first);
    first_asked.closed().await;
    let (_fourth, _fourth_asked) = begun(&mut other, &gateway, &fake).await;
}

#[tokio::test]
async fn the_requests_of_an_address_are_counted_behind_a_proxy_too() {
    let fake = Fake::start().await;
    let mut setup = Setup::new(&[fake.addr]);
    setup.server.max_connections_per_address = Some(1);
    setup.server.trusted_proxies = vec![std::net::IpAddr::from([127, 0, 0, 1]).into()];
    let gateway = setup.start().await;
    let mut sender = connect(gateway.addr).await;
    let of = |client: &str| {
        let mut request = request(gateway.addr);
        request.headers_mut().insert("x-forwarded-for", client.parse().unwrap());
        request
    };
    let reply = tokio::spawn(sender.send_request(of("192.0.2.1")));
    let asked = fake.asked().await;
    let crowded = sender.send_request(of("192.0.2.1")).await.unwrap();
    assert_eq!(crowded.status(), StatusCode::TOO_MANY_REQUESTS);
    for free in [of("192.0.2.2"), request(gateway.addr), request(gateway.addr)] {
        let reply = tokio::spawn(sender.send_request(free));
        fake.asked().await.answer("text two\nfinish stop\n").await;
        assert_eq!(reply.await.unwrap().unwrap().status(), StatusCode::OK);
    }
    asked.answer("text one\nfinish stop\n").await;
    assert_eq!(reply.await.unwrap().unwrap().status(), StatusCode::OK);
}
