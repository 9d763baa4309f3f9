//! Waits for bash, for the gateway to lose interest, and for more memory or processes than there may be.

use std::fs;
use std::io;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, WaitStatus, pidfd_open, wait};

use super::{Ending, Limits};

/// How often is counted.
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// Watches until bash has ended or must end.
pub fn watch(bash: u32, limits: &Limits) -> io::Result<Ending> {
    let bash = i32::try_from(bash).ok().and_then(Pid::from_raw).ok_or_else(|| io::Error::other("no process"))?;
    let ended = pidfd_open(bash, PidfdFlags::empty())?;
    let gateway = io::stdin();
    loop {
        let mut watched = [PollFd::new(&ended, PollFlags::IN), PollFd::new(&gateway, PollFlags::IN)];
        match poll(&mut watched, Some(&PAUSE)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        // The gateway says nothing behind the task: whatever comes is its end of the socket closing.
        let alone = !watched[1].revents().is_empty();
        while let Ok(Some((process, status))) = wait(WaitOptions::NOHANG) {
            if process == bash {
                return Ok(ending(status));
            }
        }
        if alone {
            return Ok(Ending::Signal(Signal::KILL.as_raw()));
        }
        let (processes, memory) = used();
        if memory > limits.memory {
            return Ok(Ending::Memory);
        }
        if processes > limits.processes {
            return Ok(Ending::Processes);
        }
    }
}

fn ending(status: WaitStatus) -> Ending {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(status), _) => Ending::Exit(status),
        (None, signal) => Ending::Signal(signal.unwrap_or_default()),
    }
}

/// The threads and the bytes of memory of all processes that can be seen, which are those of the namespace.
fn used() -> (u64, u64) {
    let (mut processes, mut memory) = (0, 0);
    let Ok(entries) = fs::read_dir("/proc") else { return (0, 0) };
    for entry in entries.flatten() {
        let is_process = entry.file_name().to_str().is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
        if !is_process {
            continue;
        }
        let Ok(status) = fs::read_to_string(entry.path().join("status")) else { continue };
        for line in status.lines() {
            let Some((name, value)) = line.split_once(':') else { continue };
            let number = || value.split_whitespace().next().and_then(|value| value.parse::<u64>().ok()).unwrap_or(0);
            match name {
                "Threads" => processes += number(),
                "RssAnon" | "RssShmem" => memory += number() * 1024,
                _ => {}
            }
        }
    }
    (processes, memory)
}
