"""Where an object lies in a folder: an ordinary path for people, or a hash for a name that is no path."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath

HIDDEN = ".cloud-storage"  # no bucket's name begins with a dot


def ordinary_path(name: str) -> PurePosixPath | None:
    """The name as a relative path of ordinary files, or None when it is not one on every common system."""
    segments = name.split("/")
    if any(segment in {"", ".", ".."} or len(segment.encode()) > 255 for segment in segments):
        return None
    if any(character in name for character in "\0\\:"):
        return None
    return PurePosixPath(*segments)


def hashed(name: str) -> str:
    """A file name for any object name."""
    return hashlib.sha256(name.encode()).hexdigest()


def may_write(root: Path, relative: PurePosixPath, *, replacing: bool) -> bool:
    """Whether a file can be put at `root/relative` without following, entering or covering anything odd.

    `replacing` says that the file there, if any, is the object's own. The answer comes from the file system,
    because only that knows whether it tells `a` from `A`, or one Unicode form from another. A symbolic link on
    the way could lead out of the root, so none is followed.
    """
    path = root
    for segment in relative.parts[:-1]:
        path /= segment
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            return False
    path /= relative.name
    return not path.is_symlink() and (path.is_file() if replacing else not path.exists())
