//! Goes into new namespaces and starts process 1 of them.

use std::fs;
use std::process::{Command, ExitCode};

use nix::sched::{CloneFlags, unshare};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, configure_capability_in_ambient_set, set_capabilities,
};

use super::{COMMAND, Ending, report};

/// The user that commands are inside. Not 0: programs that find themselves to be root expect to have its powers.
const USER: u32 = 1000;

pub fn run(network: bool) -> ExitCode {
    match start(network) {
        Ok(()) => ExitCode::SUCCESS,
        Err(lack) => report(&Ending::Refused(lack)),
    }
}

fn start(network: bool) -> Result<(), String> {
    close_inherited();
    // Away from the gateway's terminal and process group.
    rustix::process::setsid().map_err(|error| format!("no session of its own: {error}"))?;
    let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let mut spaces = CloneFlags::CLONE_NEWUSER
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWCGROUP;
    if !network {
        spaces |= CloneFlags::CLONE_NEWNET;
    }
    unshare(spaces).map_err(|error| format!("the kernel allows no namespaces: {error}"))?;
    let map = |file: &str, text: String| {
        fs::write(format!("/proc/self/{file}"), text).map_err(|error| format!("the kernel maps no users: {error}"))
    };
    map("setgroups", "deny".to_owned())?;
    map("uid_map", format!("{USER} {user} 1"))?;
    map("gid_map", format!("{USER} {group} 1"))?;
    keep_for_inner().map_err(|error| format!("no powers inside the namespaces: {error}"))?;
    let inner = Command::new("/proc/self/exe").args([COMMAND, "--inner"]).env_clear().spawn();
    let mut inner = inner.map_err(|error| format!("no process inside the namespaces: {error}"))?;
    // It reports by itself.
    let _ = inner.wait();
    Ok(())
}

/// Closes what the gateway itself was given by whoever started it: its own files close by themselves.
fn close_inherited() {
    let open = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let open: Vec<i32> = open.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for descriptor in open.into_iter().filter(|descriptor| *descriptor > 2) {
        // The one that the list was read with is closed already.
        let _ = nix::unistd::close(descriptor);
    }
}

/// Lets the next program keep the power to mount, which a user other than 0 loses otherwise.
fn keep_for_inner() -> rustix::io::Result<()> {
    let kept = CapabilitySet::SYS_ADMIN;
    let sets = capabilities(None)?;
    set_capabilities(None, CapabilitySets { inheritable: kept, ..sets })?;
    configure_capability_in_ambient_set(kept, true)
}
