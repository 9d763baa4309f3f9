//! Connections: their number, and those that say nothing.

use std::time::Duration;

use crate::support::Setup;
use crate::support::page::Page;

const HEALTH: &str = "GET /health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_connection_that_never_says_a_whole_head_is_closed() {
    for said in ["", "P", "PRI * HTTP", "POST /chat HTTP/1.1\r\nhost: a\r\nx-slow: "] {
        let mut setup = Setup::new(&[]);
        setup.server.head_timeout = Duration::from_millis(100);
        let gateway = setup.start().await;
        Page::raw(gateway.addr, said).await.closed().await;
    }
}

#[tokio::test]
async fn beyond_the_limit_a_connection_waits_until_another_is_closed() {
    let mut setup = Setup::new(&[]);
    setup.server.max_connections = 1;
    let gateway = setup.start().await;
    let mut first = Page::raw(gateway.addr, "GET /health HTTP/1.1\r\nhost: a\r\n\r\n").await;
    first.until("ok").await;
    let second = Page::raw(gateway.addr, HEALTH).await;
    let third = Page::raw(gateway.addr, HEALTH).await;
    first.write(HEALTH).await;
    assert_eq!(first.answer().await.status, 200);
    assert_eq!(second.answer().await.status, 200);
    assert_eq!(third.answer().await.status, 200);
}
