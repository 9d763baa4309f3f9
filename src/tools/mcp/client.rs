//! Our side of a connection: what a server tells without being asked.

use std::collections::HashMap;
use std::sync::Arc;

use rmcp::ClientHandler;
use rmcp::model::{
    ClientCapabilities, ClientConfig, Implementation, ProgressNotificationParam, ProgressToken, ProtocolVersion,
};
use rmcp::service::{NotificationContext, RoleClient};
use tokio::sync::{Mutex, Notify, mpsc};

/// Progress of one call that waits to be taken. What comes while it is full is left out.
const WAITING: usize = 16;

/// Who waits for progress, by the token of the call. The lock is held while a call is sent, so that no progress can
/// come before somebody waits for it.
pub type Followers = Arc<Mutex<HashMap<ProgressToken, mpsc::Sender<ProgressNotificationParam>>>>;

/// Our side. Servers that want an answer of a model or of a person get the SDK's refusal.
#[derive(Clone, Debug, Default)]
pub struct Client {
    /// Who waits for progress.
    pub followers: Followers,
    /// Told when the list of tools is another.
    pub changed: Arc<Notify>,
}

/// Adds somebody who waits for progress, and forgets those who do no more.
pub fn follow(
    followers: &mut HashMap<ProgressToken, mpsc::Sender<ProgressNotificationParam>>,
    token: ProgressToken,
) -> mpsc::Receiver<ProgressNotificationParam> {
    followers.retain(|_, follower| !follower.is_closed());
    let (sender, receiver) = mpsc::channel(WAITING);
    followers.insert(token, sender);
    receiver
}

impl ClientHandler for Client {
    fn get_info(&self) -> ClientConfig {
        let ourselves = Implementation::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        let mut info = ClientConfig::new(ClientCapabilities::default(), ourselves);
        info.protocol_version = ProtocolVersion::LATEST_WITH_INITIALIZE;
        info
    }

    async fn on_progress(&self, progress: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        if let Some(follower) = self.followers.lock().await.get(&progress.progress_token) {
            let _ = follower.try_send(progress);
        }
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.changed.notify_one();
    }
}
