//! In which order a call asks the targets of its model.

use super::Dice;

/// The order of the targets with these weights. Without weights it is that of the list. With them each place is drawn
/// among those left, so that also what a target that fails leaves over is spread by weight; who weighs nothing comes
/// last. The target that answered the step before comes `first`.
pub fn order(weights: &[Option<u32>], first: Option<usize>, dice: &mut Dice) -> Vec<usize> {
    let mut left: Vec<usize> = (0..weights.len()).collect();
    let mut order = Vec::with_capacity(left.len());
    if let Some(first) = first.filter(|first| *first < weights.len()) {
        order.push(left.remove(first));
    }
    if weights.iter().any(Option::is_some) {
        let weight = |target: &usize| u64::from(weights[*target].unwrap_or(1));
        while let Some(place) = draw(left.iter().map(weight), dice) {
            order.push(left.remove(place));
        }
    }
    order.extend(left);
    order
}

/// A place, drawn by weight; none if nothing weighs anything.
fn draw(weights: impl Iterator<Item = u64> + Clone, dice: &mut Dice) -> Option<usize> {
    let total = weights.clone().sum();
    let mut at = dice.below(total);
    let mut places = weights.enumerate().filter(|(_, weight)| *weight > 0);
    places.find_map(|(place, weight)| {
        let hit = at < weight;
        at = at.saturating_sub(weight);
        hit.then_some(place)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_target_has_one_place(
            weights in proptest::collection::vec(proptest::option::of(0_u32..1000), 0..8),
            first in proptest::option::of(0_usize..10),
            seed in ".{0,8}",
        ) {
            let order = order(&weights, first, &mut Dice::of(&seed));
            let mut sorted = order.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..weights.len()).collect::<Vec<_>>());
            if let Some(first) = first.filter(|first| *first < weights.len()) {
                prop_assert_eq!(order[0], first);
            }
            if weights.iter().all(Option::is_none) && first.is_none() {
                prop_assert!(order.is_sorted());
            }
        }
    }

    #[test]
    fn weights_are_shares_and_so_is_what_a_target_leaves_over() {
        let weights = [Some(6), Some(3), None, Some(0)];
        let (mut firsts, mut seconds) = ([0; 4], [0; 4]);
        for seed in 0..10_000 {
            let order = order(&weights, None, &mut Dice::of(&format!("turn_{seed}_1")));
            firsts[order[0]] += 1;
            if order[0] == 0 {
                seconds[order[1]] += 1;
            }
            assert_eq!(order[3], 3);
        }
        for (target, share) in [(0, 6000), (1, 3000), (2, 1000)] {
            assert!(i32::abs_diff(firsts[target], share) < 200, "{firsts:?}");
        }
        let rest = firsts[0];
        assert!(i32::abs_diff(seconds[1], rest * 3 / 4) < 200 && seconds[3] == 0, "{seconds:?}");
    }
}
