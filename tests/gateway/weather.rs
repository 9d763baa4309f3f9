//! The weather tool, against stand-ins for its services. With `BLESS=1` what the page and the model get is written anew.

use chatwire::config::plan::ToolPlan;
use serde_json::{Value, json};

use crate::support::fake::{Asked, Fake};
use crate::support::page::{Answer, Page};
use crate::support::{Gateway, Setup, configured};

const FIXTURES: &str = "fixtures/tools/weather";

fn fixture(name: &str) -> String {
    std::fs::read_to_string(format!("{FIXTURES}/{name}")).unwrap()
}

fn tool(services: &Fake, more: &str) -> ToolPlan {
    let base = format!("http://{}", services.addr);
    let text = format!(
        "[tools.get_weather.weather]\ngeocoding_url = \"{base}/first/\"\nforecast_url = \"{base}/weather\"\n{more}\n"
    );
    configured(&text.replace("SECOND", &format!("{base}/second")), "get_weather", &|_| None)
}

/// A turn in which the model calls the tool once.
struct Turn {
    provider: Fake,
    services: Fake,
    page: Page,
    _gateway: Gateway,
}

impl Turn {
    async fn begin(arguments: &Value, more: &str) -> Self {
        let (provider, services) = (Fake::start().await, Fake::start().await);
        let mut setup = Setup::new(&[provider.addr]);
        setup.tools = vec![tool(&services, more)];
        let gateway = setup.start().await;
        let page = Page::post(gateway.addr, &json!({"user": "hi"})).await;
        provider.asked().await.answer(&format!("call c get_weather {arguments}\nfinish tool_calls\n")).await;
        Self { provider, services, page, _gateway: gateway }
    }

    /// The next request to a service, which must have these in its first line.
    async fn asked(&self, parts: &[&str]) -> Asked {
        let asked = self.services.asked().await;
        let line = asked.head.lines().next().unwrap();
        for part in parts {
            assert!(line.contains(part), "{part} in {line}");
        }
        asked
    }

    async fn answers(&self, parts: &[&str], body: &str) {
        let asked = self.asked(parts).await;
        asked.refuse("200 OK", "content-type: application/json\r\nconnection: close\r\n", body).await;
    }

    async fn fails(&self, parts: &[&str]) {
        self.asked(parts).await.refuse("503 Busy", "connection: close\r\n", "{\"reason\":\"SERVICE-TEXT\"}").await;
    }

    /// What the model is told, and the page's answer.
    async fn end(self) -> (String, Answer) {
        let asked = self.provider.asked().await;
        let told = asked.body["messages"][2][1][0].as_str().unwrap().to_owned();
        asked.answer("text done\nfinish stop\n").await;
        let answer = self.page.answer().await;
        assert!(!answer.body.contains("SERVICE-TEXT") && !answer.body.contains("127.0.0.1"), "{}", answer.body);
        (told, answer)
    }
}

fn golden(name: &str, value: &Value) {
    let path = format!("{FIXTURES}/{name}");
    let text = serde_json::to_string_pretty(value).unwrap() + "\n";
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, text).unwrap();
    } else {
        assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), text, "{name}; BLESS=1 takes this as right");
    }
}

#[tokio::test]
async fn the_model_gets_data_and_the_page_a_card() {
    let turn = Turn::begin(&json!({"location": " Bern ", "unit": "Metric"}), "").await;
    turn.answers(&["GET /first/search?name=Bern&count=1"], &fixture("place.json")).await;
    let celsius = ["/weather/forecast?latitude=46.94809&longitude=7.44744", "unit=celsius&wind_speed_unit=kmh"];
    turn.answers(&celsius, &fixture("forecast.json")).await;
    let (told, answer) = turn.end().await;
    let result: Value = serde_json::from_str(told.strip_prefix("result c Ok ").expect(&told)).unwrap();
    golden("result.json", &result);
    let events = answer.events();
    let data = events.iter().find(|event| event["event"] == "data").unwrap();
    assert_eq!((&data["name"], &data["id"], &data["keep"]), (&json!("weather"), &json!("c"), &json!(true)));
    golden("widget.json", &data["value"]["widget"]);
    golden("sentences.json", &data["value"]["copy_text"]);
    let names = answer.names();
    let place = |name: &str| names.iter().position(|given| given == name).unwrap();
    assert!(place("tool_start") < place("tool_progress") && place("tool_progress") < place("data"));
    assert!(place("data") < place("tool_result"), "{names:?}");
}

#[tokio::test]
async fn without_a_unit_it_is_fahrenheit_or_what_the_file_says() {
    for (more, unit) in [
        ("", "temperature_unit=fahrenheit&wind_speed_unit=mph"),
        ("default_unit = \"celsius\"", "temperature_unit=celsius&wind_speed_unit=kmh"),
    ] {
        let turn = Turn::begin(&json!({"location": "Bern"}), more).await;
        turn.answers(&[], &fixture("place.json")).await;
        turn.answers(&[unit], &fixture("forecast.json")).await;
        assert!(turn.end().await.0.starts_with("result c Ok"));
    }
}

#[tokio::test]
async fn the_second_geocoder_is_asked_where_the_first_fails_or_knows_nothing() {
    for down in [true, false] {
        let turn = Turn::begin(&json!({"location": "Bern, Schweiz"}), "second_geocoding_url = \"SECOND\"").await;
        if down {
            turn.fails(&["/first/"]).await;
        } else {
            turn.answers(&["/first/"], "{\"generationtime_ms\":1}").await;
        }
        turn.answers(&["/second/search?q=Bern%2C+Schweiz"], &fixture("place-elsewhere.json")).await;
        turn.answers(&["latitude=46.9484742"], &fixture("forecast.json")).await;
        let (told, _) = turn.end().await;
        assert!(told.contains("Bern, Canton of Bern, Switzerland"), "{told}");
    }
}

#[tokio::test]
async fn what_cannot_be_answered_is_said_in_a_sentence() {
    for (arguments, words) in [
        (json!({"location": "  "}), "Which city?"),
        (json!({"location": "Bern", "unit": "kelvin"}), "celsius or fahrenheit"),
        (json!({}), "\\\"location\\\" is a required property"),
    ] {
        let (told, _) = Turn::begin(&arguments, "").await.end().await;
        assert!(told.starts_with("result c Error") && told.contains(words), "{arguments}: {told}");
    }
    let none = "second_geocoding_url = false";
    let turn = Turn::begin(&json!({"location": "Xyz"}), none).await;
    turn.answers(&[], "{}").await;
    assert!(turn.end().await.0.contains("no place called"));

    let turn = Turn::begin(&json!({"location": "Bern"}), none).await;
    turn.fails(&[]).await;
    assert!(turn.end().await.0.contains("cannot be reached right now"));

    for forecast in ["{}", "no json"] {
        let turn = Turn::begin(&json!({"location": "Bern"}), none).await;
        turn.answers(&[], &fixture("place.json")).await;
        turn.answers(&[], forecast).await;
        assert!(turn.end().await.0.contains("cannot be reached right now"), "{forecast}");
    }
}
