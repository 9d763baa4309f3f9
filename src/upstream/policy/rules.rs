//! What follows a failure before anything has been said: one table for all of them.

use chatwire_protocols::error::FailureKind;

/// What follows a failure. A failure with none of the first three ends the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The key rests, and the provider's next key is tried.
    pub other_key: bool,
    /// The next target is tried.
    pub other_target: bool,
    /// If no other target is left, the same one is tried again after a pause.
    pub again: bool,
    /// It counts against the target's health: enough of them open its circuit.
    pub ill: bool,
}

impl Rule {
    /// The rule for this kind of failure.
    pub const fn of(kind: FailureKind) -> Self {
        let (other_key, other_target, again, ill) = match kind {
            //                               other key, other target, again, ill
            FailureKind::Auth => (true, true, false, false),
            FailureKind::BadRequest => (false, false, false, false),
            FailureKind::Connect => (false, true, true, true),
            FailureKind::ContentFilter => (false, false, false, false),
            FailureKind::ContextLength => (false, true, false, false),
            FailureKind::Cut => (false, true, true, true),
            FailureKind::Empty => (false, true, true, true),
            FailureKind::Internal => (false, false, false, false),
            FailureKind::Malformed => (false, true, false, true),
            FailureKind::NotFound => (false, true, false, false),
            FailureKind::Overloaded => (false, true, true, true),
            FailureKind::Quota => (true, true, false, false),
            FailureKind::RateLimit => (true, true, true, false),
            FailureKind::Server => (false, true, true, true),
            FailureKind::Shutdown => (false, false, false, false),
            FailureKind::Timeout => (false, true, false, true),
        };
        Self { other_key, other_target, again, ill }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_page_asked_wrongly_is_asked_nowhere_else() {
        for kind in [FailureKind::BadRequest, FailureKind::ContentFilter, FailureKind::Internal, FailureKind::Shutdown]
        {
            let none = Rule { other_key: false, other_target: false, again: false, ill: false };
            assert_eq!(Rule::of(kind), none, "{kind:?}");
        }
    }

    #[test]
    fn only_what_may_go_better_the_next_time_is_asked_again() {
        let again = [
            FailureKind::Connect,
            FailureKind::Cut,
            FailureKind::Empty,
            FailureKind::Overloaded,
            FailureKind::RateLimit,
            FailureKind::Server,
        ];
        assert!(again.iter().all(|kind| Rule::of(*kind).again && Rule::of(*kind).other_target));
        let never = [
            FailureKind::Auth,
            FailureKind::ContextLength,
            FailureKind::Malformed,
            FailureKind::NotFound,
            FailureKind::Quota,
            FailureKind::Timeout,
        ];
        assert!(never.iter().all(|kind| !Rule::of(*kind).again && Rule::of(*kind).other_target));
    }
}
