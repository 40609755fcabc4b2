"""How much memory copies may use, where nobody has said so: a share of what this process may use at all."""

from collections.abc import Iterator
from pathlib import Path

MIB = 1024**2

BESIDE = 128 * MIB
"""What the process needs beside its copies; what docs/reliability.md measures under overload stays within it."""

SHARE = 2
"""Of the rest, copies get one part in so many: what the sockets and the threads of a full house hold comes on top."""

MOST = 1024 * MIB
"""More than this would not make anything faster."""

LIMITS = ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes")
"""The container's limit, of either generation of control groups, as it is seen from inside
(https://docs.kernel.org/admin-guide/cgroup-v2.html, https://docs.kernel.org/admin-guide/cgroup-v1/memory.html)."""


def default_budget(least: int, root: Path = Path("/")) -> int:
    """The bytes that copies may use, `least` or more. `root` is where the file system begins."""
    limit = min((*_limits(root), *_physical(root)), default=BESIDE + SHARE * least)
    return max(least, min(MOST, (limit - BESIDE) // SHARE))


def _limits(root: Path) -> Iterator[int]:
    for name in LIMITS:
        if (text := _read(root / name).strip()).isdigit():  # a group without a limit says "max", or a huge number
            yield int(text)


def _physical(root: Path) -> Iterator[int]:
    """A container without a limit of its own may be all that its machine runs."""
    for line in _read(root / "proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            yield int(line.split()[1]) * 1024


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
