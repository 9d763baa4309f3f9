//! The wires of the Vercel AI SDK.

#[cfg(test)]
mod data_stream;
#[cfg(test)]
mod text;
#[cfg(test)]
mod typed_lines;

use crate::protocol::Protocol;

/// Every AI SDK wire on one route, chosen by looking at the body
pub static AUTO: Protocol = Protocol {
    name: "vercel-auto",
    aliases: &["vercel"],
    about: "Every AI SDK wire on one route, chosen by looking at the body",
    frontend: None,
    upstream: None,
};

/// AI SDK 3.4 and 4: data stream lines
pub static DATA_STREAM: Protocol = Protocol {
    name: "vercel-data-stream",
    aliases: &[],
    about: "AI SDK 3.4 and 4: data stream lines",
    frontend: None,
    upstream: None,
};

/// AI SDK 5, 6 and 7: UI message stream
pub static UI_STREAM: Protocol = Protocol {
    name: "vercel-ui-stream",
    aliases: &[],
    about: "AI SDK 5, 6 and 7: UI message stream",
    frontend: None,
    upstream: None,
};

/// AI SDK plain text stream
pub static TEXT: Protocol =
    Protocol { name: "vercel-text", aliases: &[], about: "AI SDK plain text stream", frontend: None, upstream: None };

/// The simplified Next.js backend: lines with a type in every payload
pub static TYPED_LINES: Protocol = Protocol {
    name: "vercel-typed-lines",
    aliases: &["vercel-simple"],
    about: "The simplified Next.js backend: lines with a type in every payload",
    frontend: None,
    upstream: None,
};
