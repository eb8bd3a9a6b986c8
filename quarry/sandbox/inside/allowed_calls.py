"""Which system calls a program may make: the whole policy of the filter, as data.

An allow-list: what is not named here is refused with EPERM, what the kernel learned later with
ENOSYS, as an older kernel would. The file system layer decides which files `openat` reaches; what
is refused here is what no file system can decide: new processes, signals to others, networks,
ownership and modes, namespaces, and objects of the kernel that outlive their process.
"""

from __future__ import annotations

from dataclasses import dataclass

OWN_PID = -1
"""Stands for the worker's own process id, which is known only after the fork."""


@dataclass(frozen=True)
class Argument:
    """A condition on the low 32 bits of one argument: `(argument & mask)` is one of `values`.

    For arguments that the kernel reads as int, and for flags whose upper half it ignores.
    """

    index: int
    values: tuple[int, ...]
    mask: int = 0xFFFFFFFF


@dataclass(frozen=True)
class NullPointer:
    """A condition on all 64 bits of one argument: no pointer is given."""

    index: int


Condition = Argument | NullPointer

_FILES = """
    access chdir close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2
    fadvise64 fallocate fchdir fdatasync fgetxattr flistxattr flock fstat fstatfs fsync ftruncate
    getcwd getdents getdents64 getxattr lgetxattr link linkat listxattr llistxattr lseek lstat
    memfd_create mkdir mkdirat newfstatat pread64 preadv preadv2 pwrite64 pwritev pwritev2 read
    readahead readlink readlinkat readv rename renameat renameat2 rmdir sendfile stat statfs statx
    symlink symlinkat sync_file_range umask unlink unlinkat write writev
"""
_WAITING = """
    alarm clock_getres clock_gettime clock_nanosleep epoll_create epoll_create1 epoll_ctl
    epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 getitimer gettimeofday nanosleep pause
    pipe pipe2 poll ppoll pselect6 select setitimer time timer_create timer_delete
    timer_getoverrun timer_gettime timer_settime timerfd_create timerfd_gettime timerfd_settime
"""
_MEMORY = """
    brk get_mempolicy madvise membarrier mincore mmap mprotect mremap msync munmap
"""
_OWN_PROCESS = """
    capget exit exit_group futex futex_waitv get_robust_list getcpu getegid geteuid getgid
    getgroups getpgid getpgrp getpid getppid getpriority getrandom getresgid getresuid getrlimit
    getrusage getsid gettid getuid restart_syscall rseq rt_sigaction rt_sigpending rt_sigprocmask
    rt_sigreturn rt_sigsuspend rt_sigtimedwait sched_get_priority_max sched_get_priority_min
    sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval
    sched_yield set_robust_list set_tid_address setrlimit sigaltstack signalfd signalfd4 sysinfo
    times uname wait4 waitid
"""
_CHANNELS = "getpeername getsockname getsockopt recvfrom shutdown"

ALLOWED = frozenset(" ".join((_FILES, _WAITING, _MEMORY, _OWN_PROCESS, _CHANNELS)).split())
"""Calls that are allowed whatever their arguments are."""

_CLONE_THREAD = 0x00010000
_CLONE_NEW_ANYTHING = 0x7E020000
_AF_UNIX = 1
_SOCK_STREAM, _SOCK_TYPE_MASK = 1, 0xF
_PRIO_PROCESS = 0

_FCNTL_COMMANDS = (
    *range(8),  # F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_SETLK, F_SETLKW
    *(36, 37, 38),  # the same locks by open file: F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW
    1030,  # F_DUPFD_CLOEXEC
    1032,  # F_GETPIPE_SZ
    *(1033, 1034),  # F_ADD_SEALS, F_GET_SEALS
)
_IOCTL_REQUESTS = (
    0x5401,  # TCGETS: is this a terminal
    0x5413,  # TIOCGWINSZ
    0x541B,  # FIONREAD
    0x5421,  # FIONBIO
    0x5450,  # FIONCLEX
    0x5451,  # FIOCLEX
)
_PRCTL_OPTIONS = (
    2,  # PR_GET_PDEATHSIG
    3,  # PR_GET_DUMPABLE
    15,  # PR_SET_NAME, of a thread
    16,  # PR_GET_NAME
    21,  # PR_GET_SECCOMP
    23,  # PR_CAPBSET_READ
    39,  # PR_GET_NO_NEW_PRIVS
    0x53564D41,  # PR_SET_VMA: names of memory areas
)
_READ, _WRITE, _BOTH, _TRUNCATE = 0, 1, 2, 0x200  # of open; to truncate while reading is refused,
# and so is `truncate` by a path: Landlock does not know them before its ABI 3
_OPEN_MODES = (_READ, _WRITE, _BOTH, _WRITE | _TRUNCATE, _BOTH | _TRUNCATE)
_OPEN_MASK = 3 | _TRUNCATE
_ITSELF = Argument(0, (0, OWN_PID))

CONDITIONAL: dict[str, tuple[Condition, ...]] = {
    "clone": (Argument(0, (_CLONE_THREAD,), _CLONE_THREAD | _CLONE_NEW_ANYTHING),),
    "fcntl": (Argument(1, _FCNTL_COMMANDS),),
    "ioctl": (Argument(1, _IOCTL_REQUESTS),),
    "kill": (Argument(0, (OWN_PID,)),),
    "open": (Argument(1, _OPEN_MODES, _OPEN_MASK),),
    "openat": (Argument(2, _OPEN_MODES, _OPEN_MASK),),
    "prctl": (Argument(0, _PRCTL_OPTIONS),),
    "prlimit64": (_ITSELF,),
    "sched_setaffinity": (_ITSELF,),
    "sendto": (NullPointer(4),),
    "setpriority": (Argument(0, (_PRIO_PROCESS,)), Argument(1, (0, OWN_PID))),
    "socketpair": (
        Argument(0, (_AF_UNIX,)),
        Argument(1, (_SOCK_STREAM,), _SOCK_TYPE_MASK),
    ),
    "tgkill": (Argument(0, (OWN_PID,)),),
}
"""Calls that are allowed if all conditions hold."""

PRETENDED = frozenset(("chmod", "fchmod", "fchmodat", "futimesat", "utime", "utimensat", "utimes"))
"""Calls that are answered with success and do nothing: copying and unpacking files ends with them,
and they would reach files that a file system shows read-only."""

UNKNOWN_HERE = frozenset({"clone3", "openat2"})
"""Calls that hide their flags behind a pointer; programs that hear ENOSYS take the older way."""
