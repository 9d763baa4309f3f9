//! Connections that cannot be made because we have used something up: the provider is not to blame.

use std::error::Error;
use std::io;

#[cfg(unix)]
use crate::causes::causes;

/// Which limit of ours an error tells of, in words for the operator.
#[cfg(unix)]
pub fn by(error: &(dyn Error + 'static)) -> Option<&'static str> {
    match code(error) {
        Some(code) => limit(rustix::io::Errno::from_raw_os_error(code)),
        // Names that cannot be looked up do not say why. It may be for want of descriptors.
        None => limit(rustix::io::Errno::from_io_error(&std::fs::File::open("/dev/null").err()?)?),
    }
}

/// The system's own word for an error, or for one of its causes.
#[cfg(unix)]
fn code(error: &(dyn Error + 'static)) -> Option<i32> {
    causes(error).find_map(|cause| cause.downcast_ref::<io::Error>()?.raw_os_error())
}

#[cfg(not(unix))]
pub fn by(_error: &(dyn Error + 'static)) -> Option<&'static str> {
    None
}

#[cfg(unix)]
fn limit(code: rustix::io::Errno) -> Option<&'static str> {
    use rustix::io::Errno;
    match code {
        Errno::MFILE => Some("this process has no file descriptor left (RLIMIT_NOFILE, `ulimit -n`)"),
        Errno::NFILE => Some("the system has no file descriptor left (fs.file-max)"),
        Errno::NOMEM | Errno::NOBUFS => Some("the system has no memory left for connections"),
        Errno::ADDRNOTAVAIL if has_ipv6() => Some("no local port is left (net.ipv4.ip_local_port_range)"),
        _ => None,
    }
}

/// Where there is no IPv6, addresses of it cannot be connected from: the same error, but a lasting one of that address.
#[cfg(unix)]
fn has_ipv6() -> bool {
    std::net::UdpSocket::bind((std::net::Ipv6Addr::LOCALHOST, 0)).is_ok()
}

#[cfg(all(test, unix))]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("no connection")]
    struct Outer(#[source] io::Error);

    fn told(code: Errno) -> Option<&'static str> {
        by(&Outer(code.into()))
    }

    #[test]
    fn what_we_have_used_up_is_told_from_what_the_provider_does() {
        for (code, word) in [
            (Errno::MFILE, "RLIMIT_NOFILE"),
            (Errno::NFILE, "fs.file-max"),
            (Errno::NOMEM, "memory"),
            (Errno::NOBUFS, "memory"),
        ] {
            assert!(told(code).is_some_and(|limit| limit.contains(word)), "{code}");
        }
        for code in [Errno::CONNREFUSED, Errno::HOSTUNREACH, Errno::NETUNREACH, Errno::TIMEDOUT, Errno::CONNRESET] {
            assert_eq!(told(code), None, "{code}");
        }
        assert_eq!(by(&Outer(io::Error::other("no such name"))), None, "there are descriptors");
        assert_eq!(told(Errno::ADDRNOTAVAIL).is_some(), has_ipv6(), "without IPv6 its addresses are at fault");
    }
}
