//! How much of something each address has at a time: connections, or requests that are answered.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::proxies;
use crate::access::Peer;
use crate::config::plan::Server;

/// What each address has, as far as its kind is counted.
#[derive(Clone)]
pub struct Addresses {
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
    /// Most of one address, if the configuration does not say.
    usual: usize,
}

/// One that is counted for its address, until this is dropped.
pub struct Counted {
    address: IpAddr,
    of: Addresses,
}

/// An address has as many as one may have.
#[derive(Clone, Copy, Debug)]
pub struct TooMany;

impl Addresses {
    /// Nobody has anything yet; one address may have half of what there is.
    pub fn sharing(all: usize) -> Self {
        Self { counts: Arc::default(), usual: all.div_ceil(2) }
    }

    /// Counts one more of this address, if its kind is counted.
    pub fn count(&self, server: &Server, from: IpAddr) -> Result<Option<Counted>, TooMany> {
        let from = from.to_canonical();
        let most = match server.max_connections_per_address {
            _ if proxies::is_trusted(server, from) => return Ok(None),
            Some(most) => most,
            None if from.is_loopback() => return Ok(None),
            None => self.usual,
        };
        let address = Peer(from).network();
        let mut counts = self.counts();
        let count = counts.entry(address).or_default();
        if *count >= most {
            return Err(TooMany);
        }
        *count += 1;
        drop(counts);
        Ok(Some(Counted { address, of: self.clone() }))
    }

    /// True if nobody has anything.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.counts().is_empty()
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.of.counts();
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}
