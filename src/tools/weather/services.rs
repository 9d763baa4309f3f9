//! The services behind the weather: places by their names, and forecasts. Both without a key.

use reqwest::{Method, Request, Url};
use serde_json::Value;

use super::conditions::Condition;
use super::report::{Hour, Report, Unit};
use crate::tools::Net;

/// Largest answer of a service in bytes.
const LARGEST: usize = 1 << 20;

/// Most hours of a forecast that are shown.
const HOURS: usize = 6;

const CURRENT: &str =
    "temperature_2m,apparent_temperature,relative_humidity_2m,wind_speed_10m,wind_direction_10m,weather_code";
const DAILY: &str = "temperature_2m_max,temperature_2m_min,sunrise,sunset,precipitation_probability_max";
const HOURLY: &str = "temperature_2m,weather_code";

/// A place.
#[derive(Clone, Debug, PartialEq)]
pub struct Location {
    /// What it is called.
    pub name: String,
    latitude: f64,
    longitude: f64,
}

/// A service that cannot be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Down;

/// Looks a place up at Open-Meteo's geocoder.
///
/// # Errors
/// The service is down.
pub async fn place(net: &Net, base: &str, name: &str) -> Result<Option<Location>, Down> {
    let query = [("name", name), ("count", "1"), ("language", "en"), ("format", "json")];
    let answer = get(net, base, "search", &query).await?;
    Ok(answer["results"].get(0).and_then(|found| {
        let names = ["name", "admin1", "country"].into_iter().filter_map(|part| found[part].as_str());
        let (latitude, longitude) = (number(&found["latitude"])?, number(&found["longitude"])?);
        Some(Location { name: joined(names)?, latitude, longitude })
    }))
}

/// Looks a place up at Nominatim, which knows more ways to write one.
///
/// # Errors
/// The service is down.
pub async fn place_elsewhere(net: &Net, base: &str, name: &str) -> Result<Option<Location>, Down> {
    let query = [("q", name), ("format", "jsonv2"), ("limit", "1"), ("addressdetails", "1"), ("accept-language", "en")];
    let answer = get(net, base, "search", &query).await?;
    Ok(answer.get(0).and_then(|found| {
        let address = &found["address"];
        let names = [&found["name"], &address["state"], &address["country"]].into_iter().filter_map(Value::as_str);
        let (latitude, longitude) = (number(&found["lat"])?, number(&found["lon"])?);
        Some(Location { name: joined(names)?, latitude, longitude })
    }))
}

/// The weather at a place, from Open-Meteo.
///
/// # Errors
/// The service is down or does not know.
pub async fn forecast(net: &Net, base: &str, place: &Location, unit: Unit) -> Result<Report, Down> {
    let (latitude, longitude) = (place.latitude.to_string(), place.longitude.to_string());
    let query = [
        ("latitude", latitude.as_str()),
        ("longitude", &longitude),
        ("current", CURRENT),
        ("daily", DAILY),
        ("hourly", HOURLY),
        ("temperature_unit", unit.name()),
        ("wind_speed_unit", if unit == Unit::Celsius { "kmh" } else { "mph" }),
        ("timezone", "auto"),
        ("forecast_days", "2"),
    ];
    let answer = get(net, base, "forecast", &query).await?;
    report(&answer, place, unit).ok_or(Down)
}

/// A forecast as a report; nothing if it lacks what every one has.
fn report(answer: &Value, place: &Location, unit: Unit) -> Option<Report> {
    let current = &answer["current"];
    let today = |name: &str| answer["daily"][name].get(0);
    let today_number = |name: &str| today(name).and_then(number);
    let today_time = |name: &str| today(name).and_then(Value::as_str).and_then(clock).map(str::to_owned);
    let observed = current["time"].as_str()?;
    Some(Report {
        location: place.name.clone(),
        unit,
        observed_at: format!("{observed}{}", offset(answer["utc_offset_seconds"].as_i64().unwrap_or_default())),
        observed_time: clock(observed)?.to_owned(),
        temperature: number(&current["temperature_2m"])?,
        condition: Condition::of_code(current["weather_code"].as_u64()?),
        feels_like: number(&current["apparent_temperature"]),
        humidity: number(&current["relative_humidity_2m"]),
        wind: number(&current["wind_speed_10m"]),
        wind_from: number(&current["wind_direction_10m"]),
        high: today_number("temperature_2m_max"),
        low: today_number("temperature_2m_min"),
        precipitation: today_number("precipitation_probability_max"),
        sunrise: today_time("sunrise"),
        sunset: today_time("sunset"),
        hours: hours(&answer["hourly"], observed),
    })
}

/// The hours behind the observation. Times are all of one zone and one form, so they compare as texts.
fn hours(hourly: &Value, observed: &str) -> Vec<Hour> {
    let times = hourly["time"].as_array().into_iter().flatten().enumerate();
    let hour = |(at, time): (usize, &Value)| {
        let time = time.as_str().filter(|time| *time > observed)?;
        Some(Hour {
            time: clock(time)?.to_owned(),
            temperature: number(hourly["temperature_2m"].get(at)?)?,
            condition: Condition::of_code(hourly["weather_code"].get(at)?.as_u64()?),
        })
    };
    times.filter_map(hour).take(HOURS).collect()
}

async fn get(net: &Net, base: &str, path: &str, query: &[(&str, &str)]) -> Result<Value, Down> {
    let base = base.trim_end_matches('/');
    let mut url = Url::parse(&format!("{base}/{path}")).map_err(|_| Down)?;
    url.query_pairs_mut().extend_pairs(query);
    let answer = net.fetch(Request::new(Method::GET, url), LARGEST, |status| status == 200).await;
    let answer = answer.map_err(|error| {
        tracing::warn!(service = path, %error, "a weather service failed");
        Down
    })?;
    serde_json::from_slice(&answer.body).map_err(|_| Down)
}

/// A number, also one that is written as a text.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok()).filter(|number| number.is_finite())
}

/// The names of a place from the small to the large, each once.
fn joined<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut all: Vec<&str> = Vec::new();
    for name in names.filter(|name| !name.is_empty()) {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    Some(all.join(", ")).filter(|name| !name.is_empty())
}

/// The `HH:MM` of a date and time.
fn clock(time: &str) -> Option<&str> {
    time.split_once('T')?.1.get(..5)
}

fn offset(seconds: i64) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.unsigned_abs() / 60;
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_answer_without_an_observation_is_none_and_one_with_nothing_else_is_enough() {
        let place = Location { name: "P".into(), latitude: 0.0, longitude: 0.0 };
        for answer in
            [json!(null), json!([]), json!({"current": {"time": "x", "temperature_2m": 1, "weather_code": 0}})]
        {
            assert_eq!(report(&answer, &place, Unit::Celsius), None, "{answer}");
        }
        let least = json!({"current": {"time": "2026-01-01T00:15", "temperature_2m": 1, "weather_code": 0}});
        let least = report(&least, &place, Unit::Celsius).unwrap();
        assert_eq!((least.observed_at.as_str(), least.hours.len()), ("2026-01-01T00:15+00:00", 0));
        assert_eq!((offset(-12_600), offset(20_700)), ("-03:30".to_owned(), "+05:45".to_owned()));
    }
}
