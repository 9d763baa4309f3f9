//! The wires of the Vercel AI SDK: what `useChat` of the releases 3.4 to 7 sends and accepts.
//!
//! Five descriptors share one frontend: one for each wire, and one that looks at the body. The official wires read the
//! same requests; they differ in the encoder. `README.md` beside this file says what is sent, and why.

mod data_stream;
mod frontend;
mod kept;
mod request;
mod socket;
mod text;
mod typed_lines;
mod ui_stream;

use crate::options::{OptionKind, OptionSpec};
use crate::protocol::{FrontendSpec, Keeps, Protocol};

/// Every AI SDK wire on one route, chosen by looking at the body.
pub static AUTO: Protocol = Protocol {
    name: "vercel-auto",
    aliases: &["vercel"],
    about: "Every AI SDK wire on one route, chosen by looking at the body",
    frontend: Some(FrontendSpec {
        options: &[LINES_LEVEL, USAGE_ANNOTATION, UI_LEVEL, DYNAMIC_TOOLS, USAGE_METADATA, WARNINGS, CONTENT_TYPE],
        make: frontend::any,
        keeps: Keeps::Optional,
        page_calls: false,
    }),
    upstream: None,
};

/// AI SDK 3.4 and 4: data stream lines.
pub static DATA_STREAM: Protocol = Protocol {
    name: "vercel-data-stream",
    aliases: &[],
    about: "AI SDK 3.4 and 4: data stream lines",
    frontend: Some(FrontendSpec {
        options: &[LINES_LEVEL, USAGE_ANNOTATION],
        make: frontend::lines,
        keeps: Keeps::Optional,
        page_calls: false,
    }),
    upstream: None,
};

/// AI SDK 5, 6 and 7: UI message stream.
pub static UI_STREAM: Protocol = Protocol {
    name: "vercel-ui-stream",
    aliases: &[],
    about: "AI SDK 5, 6 and 7: UI message stream",
    frontend: Some(FrontendSpec {
        options: &[UI_LEVEL, DYNAMIC_TOOLS, USAGE_METADATA, WARNINGS],
        make: frontend::ui,
        keeps: Keeps::Optional,
        page_calls: false,
    }),
    upstream: None,
};

/// AI SDK plain text stream.
pub static TEXT: Protocol = Protocol {
    name: "vercel-text",
    aliases: &[],
    about: "AI SDK plain text stream",
    frontend: Some(FrontendSpec { options: &[], make: frontend::text, keeps: Keeps::Optional, page_calls: false }),
    upstream: None,
};

/// The simplified Next.js backend: lines with a type in every payload.
pub static TYPED_LINES: Protocol = Protocol {
    name: "vercel-typed-lines",
    aliases: &["vercel-simple"],
    about: "The simplified Next.js backend: lines with a type in every payload",
    frontend: Some(FrontendSpec {
        options: &[CONTENT_TYPE],
        make: frontend::typed_lines,
        keeps: Keeps::Optional,
        page_calls: false,
    }),
    upstream: None,
};

/// The name of the tool by whose calls a page is asked for approvals, on wires and levels that have no word for them:
/// the page runs it, and its output is the answer (AI SDK wire notes 3.7).
const APPROVAL_TOOL: &str = "request_approval";

const LINES_LEVEL: OptionSpec = OptionSpec {
    name: "lines_level",
    about: "The vocabulary of the data stream lines: \"4\" (default, AI SDK 4.1.63 and later) or \"3\" (AI SDK 3.4 and 4.0).",
    kind: OptionKind::Choice(&["3", "4"]),
};

const USAGE_ANNOTATION: OptionSpec = OptionSpec {
    name: "usage_annotation",
    about: "Whether the end of an answer in data stream lines carries the model's name and the detailed token usage as \
            a message annotation. Default: false.",
    kind: OptionKind::Flag,
};

const UI_LEVEL: OptionSpec = OptionSpec {
    name: "ui_level",
    about: "The vocabulary of the UI message stream: \"floor\" (default) is read by every release of AI SDK 5, 6 and 7; \
            \"5\" needs 5.0.92, \"6\" needs 6.0.0, \"7\" needs 7.0.0 or later.",
    kind: OptionKind::Choice(&["floor", "5", "6", "7"]),
};

const DYNAMIC_TOOLS: OptionSpec = OptionSpec {
    name: "dynamic_tools",
    about: "Whether tool calls are shown as `dynamic-tool` parts, for pages that have no code of their own for a tool. \
            Default: false.",
    kind: OptionKind::Flag,
};

const USAGE_METADATA: OptionSpec = OptionSpec {
    name: "usage_metadata",
    about: "Whether the end of an answer carries the model's name and the token usage as message metadata. Default: true.",
    kind: OptionKind::Flag,
};

const WARNINGS: OptionSpec = OptionSpec {
    name: "warnings",
    about: "Whether the page is told, as transient `data-warning`, what could not be carried over. Default: false.",
    kind: OptionKind::Flag,
};

const CONTENT_TYPE: OptionSpec = OptionSpec {
    name: "content_type",
    about: "The media type of typed lines. Default: `text/plain; charset=utf-8`.",
    kind: OptionKind::Text,
};
