//! Logs: one line for each request, and one for each failure with its full text. Message texts, keys, authorization
//! headers and query strings are in none of them.

mod record;

use std::io::IsTerminal as _;
use std::str::FromStr as _;

use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, ParseError, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
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
    let filter = match filter.map(str::trim).filter(|filter| !filter.is_empty()) {
        // The MCP library logs whole messages, so it is heard only by who names it.
        Some(filter) if !filter.contains(MCP_LIBRARY) => {
            Targets::from_str(filter)?.with_target(MCP_LIBRARY, LevelFilter::OFF)
        }
        Some(filter) => Targets::from_str(filter)?,
        None => Targets::new().with_default(LevelFilter::INFO).with_target(MCP_LIBRARY, LevelFilter::OFF),
    };
    let lines = tracing_subscriber::fmt::layer().with_target(false).with_writer(std::io::stderr);
    let layer = match format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed(),
    };
    // A program around the gateway may have its own.
    let _ = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init();
    Ok(())
}
