//! One system call: whether anybody else can notice it, and what a person should read of it.

use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use nix::libc;
use nix::unistd::Pid;

/// A system call that is about to be made.
#[derive(Clone, Debug)]
pub struct Call {
    thread: Pid,
    number: u64,
    pub(super) arguments: [u64; 6],
    details: String,
}

macro_rules! table {
    ($name:ident: $($call:ident)*) => {
        const $name: &[(libc::c_long, &str)] = &[$((libc::$call, stringify!($call))),*];
    };
}

// What reads, waits, keeps house in the process's own memory, or lets go of what death lets go of as well: a
// file, a lock, a mapping. Sockets that are made and asked for answers die with the process.
table! { HARMLESS:
    SYS_read SYS_pread64 SYS_readv SYS_preadv SYS_getdents64 SYS_readlinkat SYS_lseek
    SYS_fstat SYS_newfstatat SYS_statx SYS_statfs SYS_fstatfs SYS_faccessat SYS_faccessat2 SYS_getcwd
    SYS_close SYS_close_range SYS_dup SYS_dup3 SYS_fcntl SYS_pipe2 SYS_memfd_create
    SYS_munmap SYS_mprotect SYS_mremap SYS_madvise SYS_brk
    SYS_rt_sigaction SYS_rt_sigprocmask SYS_rt_sigreturn SYS_sigaltstack SYS_signalfd4
    SYS_ppoll SYS_pselect6 SYS_epoll_create1 SYS_epoll_ctl SYS_epoll_pwait SYS_eventfd2 SYS_timerfd_create
    SYS_timerfd_settime SYS_futex SYS_nanosleep SYS_clock_nanosleep SYS_sched_yield SYS_restart_syscall
    SYS_clock_gettime SYS_clock_getres SYS_gettimeofday SYS_getrandom SYS_uname SYS_sysinfo
    SYS_getpid SYS_getppid SYS_gettid SYS_getuid SYS_geteuid SYS_getgid SYS_getegid SYS_getrlimit SYS_prlimit64
    SYS_set_tid_address SYS_set_robust_list SYS_rseq SYS_prctl SYS_sched_getaffinity SYS_getrusage
    SYS_socket SYS_socketpair SYS_bind SYS_getsockname SYS_getpeername SYS_getsockopt SYS_setsockopt
    SYS_recvfrom SYS_recvmsg SYS_wait4 SYS_waitid SYS_pidfd_open SYS_exit
}
#[cfg(target_arch = "x86_64")]
table! { HARMLESS_HERE:
    SYS_arch_prctl SYS_poll SYS_select SYS_epoll_wait SYS_stat SYS_lstat SYS_access SYS_readlink SYS_dup2 SYS_pipe SYS_time
}
#[cfg(not(target_arch = "x86_64"))]
table! { HARMLESS_HERE: }

// Of the others, those that are met, for their names.
table! { NAMED:
    SYS_openat SYS_openat2 SYS_write SYS_pwrite64 SYS_writev SYS_fsync SYS_fdatasync SYS_ftruncate SYS_flock SYS_mkdirat
    SYS_unlinkat SYS_renameat2 SYS_renameat SYS_linkat SYS_symlinkat SYS_fchmod SYS_fchmodat SYS_utimensat
    SYS_bpf SYS_sendto SYS_sendmsg SYS_sendmmsg SYS_connect SYS_ioctl SYS_mount SYS_umount2 SYS_setns SYS_unshare SYS_mmap
    SYS_clone SYS_clone3 SYS_execve SYS_kill SYS_tgkill SYS_pidfd_send_signal SYS_exit_group
}
#[cfg(target_arch = "x86_64")]
table! { NAMED_HERE: SYS_open SYS_mkdir SYS_rmdir SYS_unlink SYS_rename SYS_link SYS_symlink SYS_chmod SYS_fork SYS_vfork }
#[cfg(not(target_arch = "x86_64"))]
table! { NAMED_HERE: }

