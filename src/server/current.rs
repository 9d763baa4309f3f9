//! The gateway that is in force: who needs it asks for it when something begins, and goes on with what it got.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::gateway::Gateway;
use crate::threads::Swept;

/// How often connections to providers that nobody uses are looked at: some have been closed by the other side.
const CONNECTIONS: Duration = Duration::from_secs(1);

/// Gives the gateway that is in force.
#[derive(Clone)]
pub struct Current(watch::Receiver<Arc<Gateway>>);

/// Puts another one in force.
pub struct Switch(watch::Sender<Arc<Gateway>>);

/// Puts the first gateway in force.
pub fn new(gateway: Gateway) -> (Switch, Current) {
    let (sender, receiver) = watch::channel(Arc::new(gateway));
    (Switch(sender), Current(receiver))
}

impl Current {
    /// The gateway in force.
    pub fn get(&self) -> Arc<Gateway> {
        Arc::clone(&self.0.borrow())
    }

    /// Ends old sessions of the routes that are in force, and closes connections to providers that nobody uses, for as
    /// long as this is waited for.
    pub async fn sweep_always(mut self) -> Infallible {
        let mut swept = Swept::new();
        loop {
            let gateway = Arc::clone(&self.0.borrow_and_update());
            tokio::select! {
                never = gateway.threads.sweep_always(&gateway.plan.routes, &mut swept) => match never {},
                never = sweep_connections(&gateway) => match never {},
                () = self.changed() => {}
            }
        }
    }

    /// Waits until another one is in force.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            // Nobody is left who could put another in force.
            std::future::pending::<()>().await;
        }
    }
}

async fn sweep_connections(gateway: &Gateway) -> Infallible {
    let mut due = tokio::time::interval(CONNECTIONS);
    loop {
        due.tick().await;
        gateway.threads.means().upstreams.sweep();
    }
}

impl Switch {
    /// The gateway in force.
    pub fn get(&self) -> Arc<Gateway> {
        Arc::clone(&self.0.borrow())
    }

    /// Puts this one in force for all that begins from now on.
    pub fn put(&self, gateway: Gateway) {
        self.0.send_replace(Arc::new(gateway));
    }
}
