//! Process 1 of the namespaces: builds the walls around itself, starts bash, and ends everything with it.

use std::io;
use std::process::{Command, ExitCode, Stdio};

use rustix::io::Errno;
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, Signal, set_dumpable_behavior, set_parent_process_death_signal, setrlimit,
};
use rustix::thread::{CapabilitySet, CapabilitySets, clear_ambient_capability_set, set_capabilities};

use super::{Ending, FOLDER, Limits, Task, filter, report, root, rules, watch};

/// Longest task, in bytes: a command and its environment, as JSON.
const LONGEST: usize = 4 << 20;

/// Fewest process numbers that a namespace can have: the kernel keeps 300 for itself.
const FEWEST: u64 = 301;

pub fn run() -> ExitCode {
    let ending = start().unwrap_or_else(Ending::Refused);
    // Leaving ends every process of the namespace.
    report(&ending)
}

fn start() -> Result<Ending, String> {
    let said = |what: &'static str| move |error: Errno| format!("{what}: {error}");
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(said("it would outlive the gateway"))?;
    let task = read_task()?;
    root::enter(&task)?;
    limit(&task.limits)?;
    root::close()?;
    drop_powers().map_err(said("it keeps powers"))?;
    // What process 1 holds is not for its children to read.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(said("its memory stays open"))?;
    rules::restrict(task.network)?;
    filter::install(task.network)?;
    let mut bash = Command::new("/bin/bash");
    bash.args(["--noprofile", "--norc", "-c", &task.command]);
    bash.env_clear().envs(task.environment.iter().map(|(name, value)| (name, value)));
    bash.current_dir(FOLDER).stdin(Stdio::null());
    let child = bash.spawn().map_err(|error| format!("there is no bash: {error}"))?;
    watch::watch(child.id(), &task.limits).map_err(|error| format!("it cannot be watched: {error}"))
}

/// Reads the first line of standard input, and nothing behind it.
fn read_task() -> Result<Task, String> {
    let mut line = Vec::new();
    let mut piece = [0; 4096];
    while line.last() != Some(&b'\n') {
        let read = rustix::io::read(io::stdin(), &mut piece).map_err(|error| format!("no task: {error}"))?;
        line.extend_from_slice(piece.get(..read).unwrap_or_default());
        if read == 0 || line.len() > LONGEST {
            return Err("no task came".to_owned());
        }
    }
    serde_json::from_slice(&line).map_err(|error| format!("no task: {error}"))
}

fn limit(limits: &Limits) -> Result<(), String> {
    let set = |resource, most: u64| {
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        setrlimit(resource, limit).map_err(|error| format!("no limit: {error}"))
    };
    set(Resource::Data, limits.memory)?;
    // Reserved addresses are no memory yet, and some programs reserve a lot.
    set(Resource::As, limits.memory.saturating_mul(64))?;
    set(Resource::Cpu, limits.cpu)?;
    set(Resource::Fsize, limits.file)?;
    set(Resource::Nproc, limits.processes)?;
    set(Resource::Nofile, 1024)?;
    set(Resource::Core, 0)?;
    set(Resource::Msgqueue, 0)?;
    set(Resource::Memlock, 64 << 10)?;
    // The kernel does not limit root by `Nproc`; a bound of process numbers is one for everybody.
    let numbers = std::fs::write("/proc/sys/kernel/pid_max", limits.processes.max(FEWEST).to_string());
    if numbers.is_err() && root::is_owned_by_root() {
        return Err("the kernel does not limit the processes of root: run the gateway as another user".to_owned());
    }
    Ok(())
}

fn drop_powers() -> rustix::io::Result<()> {
    clear_ambient_capability_set()?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
}
