//! Logs: one line for each request, and one for each failure with its full text. Message texts, keys, authorization
//! headers and query strings are in none of them.

mod record;

use std::io::IsTerminal as _;
use std::str::FromStr as _;

use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, ParseError, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

pub use record::Record;

const MCP_LIBRARY: &str = "rmcp";

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// A JSON object on each line.
    Json,
}

/// Begins to log to standard error. `filter` is what `CHATWIRE_LOG` holds (`debug`, `info,chatwire=trace`); without
/// one, everything from `info` on.
///
/// # Errors
/// The filter cannot be read. Nothing happens if somebody logs already.
pub fn init(format: LogFormat, filter: Option<&str>) -> Result<(), ParseError> {
    let layer = lines(format, std::io::stderr().is_terminal(), filter, std::io::stderr)?;
    // A program around the gateway may have its own.
    let _ = tracing_subscriber::registry().with(layer).try_init();
    Ok(())
}

/// The log as a layer for whoever has a subscriber of their own: lines with or without colours, where they go, and which.
///
/// # Errors
/// The filter cannot be read.
pub fn lines<S, W>(
    format: LogFormat,
    colours: bool,
    filter: Option<&str>,
    writer: W,
) -> Result<impl Layer<S> + use<S, W>, ParseError>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = match filter.map(str::trim).filter(|filter| !filter.is_empty()) {
        // The MCP library logs whole messages, so it is heard only by who names it.
        Some(filter) if !filter.contains(MCP_LIBRARY) => {
            Targets::from_str(filter)?.with_target(MCP_LIBRARY, LevelFilter::OFF)
        }
        Some(filter) => Targets::from_str(filter)?,
        None => Targets::new().with_default(LevelFilter::INFO).with_target(MCP_LIBRARY, LevelFilter::OFF),
    };
    let lines = tracing_subscriber::fmt::layer().with_target(false).with_writer(writer);
    let layer = match format {
        LogFormat::Text => lines.with_ansi(colours).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed(),
    };
    Ok(layer.with_filter(filter))
}
