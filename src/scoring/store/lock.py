"""One run at a time in a project.

The kernel holds the lock (`flock`), so a dead process never leaves it behind; the file's text
names the holder for the one who has to wait.
"""

import fcntl
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scoring.errors import Locked

log = logging.getLogger(__name__)


@contextmanager
def lock(path: Path, doing: str) -> Iterator[None]:
    """Hold the project's lock while the block runs.

    Raises Locked (exit 5) at once if another process holds it, and names that process. A file
    left by a process that died is taken over, which is logged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Locked(
                f"Another run holds the lock of this project ({_holder(handle)}).",
                "Wait until it has ended, then run the same command again.",
            ) from None
        if left := os.pread(handle, 4096, 0):
            log.warning("took over the lock of a run that did not end by itself (%s)", _says(left))
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps({"process": os.getpid(), "doing": doing}).encode(), 0)
        try:
            yield
        finally:
            os.ftruncate(handle, 0)
    finally:
        os.close(handle)


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def _holder(handle: int) -> str:
    return _says(os.pread(handle, 4096, 0))


def _says(text: bytes) -> str:
    try:
        holder = json.loads(text)
        return f"process {holder['process']}, {holder['doing']}"
    except (ValueError, KeyError, TypeError):
        return "process unknown"
