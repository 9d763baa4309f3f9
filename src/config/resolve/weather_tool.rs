//! The weather as a tool.

use super::{Resolver, value};
use crate::config::file::Optional;
use crate::config::placed::Placed;
use crate::config::read::{At, Section};
use crate::config::report::Problem;
use crate::config::tool_kinds;
use crate::config::values::Switch;
use crate::tools::weather::{Services, Unit, Weather, parameters};
use crate::tools::{Arguments, Net};

const GEOCODING: &str = "https://geocoding-api.open-meteo.com/v1";
const SECOND_GEOCODING: &str = "https://nominatim.openstreetmap.org";
const FORECAST: &str = "https://api.open-meteo.com/v1";

impl Resolver<'_> {
    /// The tool. Nothing if something in it is wrong, which has been noted.
    pub fn weather_tool(&mut self, file: &tool_kinds::Weather, net: &Net) -> Option<Weather> {
        let geocoding = self.service(&file.geocoding_url, GEOCODING);
        let second = match &file.second_geocoding_url {
            None => Some(Some(SECOND_GEOCODING.to_owned())),
            Some(At { value: Switch::Off, .. }) => Some(None),
            Some(At { value: Switch::On(url), span }) => {
                self.base_url(&At { value: url.clone(), span: span.clone() }).map(Some)
            }
        };
        let forecast = self.service(&file.forecast_url, FORECAST);
        let services =
            Services { net: net.clone(), geocoding: geocoding?, second_geocoding: second?, forecast: forecast? };
        let tool = Weather {
            services: (!value(&file.sample).copied().unwrap_or_default()).then_some(services),
            default_unit: value(&file.default_unit).copied().unwrap_or(Unit::Fahrenheit),
        };
        file.is_sound().then_some(tool)
    }

    /// Its arguments, which the file cannot change.
    pub fn weather_arguments(&mut self, given: Option<&At<Placed>>) -> Option<Arguments> {
        if let Some(given) = given {
            let problem = Problem::new(given.span.clone(), "`weather` has parameters of its own");
            self.problem(problem.help("leave `parameters` out: they are `location` and `unit`"));
        }
        Arguments::new(parameters()).ok().filter(|_| given.is_none())
    }

    fn service(&mut self, url: &Optional<String>, default: &str) -> Option<String> {
        url.as_ref().map_or_else(|| Some(default.to_owned()), |url| self.base_url(url))
    }
}
