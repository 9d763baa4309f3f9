//! A provider on a real socket that plays recordings, also such as break.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chatwire::upstream::{Broken, Recorded, Recordings};
use chatwire_protocols::chat::ChatRequest;
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};

use super::fake::Asked;

/// A provider of every protocol: the first segment of its path says which.
pub struct Staged {
    pub addr: SocketAddr,
    serving: AbortHandle,
}

impl Staged {
    pub async fn start(recordings: Arc<Recordings>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let mut answers = JoinSet::new();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                // Many small writes would wait for each other.
                socket.set_nodelay(true).unwrap();
                let recordings = Arc::clone(&recordings);
                answers.spawn(async move {
                    if let Some(asked) = Asked::try_read(socket).await {
                        answer(asked, &recordings).await;
                    }
                });
                while answers.try_join_next().is_some() {}
            }
        });
        Self { addr, serving: serving.abort_handle() }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(mut asked: Asked, recordings: &Recordings) {
    let protocol = asked.head.split('/').nth(1).unwrap().to_owned();
    let model = asked.body["model"].as_str().unwrap().to_owned();
    let recorded = recordings.answer(&protocol, &model, &ChatRequest::default(), Some(Duration::ZERO));
    let Recorded { status, headers, headless, mut body } = recorded.unwrap();
    if !headless {
        let mut head = format!("HTTP/1.1 {status} Staged\r\ntransfer-encoding: chunked\r\n");
        for (name, value) in &headers {
            head.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
        }
        if !asked.try_write(format!("{head}\r\n").as_bytes()).await {
            return;
        }
    }
    loop {
        let piece = tokio::select! {
            piece = poll_fn(|cx| body.poll_read(cx)) => piece,
            // Whoever stalls waits for the gateway to leave.
            () = asked.left() => return,
        };
        let sent = match piece {
            Some(Ok(piece)) => {
                let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), &piece, b"\r\n"].concat();
                asked.try_write(&chunk).await
            }
            Some(Err(Broken::Closed)) => return,
            Some(Err(Broken::Reset)) => return asked.reset(),
            None => {
                asked.try_write(b"0\r\n\r\n").await;
                return;
            }
        };
        if !sent {
            return;
        }
    }
}