// What changes files and folders, or makes such a change durable. `openat` and `open` do if they make a file.
table! { CHANGES:
    SYS_write SYS_pwrite64 SYS_writev SYS_pwritev SYS_fsync SYS_fdatasync SYS_sync_file_range SYS_fallocate
    SYS_ftruncate SYS_copy_file_range SYS_sendfile SYS_mkdirat SYS_mknodat SYS_unlinkat SYS_renameat2 SYS_linkat
    SYS_symlinkat SYS_fchmod SYS_fchmodat SYS_fchown SYS_fchownat SYS_utimensat SYS_flock SYS_mount SYS_umount2
}
#[cfg(target_arch = "x86_64")]
table! { CHANGES_HERE:
    SYS_mkdir SYS_rmdir SYS_unlink SYS_rename SYS_renameat SYS_link SYS_symlink SYS_chmod SYS_chown SYS_lchown
}
#[cfg(not(target_arch = "x86_64"))]
table! { CHANGES_HERE: }

/// Commands of bpf(2) that read: a look-up, many of them, the next key, opening a pin, finding by number, facts.
const BPF_READS: [u64; 12] = [1, 4, 7, 11, 12, 13, 14, 15, 16, 24, 30, 31];

/// Commands of bpf(2): a map, an entry, a program, a pin, many entries, a link, another program for it.
const BPF_CHANGES: [u64; 7] = [0, 2, 5, 6, 26, 28, 29];

impl Call {
    pub(super) fn new(thread: Pid, number: u64, arguments: [u64; 6]) -> Self {
        Self {
            thread,
            number,
            arguments,
            details: String::new(),
        }
    }

    fn is(&self, number: libc::c_long) -> bool {
        u64::try_from(number) == Ok(self.number)
    }

