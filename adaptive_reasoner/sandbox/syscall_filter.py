"""What a sandboxed process may ask of the Linux kernel, as a seccomp filter.

It may compute, start threads, read files, and talk to itself. It can start no process, reach no other, open
no connection, write no file, and send no signal. Whatever is not allowed fails with EPERM, so that a program
sees an ordinary OSError.
"""

import struct
from collections.abc import Iterator

_ALLOWED = {
    # name: its number on x86_64 and on aarch64; None where there is no such call
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "stat": (4, None),
    "fstat": (5, 80),
    "lstat": (6, None),
    "poll": (7, None),
    "lseek": (8, 62),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "brk": (12, 214),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "pread64": (17, 67),
    "readv": (19, 65),
    "writev": (20, 66),
    "access": (21, None),
    "pipe": (22, None),
    "select": (23, None),
    "sched_yield": (24, 124),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "dup": (32, 23),
    "dup2": (33, None),
    "nanosleep": (35, 101),
    "alarm": (37, None),
    "setitimer": (38, 103),
    "getpid": (39, 172),
    "exit": (60, 93),
    "uname": (63, 160),
    "fcntl": (72, 25),
    "getcwd": (79, 17),
    "readlink": (89, None),
    "gettimeofday": (96, 169),
    "getrlimit": (97, 163),
    "getrusage": (98, 165),
    "sysinfo": (99, 179),
    "times": (100, 153),
    "getuid": (102, 174),
    "getgid": (104, 176),
    "geteuid": (107, 175),
    "getegid": (108, 177),
    "getppid": (110, 173),
    "sigaltstack": (131, 132),
    "gettid": (186, 178),
    "time": (201, None),
    "futex": (202, 98),
    "sched_getaffinity": (204, 123),
    "recvfrom": (45, 207),
    "shutdown": (48, 210),
    "socketpair": (53, 199),
    "getdents64": (217, 61),
    "set_tid_address": (218, 96),
    "restart_syscall": (219, 128),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "exit_group": (231, 94),
    "epoll_wait": (232, None),
    "epoll_ctl": (233, 21),
    "newfstatat": (262, 79),
    "readlinkat": (267, 78),
    "faccessat": (269, 48),
    "pselect6": (270, 72),
    "ppoll": (271, 73),
    "set_robust_list": (273, 99),
    "epoll_pwait": (281, 22),
    "eventfd2": (290, 19),
    "epoll_create1": (291, 20),
    "dup3": (292, 24),
    "pipe2": (293, 59),
    "getrandom": (318, 278),
    "statx": (332, 291),
    "rseq": (334, 293),
    "faccessat2": (439, 439),
}
_OPEN, _OPENAT, _CLONE, _CLONE3 = (2, None), (257, 56), (56, 220), (435, 435)
_PRLIMIT, _SENDTO, _IOCTL = (302, 261), (44, 206), (16, 29)
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # the column, and the kernel's name of it
_WRITING = 0o1 | 0o2 | 0o100 | 0o1000 | 0o2000  # to write, both, create, truncate, append
_THREAD = 0x10000
_X32 = 0x40000000
_NOT_BLOCKING = 0x5421  # the ioctl by which a socket stops to block
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _MACHINE, _ARGUMENTS = 0, 4, 16  # where they stand in what a filter sees
_KILL, _ERRNO, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
_EPERM, _ENOTTY, _ENOSYS = 1, 25, 38

_Instruction = tuple[int, int, int, int]

MACHINES = tuple(_MACHINES)
"""The processors that there is a filter for, as `platform.machine()` calls them."""


def assemble_filter(machine: str) -> bytes:
    """The filter for a processor, as the kernel takes it: eight bytes an instruction.

    Example:
        >>> len(assemble_filter("x86_64")) % 8
        0
    """
    column, identity = _MACHINES[machine]
    return b"".join(struct.pack("=HBBI", *each) for each in _instructions(column, identity))


def _instructions(column: int, identity: int) -> Iterator[_Instruction]:
    yield (_LOAD, 0, 0, _MACHINE)
    yield (_EQUAL, 1, 0, identity)
    yield (_RETURN, 0, 0, _KILL)
    yield (_LOAD, 0, 0, _NUMBER)
    yield (_AT_LEAST, 0, 1, _X32)
    yield (_RETURN, 0, 0, _ERRNO | _EPERM)
    yield from _without(_OPEN[column], 1, _WRITING)
    yield from _without(_OPENAT[column], 2, _WRITING)
    yield from _without(_PRLIMIT[column], 2)  # a limit may be read; to set one, this points to it
    yield from _without(_SENDTO[column], 4)  # to the other end of a pair; this points to other addresses
    yield from _only(_CLONE[column], (_LOAD, 0, 0, _ARGUMENTS), (_ANY_BIT, 0, 1, _THREAD), _EPERM)
    yield from _only(_IOCTL[column], (_LOAD, 0, 0, _ARGUMENTS + 8), (_EQUAL, 0, 1, _NOT_BLOCKING), _ENOTTY)
    yield (_EQUAL, 0, 1, _CLONE3[column])  # whose flags lie out of reach: clone is asked for instead
    yield (_RETURN, 0, 0, _ERRNO | _ENOSYS)
    for numbers in _ALLOWED.values():
        if (number := numbers[column]) is not None:
            yield (_EQUAL, 0, 1, number)
            yield (_RETURN, 0, 0, _ALLOW)
    yield (_RETURN, 0, 0, _ERRNO | _EPERM)


def _without(number: int | None, argument: int, bits: int | None = None) -> Iterator[_Instruction]:
    """Allow a call if none of these bits is set in an argument; by default, if the argument is 0."""
    if number is None:
        return
    low, high = (0xFFFFFFFF, 0xFFFFFFFF) if bits is None else (bits, 0)
    yield (_EQUAL, 0, 6, number)
    yield (_LOAD, 0, 0, _ARGUMENTS + 8 * argument)
    yield (_ANY_BIT, 2, 0, low)
    yield (_LOAD, 0, 0, _ARGUMENTS + 8 * argument + 4)
    yield (_ANY_BIT, 0, 1, high)
    yield (_RETURN, 0, 0, _ERRNO | _EPERM)
    yield (_RETURN, 0, 0, _ALLOW)


def _only(number: int | None, load: _Instruction, test: _Instruction, error: int) -> Iterator[_Instruction]:
    """Allow a call if a test of an argument holds."""
    assert number is not None
    yield (_EQUAL, 0, 4, number)
    yield load
    yield test
    yield (_RETURN, 0, 0, _ALLOW)
    yield (_RETURN, 0, 0, _ERRNO | error)
