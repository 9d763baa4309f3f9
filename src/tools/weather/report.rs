//! The weather at a place: what the model is told, and the same in sentences.

use serde_json::{Map, Value, json};

use super::conditions::Condition;

/// A scale of temperatures, and the units that go with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Degrees Celsius, kilometres an hour.
    Celsius,
    /// Degrees Fahrenheit, miles an hour.
    Fahrenheit,
}

impl Unit {
    /// The unit that a word means.
    pub fn of_word(word: &str) -> Option<Self> {
        match word.trim().to_lowercase().as_str() {
            "c" | "cel" | "celsius" | "metric" | "°c" => Some(Self::Celsius),
            "f" | "fahr" | "fahrenheit" | "imperial" | "°f" => Some(Self::Fahrenheit),
            _ => None,
        }
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Celsius => "celsius",
            Self::Fahrenheit => "fahrenheit",
        }
    }

    /// Its sign.
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Celsius => "°C",
            Self::Fahrenheit => "°F",
        }
    }

    /// The unit of speed that goes with it.
    pub const fn speed(self) -> &'static str {
        match self {
            Self::Celsius => "km/h",
            Self::Fahrenheit => "mph",
        }
    }
}

/// The weather at a place. Times are those of the place, as `HH:MM`.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The place.
    pub location: String,
    /// The unit of all temperatures and speeds in it.
    pub unit: Unit,
    /// When it was observed: a date and a time with its offset.
    pub observed_at: String,
    /// The same as a time.
    pub observed_time: String,
    /// The temperature.
    pub temperature: f64,
    /// What the sky does.
    pub condition: Condition,
    /// What the temperature feels like.
    pub feels_like: Option<f64>,
    /// In percent.
    pub humidity: Option<f64>,
    /// The speed of the wind.
    pub wind: Option<f64>,
    /// Where it comes from, in degrees.
    pub wind_from: Option<f64>,
    /// Today's highest temperature.
    pub high: Option<f64>,
    /// Today's lowest temperature.
    pub low: Option<f64>,
    /// How likely rain is today, in percent.
    pub precipitation: Option<f64>,
    /// Today's sunrise.
    pub sunrise: Option<String>,
    /// Today's sunset.
    pub sunset: Option<String>,
    /// The next hours, six at most.
    pub hours: Vec<Hour>,
}

/// The weather in an hour to come.
#[derive(Clone, Debug, PartialEq)]
pub struct Hour {
    /// When.
    pub time: String,
    /// The temperature.
    pub temperature: f64,
    /// What the sky does.
    pub condition: Condition,
}

impl Report {
    /// What the model is told. What is not known is left out.
    pub fn result(&self) -> Value {
        let hour = |hour: &Hour| json!({"time": hour.time, "temperature": hour.temperature, "conditions": hour.condition.words()});
        let hours: Vec<_> = self.hours.iter().map(hour).collect();
        let known = [
            ("location", json!(self.location)),
            ("unit", json!(self.unit.name())),
            ("observed_at", json!(self.observed_at)),
            ("temperature", json!(self.temperature)),
            ("conditions", json!(self.condition.words())),
            ("feels_like", json!(self.feels_like)),
            ("high", json!(self.high)),
            ("low", json!(self.low)),
            ("humidity_percent", json!(self.humidity)),
            ("wind_speed", json!(self.wind)),
            ("wind_speed_unit", json!(self.wind.map(|_| self.unit.speed()))),
            ("wind_direction", json!(self.wind_from.map(compass))),
            ("precipitation_percent", json!(self.precipitation)),
            ("sunrise", json!(self.sunrise)),
            ("sunset", json!(self.sunset)),
            ("next_hours", json!(Some(hours).filter(|hours| !hours.is_empty()))),
        ];
        let known = known.into_iter().filter(|(_, value)| !value.is_null());
        Value::Object(known.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
    }

    /// The weather in sentences, for a copy button.
    pub fn sentences(&self) -> String {
        let degrees = |number: f64| format!("{}{}", rounded(number), self.unit.sign());
        let now =
            format!("{}: {}, {}", self.location, degrees(self.temperature), self.condition.words().to_lowercase());
        let mut said = vec![now];
        said.extend(self.feels_like.map(|number| format!("It feels like {}", degrees(number))));
        if let (Some(high), Some(low)) = (self.high, self.low) {
            said.push(format!("Today's high is {}, the low {}", degrees(high), degrees(low)));
        }
        said.extend(self.wind_words().map(|wind| format!("Wind: {wind}")));
        said.extend(self.humidity.map(|number| format!("Humidity: {}%", rounded(number))));
        said.extend(self.precipitation.map(|number| format!("Chance of rain: {}%", rounded(number))));
        if let (Some(sunrise), Some(sunset)) = (&self.sunrise, &self.sunset) {
            said.push(format!("The sun is up from {sunrise} to {sunset}"));
        }
        let hours = self.hours.iter().map(|hour| format!("{} {}", hour.time, degrees(hour.temperature)));
        let hours: Vec<_> = hours.collect();
        if !hours.is_empty() {
            said.push(format!("Next hours: {}", hours.join(", ")));
        }
        said.push(format!("Observed at {}", self.observed_time));
        said.join(". ") + "."
    }

    /// The wind with its direction.
    pub fn wind_words(&self) -> Option<String> {
        let speed = format!("{} {}", rounded(self.wind?), self.unit.speed());
        Some(self.wind_from.map_or(speed.clone(), |from| format!("{speed} {}", compass(from))))
    }
}

/// A number without its fraction; never "-0".
pub fn rounded(number: f64) -> String {
    format!("{}", number.round() + 0.0)
}

/// Eight directions.
fn compass(degrees: f64) -> &'static str {
    const WORDS: [&str; 8] = ["N", "NE", "E", "SE", "S", "SW", "W", "NW"];
    let eighth = (degrees.rem_euclid(360.0) / 45.0).round();
    WORDS.into_iter().zip(0_u8..).find(|(_, at)| f64::from(*at) == eighth).map_or("N", |(word, _)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_have_many_words() {
        for word in ["c", "cel", "Celsius", " METRIC ", "°C"] {
            assert_eq!(Unit::of_word(word), Some(Unit::Celsius), "{word}");
        }
        for word in ["f", "fahr", "fahrenheit", "Imperial", "°F"] {
            assert_eq!(Unit::of_word(word), Some(Unit::Fahrenheit), "{word}");
        }
        for word in ["", "kelvin", "celsiusly"] {
            assert_eq!(Unit::of_word(word), None, "{word}");
        }
    }

    #[test]
    fn directions_turn_around() {
        for (degrees, word) in
            [(0.0, "N"), (22.0, "N"), (45.0, "NE"), (180.0, "S"), (338.0, "N"), (-90.0, "W"), (f64::NAN, "N")]
        {
            assert_eq!(compass(degrees), word, "{degrees}");
        }
        assert_eq!((rounded(-0.4), rounded(20.5)), ("0".to_owned(), "21".to_owned()));
    }
}
