//! From the moment that a page leaves to the moment that its provider is left.

use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::provider::Provider;
use super::seeds::Seeds;
use super::{Folder, LONG, Page, address};

/// One page, and the tag of its request.
struct Open {
    page: Page,
    tag: String,
}

/// Opens a stream and waits until it is where it should be: asked and silent, or in the middle of its answer.
async fn open(provider: &Provider, gateway: std::net::SocketAddr, number: usize, silent: bool) -> Open {
    let tag = format!("t{number}");
    let coming = provider.shared.coming(&tag);
    let what = if silent { "silent" } else { "slow" };
    let mut page = Page::ask(gateway, "openai-chat", "/ui", &format!("{what} {tag}")).await.unwrap();
    let there = async {
        coming.await.unwrap();
        assert!(silent || page.until("Hello").await, "the answer begins");
    };
    timeout(LONG, there).await.expect("the stream is opened");
    Open { page, tag }
}

/// Lets `leavings` pages leave while `streams` are open, half of them before the first token, and gives the times, sorted.
async fn leave(streams: usize, leavings: usize) -> Vec<Duration> {
    let provider = Provider::start().await;
    let folder = Folder::with(provider.addr, "10m");
    let gateway = folder.gateway();
    let at = address(&gateway);
    let mut pages = Vec::new();
    for number in 0..streams {
        pages.push(open(&provider, at, number, number % 2 == 0).await);
    }
    let mut seeds = Seeds::new(7);
    let mut times = Vec::new();
    for number in 0..leavings {
        let silent = number % 2 == 0;
        let Open { page, tag } =
            std::mem::replace(&mut pages[seeds.below(streams)], open(&provider, at, streams + number, silent).await);
        let left = provider.shared.leaving(&tag);
        if number % 3 == 0 {
            let _ = page.socket.set_zero_linger();
        }
        let begin = Instant::now();
        drop(page);
        let end = timeout(LONG, left).await.expect("the provider is left").unwrap();
        times.push(end.saturating_duration_since(begin));
    }
    times.sort();
    times
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_that_leaves_takes_its_provider_along() {
    assert_eq!(leave(8, 20).await.len(), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "figures, for a release build on a quiet machine"]
async fn a_thousand_leavings_at_five_hundred_streams() {
    let times = leave(500, 1000).await;
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!("p50 {:?}, p99 {:?}, worst {:?}", at(0.5), at(0.99), times[times.len() - 1]);
}