    pub(super) fn name(&self) -> Option<&'static str> {
        let tables = [
            HARMLESS,
            HARMLESS_HERE,
            NAMED,
            NAMED_HERE,
            CHANGES,
            CHANGES_HERE,
        ];
        let mut known = tables.into_iter().flatten();
        known
            .find(|(number, _)| self.is(*number))
            .map(|(_, name)| name.trim_start_matches("SYS_"))
    }

    /// Whether nobody outside of the process can tell that it was made.
    pub fn is_harmless(&self) -> bool {
        let [first, _, third, fourth, ..] = self.arguments;
        if self.is(libc::SYS_openat) {
            let makes = libc::O_CREAT | libc::O_TRUNC | libc::O_TMPFILE & !libc::O_DIRECTORY;
            return third & flag(makes) == 0;
        }
        if self.is(libc::SYS_mmap) {
            let is_shared = fourth & flag(libc::MAP_SHARED) != 0;
            return !(is_shared && third & flag(libc::PROT_WRITE) != 0);
        }
        if self.is(libc::SYS_bpf) {
            return BPF_READS.contains(&first);
        }
        let mut harmless = HARMLESS.iter().chain(HARMLESS_HERE);
        harmless.any(|(number, _)| self.is(*number))
    }

    /// Whether it changes a file or a folder; what is said on stdout and stderr, or to a pipe or socket, is none.
    pub(super) fn changes_files(&self) -> bool {
        let flags = if self.is(libc::SYS_openat) {
            self.arguments[2]
        } else if self.name() == Some("open") {
            self.arguments[1]
        } else {
            return self.is_one_of(&[CHANGES, CHANGES_HERE]) && self.is_about_a_file();
        };
        flags & flag(libc::O_CREAT | libc::O_TRUNC) != 0
    }

    /// Whether it makes or changes something of BPF that is needed. Types are not: a map without them is as good.
    pub(super) fn changes_bpf(&self) -> bool {
        self.is(libc::SYS_bpf) && BPF_CHANGES.contains(&self.arguments[0])
    }

    fn is_one_of(&self, tables: &[&[(libc::c_long, &str)]]) -> bool {
        let mut known = tables.iter().copied().flatten();
        known.any(|(number, _)| self.is(*number))
    }

    /// Not if its first argument is a descriptor of a stream, a pipe or a socket.
    fn is_about_a_file(&self) -> bool {
        const BY_DESCRIPTOR: [&str; 14] = [
            "write",
            "pwrite64",
            "writev",
            "pwritev",
            "fsync",
            "fdatasync",
            "ftruncate",
            "flock",
            "read",
            "pread64",
            "readv",
            "getdents64",
            "fstat",
            "sendfile",
        ];
        if !self
            .name()
            .is_some_and(|name| BY_DESCRIPTOR.contains(&name))
        {
            return true;
        }
        let is_stream = self.arguments[0] < 3;
        let file = self.file(self.arguments[0]);
        let is_named = |file: String| file.starts_with('/') && !file.ends_with(" (deleted)");
        !is_stream && file.is_some_and(is_named)
    }

    /// With what can be read of its arguments while the process stands still.
    pub(super) fn with_details(mut self) -> Self {
        if let Some(target) = self.target().filter(|_| self.reads_files()) {
            self.details = target.display().to_string();
            return self;
        }
        let [first, second, third, ..] = self.arguments;
        let path_at = |place| self.path_at(place);
        let details = match self.name() {
            Some(
                "openat" | "mkdirat" | "unlinkat" | "renameat" | "renameat2" | "linkat"
                | "fchmodat" | "newfstatat" | "statx" | "faccessat" | "readlinkat" | "utimensat",
            ) => path_at(second),
            Some(
                "open" | "mkdir" | "rmdir" | "unlink" | "rename" | "chmod" | "execve" | "mount"
                | "umount2" | "stat" | "lstat" | "access" | "readlink" | "statfs",
            ) => path_at(first),
            Some("bpf") => Some(format!("command {first}")),
            Some("write") => self
                .memory(second, third.min(60))
                .map(|it| format!("{:?}", String::from_utf8_lossy(&it)))
                .or_else(|| self.file(first)),
            Some(
                "fsync" | "fdatasync" | "flock" | "ftruncate" | "ioctl" | "read" | "pread64"
                | "readv" | "fstat" | "getdents64" | "fchmod",
            ) => self.file(first),
            // `nlmsg_type` of `struct nlmsghdr`, if it is netlink.
            Some("sendto") => self
                .memory(second, 6)
                .map(|it| format!("type {}", u16::from_ne_bytes([it[4], it[5]]))),
            _ => None,
        };
        self.details = details.unwrap_or_default();
        self
    }

    /// The file that it is about, if it names one from the root.
    pub fn path(&self) -> Option<&Path> {
        let path = Path::new(&self.details);
        path.is_absolute().then_some(path)
    }

    /// The text at this place of the process.
    pub(super) fn path_at(&self, place: u64) -> Option<String> {
        self.memory(place, 200).map(|bytes| c_string(&bytes))
    }

    /// Up to so many bytes of the process; strings may end before.
    fn memory(&self, place: u64, bytes: u64) -> Option<Vec<u8>> {
        let file = File::open(format!("/proc/{}/mem", self.thread)).ok()?;
        let mut buffer = vec![0; usize::try_from(bytes).ok()?];
        let read = file.read_at(&mut buffer, place).ok()?;
        buffer.truncate(read);
        (read >= 6).then_some(buffer)
    }

    pub(super) fn file(&self, descriptor: u64) -> Option<String> {
        let link = std::fs::read_link(format!("/proc/{}/fd/{descriptor}", self.thread));
        Some(link.ok()?.display().to_string())
    }
}

fn flag(flag: i32) -> u64 {
    u64::from(flag.cast_unsigned())
}

fn c_string(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0);
    String::from_utf8_lossy(&bytes[..end.unwrap_or(bytes.len())]).into_owned()
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name)?,
            None => write!(f, "call {}", self.number)?,
        }
        write!(f, "({})", self.details)
    }
}
