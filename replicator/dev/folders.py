"""The folders that the stack is given: they are made, and the one with the replicas is taken for one stack alone."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from replicator.dev.cloud_storage.layout import HIDDEN
from replicator.dev.errors import StackError

if sys.platform != "win32":
    import fcntl


def make_folder(folder: Path) -> None:
    """With its parents; one that exists is left as it is. Raises `StackError`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise StackError(f"{folder} cannot be a folder: there is a file at {error.filename}") from error
    except OSError as error:
        raise StackError(f"the folder {folder} cannot be made ({error.strerror})") from error


@contextmanager
def sole_use(replica_root: Path) -> Iterator[None]:
    """Holds a lock on the folder: each of two servers would take its own records of the objects for the only ones.

    The kernel drops the lock with its process, however that ends. Where there are no such locks, nothing is held.
    Raises `StackError`.
    """
    hidden = replica_root / HIDDEN
    make_folder(hidden)
    try:
        lock = (hidden / "lock").open("ab")
    except OSError as error:
        raise StackError(f"{error.filename} cannot be written ({error.strerror})") from error
    with lock:
        if sys.platform != "win32":
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise StackError(
                    f"the folder {replica_root} is in use: "
                    "stop the stack that keeps its replicas there, or name another with --replica-folder"
                ) from error
        yield
