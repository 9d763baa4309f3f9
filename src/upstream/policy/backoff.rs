//! How long to wait before a target is asked again.

use std::time::Duration;

use super::Dice;

/// About how long the first pause is; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(200);

/// Longest pause that nobody asked for.
const LONGEST: Duration = Duration::from_secs(2);

/// The pause before a retry; `retry` counts from 0. Half of it is chance, so that calls that failed together do not come
/// back together. Never shorter than what the provider asked for.
pub fn pause(retry: u32, asked: Option<Duration>, dice: &mut Dice) -> Duration {
    let ceiling = FIRST.saturating_mul(1 << retry.min(8)).min(LONGEST);
    let half = ceiling / 2;
    let own = half + part(half, dice);
    asked.map_or(own, |asked| own.max(asked + part((asked / 10).min(Duration::from_secs(1)), dice)))
}

fn part(most: Duration, dice: &mut Dice) -> Duration {
    Duration::from_micros(dice.below(u64::try_from(most.as_micros()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_pause_is_bounded_and_never_shorter_than_asked_for(
            seed in ".{0,8}",
            retry in 0_u32..100,
            asked in proptest::option::of(0_u64..100_000),
        ) {
            let asked = asked.map(Duration::from_millis);
            let pause = pause(retry, asked, &mut Dice::of(&seed));
            let asked = asked.unwrap_or_default();
            prop_assert!(pause >= asked && pause >= FIRST / 2);
            prop_assert!(pause <= LONGEST.max(asked + Duration::from_secs(1)));
        }
    }

    #[test]
    fn pauses_grow_and_differ() {
        let mut dice = Dice::of("x");
        let mean = |retry: u32, dice: &mut Dice| (0..1000).map(|_| pause(retry, None, dice)).sum::<Duration>() / 1000;
        let means: Vec<_> = (0..4).map(|retry| mean(retry, &mut dice).as_millis()).collect();
        for (mean, expected) in means.iter().zip([150, 300, 600, 1200]) {
            assert!(mean.abs_diff(expected) < expected / 20, "{means:?}");
        }
        let both = [pause(0, None, &mut Dice::of("a")), pause(0, None, &mut Dice::of("b"))];
        assert_ne!(both[0], both[1]);
    }
}
