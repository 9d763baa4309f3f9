//! How many connections the process has file descriptors for.

/// What is kept for files, the store, tools and whatever is open already.
const RESERVE: usize = 64;

/// How many of the connections that the configuration wants there can be. Each may need a second descriptor for its
/// provider, so that what has been taken in can also be answered.
pub fn connections(wanted: usize) -> usize {
    let Some(limit) = raise(wanted.saturating_mul(2).saturating_add(RESERVE)) else { return wanted };
    let most = fitting(limit).min(wanted);
    if most < wanted {
        tracing::warn!(
            limit,
            max_connections = wanted,
            "the system grants too few file descriptors for max_connections: it is {most} now"
        );
    }
    most
}

fn fitting(limit: usize) -> usize {
    (limit.saturating_sub(RESERVE.min(limit / 4)) / 2).max(1)
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
    use super::*;

    #[test]
    fn half_of_what_is_left_is_for_connections() {
        for (limit, most) in [(1024, 480), (4096, 2016), (96, 36), (8, 3), (1, 1), (0, 1)] {
            assert_eq!(fitting(limit), most, "{limit}");
        }
    }

    #[test]
    fn a_few_connections_always_fit() {
        assert_eq!(connections(1), 1);
    }
}
