//! What the process has file descriptors for.

use crate::config::plan::Server;

/// What is kept for files, the store, tools and whatever is open already.
const RESERVE: usize = 64;

/// What each thread that serves connections has open itself.
const OF_THREAD: usize = 8;

/// How much there can be at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Connections of pages.
    pub connections: usize,
    /// Turns, of which each may need a connection to its provider.
    pub turns: usize,
}

/// As much of what the configuration wants as the system has descriptors for, so that what has been taken in can also be
/// answered. Raises the limit of this process as far as it may.
pub fn room(server: &Server) -> Room {
    let wanted = Room { connections: server.max_connections.max(1), turns: (server.max_turns as usize).max(1) };
    let reserve = RESERVE + OF_THREAD * server.threads;
    let needed = wanted.connections.saturating_add(wanted.turns).saturating_add(reserve);
    match raise(needed) {
        Some(limit) => fitting(limit, reserve, wanted),
        None => wanted,
    }
}

/// Tells the operator when there will be less of something than the configuration wants.
pub fn tell(key: &'static str, wanted: usize, most: usize) {
    if most < wanted {
        tracing::warn!(wanted, "the system grants too few file descriptors for `{key}`: it is {most} now");
    }
}

/// What is left of a limit is for both in equal parts; what one of them does not want is for the other.
fn fitting(limit: usize, reserve: usize, wanted: Room) -> Room {
    let left = limit.saturating_sub(reserve.min(limit / 4));
    let half = left / 2;
    let connections = wanted.connections.min(half.max(left.saturating_sub(wanted.turns))).max(1);
    let turns = wanted.turns.min(half.max(left.saturating_sub(connections))).max(1);
    Room { connections, turns }
}

/// Raises the limit of this process to what is needed, as far as it may, and gives it.
#[cfg(unix)]
fn raise(needed: usize) -> Option<usize> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let (mut now, needed) = (limit.current?, needed as u64);
    let wanted = limit.maximum.map_or(needed, |most| most.min(needed));
    let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
    if wanted > now && setrlimit(Resource::Nofile, raised).is_ok() {
        now = wanted;
    }
    usize::try_from(now).ok()
}

#[cfg(not(unix))]
fn raise(_needed: usize) -> Option<usize> {
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn of(connections: usize, turns: usize) -> Room {
        Room { connections, turns }
    }

    #[test]
    fn connections_and_turns_share_what_is_left() {
        for (limit, wanted, given) in [
            (4096, of(1024, 1024), of(1024, 1024)),
            (1024, of(1024, 1024), of(480, 480)),
            (1024, of(1024, 100), of(860, 100)),
            (1024, of(100, 1024), of(100, 860)),
            (96, of(1024, 1024), of(36, 36)),
            (8, of(5, 5), of(3, 3)),
            (0, of(5, 5), of(1, 1)),
        ] {
            assert_eq!(fitting(limit, RESERVE, wanted), given, "{limit} for {wanted:?}");
        }
    }

    proptest! {
        #[test]
        fn no_more_is_given_than_there_is(limit in 16_usize..5000, connections in 1_usize..5000, turns in 1_usize..5000) {
            let given = fitting(limit, RESERVE, of(connections, turns));
            prop_assert!(given.connections + given.turns <= limit);
            prop_assert!((1..=connections).contains(&given.connections) && (1..=turns).contains(&given.turns));
        }
    }

    #[test]
    fn a_few_always_fit() {
        let server = Server { max_connections: 1, max_turns: 1, ..Server::default() };
        assert_eq!(room(&server), of(1, 1));
    }
}
