//! The root that commands see: programs to read, one folder to write, and nothing else of the machine.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_bind_recursive, mount_change,
    mount_remount, unmount,
};
use rustix::process::pivot_root;

use super::{FOLDER, Task};

/// Folders with programs and what they need.
const PROGRAMS: [&str; 8] = ["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "etc/ssl/certs"];

/// More folders with settings that programs need; none that holds secrets.
const SETTINGS: [&str; 5] =
    ["etc/alternatives", "etc/ca-certificates", "etc/ld.so.conf.d", "etc/pki/tls/certs", "etc/fonts"];

/// Single files of that kind, which are copied.
const FILES: [&str; 9] = [
    "etc/ld.so.cache",
    "etc/ld.so.conf",
    "etc/localtime",
    "etc/magic",
    "etc/mime.types",
    "etc/nsswitch.conf",
    "etc/protocols",
    "etc/services",
    "etc/ssl/openssl.cnf",
];

/// Files that tell where names are looked up, for commands with a network.
const NAMES: [&str; 3] = ["etc/hosts", "etc/resolv.conf", "etc/gai.conf"];

/// Largest file that is copied, in bytes.
const LARGEST: u64 = 1 << 20;

/// Devices that give and take bytes, and no more.
const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];

const LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "dev/fd"),
    ("/proc/self/fd/0", "dev/stdin"),
    ("/proc/self/fd/1", "dev/stdout"),
    ("/proc/self/fd/2", "dev/stderr"),
    ("/tmp", "dev/shm"),
];

/// Builds the root and goes into it. The old one is out of reach behind it.
pub fn enter(task: &Task) -> Result<(), String> {
    let files = task_files(task.network);
    let base = task.folder.as_path();
    done("/", mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE))?;
    // The folder is covered for a moment, to have a place to stand on; it is there again below the old root.
    temporary(base, "mode=0755,size=8m")?;
    made("/old", fs::create_dir(base.join("old")))?;
    made("/new", fs::create_dir(base.join("new")))?;
    done("the root", pivot_root(base, base.join("old")))?;
    made("/", std::env::set_current_dir("/"))?;
    done("/new", mount_bind("/new", "/new"))?;
    let new = Path::new("/new");
    for (name, bytes) in files {
        let to = new.join(name);
        made(name, to.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&to, bytes)))?;
    }
    for folder in PROGRAMS.into_iter().chain(SETTINGS) {
        show(Path::new(folder), Path::new(folder))?;
    }
    for folder in &task.readable {
        let folder = folder.strip_prefix("/").map_err(|_| "a readable folder has no whole path".to_owned())?;
        show(folder, folder)?;
    }
    devices(new)?;
    made("/proc", fs::create_dir(new.join("proc")))?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    done("/proc", mount("proc", "/new/proc", "proc", flags, None))?;
    made("/tmp", fs::create_dir(new.join("tmp")))?;
    temporary(&new.join("tmp"), &format!("mode=0700,size={}", task.limits.temporary))?;
    let folder = task.folder.strip_prefix("/").map_err(|_| "the folder has no whole path".to_owned())?;
    show(folder, Path::new(FOLDER.trim_start_matches('/')))?;
    made("/new", std::env::set_current_dir("/new"))?;
    done("the root", pivot_root(".", "."))?;
    done("the old root", unmount(".", UnmountFlags::DETACH))?;
    made("/", std::env::set_current_dir("/"))?;
    // A namespace of a network keeps the name of its machine in logs; ours tells nothing.
    rustix::system::sethostname(b"workspace").map_err(|error| format!("no name of its own: {error}"))
}

