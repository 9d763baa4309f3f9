//! What is done with a request between its reading and the first model call.

mod facts;

use std::pin::Pin;
use std::sync::Arc;

use chatwire_protocols::chat::ChatRequest;

use crate::config::plan::ToolPlan;
use crate::store::{Owner, Store};

/// Every layer there is, in the order in which they are applied.
pub static LAYERS: &[&dyn Layer] = &[&facts::Facts];

/// A layer.
pub trait Layer: Send + Sync {
    /// Its name in the configuration.
    fn name(&self) -> &'static str;

    /// The tools that it brings.
    fn tools(&self) -> &'static [&'static str] {
        &[]
    }

    /// Changes a request. A layer that cannot do its work lets the request pass and says so in the log.
    fn prepare<'a>(&'a self, request: &'a mut Prepared<'_>) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
}

/// A request on its way to the model.
pub struct Prepared<'a> {
    /// Whose it is.
    pub owner: &'a Owner,
    /// Where things are kept.
    pub store: &'a Arc<dyn Store>,
    /// The request.
    pub chat: &'a mut ChatRequest,
    /// The tools that the gateway offers to the model.
    pub tools: &'a mut Vec<Arc<ToolPlan>>,
}
