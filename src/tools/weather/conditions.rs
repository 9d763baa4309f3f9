//! Weather codes (WMO 4677, as forecast services use them) as conditions, and the picture of each.

/// What the sky does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// 0.
    Clear,
    /// 1.
    MostlyClear,
    /// 2.
    PartlyCloudy,
    /// 3, and codes that are not known.
    Overcast,
    /// 45 and 48.
    Fog,
    /// 51 to 57.
    Drizzle,
    /// 61 to 67.
    Rain,
    /// 71 to 77.
    Snow,
    /// 80 to 82.
    RainShowers,
    /// 85 and 86.
    SnowShowers,
    /// 95.
    Thunderstorm,
    /// 96 and 99.
    Hail,
}

impl Condition {
    /// The condition of a code.
    pub const fn of_code(code: u64) -> Self {
        match code {
            0 => Self::Clear,
            1 => Self::MostlyClear,
            2 => Self::PartlyCloudy,
            45 | 48 => Self::Fog,
            51..=57 => Self::Drizzle,
            61..=67 => Self::Rain,
            71..=77 => Self::Snow,
            80..=82 => Self::RainShowers,
            85 | 86 => Self::SnowShowers,
            95 => Self::Thunderstorm,
            96..=99 => Self::Hail,
            _ => Self::Overcast,
        }
    }

    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Clear => "Clear",
            Self::MostlyClear => "Mostly clear",
            Self::PartlyCloudy => "Partly cloudy",
            Self::Overcast => "Overcast",
            Self::Fog => "Fog",
            Self::Drizzle => "Drizzle",
            Self::Rain => "Rain",
            Self::Snow => "Snow",
            Self::RainShowers => "Rain showers",
            Self::SnowShowers => "Snow showers",
            Self::Thunderstorm => "Thunderstorm",
            Self::Hail => "Thunderstorm with hail",
        }
    }

    /// Its picture.
    pub const fn picture(self) -> Picture {
        match self {
            Self::Clear | Self::MostlyClear => Picture::Sun,
            Self::PartlyCloudy => Picture::SunAndCloud,
            Self::Overcast => Picture::Cloud,
            Self::Fog => Picture::Fog,
            Self::Drizzle => Picture::Drizzle,
            Self::Rain | Self::RainShowers => Picture::Rain,
            Self::Snow | Self::SnowShowers => Picture::Snow,
            Self::Thunderstorm | Self::Hail => Picture::Storm,
        }
    }
}

/// A small picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Picture {
    /// A sun.
    Sun,
    /// A cloud before the sun.
    SunAndCloud,
    /// A cloud.
    Cloud,
    /// Lines of fog.
    Fog,
    /// Few drops.
    Drizzle,
    /// Many drops.
    Rain,
    /// Flakes.
    Snow,
    /// Lightning.
    Storm,
    /// A thermometer.
    Thermometer,
    /// Moving air.
    Wind,
    /// A drop.
    Drop,
    /// An umbrella.
    Umbrella,
    /// The sun going up.
    Sunrise,
    /// The sun going down.
    Sunset,
}

impl Picture {
    /// The picture as a `data:` URL of an SVG.
    pub fn url(self) -> String {
        let mut url = "data:image/svg+xml,".to_owned();
        let head = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24' fill='none' stroke-width='2' \
                    stroke-linecap='round' stroke='";
        for text in [head, self.colour(), "'><path d='", self.path(), "'/></svg>"] {
            url.extend(text.chars().map(|character| match character {
                '<' => "%3C".to_owned(),
                '>' => "%3E".to_owned(),
                '#' => "%23".to_owned(),
                ' ' => "%20".to_owned(),
                other => other.to_string(),
            }));
        }
        url
    }

    /// The colour of what stands behind the picture.
    pub const fn tint(self) -> &'static str {
        match self {
            Self::Sun | Self::SunAndCloud | Self::Thermometer | Self::Sunrise | Self::Sunset => "yellow-100",
            Self::Drizzle | Self::Rain | Self::Snow | Self::Drop | Self::Umbrella => "blue-100",
            Self::Storm => "purple-100",
            Self::Cloud | Self::Fog | Self::Wind => "gray-100",
        }
    }

    const fn colour(self) -> &'static str {
        match self {
            Self::Sun | Self::SunAndCloud | Self::Sunrise | Self::Sunset => "#d97706",
            Self::Drizzle | Self::Rain | Self::Snow | Self::Drop | Self::Umbrella => "#2563eb",
            Self::Storm => "#7c3aed",
            Self::Thermometer => "#dc2626",
            Self::Cloud | Self::Fog | Self::Wind => "#64748b",
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Sun => {
                "M12 8a4 4 0 1 0 0 8a4 4 0 1 0 0-8M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1 1M18 18l1 1M19 5l-1 1M6 18l-1 1"
            }
            Self::SunAndCloud => {
                "M9 3v1M3 9h1M5 5l1 1M13 5l-1 1M6 11a3 3 0 1 1 5-3M8 20h9a3 3 0 0 0 0-6a5 5 0 0 0-9-1a3.5 3.5 0 0 0 0 7"
            }
            Self::Cloud => "M7 18h10a4 4 0 0 0 0-8a6 6 0 0 0-11-1a4.5 4.5 0 0 0 1 9",
            Self::Fog => "M4 8h16M6 12h12M4 16h16",
            Self::Drizzle => "M7 13h10a3.5 3.5 0 0 0 0-7a5.5 5.5 0 0 0-10-1a4 4 0 0 0 0 8M9 17v1M15 17v1",
            Self::Rain => "M7 13h10a3.5 3.5 0 0 0 0-7a5.5 5.5 0 0 0-10-1a4 4 0 0 0 0 8M8 17l-1 4M12 17l-1 4M16 17l-1 4",
            Self::Snow => "M12 3v18M4 7l16 10M20 7L4 17",
            Self::Storm => "M7 13h10a3.5 3.5 0 0 0 0-7a5.5 5.5 0 0 0-10-1a4 4 0 0 0 0 8M12 12l-2 4h4l-2 4",
            Self::Thermometer => "M10 14V5a2 2 0 0 1 4 0v9a4 4 0 1 1-4 0",
            Self::Wind => "M3 9h10a3 3 0 1 0-3-3M3 14h15a3 3 0 1 1-3 3",
            Self::Drop => "M12 3c4 5 6 8 6 11a6 6 0 0 1-12 0c0-3 2-6 6-11",
            Self::Umbrella => "M3 12a9 9 0 0 1 18 0zM12 12v6a2 2 0 0 0 4 0",
            Self::Sunrise => "M3 19h18M7 15a5 5 0 0 1 10 0M12 3v5M9 6l3-3l3 3",
            Self::Sunset => "M3 19h18M7 15a5 5 0 0 1 10 0M12 3v5M9 5l3 3l3-3",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_twelve_conditions_and_eight_pictures_of_them() {
        let conditions: Vec<_> = (0..=99).map(Condition::of_code).collect();
        let mut words: Vec<_> = conditions.iter().map(|condition| condition.words()).collect();
        let mut pictures: Vec<_> = conditions.iter().map(|condition| condition.picture().url()).collect();
        for list in [words.len(), pictures.len()] {
            assert_eq!(list, 100);
        }
        words.sort_unstable();
        words.dedup();
        pictures.sort_unstable();
        pictures.dedup();
        assert_eq!((words.len(), pictures.len()), (12, 8));
        assert_eq!(Condition::of_code(u64::MAX), Condition::Overcast);
    }
}
