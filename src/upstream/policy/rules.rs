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
    /// What it says of the target's health.
    pub target: Says,
}

/// What a failure says of the target's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// It is ill: enough of these open its circuit.
    Ill,
    /// It is well: it has answered, be it with a refusal.
    Well,
    /// Nothing: it has not been asked.
    Nothing,
}

impl Rule {
    /// The rule for this kind of failure.
    pub const fn of(kind: FailureKind) -> Self {
        use Says::{Ill, Nothing, Well};
        let (other_key, other_target, again, target) = match kind {
            //                               other key, other target, again, the target is
            FailureKind::Auth => (true, true, false, Well),
            FailureKind::BadRequest => (false, false, false, Well),
            FailureKind::Connect => (false, true, true, Ill),
            FailureKind::ContentFilter => (false, false, false, Well),
            FailureKind::ContextLength => (false, true, false, Well),
            FailureKind::Cut => (false, true, true, Ill),
            FailureKind::Empty => (false, true, true, Ill),
            FailureKind::Exhausted => (false, false, false, Nothing),
            FailureKind::Internal => (false, false, false, Nothing),
            FailureKind::Malformed => (false, true, false, Ill),
            FailureKind::NotFound => (false, true, false, Well),
            FailureKind::Overloaded => (false, true, true, Ill),
            FailureKind::Quota => (true, true, false, Well),
            FailureKind::RateLimit => (true, true, true, Well),
            FailureKind::Server => (false, true, true, Ill),
            FailureKind::Shutdown => (false, false, false, Nothing),
            FailureKind::Timeout => (false, true, false, Ill),
        };
        Self { other_key, other_target, again, target }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_page_asked_wrongly_is_asked_nowhere_else() {
        for kind in [FailureKind::BadRequest, FailureKind::ContentFilter] {
            let none = Rule { other_key: false, other_target: false, again: false, target: Says::Well };
            assert_eq!(Rule::of(kind), none, "{kind:?}");
        }
    }

    #[test]
    fn what_is_our_own_fault_goes_wrong_elsewhere_as_well_and_says_nothing_of_the_target() {
        for kind in [FailureKind::Exhausted, FailureKind::Internal, FailureKind::Shutdown] {
            let none = Rule { other_key: false, other_target: false, again: false, target: Says::Nothing };
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
