//! Invented weather, always the same for the same place: for demonstrations and tests without a network. It says so in
//! the place's name.

use super::conditions::Condition;
use super::report::{Hour, Report, Unit};

/// Weather codes that a sample chooses from.
const CODES: [u64; 6] = [0, 2, 3, 51, 61, 80];

const HOURS: u32 = 6;

/// The weather at a place that nobody has asked about.
pub fn report(name: &str, unit: Unit) -> Report {
    let seed = name.to_lowercase().bytes().fold(7_u32, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
    let degrees = |celsius: u32| {
        let celsius = f64::from(celsius);
        if unit == Unit::Celsius { celsius } else { celsius * 9.0 / 5.0 + 32.0 }
    };
    let condition = |at: u32| {
        let code = CODES.get((seed / 7 + at) as usize % CODES.len());
        Condition::of_code(code.copied().unwrap_or_default())
    };
    let celsius = 5 + seed % 20;
    let hour = |at: u32| Hour {
        time: format!("{:02}:00", 12 + at),
        temperature: degrees(celsius + at % 3),
        condition: condition(at / 2),
    };
    Report {
        location: format!("{name} (sample)"),
        unit,
        observed_at: "2026-01-01T12:00+00:00".to_owned(),
        observed_time: "12:00".to_owned(),
        temperature: degrees(celsius),
        condition: condition(0),
        feels_like: Some(degrees(celsius.saturating_sub(2))),
        humidity: Some(f64::from(30 + seed % 60)),
        wind: Some(f64::from(seed % 40)),
        wind_from: Some(f64::from(seed % 360)),
        high: Some(degrees(celsius + 3)),
        low: Some(degrees(celsius.saturating_sub(4))),
        precipitation: Some(f64::from(seed % 100)),
        sunrise: Some("08:00".to_owned()),
        sunset: Some("17:00".to_owned()),
        hours: (1..=HOURS).map(hour).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_the_same_each_time_and_says_what_it_is() {
        let paris = report("Paris", Unit::Celsius);
        assert_eq!(paris, report("Paris", Unit::Celsius));
        assert_ne!(paris.temperature, report("Oslo", Unit::Celsius).temperature);
        assert_eq!(paris.location, "Paris (sample)");
        let fahrenheit = report("Paris", Unit::Fahrenheit).temperature;
        assert_eq!(fahrenheit, paris.temperature * 9.0 / 5.0 + 32.0);
    }
}
