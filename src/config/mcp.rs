//! What the user writes about an MCP server.

use super::file::{HeaderText, Key, List, Optional};
use super::read::{At, Named, section};
use super::values::{Deadline, Size, Whole, Word};
use crate::tools::Permission;

section! {
    /// An MCP server: a program that is started, or an address that is called.
    McpServer, "an MCP server" {
        /// The program to start. It speaks MCP through its standard input and output.
        command: Optional<String>,
        /// The program's arguments.
        args: List<String>,
        /// The program's environment variables, as texts or as `{ env = "…" }` or `{ file = "…" }`. Of the gateway's own
        /// it gets HOME, LANG, LC_ALL, LOGNAME, PATH, SHELL, TERM, TMPDIR, TZ and USER.
        env: Optional<Named<At<HeaderText>>>,
        /// The folder that the program runs in, relative to this file. Default: the folder of this file.
        cwd: Optional<String>,
        /// The address to call, over streamable HTTP.
        url: Optional<String>,
        /// Headers of every request, as texts or as `{ env = "…" }` or `{ file = "…" }`.
        headers: Optional<Named<At<HeaderText>>>,
        /// Where the token of `authorization: Bearer …` comes from: an environment variable or a file.
        bearer: Optional<Key>,
        /// How long a call may take. Default: "60s".
        timeout: Optional<Deadline>,
        /// How long the start may take, to the list of tools. Default: "30s".
        start_timeout: Optional<Deadline>,
        /// The tools that may be called, by the server's own names for them. Default: all.
        tools: List<String>,
        /// What stands in front of the names that models see; it may be empty. Default: the server's name and `_`.
        prefix: Optional<String>,
        /// Most tools; the rest is left out. Default: 128.
        max_tools: Optional<Whole<1, 10_000>>,
        /// Most text in an output; the rest is cut. Default: "64KiB".
        max_output: Optional<Size>,
        /// Whether its calls run: "allow", "ask" for those that a person allows one by one, or "deny". Default: "allow".
        permission: Optional<Word<Permission>>,
    }
}
