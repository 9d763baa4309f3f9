//! What a command may try. Each script says `ESCAPED` where it gets what it wants; its last line says what happened.

/// An attempt: what it is called, and the script. `$OUTSIDE` is a folder of the gateway's user with `secret`,
/// `gateway.toml`, `store.db` and a listening `socket` in it; `$PORT` and `$NAME` are a TCP port and an abstract socket
/// that somebody outside listens on; `$GATEWAY` is the gateway's process; `$MARK` is a name for processes that try to stay.
pub const ATTEMPTS: &[(&str, &str)] = &[
    // Files.
    ("read /etc/shadow", "cat /etc/shadow && echo ESCAPED"),
    ("read the configuration", "cat $OUTSIDE/gateway.toml && echo ESCAPED"),
    ("read the store", "cat $OUTSIDE/store.db && echo ESCAPED"),
    ("read through `..`", "cat ../../../..$OUTSIDE/secret && echo ESCAPED"),
    ("read through a symbolic link", "ln -s $OUTSIDE/secret link; cat link && echo ESCAPED"),
    ("read through /proc/1/root", "cat /proc/1/root$OUTSIDE/secret && echo ESCAPED"),
    ("read through a working directory", "cat /proc/1/cwd/../secret && echo ESCAPED"),
    ("take a hard link to a program", "ln /usr/bin/env hard && echo ESCAPED"),
    ("write into /usr", "echo x > /usr/chatwire-escaped && echo ESCAPED"),
    ("write into /etc", "echo x >> /etc/passwd && echo ESCAPED"),
    ("change the mode of a program", "chmod 777 /usr/bin/env && echo ESCAPED"),
    ("change the times of a program", "touch /usr/bin/env && echo ESCAPED"),
    ("write through /proc/self/fd", "exec 7</usr/bin/env; echo x > /proc/self/fd/7 && echo ESCAPED"),
    ("make a device of the disk", "mknod disk b 254 0 && echo ESCAPED"),
    (
        "open devices of the machine",
        "for d in mem kmem sda vda tty ptmx fuse kvm; do [ -e /dev/$d ] && echo ESCAPED; done; echo 'not there'",
    ),
    ("open a file by its handle", "py 304 -100 0 0"),
    (
        "use descriptors of the gateway",
        "for f in /proc/self/fd/*; do [ ${f##*/} -gt 2 ] && [ -e $f ] && echo ESCAPED $f; done; echo 'none but 0 to 2'",
    ),
    // Secrets and other processes.
    ("read the gateway's environment", "env | grep -E 'CARGO|SECRET' && echo ESCAPED || echo 'nothing of it is there'"),
    ("read the environment of process 1", "cat /proc/1/environ && echo ESCAPED"),
    ("read the memory of process 1", "head -c 1 /proc/1/mem && echo ESCAPED"),
    ("write to its own memory through /proc", "echo x > /proc/self/mem && echo ESCAPED"),
    (
        "see processes of the machine",
        "[ $(ls -d /proc/[0-9]* | wc -l) -gt 9 ] && echo ESCAPED || echo 'sees its own alone'",
    ),
    ("end the gateway by its number", "kill -9 $GATEWAY && echo ESCAPED"),
    ("end process 1", "kill -9 1; echo 'still there'"),
    ("end every process", "(kill -9 -1); echo ended"),
    ("trace another process", "py 101 16 1 0 0"),
    ("read another process's memory", "py 310 1 0 0 0 0 0"),
    ("take a descriptor of another process", "py 438 0 0 0"),
    ("use the kernel's keys", "py 250 0 -3 0"),
    // Networks.
    ("connect over IPv4", "exec 7<>/dev/tcp/127.0.0.1/$PORT && echo ESCAPED"),
    ("connect over IPv6", "exec 7<>/dev/tcp/::1/$PORT && echo ESCAPED"),
    ("ask the metadata service", "exec 7<>/dev/tcp/169.254.169.254/80 && echo ESCAPED"),
    ("look up a name", "getent hosts example.com && echo ESCAPED || echo 'no answer'"),
    ("open an IPv4 socket", "py 41 2 1 0"),
    ("open an IPv6 datagram socket", "py 41 10 2 0"),
    ("open a netlink socket", "py 41 16 3 0"),
    ("open a packet socket", "py 41 17 3 768"),
    ("open a socket to the hypervisor", "py 41 40 1 0"),
    ("connect to a socket of the machine", "unix \"$OUTSIDE/socket\""),
    ("connect to an abstract socket of the machine", "unix \"\\0$NAME\""),
    // Using everything up.
    ("fork without end", "f() { f | f & }; f; wait; sleep 5; echo 'could not fork on'"),
    ("fill the memory", "tail /dev/zero"),
    (
        "fill the memory from many processes",
        "for i in 1 2 3 4 5 6 7 8; do head -c 60m /dev/zero | tail -c 60m > /dev/null & done; python3 -c 'import os,time\nfor i in range(8): os.fork() or None\nb=bytearray(60<<20)\ntime.sleep(9)'; echo ESCAPED",
    ),
    (
        "fill the disk with a file",
        "head -c 900m /dev/zero > big; s=$(stat -c %s big); [ $s -gt 67108864 ] && echo ESCAPED; echo \"cut at $s bytes\"",
    ),
    (
        "fill the memory with temporary files",
        "head -c 60m /dev/zero > /tmp/a; head -c 60m /dev/zero > /tmp/b && echo ESCAPED",
    ),
    ("fill the memory with nameless files", "py 319 0 0"),
    ("fill the memory with shared segments", "py 29 0 1048576 950"),
    ("burn processor time", "bash -c 'while :; do :; done'; echo \"ended by signal $(($? - 128))\""),
    // Staying.
    ("leave a process in the background", "exec -a $MARK sleep 1000 & echo 'started, and gone with the command'"),
    (
        "leave a process of its own session",
        "setsid -f bash -c 'exec -a $MARK sleep 1000'; echo 'started, and gone with the command'",
    ),
    (
        "leave a process that forked twice",
        "( ( trap '' HUP TERM INT; exec -a $MARK sleep 1000 ) & ) & wait; echo 'started, and gone with the command'",
    ),
    // More power.
    ("make a user namespace", "unshare -r id && echo ESCAPED"),
    ("make a namespace with clone", "py 56 268435473 0 0 0 0"),
    ("make a namespace with clone3", "py 435 0 0"),
    ("enter a namespace of process 1", "nsenter -t 1 -m id && echo ESCAPED"),
    ("mount a file system", "py 165 0 0 0 0 0"),
    ("mount with the newer calls", "py 430 0 0"),
    ("change the root", "py 161 0"),
    (
        "run a program of root with its rights",
        "su -c id < /dev/null > /dev/null 2>&1 && echo ESCAPED || echo 'it got none'",
    ),
    (
        "gain rights by a program",
        "grep -q 'NoNewPrivs:.1' /proc/self/status || echo ESCAPED; echo 'rights do not grow'",
    ),
    (
        "keep a capability",
        "grep -E 'Cap(Prm|Eff|Amb|Inh):.*[1-9a-f]' /proc/self/status && echo ESCAPED || echo 'there are none'",
    ),
    (
        "make a program that runs as its owner",
        "cp /usr/bin/env owner; chmod 4755 owner; [ -u owner ] && echo ESCAPED; echo 'the mode was refused'",
    ),
    (
        "make one while it is created",
        "python3 -c 'import os; os.close(os.open(\"made\", os.O_CREAT|os.O_WRONLY, 0o4755))'; [ -u made ] && echo ESCAPED; echo 'the mode was refused'",
    ),
    ("use io_uring", "py 425 1 0"),
    ("use bpf", "py 321 0 0 0"),
    ("use performance events", "py 298 0 0 -1 -1 0"),
    ("use userfaultfd", "py 323 0"),
    ("load a module", "py 313 0 0 0"),
    ("use calls of the second ABI", "py 1073741925 16 1 0 0"),
    (
        "type into a terminal",
        "python3 -c 'import fcntl,termios\ntry: fcntl.ioctl(0, termios.TIOCSTI, b\"x\"); print(\"ESCAPED\")\nexcept OSError as e: print(e.strerror)'",
    ),
    ("have the kernel run a program at a crash", "echo '|/tmp/x' > /proc/sys/kernel/core_pattern && echo ESCAPED"),
    ("use control groups", "ls /sys/fs/cgroup && echo ESCAPED"),
    ("set the clock", "date -s 2000-01-01 > /dev/null && echo ESCAPED"),
];

/// What the scripts are written with: `py` makes a system call by its number, `unix` connects to a socket.
pub const PRELUDE: &str = r#"
py() { python3 - "$@" <<'E'
import ctypes, errno, sys
libc = ctypes.CDLL(None, use_errno=True)
done = libc.syscall(*[ctypes.c_long(int(word)) for word in sys.argv[1:]])
print('ESCAPED' if done >= 0 else errno.errorcode[ctypes.get_errno()])
E
}
unix() { python3 - "$1" <<'E'
import socket, sys
try:
    socket.socket(socket.AF_UNIX).connect(sys.argv[1].replace('\\0', '\0'))
    print('ESCAPED')
except OSError as error:
    print(error.strerror)
E
}
"#;