/// Makes everything read-only but the folder and the one for temporary files.
pub fn close() -> Result<(), String> {
    let mounts = made("/proc", fs::read_to_string("/proc/self/mountinfo"))?;
    for line in mounts.lines() {
        let mut fields = line.split(' ').skip(4);
        let (Some(place), Some(options)) = (fields.next(), fields.next()) else { continue };
        let place = unescape(place);
        let mut flags = MountFlags::BIND | MountFlags::NOSUID;
        for option in options.split(',') {
            // What the machine forbids stays forbidden; the kernel insists.
            match option {
                "nodev" => flags |= MountFlags::NODEV,
                "noexec" => flags |= MountFlags::NOEXEC,
                "ro" => flags |= MountFlags::RDONLY,
                _ => {}
            }
        }
        if !place.starts_with("/dev") {
            flags |= MountFlags::NODEV;
        }
        if !place.starts_with(FOLDER) && place != Path::new("/tmp") {
            flags |= MountFlags::RDONLY;
        }
        done("a part of the root", mount_remount(&place, flags, ""))?;
    }
    Ok(())
}

/// True if the gateway is root, whatever it is called in here.
pub fn is_owned_by_root() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    // Inside, outside, how many; seen from inside, the outside of ours is told as it is.
    map.split_whitespace().nth(1).is_none_or(|outside| outside == "0")
}

fn task_files(network: bool) -> Vec<(&'static str, Vec<u8>)> {
    let names = NAMES.into_iter().filter(|_| network);
    let mut files: Vec<_> = FILES
        .into_iter()
        .chain(names)
        .filter_map(|name| {
            let path = Path::new("/").join(name);
            let metadata = fs::metadata(&path).ok()?;
            let fits = metadata.is_file() && metadata.len() <= LARGEST;
            Some((name, fs::read(&path).ok().filter(|_| fits)?))
        })
        .collect();
    files.push(("etc/passwd", format!("user:x:1000:1000::{FOLDER}:/bin/bash\n").into_bytes()));
    files.push(("etc/group", b"user:x:1000:\n".to_vec()));
    files
}

/// Shows a folder of the old root in the new one. One that is not there is not shown.
fn show(from: &Path, to: &Path) -> Result<(), String> {
    let (from, to) = (Path::new("/old").join(from), Path::new("/new").join(to));
    let Ok(metadata) = fs::symlink_metadata(&from) else { return Ok(()) };
    if let Some(parent) = to.parent() {
        made("a folder", fs::create_dir_all(parent))?;
    }
    if metadata.is_symlink() {
        return made("a link", fs::read_link(&from).and_then(|target| symlink(target, &to)));
    }
    if metadata.is_dir() {
        made("a folder", fs::create_dir_all(&to))?;
    } else {
        made("a file", fs::write(&to, ""))?;
    }
    done("a folder", mount_bind_recursive(&from, &to))
}

fn devices(new: &Path) -> Result<(), String> {
    made("/dev", fs::create_dir(new.join("dev")))?;
    for device in DEVICES {
        let to = new.join("dev").join(device);
        made("a device", fs::write(&to, ""))?;
        done("a device", mount_bind(Path::new("/old/dev").join(device), &to))?;
    }
    for (target, link) in LINKS {
        made("a link", symlink(target, new.join(link)))?;
    }
    Ok(())
}

fn temporary(place: &Path, data: &str) -> Result<(), String> {
    let data = std::ffi::CString::new(data).map_err(|_| "no such size".to_owned())?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    done("a folder in memory", mount("tmpfs", place, "tmpfs", flags, data.as_c_str()))
}

/// A path of `mountinfo`, whose blanks are written as `\040`.
fn unescape(path: &str) -> PathBuf {
    let mut plain = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let octal = behind.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                plain.push(byte);
                rest = behind.get(3..).unwrap_or_default();
            }
            None => {
                plain.push(*first);
                rest = behind;
            }
        }
    }
    use std::os::unix::ffi::OsStringExt as _;
    PathBuf::from(std::ffi::OsString::from_vec(plain))
}

fn done(what: &str, result: rustix::io::Result<()>) -> Result<(), String> {
    result.map_err(|error| format!("the kernel does not mount {what}: {error}"))
}

fn made<T>(what: &str, result: io::Result<T>) -> Result<T, String> {
    result.map_err(|error| format!("the root cannot be laid out ({what}): {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_mounts_are_read_with_their_blanks() {
        for (written, path) in [("/a\\040b", "/a b"), ("/plain", "/plain"), ("/a\\", "/a\\"), ("/\\134", "/\\")] {
            assert_eq!(unescape(written), Path::new(path));
        }
    }
}
