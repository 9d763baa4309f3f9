//! What a process holds, as the system counts it.

use std::fs;

/// What it holds now.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    /// Resident memory in KiB.
    pub resident: u64,
    /// Open descriptors.
    pub descriptors: usize,
    /// Threads.
    pub threads: u64,
}

/// What the process of this id holds; nothing where the system does not tell.
pub fn held(process: u32) -> Option<Held> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let number = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().trim_end_matches(" kB").parse().ok()
    };
    Some(Held {
        resident: number("VmRSS:")?,
        descriptors: fs::read_dir(format!("/proc/{process}/fd")).ok()?.count(),
        threads: number("Threads:")?,
    })
}
