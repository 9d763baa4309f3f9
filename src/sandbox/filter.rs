//! The third wall: system calls that no command needs and that reach into the kernel, into other processes, or out of
//! the namespaces.

use std::collections::BTreeMap;
use std::env::consts::ARCH;

use libc::{
    AF_INET, AF_INET6, AF_UNIX, CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER,
    CLONE_NEWUTS, S_ISGID, S_ISUID,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter,
};

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Refused whatever their arguments are.
const REFUSED: &[i64] = &[
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    // Mounts, namespaces and roots.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_setns,
    // Files without their paths.
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    // Keys, and memory that no limit counts.
    libc::SYS_add_key,
    libc::SYS_keyctl,
    libc::SYS_request_key,
    libc::SYS_memfd_create,
    libc::SYS_memfd_secret,
    libc::SYS_shmget,
    libc::SYS_msgget,
    libc::SYS_semget,
    libc::SYS_mq_open,
    // Ways into the kernel that are seldom needed and often broken.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_personality,
    libc::SYS_mbind,
    libc::SYS_set_mempolicy,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    // The machine.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_uselib,
];

/// Said not to exist: programs then use the older call, whose arguments can be seen.
const UNKNOWN: &[i64] = &[libc::SYS_clone3, libc::SYS_openat2];

/// `ioctl`s that type into, or reconfigure, a terminal: TIOCSTI, TIOCLINUX, TIOCSETD.
const TERMINAL: [u64; 3] = [0x5412, 0x541c, 0x5423];

/// The bit of the calls of the second ABI of x86-64, and its calls that have numbers of their own.
const X32: i64 = 0x4000_0000;
const X32_OWN: std::ops::RangeInclusive<i64> = 512..=547;

/// Installs the filters for this process and all that it starts.
pub fn install(network: bool) -> Result<(), String> {
    for (rules, errno) in [(refused(network)?, libc::EPERM), (unknown(), libc::ENOSYS)] {
        let errno = errno.unsigned_abs();
        let arch = ARCH.try_into().map_err(|_| format!("there are no filters for {ARCH}"))?;
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(errno), arch);
        let program = filter.and_then(BpfProgram::try_from).map_err(|error| format!("no filter: {error}"))?;
        apply_filter(&program).map_err(|error| format!("the kernel takes no seccomp filter: {error}"))?;
    }
    Ok(())
}

fn unknown() -> Rules {
    with_x32(UNKNOWN.iter().map(|call| (*call, Vec::new())).collect())
}

fn refused(network: bool) -> Result<Rules, String> {
    let mut rules: Rules = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    let mut some = |call: i64, conditions: Vec<Vec<SeccompCondition>>| {
        let made: Result<Vec<_>, _> = conditions.into_iter().map(SeccompRule::new).collect();
        made.map(|made| rules.insert(call, made)).map_err(|error| format!("no filter: {error}"))
    };
    let spaces = [CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET];
    some(libc::SYS_clone, any_bit(0, &spaces.map(i64::from))?)?;
    let families: &[i32] = if network { &[AF_UNIX, AF_INET, AF_INET6] } else { &[AF_UNIX] };
    for call in [libc::SYS_socket, libc::SYS_socketpair] {
        let others = families.iter().map(|family| condition(0, SeccompCmpOp::Ne, i64::from(*family)));
        some(call, vec![others.collect::<Result<_, _>>()?])?;
    }
    let terminal = TERMINAL.map(|request| condition(1, SeccompCmpOp::Eq, request.cast_signed()).map(|one| vec![one]));
    some(libc::SYS_ioctl, terminal.into_iter().collect::<Result<_, _>>()?)?;
    // A program that runs as its owner, for whoever finds it in the folder later.
    let set_id = [i64::from(S_ISUID), i64::from(S_ISGID)];
    let modes = [
        (libc::SYS_fchmod, 1),
        (libc::SYS_fchmodat, 2),
        (libc::SYS_fchmodat2, 2),
        (libc::SYS_openat, 3),
        (libc::SYS_mknodat, 2),
        (libc::SYS_mkdirat, 2),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_chmod, 1),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_open, 2),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_creat, 1),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_mknod, 1),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_mkdir, 1),
    ];
    for (call, argument) in modes {
        some(call, any_bit(argument, &set_id)?)?;
    }
    Ok(with_x32(rules))
}

/// The same for the second ABI, whose calls would slip through otherwise.
fn with_x32(mut rules: Rules) -> Rules {
    if cfg!(target_arch = "x86_64") {
        let twins: Vec<_> = rules.iter().map(|(call, rules)| (call | X32, rules.clone())).collect();
        rules.extend(twins);
        rules.extend(X32_OWN.map(|call| (call | X32, Vec::new())));
    }
    rules
}

fn any_bit(argument: u8, bits: &[i64]) -> Result<Vec<Vec<SeccompCondition>>, String> {
    let one = |bit: &i64| Ok(vec![condition(argument, SeccompCmpOp::MaskedEq(bit.cast_unsigned()), *bit)?]);
    bits.iter().map(one).collect()
}

fn condition(argument: u8, op: SeccompCmpOp, value: i64) -> Result<SeccompCondition, String> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, op, value.cast_unsigned())
        .map_err(|error| format!("no filter: {error}"))
}
