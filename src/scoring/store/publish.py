"""Files appear whole or not at all.

A writer fills a folder under `tmp/`, syncs it, and moves it to its final name; readers find it
only through a manifest, which is replaced in one step. A process that is killed at any point
leaves either the old manifest or the new one, and at most a folder in `tmp/` that nobody reads.
"""

import errno
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scoring.errors import ScoringError, TryLater

FORMAT_VERSION = 1


def sync_dir(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(root: Path) -> None:
    """Bring every file and folder below `root` to the disk."""
    for folder, _, files in os.walk(root):
        for name in files:
            with (Path(folder) / name).open("rb") as handle:
                os.fsync(handle.fileno())
        sync_dir(Path(folder))


@contextmanager
def no_space_is_later() -> Iterator[None]:
    """A full disk is not a bug: say so, and let the caller come back."""
    try:
        yield
    except OSError as error:
        # Beyond the largest file that the system allows is as full as a full disk.
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise TryLater(
                "The disk is full; nothing was published and the previous state stands.",
                "Free some space and run the same command again.",
            ) from error
        raise


@contextmanager
def scratch(tmp: Path, doing: str) -> Iterator[Path]:
    """An empty folder under `tmp` for the block alone; what is left in it goes with it."""
    folder = tmp / f"{doing}-{uuid.uuid4().hex[:8]}"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def new_folder(final: Path, tmp: Path) -> Iterator[Path]:
    """A folder to fill. It is moved to `final` when the block ends well, and removed otherwise.

    Where `final` exists already it is replaced: folders are named by what they hold, so the old
    one is either equal or half-made by an earlier version of the code.
    """
    tmp.mkdir(parents=True, exist_ok=True)
    draft = tmp / f"{final.name}-{uuid.uuid4().hex[:8]}"
    draft.mkdir()
    try:
        with no_space_is_later():
            yield draft
            sync_tree(draft)
            final.parent.mkdir(parents=True, exist_ok=True)
            if final.exists():  # out of the way in one step, so that a kill loses neither
                final.rename(tmp / f"old-{draft.name}")
            draft.rename(final)
            sync_dir(final.parent)
            shutil.rmtree(tmp / f"old-{draft.name}", ignore_errors=True)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def written_aside(path: Path, tmp: Path) -> Iterator[Path]:
    """Where to write what becomes `path` in one step when the block ends well.

    A piece of work that is done twice at once leaves one whole file, and none after its folder
    was published. `tmp` is on the same file system.
    """
    aside = tmp / f"{uuid.uuid4().hex}-{path.name}"
    try:
        yield aside
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.parent / f".{path.name}.{uuid.uuid4().hex[:8]}"
    try:
        with no_space_is_later():
            with draft.open("wb") as handle:
                handle.write(content)
                handle.flush()
                os.fsync(handle.fileno())
            draft.replace(path)
            sync_dir(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    write_bytes(path, text.encode())


def read_json(path: Path) -> Any:
    """The content of a JSON file of the store, or None where there is none."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        return json.loads(text)
    except ValueError:
        raise ScoringError(
            f"{path.name} in the store is not readable as JSON.",
            "It is written whole by this program only: restore it from a backup.",
        ) from None


def read_manifest(path: Path) -> dict[str, Any] | None:
    """A manifest of this format version, or None where there is none yet."""
    manifest = read_json(path)
    if manifest is None:
        return None
    found = manifest.get("format_version")
    if found != FORMAT_VERSION:
        raise ScoringError(
            f"{path.name} has format version {found}, this program reads {FORMAT_VERSION}.",
            "Use the version of lead-scoring that wrote the store, or start a new store.",
        )
    return dict(manifest)


def write_manifest(path: Path, content: dict[str, Any]) -> None:
    write_json(path, {"format_version": FORMAT_VERSION, **content})


def remove_except(parent: Path, keep: set[str]) -> None:
    """Take out the folders of `parent` that no manifest names any more."""
    if not parent.exists():
        return
    for entry in parent.iterdir():
        if entry.name not in keep and entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)


def remove_drafts(tmp: Path) -> None:
    """Take out what runs that were killed left in `tmp`. The caller holds the project's lock.

    What `explain` has there stays, since it works without the lock.
    """
    if not tmp.exists():
        return
    for entry in tmp.iterdir():
        if entry.is_dir() and not entry.name.startswith("explain"):
            shutil.rmtree(entry, ignore_errors=True)
