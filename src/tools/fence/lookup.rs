//! Looking names up for a connection: addresses behind the fence are not among the answers.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::{is_never, is_public};

/// Finds the addresses of a name; by default as the system does.
#[derive(Clone, Default)]
pub struct Lookup(Option<Arc<Finder>>);

type Finder = dyn Fn(String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> + Send + Sync;

impl Lookup {
    /// Finds them with a function.
    pub fn new<F>(find: impl Fn(String) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<Vec<IpAddr>>> + Send + 'static,
    {
        Self(Some(Arc::new(move |name| Box::pin(find(name)))))
    }

    async fn find(&self, name: String) -> io::Result<Vec<IpAddr>> {
        match &self.0 {
            Some(find) => find(name).await,
            None => Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect()),
        }
    }
}

/// All addresses of the name are behind the fence.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the name has no address of the public internet")]
pub(super) struct Closed;

/// What the client looks names up with.
pub(super) struct Guarded {
    pub(super) lookup: Lookup,
    /// True if addresses inside will do.
    pub(super) any: bool,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (lookup, any) = (self.lookup.clone(), self.any);
        Box::pin(async move {
            let found = lookup.find(name.as_str().to_owned()).await?;
            let (open, closed): (Vec<_>, Vec<_>) =
                found.into_iter().partition(|ip| if any { !is_never(*ip) } else { is_public(*ip) });
            if open.is_empty() && !closed.is_empty() {
                return Err(Closed.into());
            }
            let open = open.into_iter().map(|ip| SocketAddr::new(ip, 0));
            Ok(Box::new(open) as Addrs)
        })
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Lookup")
    }
}
