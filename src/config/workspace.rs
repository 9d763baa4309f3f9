//! What the user writes about the workspace and the fence.

use super::file::{HeaderText, List, Optional};
use super::read::{At, Named, Required, section};
use super::tool_kinds::Http;
use super::values::{Deadline, Size, Whole, Word};
use crate::tools::workspace::Per;

section! {
    /// Where requests to addresses that a page or a model names may go: the public internet, and what stands here.
    Fence, "[fence]" {
        /// Origins that may be requested although they are not of the public internet, such as
        /// ["https://wiki.example.com"].
        allow: List<String>,
    }
}

section! {
    /// The folders that the tools of the workspace work in.
    Workspace, "[workspace]" {
        /// The folder, relative to this file; made if it is not there.
        root: Required<String>,
        /// Who shares a folder below it: "thread" for a folder of each conversation, "owner" for one of each user,
        /// "shared" for the root itself. Default: "thread".
        per: Optional<Word<Per>>,
        /// How commands run.
        bash: Optional<Bash>,
        /// The service that searches the web.
        search: Optional<Search>,
    }
}

section! {
    /// How commands run.
    Bash, "[workspace.bash]" {
        /// Whether they may use the network of the gateway's machine, with all that it reaches: the fence does not hold
        /// for them. Default: false.
        network: Optional<bool>,
        /// Most memory. Default: "1GiB".
        memory: Optional<Size>,
        /// Most processes and threads at a time. Default: 256.
        processes: Optional<Whole<8, 32_768>>,
        /// Most processor time of each process. Default: "2m".
        cpu: Optional<Deadline>,
        /// Largest file. Default: "256MiB".
        max_file: Optional<Size>,
        /// Most temporary files. Default: "256MiB".
        temporary: Optional<Size>,
        /// Most output; a command that has more is ended. Default: "16MiB".
        max_output: Optional<Size>,
        /// More folders that they may read, as whole paths.
        readable: List<String>,
        /// More variables of their environment, as texts or as `{ env = "…" }` or `{ file = "…" }`. They see nothing of
        /// the gateway's own.
        environment: Optional<Named<At<HeaderText>>>,
        /// Commands run without any walls if this says "I know that commands run without a sandbox".
        unsandboxed: Optional<String>,
    }
}

section! {
    /// The service that searches the web.
    Search, "[workspace.search]" {
        /// The request, as of a tool with the argument `query`. Its `result` is the list of what was found.
        http: Required<Http>,
        /// The JSON pointer of the title in an item of the list. Default: "/title".
        title: Optional<String>,
        /// That of the address. Default: "/url".
        url: Optional<String>,
        /// That of the summary. Default: "/description".
        text: Optional<String>,
        /// Most items that the model is told. Default: 10.
        most: Optional<Whole<1, 100>>,
    }
}
