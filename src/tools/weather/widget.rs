//! The weather as a card that a page shows. Parts without data are left out.

use serde_json::{Value, json};

use super::conditions::Picture;
use super::report::{Hour, Report, rounded};

/// The card's tree.
pub fn widget(report: &Report) -> Value {
    json!({ "type": "Card", "key": "weather", "padding": 0, "children": [header(report), body(report)] })
}

fn header(report: &Report) -> Value {
    let picture = report.condition.picture();
    let badge = json!({
        "type": "Box", "padding": 3, "radius": "full", "background": picture.tint(),
        "children": [image(picture, report.condition.words(), 28)],
    });
    let place = column(&[
        json!({ "type": "Text", "value": report.location, "size": "lg", "weight": "semibold" }),
        json!({ "type": "Caption", "value": format!("Updated {}", report.observed_time) }),
    ]);
    let top = json!({ "type": "Row", "justify": "between", "align": "center", "children": [place, badge] });
    let mut words = vec![json!({ "type": "Text", "value": report.condition.words(), "weight": "medium" })];
    let range = [("High", report.high), ("Low", report.low)];
    let range = range.into_iter().filter_map(|(word, number)| Some(format!("{word} {}°", rounded(number?))));
    let range: Vec<_> = range.collect();
    if !range.is_empty() {
        words.push(json!({ "type": "Text", "value": range.join(" • "), "size": "sm", "color": "secondary" }));
    }
    let degrees = format!("{}{}", rounded(report.temperature), report.unit.sign());
    let title = json!({ "type": "Title", "value": degrees, "size": "5xl", "weight": "semibold" });
    let now = json!({ "type": "Row", "gap": 4, "align": "center", "children": [title, column(&words)] });
    json!({ "type": "Box", "padding": 5, "gap": 4, "background": "surface-tertiary", "children": [top, now] })
}

fn body(report: &Report) -> Value {
    let mut children = Vec::new();
    for (title, chips) in [("Today's highlights", highlights(report)), ("Next hours", hours(&report.hours))] {
        if !chips.is_empty() {
            children.push(json!({ "type": "Text", "value": title, "size": "sm", "weight": "semibold" }));
            children.push(json!({ "type": "Row", "gap": 3, "wrap": "nowrap", "children": chips }));
        }
    }
    json!({ "type": "Box", "padding": 5, "gap": 3, "children": children })
}

fn highlights(report: &Report) -> Vec<Value> {
    let percent = |number: f64| format!("{}%", rounded(number));
    let known = [
        (Picture::Thermometer, "Feels like", report.feels_like.map(|number| format!("{}°", rounded(number)))),
        (Picture::Wind, "Wind", report.wind_words()),
        (Picture::Drop, "Humidity", report.humidity.map(percent)),
        (Picture::Umbrella, "Precipitation", report.precipitation.map(percent)),
        (Picture::Sunrise, "Sunrise", report.sunrise.clone()),
        (Picture::Sunset, "Sunset", report.sunset.clone()),
    ];
    let known = known.into_iter().filter_map(|(picture, label, value)| Some((picture, label, value?)));
    known.map(|(picture, label, value)| chip(image(picture, label, 20), label, &value, None)).collect()
}

fn hours(hours: &[Hour]) -> Vec<Value> {
    let chip = |hour: &Hour| {
        let words = hour.condition.words();
        chip(
            image(hour.condition.picture(), words, 20),
            &hour.time,
            &format!("{}°", rounded(hour.temperature)),
            Some(words),
        )
    };
    hours.iter().map(chip).collect()
}

fn chip(image: Value, label: &str, value: &str, below: Option<&str>) -> Value {
    let mut children = vec![
        image,
        json!({ "type": "Caption", "value": label }),
        json!({ "type": "Text", "value": value, "size": "sm", "weight": "semibold" }),
    ];
    children.extend(below.map(|words| json!({ "type": "Caption", "value": words, "color": "secondary" })));
    json!({
        "type": "Box", "padding": 3, "radius": "xl", "background": "surface-secondary", "width": 120, "minWidth": 120,
        "children": [{ "type": "Col", "gap": 1, "align": "center", "children": children }],
    })
}

fn column(children: &[Value]) -> Value {
    json!({ "type": "Col", "gap": 1, "children": children })
}

fn image(picture: Picture, alt: &str, size: u32) -> Value {
    json!({ "type": "Image", "src": picture.url(), "alt": alt, "size": size, "fit": "contain" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::weather::conditions::Condition;
    use crate::tools::weather::report::Unit;

    #[test]
    fn parts_without_data_are_left_out() {
        let report = Report {
            location: "Nowhere".into(),
            unit: Unit::Celsius,
            observed_at: "2026-11-20T15:00+01:00".into(),
            observed_time: "15:00".into(),
            temperature: -0.2,
            condition: Condition::Fog,
            feels_like: None,
            humidity: None,
            wind: None,
            wind_from: None,
            high: None,
            low: Some(-3.0),
            precipitation: None,
            sunrise: None,
            sunset: None,
            hours: Vec::new(),
        };
        let card = widget(&report);
        assert_eq!(card["children"][1]["children"], json!([]));
        let now = &card["children"][0]["children"][1]["children"];
        assert_eq!((&now[0]["value"], &now[1]["children"][1]["value"]), (&json!("0°C"), &json!("Low -3°")));
        assert!(!card.to_string().contains("null"), "{card}");
        assert_eq!(report.sentences(), "Nowhere: 0°C, fog. Observed at 15:00.");
        let told = report.result();
        assert_eq!(
            told.as_object().unwrap().keys().collect::<Vec<_>>(),
            ["location", "unit", "observed_at", "temperature", "conditions", "low"]
        );
    }
}
