"""What processes use: CPU time and memory, of a process and all its descendants, from /proc."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICK = 1 / os.sysconf("SC_CLK_TCK")
KIB = 1024


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that were resident at most, since each process was started: in the process that had most, and in all of
    them, which counts pages that they share more than once."""

    largest: int
    together: int


def cpu_seconds(pid: int) -> float:
    """Of the process and its descendants, those included that have ended and were waited for."""
    return sum(_own_seconds(process) + _ended_seconds(process) for process in tree(pid))


def peak_memory(pid: int) -> Memory:
    return _memory(pid, "VmHWM:")


def memory(pid: int) -> Memory:
    """What is resident now."""
    return _memory(pid, "VmRSS:")


def tree(pid: int) -> Iterator[int]:
    """The process and its descendants that are alive."""
    yield pid
    for task in _tasks(pid):
        try:
            children = (task / "children").read_text().split()
        except FileNotFoundError:
            continue  # a thread that has just ended
        for child in children:
            yield from tree(int(child))


def _tasks(pid: int) -> list[Path]:
    try:
        return list((PROC / str(pid) / "task").iterdir())
    except FileNotFoundError:
        return []


def _own_seconds(pid: int) -> float:
    """To the nanosecond: the kernel's CPU-time clock of another process, as clock_getcpuclockid(3) numbers it."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0  # it has just ended


def _ended_seconds(pid: int) -> float:
    """Its children that were waited for; only in ticks of 10 ms (proc_pid_stat(5), `cutime` and `cstime`)."""
    try:
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[13]) + int(fields[14])) * TICK


def _memory(pid: int, field: str) -> Memory:
    sizes = [size for process in tree(pid) if (size := _size(process, field))]
    return Memory(max(sizes, default=0), sum(sizes))


def _size(pid: int, field: str) -> int:
    try:
        lines = (PROC / str(pid) / "status").read_text().splitlines()
    except FileNotFoundError:
        return 0
    return next((int(line.split()[1]) * KIB for line in lines if line.startswith(field)), 0)
