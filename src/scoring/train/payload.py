"""A model's native files: JSON, LightGBM's text and their hashes; no pickle, no code.

    model.json                                the logistic member, the blend, the columns
    lightgbm.txt, lightgbm_random_trees.txt   a text for each member of trees
    hashes.json                               SHA-256 of the others

The bytes depend on the model only: keys are sorted, floats are written so that they read back
exactly, and nothing names a machine, a folder or a time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scoring.errors import NoUsableModel

FORMAT_VERSION = 2

MODEL, HASHES = "model.json", "hashes.json"
# File by member; one that a model does not have has no file.
TREES = {"trees": "lightgbm.txt", "random_trees": "lightgbm_random_trees.txt"}


def write(directory: Path, state: dict[str, Any], trees: Mapping[str, str]) -> dict[str, str]:
    """Write the files into `directory` (made if absent); returns SHA-256 by file name.

    `state` must be JSON without NaN; `trees` holds LightGBM's model texts by member (of `TREES`).
    The caller publishes the directory: writing is not atomic across the files.
    """
    directory.mkdir(parents=True, exist_ok=True)
    stated = {"format_version": FORMAT_VERSION, **state, "trees": list(trees)}
    contents = {MODEL: _json(stated)}
    contents |= {TREES[name]: text.encode() for name, text in trees.items()}
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    for name, content in {**contents, HASHES: _json(hashes)}.items():
        (directory / name).write_bytes(content)
    return hashes


def read(directory: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """State, and LightGBM's texts by member in their order, from `directory`.

    Hashes and format version are checked before use. Raises NoUsableModel if a file is absent,
    differs from its recorded hash, or has another format.
    """
    recorded = _parse(HASHES, _bytes(directory, HASHES))
    state = _parse(MODEL, _checked(directory, MODEL, recorded))
    version = state.pop("format_version", None)
    if version != FORMAT_VERSION:
        raise NoUsableModel(
            f"Model format {version!r} cannot be read: this release reads format {FORMAT_VERSION}.",
            hint="Train again, or use the release that wrote the model.",
        )
    members = state.pop("trees")
    return state, {name: _checked(directory, TREES[name], recorded).decode() for name in members}


def _checked(directory: Path, name: str, recorded: dict[str, Any]) -> bytes:
    content = _bytes(directory, name)
    actual = hashlib.sha256(content).hexdigest()
    if actual != recorded.get(name):
        raise NoUsableModel(
            f"Model file {name} does not match its recorded hash: recorded "
            f"{str(recorded.get(name))[:12]}, found {actual[:12]}.",
            hint="Restore the store from a backup, or train again.",
        )
    return content


def _json(value: dict[str, Any]) -> bytes:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, indent=1)
    return (text + "\n").encode()


def _bytes(directory: Path, name: str) -> bytes:
    try:
        return (directory / name).read_bytes()
    except FileNotFoundError:
        raise NoUsableModel(
            f"Model file {name} is missing in {directory}.",
            hint="Restore the model's folder, or train again.",
        ) from None


def _parse(name: str, content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise NoUsableModel(
            f"Model file {name} is not a JSON object.", hint="Restore the file, or train again."
        )
    return value
