//! HTTP/2 in clear text.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::support::fake::Fake;
use crate::support::{LONG, Setup};

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
