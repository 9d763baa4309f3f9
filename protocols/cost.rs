//! What model calls cost in money, in whole numbers: sums of any length are exact.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::event::Usage;

/// An amount of US dollars, in millionths of a millionth: a price of a millionth of a dollar for a million tokens is one
/// of these for each token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cost(pub u64);

/// How many there are in a dollar.
const DOLLAR: u64 = 1_000_000_000_000;

impl Cost {
    /// The sum. Nobody spends eighteen million dollars in a turn.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// In US dollars: the number that is nearest, which prints without digits of its own.
    pub fn dollars(self) -> f64 {
        self.0 as f64 / DOLLAR as f64
    }
}

impl FromStr for Cost {
    type Err = ();

    /// Reads `5`, `0.075`, `2.50`: at most as much as a price may be, to the millionth.
    fn from_str(text: &str) -> Result<Self, ()> {
        let rate: Rate = text.parse()?;
        Ok(Self(rate.0 * (DOLLAR / 1_000_000)))
    }
}

/// The whole amount, with as many digits as it needs: `0.00123`.
impl fmt::Display for Cost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / DOLLAR, format!("{:012}", self.0 % DOLLAR));
        match rest.trim_end_matches('0') {
            "" => write!(formatter, "{whole}"),
            rest => write!(formatter, "{whole}.{rest}"),
        }
    }
}

impl Serialize for Cost {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.dollars())
    }
}

/// A price in US dollars for a million tokens, with at most six digits behind the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(u64);

/// Largest price, in dollars for a million tokens.
const LARGEST: u64 = 1_000_000;

impl FromStr for Rate {
    type Err = ();

    /// Reads `3`, `0.075`, `2.50`.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(rest) || text.ends_with('.') {
            return Err(());
        }
        let rest = rest.trim_end_matches('0');
        if rest.len() > 6 {
            return Err(());
        }
        let whole: u64 = whole.parse().map_err(|_| ())?;
        let rest: u64 = format!("{rest:0<6}").parse().map_err(|_| ())?;
        let rate = whole.checked_mul(1_000_000).and_then(|whole| whole.checked_add(rest)).ok_or(())?;
        if rate > LARGEST * 1_000_000 { Err(()) } else { Ok(Self(rate)) }
    }
}

/// What a model's tokens cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// Input that is neither read from a cache nor written to one.
    pub input: Rate,
    /// Output, reasoning included.
    pub output: Rate,
    /// Input read from a cache, if that price is known.
    pub cached_input: Option<Rate>,
    /// Input written to a cache, if that price is known.
    pub cache_write: Option<Rate>,
}

impl Price {
    /// What a call costs. Nothing where a count or a price that is needed for it is not known.
    pub fn of(&self, usage: &Usage) -> Option<Cost> {
        let (cached, written) = (usage.cached_input.unwrap_or(0), usage.cache_write_input.unwrap_or(0));
        // A provider that counts more from its cache than there was has no fresh input.
        let fresh = usage.input?.saturating_sub(cached).saturating_sub(written);
        let parts = [
            (fresh, Some(self.input)),
            (cached, self.cached_input),
            (written, self.cache_write),
            (usage.output?, Some(self.output)),
        ];
        let mut cost = Cost::default();
        for (tokens, rate) in parts.into_iter().filter(|(tokens, _)| *tokens > 0) {
            cost = cost.plus(Cost(tokens.saturating_mul(rate?.0)));
        }
        Some(cost)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rate(text: &str) -> Rate {
        text.parse().unwrap()
    }

    fn usage(input: u64, cached: Option<u64>, written: Option<u64>, output: u64) -> Usage {
        Usage {
            input: Some(input),
            cached_input: cached,
            cache_write_input: written,
            output: Some(output),
            ..Usage::default()
        }
    }

    #[test]
    fn prices_are_read_to_the_digit() {
        for (text, expected) in [
            ("3", Some(3_000_000)),
            ("0.075", Some(75_000)),
            ("2.50", Some(2_500_000)),
            ("0.000001", Some(1)),
            ("0.0000010", Some(1)),
            ("0", Some(0)),
            ("1000000", Some(1_000_000_000_000)),
            ("1000000.000001", None),
            ("0.0000001", None),
            ("-1", None),
            ("1e3", None),
            ("1.", None),
            (".5", None),
            ("", None),
            ("nan", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(text.parse::<Rate>().ok().map(|rate| rate.0), expected, "{text}");
        }
    }

    #[test]
    fn each_sort_of_token_has_its_price_and_what_is_not_known_is_not_nought() {
        let whole = Price {
            input: rate("3"),
            output: rate("15"),
            cached_input: Some(rate("0.3")),
            cache_write: Some(rate("3.75")),
        };
        let bare = Price { cached_input: None, cache_write: None, ..whole };
        for (price, usage, expected) in [
            (whole, usage(1000, None, None, 100), Some("0.0045")),
            (whole, usage(1000, Some(600), Some(300), 100), Some("0.003105")),
            (whole, usage(10, Some(1000), None, 0), Some("0.0003")),
            (bare, usage(1000, Some(0), Some(0), 100), Some("0.0045")),
            (bare, usage(1000, Some(1), None, 100), None),
            (bare, usage(1000, None, Some(1), 100), None),
            (whole, Usage { input: Some(1), ..Usage::default() }, None),
            (whole, Usage { output: Some(1), ..Usage::default() }, None),
            (whole, Usage::default(), None),
            (whole, usage(0, None, None, 0), Some("0")),
        ] {
            let cost = price.of(&usage).map(|cost| cost.to_string());
            assert_eq!(cost.as_deref(), expected, "{usage:?}");
        }
    }

    #[test]
    fn an_amount_is_a_short_number_of_dollars() {
        for (cost, json) in [(4_500_000_000, "0.0045"), (0, "0.0"), (3_000_000_000_000, "3.0"), (1, "1e-12")] {
            assert_eq!(serde_json::to_string(&Cost(cost)).unwrap(), json);
        }
    }

    proptest! {
        #[test]
        fn a_sum_of_calls_costs_what_the_sum_of_their_tokens_costs(
            calls in proptest::collection::vec((0..2_000_000_u64, 0..1_000_000_u64, 0..1_000_000_u64, 0..200_000_u64), 0..200),
        ) {
            let price = Price {
                input: rate("1.1"),
                output: rate("4.4"),
                cached_input: Some(rate("0.275")),
                cache_write: Some(rate("0.000003")),
            };
            let mut sum = Usage { cost: Some(Cost::default()), ..Usage::default() };
            for (fresh, cached, written, output) in calls {
                let mut call = usage(fresh + cached + written, Some(cached), Some(written), output);
                call.cost = price.of(&call);
                sum.add(&call);
            }
            let counted = sum.input.map_or(Some(Cost::default()), |_| price.of(&sum));
            prop_assert_eq!(sum.cost, counted);
        }
    }
}
