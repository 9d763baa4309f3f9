//! The weather at a place: data for the model, a card for the page. From services that need no key.

mod conditions;
mod report;
mod sample;
mod services;
mod widget;

pub use report::Unit;

use chatwire_protocols::event::{Data, Text};
use serde_json::{Value, json};

use super::output::floor;
use super::{Net, Speaker, Tool, ToolFuture, ToolInput, ToolOutput};
use report::Report;
use services::{Down, Location};

/// What the tool is for, in words for the model.
pub const DESCRIPTION: &str =
    "The current weather at a place and its forecast for today. The user sees a card with all of it.";

/// Longest name of a place in bytes.
const LONGEST_NAME: usize = 200;

const DOWN: &str = "The weather service cannot be reached right now. Please try again later.";

/// The weather tool.
#[derive(Clone, Debug)]
pub struct Weather {
    /// Where the weather comes from; nothing for an invented one.
    pub services: Option<Services>,
    /// The unit when the model names none.
    pub default_unit: Unit,
}

/// Where the weather comes from.
#[derive(Clone, Debug)]
pub struct Services {
    /// Where it calls from.
    pub net: Net,
    /// Base URL of the geocoder: Open-Meteo's, or one that speaks as it does.
    pub geocoding: String,
    /// Base URL of a geocoder for what that one does not find: Nominatim's, or one that speaks as it does.
    pub second_geocoding: Option<String>,
    /// Base URL of the forecast: Open-Meteo's, or one that speaks as it does.
    pub forecast: String,
}

/// JSON Schema of the tool's arguments. The unit is any text, for models know many words for two units.
pub fn parameters() -> Value {
    json!({
        "type": "object",
        "properties": {
            "location": { "type": "string", "description": "A city or another place, such as Paris." },
            "unit": { "type": "string", "description": "celsius or fahrenheit." },
        },
        "required": ["location"],
    })
}

impl Tool for Weather {
    fn run(&self, input: ToolInput, speaker: Speaker) -> ToolFuture {
        let tool = self.clone();
        Box::pin(async move {
            match tool.look(&input.arguments, &speaker).await {
                Ok(report) => {
                    speaker.data(data(&report, input.call)).await;
                    ToolOutput::ok(report.result())
                }
                Err(why) => ToolOutput::error(why),
            }
        })
    }
}

impl Weather {
    async fn look(&self, arguments: &Value, speaker: &Speaker) -> Result<Report, String> {
        let name = arguments["location"].as_str().unwrap_or_default().trim();
        let name = name.get(..floor(name, LONGEST_NAME)).unwrap_or_default();
        if name.is_empty() {
            return Err("Which city? Name a place to see its weather.".to_owned());
        }
        let unit = match arguments["unit"].as_str().filter(|word| !word.trim().is_empty()) {
            Some(word) => Unit::of_word(word).ok_or("The unit is celsius or fahrenheit.")?,
            None => self.default_unit,
        };
        let Some(services) = &self.services else { return Ok(sample::report(name, unit)) };
        speaker.progress(&format!("Looking for {name}")).await;
        let place = services.place(name).await.map_err(|Down| DOWN)?;
        let place = place.ok_or_else(|| format!("There is no place called \"{name}\" that I could find."))?;
        speaker.progress(&format!("Asking for the weather in {}", place.name)).await;
        services::forecast(&services.net, &services.forecast, &place, unit).await.map_err(|Down| DOWN.to_owned())
    }
}

impl Services {
    /// The first geocoder, and the second for what the first does not know or while it is down.
    async fn place(&self, name: &str) -> Result<Option<Location>, Down> {
        let first = services::place(&self.net, &self.geocoding, name).await;
        match (&first, &self.second_geocoding) {
            (Ok(Some(_)), _) | (_, None) => first,
            (_, Some(second)) => services::place_elsewhere(&self.net, second, name).await.or(first),
        }
    }
}

/// The card for the page, with the same as data and as sentences.
fn data(report: &Report, call: Text) -> Data {
    let mut value = report.result();
    value["copy_text"] = report.sentences().into();
    value["widget"] = widget::widget(report);
    Data { name: "weather".into(), id: Some(call), value, keep: true, ask: None }
}
